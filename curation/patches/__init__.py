"""Patches: reviewed changes to rows that every build applies, each with its author, reason and the tags behind it."""

from curation.patches.added import with_added
from curation.patches.apply import PATCHES, Patched, PatchPlan, apply_patches, links, summary, with_rows
from curation.patches.entry import Entry, expectation
from curation.patches.files import load_patches, set_aside, write_patch

__all__ = [
    "PATCHES",
    "Entry",
    "PatchPlan",
    "Patched",
    "apply_patches",
    "expectation",
    "links",
    "load_patches",
    "set_aside",
    "summary",
    "with_added",
    "with_rows",
    "write_patch",
]
