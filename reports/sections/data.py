"""The data: what came in, what was dropped and why, the proof that nothing leaks, conflicts, languages, lengths."""

from __future__ import annotations

from dataclasses import replace

import pandas as pd

from curation.library import Version
from eval.compare.changed_rows import DataDiff
from reports import address
from reports.cells import table
from reports.charts import data as charts
from reports.document import Block, Code, Figure, Table, Text
from reports.sections.subject import Subject
from reports.tables import data as tables

_WHYS = 20  # lines of the diff


def changed(of: Subject) -> list[Block]:
    """What differs between the data of the two sides."""
    found = of.comparison.data if of.comparison else None
    if found is None:
        return []
    if found.same:
        return [Text(f"{found.old} -> {found.new}: the same rows.")]
    told = ", ".join(f"{count:,} {what}" for what, count in found.train.items() if count) or "nothing"
    whole = ", ".join(f"{count:,} {what}" for what, count in found.counts.items() if count)
    return [
        Text(f"{found.old} -> {found.new}: in train {told}; in all {whole}."),
        _whys(found),
        Code(f"curate diff {found.old} {found.new}"),
    ]


def version(of: Subject) -> list[Block]:
    if of.version is None:
        return [Text(f"{of.no_version or 'No data: this is the base model'}.", "note")]
    found = of.version
    blocks: list[Block] = [
        Text(f"Version {found.name}, id {found.info.short_id}, built {found.info.created[:10]}. {found.info.message}"),
        _counted(tables.splits(found), found, ("split",), "Rows, and clusters of near-equal questions, by split."),
        table(tables.sources(found), caption="What came in, and what became of it."),
    ]
    reasons = tables.reasons(found)
    if not reasons.empty:
        blocks += [
            _counted(reasons, found, ("stage", "reason"), "Why rows were quarantined, dropped or flagged, by stage."),
            Figure("reasons", charts.reasons(reasons), "Why rows were quarantined, dropped or flagged."),
        ]
    return [*blocks, *leaks(found), *_conflicts(found), *_texts(found)]


def _counted(frame: pd.DataFrame, found: Version, what: tuple[str, ...], caption: str) -> Table:
    """A table of counts of the version, each with the name that `curate trace` knows it by."""
    column = list(frame.columns).index("rows")
    names = [[str(row[key]).replace(" ", "_") for key in what] for row in frame.to_dict("records")]
    addresses = {(at, column): address.of_count(found.name, *name) for at, name in enumerate(names)}
    return replace(table(frame, caption=caption), addresses=addresses)


def leaks(found: Version) -> list[Block]:
    """The proof that no test question has a twin in train, and what would show the contrary."""
    split = found.stats["split"]
    lines: list[Block] = [Text(tables.leak_sentence(found))]
    overlap = split.get("answer_overlap")
    if overlap and overlap["answers"]:
        recall = ", so a high score there is partly recall" if overlap["share"] else ""
        told = f"{overlap['share']:.0%} of the {overlap['answers']:,} test answers stand word for word in train"
        lines.append(Text(f"{told} under another question{recall}."))
    held = found.table("contamination").num_rows if "contamination" in found.info.segments else 0
    sets = ", ".join(one["name"] for one in found.stats.get("evaluation_sets") or ())
    if sets:
        lines.append(Text(f"Looked for in the data: {sets}; {held:,} matches, see curate stats {found.name}."))
    return [*lines, Code(f"curate verify {found.name}", "Checks this again, by brute force with code of its own:")]


def _conflicts(found: Version) -> list[Block]:
    counts = {"dropped": 0, "flagged": 0, "alternative": 0}
    for stage in found.stats["stages"]:
        counts["dropped"] += stage["reasons"].get("conflict", 0)
        counts["flagged"] += stage["flags"].get("conflict", 0)
        counts["alternative"] += stage["flags"].get("alternative_answers", 0)
    if not any(counts.values()):
        return [Text("Conflicts: no two rows that ask the same contradict each other.")]
    return [
        Text(
            f"Conflicts: {counts['flagged']:,} rows that contradict another were kept and {counts['dropped']:,} "
            f"dropped; {counts['alternative']:,} more answer the same question otherwise, and both may be right.",
            "note" if counts["flagged"] else "plain",
        )
    ]


def _texts(found: Version) -> list[Block]:
    blocks: list[Block] = []
    languages = tables.languages(found)
    if not languages.empty:
        shown = table(languages.head(12), caption="Language of the answers.")
        blocks.append(shown)
        if len(languages) > 1:
            blocks.append(Figure("languages", charts.languages(languages), "Rows by language of the answer."))
    blocks.append(Figure("lengths", charts.lengths(tables.lengths(found)), "How long prompts and answers are."))
    return blocks


def _whys(found: DataDiff) -> Table:
    rows = [
        [
            line["change"],
            line["why"],
            line["stage"] or "-",
            (line["reason"] or "-").replace("_", " "),
            f"{line['rows']:,}",
        ]
        for line in found.whys[:_WHYS]
    ]
    columns = ("change", "why", "stage", "reason", "rows")
    return Table(columns, rows, frozenset({"rows"}), "Rows that differ, and why.")
