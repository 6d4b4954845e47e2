"""English words that any exam question may hold: they say how something is asked, not what."""

from __future__ import annotations

from typing import Final

FRAME_WORDS: Final = (
    "a an the this that these those it its they them their there he she his her we you your i my me us our "
    "of in on at to from by for with without into as than about between during after before when while if because so "
    "and or but not no nor only also "
    "is are was were be been being am do does did done has have had can could will would shall should may might must "
    "what which who whom whose where why how "
    "following statement statements question questions answer answers option options choice choices example examples "
    "best most likely least correct incorrect true false describe describes described explain explains explained "
    "explanation reason reasons identify give name list find choose select one ones two each other another some any "
    "all both many much more less"
)
