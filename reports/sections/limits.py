"""Limitations, each generated from what was measured: gates that fail, slices that are thin, what nobody looked at."""

from __future__ import annotations

from collections.abc import Iterator
from math import inf
from typing import Final

from curation.licences import by_licence, named, stated
from curation.patches.spent import spent_items
from curation.store.looks import looks
from eval.folder import EvalFolder
from eval.lacking import lacking
from eval.odometer import told
from reports.cells import number
from reports.document import Block, Table, Text
from reports.sections.subject import Subject
from reports.tables import evaluation as tables

_FEWEST: Final = 30  # items; below, an interval is too wide and too unsure to choose by
_NAMED: Final = 8


def gates(of: Subject) -> list[Block]:
    """Every gate with its rule and result."""
    if of.comparison is None:
        return []
    rows = [[check.name, check.rule, check.result, check.told] for check in of.comparison.checks]
    return [Table(("gate", "rule", "result", "measured"), rows, caption="Gates. What cannot be told has not passed.")]


def odometer(of: Subject) -> list[Block]:
    """How often test was looked at, since every look wears it out."""
    if of.journal is None or of.version is None or of.store is None:
        return [Text("Looks at test: not known here.", "note")]
    found = looks(of.journal, of.store.lineage(of.version.info)[-1].id)
    if not found:
        return [Text("Test was never looked at in this lineage.", "good")]
    words = told(found)
    return [Text(f"{words[0].upper()}{words[1:]}. Results that are looked at while choosing wear test out.")]


def limitations(of: Subject) -> list[Block]:
    lines = [line for source in (_run, _comparison, _evaluation, _data) for line in source(of)]
    if not lines:
        return [Text("None of what is checked for was found. That is not the same as there being none.")]
    return [Text(f"- {line}", "note") for line in lines]


def _run(of: Subject) -> Iterator[str]:
    if of.state != "done":
        yield f"the run is {of.state}{f': {of.run.detail}' if of.run.detail else ''}"
    if of.run.provenance != "curate":
        yield f"provenance {of.run.provenance}: what it was trained on rests on what it says itself"
    if of.no_version:
        yield of.no_version
    if (of.run.code or {}).get("dirty"):
        yield "the program had changes that no commit holds, so its revision does not say all"


def _comparison(of: Subject) -> Iterator[str]:
    found = of.comparison
    if of.passed_over:
        yield of.passed_over
    if found is None:
        if of.evaluation is not None:
            yield f"not compared: {of.no_comparison}"
        return
    for check in found.checks:
        if not check.passed:
            yield f"gate {check.name} ({check.rule}): {check.result}; {check.told}"
    main = found.primary
    if main.verdict == "cannot tell":
        told = f"; it finds differences from {number(main.detectable)}" if main.detectable > 0 else ""
        told = f"; {main.undetectable}" if main.detectable == inf else told
        yield f"the exam cannot tell on {main.name}{told}"
    if max(main.seeds) == 1 and not (found.a.is_base and found.b.is_base):
        yield "one training seed a side: nothing here is about the data yet; curate train --seeds 3"
    yield from found.notes


def _evaluation(of: Subject) -> Iterator[str]:
    if of.evaluation is None:
        yield of.no_evaluation
        return
    yield from _answers(of.evaluation)
    since = spent_items(of.root) & set(of.evaluation.predictions(["item_id"])["item_id"].to_pylist())
    if since:
        yield (
            f"{len(since):,} items count in this run's own scores though a patch was made from them since; "
            f"curate eval {of.name} asks the others alone"
        )
    table = tables.metrics([of.evaluation], None)
    thin = table[(table["n"] < _FEWEST) & (table["n"] > 0)]
    whole = sorted(set(thin.loc[thin["slice"] == tables.ALL, "split"]))
    if whole:
        yield f"fewer than {_FEWEST} items: {', '.join(whole)}"
    parts = list(dict.fromkeys(f"{row.slice} ({row.n:,})" for row in thin.itertuples() if row.slice != tables.ALL))
    if parts:
        more = f" and {len(parts) - _NAMED:,} more" if len(parts) > _NAMED else ""
        yield f"thin slices, under {_FEWEST} items: {', '.join(parts[:_NAMED])}{more}"
    if not of.evaluation.benchmarks().num_rows:
        yield "no benchmark was run: what was lost elsewhere is not known"
    if of.journal is None or not _people(of):
        yield "no person has judged an output of this run; curate tag"


def _answers(folder: EvalFolder) -> Iterator[str]:
    predictions = folder.predictions(["finish_reason", "clean"]).to_pydict()
    reasons = predictions["finish_reason"]
    cut = reasons.count("length")
    if cut:
        yield f"{cut:,} of {len(reasons):,} outputs were cut at the length limit"
    yield from lacking(folder)
    touched = predictions["clean"].count(False)
    if touched:
        yield f"training touched {touched:,} of {len(reasons):,} items; see the clean scores"
    if folder.run.settings.get("partial"):
        yield "partial: the evaluation was limited to some of the items"


def _people(of: Subject) -> bool:
    from curation.store.tags import tags

    return of.journal is not None and bool(tags(of.journal, of.folder.name, kinds=("person",)))


def _data(of: Subject) -> Iterator[str]:
    if of.version is None:
        return
    split = of.version.stats["split"]
    yield from split.get("warnings") or ()
    crossing = split.get("crossing_fact_edges") or 0
    if crossing:
        yield f"{crossing:,} pairs of near-equal questions that differ in a fact lie across train and a held-out split"
    overlap = split.get("answer_overlap")
    if overlap and overlap["share"] > 0:
        yield f"{overlap['share']:.0%} of the test answers stand word for word in train"
    licences = of.data_licences
    unknown = by_licence(licences).get(None)
    if unknown and stated(licences):
        yield f"nobody has said under which licence {named(unknown)} {'is' if len(unknown) == 1 else 'are'}"
    elif not stated(licences):
        yield "nobody has said under which licence the data is"
