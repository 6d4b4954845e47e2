"""Words that say little about what a short answer states, in English, German and Romanian."""

from __future__ import annotations

from typing import Final

STOP_WORDS: Final = frozenset(
    " ".join(
        (
            "a an the and or but if of to in on at by for from with as into than then that this these those it its is",
            "are was were be been being am do does did have has had will would can could may might shall should must",
            "i you he she they we me him her them us my your his their our who whom which what when where why how",
            "there here so such very also just only too up out over under about again more most some any each other",
            "s t d ll re ve yes no not answer means mean called",
            "der die das den dem des ein eine einen einem einer und oder aber ist sind war waren von zu zur zum im in",
            "am an auf für mit bei aus dass es er sie wir ihr ich nicht auch nur sehr so wie als",
            "un o și si sau dar este e sunt era erau de la din pe cu pentru prin în că ca să se al ale a nu mai",
        )
    ).split()
)
