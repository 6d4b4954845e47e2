"""How often test was looked at: every look wears it out, for each one lets a choice be made with it in sight."""

from __future__ import annotations

from pathlib import Path

from curation.source import Source
from curation.store.journal import open_journal
from curation.store.looks import Look, add_look, looks
from eval.exam import Exam


def lineage_of(source: Source) -> str:
    """The id that all versions share which grew out of one another; of a pack that of its own version."""
    if source.kind == "pack":
        return source.version_id
    from curation.store import open_store
    from curation.workspace import open_workspace

    store = open_store(open_workspace(source.place).store_path)
    return store.lineage(store.resolve(source.version_id))[-1].id


def count_looks(journal: Path, source: Source, exam: Exam, evaluation: str) -> list[Look]:
    """Write down that a model's answers to test were looked at (its base's beside them are no choice); gives every
    look at it so far."""
    lineage = lineage_of(source)
    with open_journal(journal) as book:
        add_look(book, lineage, source.version_id, evaluation, exam.items)
        return looks(book, lineage)


def told(found: list[Look]) -> str:
    """For people: look 3 at this test, after 2 of experiment_001."""
    counts: dict[str, int] = {}
    for look in found[:-1]:
        name = look.run.split("/")[0]
        counts[name] = counts.get(name, 0) + 1
    before = ", ".join(f"{count} of {name}" for name, count in sorted(counts.items()))
    return f"look {len(found)} at this test" + (f", after {before}" if before else ", the first")
