"""What is wrong with the outputs: tags and how far people agree on them, slices, how sure the model was, flips."""

from __future__ import annotations

from collections.abc import Sequence

import pandas as pd

from eval.compare.flips import Flip
from eval.folder import EvalFolder
from eval.measuring import slices_of
from reports.cells import number, table
from reports.charts import evaluation as charts
from reports.charts import tags as tag_charts
from reports.document import Block, Code, Figure, Table, Text
from reports.sections.subject import Subject
from reports.sections.words import change
from reports.tables import evaluation as tables
from reports.tables import tags as tag_tables
from reports.tables.tag_shifts import Shift, tag_shifts

_MOST_SLICES = 20
_CHANGED = {"+": "added", "-": "removed", "~": "edited", ">": "moved"}
_ALIKE = 0.2  # of questions; below, two share a word or two and nothing more


def tags(of: Subject) -> list[Block]:
    """Rates by people (of random draws) and by rules (of all outputs), agreement, and slices with an excess."""
    if of.evaluation is None:
        return [Text(f"Not evaluated: {of.no_evaluation}.", "note")]
    predictions = of.evaluation.predictions(["prediction_id", "item_id"]).to_pydict()
    ids = predictions["prediction_id"]
    rates = (
        tag_tables.tag_rates(of.journal, of.folder.name, ids, of.taxonomy, whole_run=True)
        if of.journal is not None
        else pd.DataFrame(columns=tag_tables.RATES)
    )
    said = tag_tables.verdicts(of.journal, of.folder.name, of.taxonomy) if of.journal is not None else pd.DataFrame()
    scales: list[Block] = [table(said, caption="Verdict and rubrics by people, 0 to 1, of random draws alone.")] * (
        not said.empty
    )
    drawn = tag_tables.random_draws(of.journal, of.folder.name, of.taxonomy).told if of.journal is not None else ""
    scales += [Text(drawn[0].upper() + drawn[1:] + ".")] if drawn else []
    if rates.empty and scales:
        return [*moved(of), *scales, *_agreement(of)]
    if rates.empty:
        return [
            *moved(of),
            Text("No tags yet: let rules look (curate autotag), or review outputs (curate tag).", "note"),
        ]
    about = "People: of random draws alone, 95 % Wilson interval. Rules: of all outputs."
    blocks: list[Block] = [table(rates, caption=f"{about} counted: outputs with the tag in all.")]
    if (rates["n"] > 0).any():
        blocks.insert(0, Figure("tags", tag_charts.rates(rates), "Share of the outputs with each tag."))
    return [*moved(of), *blocks, *scales, *_slices(of, of.evaluation, rates, predictions), *_agreement(of)]


def moved(of: Subject) -> list[Block]:
    """Tags by rules on both sides of the comparison, those first that a patch between the versions was made from."""
    found = of.comparison
    if found is None or of.journal is None:
        return []
    shifted = tag_shifts(found, of.journal, of.store, of.root)
    if not shifted.rows:
        return []
    rows = [_shift(row) for row in shifted.rows]
    columns = ("tag by rule", "patch made from it", found.a.label, found.b.label, "difference", "p", "n")
    out = f"; left out: {shifted.touched:,} that a patch was made from" if shifted.touched else ""
    about = (
        "Share of the exam's answers with each tag, items that no patch between the versions was made from"
        f"{out}; p under Holm. The others are beside it: a tag that the change does not touch should have stayed."
    )
    return [Table(columns, rows, frozenset({found.a.label, found.b.label, "p", "n"}), about)]


def _shift(row: Shift) -> list[str]:
    diff = row.diff
    p = "< 0.001" if diff.p_adjusted < 0.001 else f"{diff.p_adjusted:.3f}"
    values = (number(diff.value_a), number(diff.value_b), change(diff), p, f"{diff.n:,}")
    return [row.tag, ", ".join(row.patches) or "-", *values]


def _slices(of: Subject, folder: EvalFolder, rates: pd.DataFrame, predictions: dict[str, list[str]]) -> list[Block]:
    """Where tags by people are more frequent than elsewhere."""
    fields = tables.suite_of(folder).slices
    assert of.journal is not None
    given = tag_tables.drawn_judgements(of.journal, of.folder.name, of.taxonomy)
    if not fields or not given:
        return []
    prediction_of = predictions["prediction_id"]
    values: dict[str, dict[str, str]] = {prediction: {} for prediction in prediction_of}
    for name, places in slices_of(folder, fields).items():
        field, _, value = name.partition("=")
        for place in places.tolist():
            values[prediction_of[place]][field] = value
    here = {prediction: held for prediction, held in given.items() if prediction in values}
    names = sorted(set(rates.loc[rates["kind"] == "person", "tag"]))
    found = tag_tables.slices(here, values, names).head(_MOST_SLICES)
    if found.empty:
        return []
    caption = "Random draws of slices against the rest; p adjusted over all of them (Benjamini-Hochberg)."
    return [
        Figure("slices", tag_charts.heat_map(found), f"Tags by slice; {tag_charts.STARRED}."),
        table(found, caption=caption),
    ]


def _agreement(of: Subject) -> list[Block]:
    assert of.journal is not None
    blocks: list[Block] = []
    found = tag_tables.agreements(of.journal, of.taxonomy, of.folder.name)
    if not found.empty:
        blocks.append(table(found, caption="How far people agree on each tag; 1 is always, 0 what chance gives."))
        weak = sorted(tag_tables.weak(found, of.taxonomy.agreement)["tag"])
        if weak:
            told = f"Agreement under {of.taxonomy.agreement:g}, too unsure to change data by: {', '.join(weak)}."
            blocks.append(Text(told, "bad"))
    pairs = tag_tables.pairs(of.journal, of.taxonomy, of.folder.name)
    if not pairs.empty:
        blocks.append(table(pairs, caption="Two people, the same tags on the same output: share of the outputs."))
    steady = tag_tables.steadiness(of.journal, of.taxonomy)
    if not steady.empty:
        blocks.append(table(steady, caption="The same person on an output seen twice, unsaid, in all runs."))
    judges = tag_tables.judges(of.journal, of.taxonomy, of.folder.name)
    if not judges.empty:
        blocks.append(table(judges, caption="Models that judge, beside people; they count in no rate."))
    return blocks


def confidence(of: Subject) -> list[Block]:
    """How sure the model was, beside whether it was right."""
    if of.evaluation is None:
        return [Text(f"Not evaluated: {of.no_evaluation}.", "note")]
    folder = of.evaluation
    metric = next(iter(tables.right_by(folder)), "")
    sure = tables.confidence(folder, metric)
    if sure.empty:
        return [Text("No output has both log-probabilities and a verdict, so its confidence says nothing.", "note")]
    right = "as people judged" if folder.verdicts() else f"{metric} of at least 0.5"
    about = f"Right: {right}. Confidence: geometric mean probability of an output's tokens."
    bins = tables.reliability(sure)
    coverage = tables.risk_coverage(sure)
    return [
        Text(f"{about} {len(sure):,} outputs, {int(sure['right'].sum()):,} of them right."),
        Figure("confidence", charts.confidence(sure), "Outputs by confidence, right and wrong."),
        Figure("reliability", charts.reliability(bins), "Share right in each tenth of the outputs, surest last."),
        table(bins, caption="The same in numbers: mean confidence and share right."),
        Figure("risk", charts.risk_coverage(coverage), "Share wrong when only the surest outputs are kept."),
    ]


def flips(of: Subject) -> list[Block]:
    """The items that changed most, with what both sides said."""
    found = of.comparison
    if found is None:
        return [Text(f"Not compared: {of.no_comparison}.", "note")]
    if not found.flips:
        return [Text(f"No item changed on {found.primary.name}.")]
    blocks: list[Block] = [
        Text(f"The {len(found.flips):,} items whose {found.primary.name} changed most; of several seeds the first's."),
        Text("A row that is near an item asks alike; nobody has shown that it made the difference."),
    ]
    for flip in found.flips:
        blocks += _flip(flip, *(side.models[0].name for side in (found.a, found.b)))
    return blocks


def _flip(flip: Flip, a: str, b: str) -> Sequence[Block]:
    way = {None: "changed", True: "better", False: "worse"}[flip.better]
    head = f"{number(flip.value_a)} -> {number(flip.value_b)}, {way} · item {flip.item_id}"
    blocks: list[Block] = [
        Text(head, {None: "plain", True: "good", False: "bad"}[flip.better]),  # type: ignore[arg-type]
        Code(flip.question, "question"),
        Code(flip.reference or "(none)", "reference"),
        Code("(no output)" if flip.output_a is None else flip.output_a, a),
        Code("(no output)" if flip.output_b is None else flip.output_b, b),
    ]
    if flip.near is not None and flip.near.similarity >= _ALIKE:
        row = flip.near.row
        place = f"{row.source}:{row.line}" if row.source else row.row_id[:8]
        what = f"nearest changed row ({_CHANGED[row.sign]})" if row.sign else "nearest row of train"
        label = f"{what}: {place}, {flip.near.similarity:.2f} alike"
        blocks.append(Code(f"{row.prompt}\n-> {row.answer}", label))
    return blocks
