"""Every number of a report, computed again from stored answers by code that shares nothing with what computed it."""

from __future__ import annotations

import json
import math
import re
import sqlite3
from collections import Counter, defaultdict
from collections.abc import Mapping
from statistics import fmean, pstdev
from typing import Any

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest

pytest.importorskip("altair")

from curation.runs import run_place
from curation.store.journal import open_journal
from curation.store.looks import add_look
from curation.workspace import Workspace
from reports.charts import evaluation as charts
from reports.document import Block, Document, Figure, Table, Text
from reports.report import document, sections_alone
from reports.sections.subject import Subject, subject
from reports.sections.training import thinned
from tests.compared import row
from tests.reported import reported

Rows = list[dict[str, Any]]


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    return reported(tmp_path_factory.mktemp("report") / "work")


@pytest.fixture(scope="module")
def of(made: Workspace) -> Subject:
    return subject(made, made.root, [])


@pytest.fixture(scope="module")
def page(of: Subject) -> Document:
    return document(of)


def tables(page: Document, section: str) -> list[Table]:
    found = next(one for one in page.sections if one.title == section)
    return [block for block in found.blocks if isinstance(block, Table)]


def said(page: Document, section: str) -> str:
    found = next(one for one in page.sections if one.title == section)
    return "\n".join(block.text for block in found.blocks if isinstance(block, Text))


def read(made: Workspace, run: str, name: str = "predictions") -> Rows:
    rows: Rows = pq.read_table(made.root / "experiments" / run / "eval-1" / f"{name}.parquet").to_pylist()
    return rows


def f1(output: str, reference: str) -> float:
    one, two = (Counter(re.findall(r"\w+", text.lower())) for text in (output, reference))
    shared = sum((one & two).values())
    return float(2 * shared / (one.total() + two.total())) if one.total() + two.total() else 1.0


def values(rows: Rows) -> dict[str, list[float]]:
    return {
        "token_f1": [f1(row["output"], row["reference"]) for row in rows],
        "exact_match": [float(row["output"].strip() == row["reference"].strip()) for row in rows],
    }


def corpus(rows: Rows) -> dict[str, float]:
    nll, tokens, chars = (sum(row[f"reference_{name}"] for row in rows) for name in ("nll", "tokens", "chars"))
    likely = {"perplexity": math.exp(nll / tokens), "bits_per_char": nll / math.log(2) / chars}
    return {name: fmean(each) for name, each in values(rows).items()} | likely


def spread(rows: Rows, metric: str) -> float:
    """Standard error of the metric over items: of a ratio by the delta method (each item a cluster of its own)."""
    if metric in ("token_f1", "exact_match"):
        each = values(rows)[metric]
        return pstdev(each) / math.sqrt(len(each))
    below = "reference_tokens" if metric == "perplexity" else "reference_chars"
    top, bottom = [row["reference_nll"] for row in rows], [row[below] for row in rows]
    ratio = sum(top) / sum(bottom)
    error = pstdev([t - ratio * b for t, b in zip(top, bottom, strict=True)]) / fmean(bottom) / math.sqrt(len(rows))
    return float(error * math.exp(ratio) if metric == "perplexity" else error / math.log(2))


def shown(value: float) -> str:
    return f"{value:.3f}"


def parsed(cell: str) -> tuple[str, float, float]:
    """0.741 [0.675, 0.803]."""
    found = re.match(r"([-+\d.]+) \[([-+\d.]+), ([-+\d.]+)\]", cell)
    assert found, cell
    return found[1], float(found[2]), float(found[3])


def check_interval(cell: str, value: float, error: float) -> None:
    """As wide as a normal interval, but for skewness and the noise of resampling."""
    text, low, high = parsed(cell)
    assert text.lstrip("+") == shown(value)
    assert low - 0.0005 <= value <= high + 0.0005
    assert (high - low) / 2 == pytest.approx(1.96 * error, rel=0.2, abs=0.002)


def test_scores_are_those_of_the_stored_answers(made: Workspace, page: Document) -> None:
    table, slices = tables(page, "Scores")
    runs = [column.split("/")[0] for column in table.columns[2:]]
    assert runs == ["experiment_001", "experiment_004", "experiment_005"]
    expected = {run: corpus(read(made, run)) for run in runs}
    seen = set()
    for split, metric, *cells in table.rows:
        for run, cell in zip(runs, cells, strict=True):
            rows = read(made, run)
            if split == "validation":
                check_interval(cell, expected[run][metric], spread(rows, metric))
                assert cell.endswith(f"({len(rows):,})")
            else:
                lines = read(made, run, "benchmarks")
                check_benchmark(cell, lines, metric)
                assert cell.endswith("(400)")
        seen.add((split, metric))
    of_arc = {("arc-easy", metric) for metric in ("acc", "acc_norm", "ece", "brier")}
    assert seen == {("validation", metric) for metric in expected["experiment_001"]} | of_arc
    check_slices(made, slices)


def check_benchmark(cell: str, lines: Rows, metric: str) -> None:
    if metric in ("acc", "acc_norm"):
        each = [line[metric] for line in lines]
        check_interval(cell, fmean(each), pstdev(each) / math.sqrt(len(each)))
        return
    sure: dict[int, list[tuple[float, bool]]] = defaultdict(list)
    squares = []
    for line in lines:
        weights = [math.exp(value) for value in line["logliks"]]
        shares = [weight / sum(weights) for weight in weights]
        sure[math.ceil(max(shares) * 15)].append((max(shares), shares.index(max(shares)) == line["gold"]))
        squares.append(sum((share - (at == line["gold"])) ** 2 for at, share in enumerate(shares)))
    ece = sum(abs(sum(p - right for p, right in part)) for part in sure.values()) / len(lines)
    assert cell.split(" ")[0] == shown(ece if metric == "ece" else fmean(squares))


def check_slices(made: Workspace, table: Table) -> None:
    topics = {row["item_id"]: json.loads(row["meta"])["topic"] for row in read(made, "experiment_005", "items")}
    rows = read(made, "experiment_005")
    for name, metric, cell, n in table.rows:
        if name == "clean":  # of the benchmark: nothing was touched, so all of it
            assert n == "400"
            continue
        here = [row for row in rows if f"topic={topics[row['item_id']]}" == name]
        check_interval(cell, corpus(here)[metric], spread(here, metric))
        assert int(n) == len(here)
    assert len(table.rows) == 2 * 4 + 4


def test_the_verdict_is_that_of_the_stored_answers(made: Workspace, page: Document) -> None:
    table, gates = tables(page, "Verdict by metric")
    base, one, two = (read(made, f"experiment_00{n}") for n in (1, 4, 5))
    topics = {row["item_id"]: json.loads(row["meta"])["topic"] for row in read(made, "experiment_005", "items")}
    for what, a, b, change, p, n, _, verdict in table.rows:
        name, _, part = what.partition(", ")
        if name == "arc-easy":
            sides = [[line[part] for line in read(made, f"experiment_00{k}", "benchmarks")] for k in (1, 4, 5)]
            before, after, count = fmean(sides[0]), fmean([*sides[1], *sides[2]]), 400
        else:
            kept = [
                [row for row in rows if not part or topics[row["item_id"]] == part[-1]] for rows in (base, one, two)
            ]
            before, count = corpus(kept[0])[name], len(kept[0])
            after = fmean(corpus(rows)[name] for rows in kept[1:])
        text, low, high = parsed(change)
        assert (a, b, int(n)) == (shown(before), shown(after), count), what
        assert text == f"{after - before:+.3f}", what
        assert low <= after - before <= high
        assert verdict == words(name, low, high, p)
    main = table.rows[0]
    assert main[0] == "token_f1"
    check_gates(gates, parsed(main[3]), parsed(table.rows[1][3]))
    told = f"{main[1]} -> {main[2]}, {main[3]}, p < 0.001, {main[5]} items."
    assert page.summary[0].text == f"v2 (2 seeds) is better than base on token_f1: {told}"


def words(metric: str, low: float, high: float, p: str) -> str:
    """The rule in docs: inside the margin is the same; else significant and on one side of nothing."""
    margin = {"token_f1": 0.05, "arc-easy": 0.02}.get(metric, 0.0)
    if margin and -margin < low and high < margin:
        return "same within the margin"
    if low <= 0 <= high or not (p == "< 0.001" or float(p) <= 0.05):
        return "cannot tell"
    lower_is_better = metric in ("perplexity", "bits_per_char")
    return "better" if (low > 0) != lower_is_better else "worse"


def check_gates(table: Table, main: tuple[str, float, float], arc: tuple[str, float, float]) -> None:
    for (name, rule, result, told), (_, low, high), margin in zip(table.rows, (main, arc), (0.05, 0.02), strict=True):
        assert rule == f"loses less than {margin:g}"
        assert result == ("passed" if low > -margin else "failed" if high < -margin else "cannot tell"), name
        found = [float(text) for text in re.findall(r"[-+][\d.]+", told)]
        assert found[1:] == pytest.approx([low, high], abs=0.0006)


def test_the_interval_over_items_and_seeds_is_at_least_that_over_items(made: Workspace, page: Document) -> None:
    change = tables(page, "Verdict by metric")[0].rows[0][3]
    base, one, two = (values(read(made, f"experiment_00{n}"))["token_f1"] for n in (1, 4, 5))
    gains = [(x + y) / 2 - z for x, y, z in zip(one, two, base, strict=True)]
    _, low, high = parsed(change)
    alone = 1.96 * pstdev(gains) / math.sqrt(len(gains))
    assert 0.98 * alone <= (high - low) / 2 <= 1.6 * alone


def test_single_runs_of_the_trade_off_are_paired_differences(made: Workspace, page: Document) -> None:
    (table,) = tables(page, "Trade-off")
    base = values(read(made, "experiment_001"))["token_f1"]
    arc = [line["acc_norm"] for line in read(made, "experiment_001", "benchmarks")]
    assert [row[:3] for row in table.rows] == [["experiment_004", "v2", "1"], ["experiment_005", "v2", "2"]]
    for run, _, _, domain, elsewhere in table.rows:
        gains = [x - y for x, y in zip(values(read(made, run))["token_f1"], base, strict=True)]
        check_interval(domain, fmean(gains), pstdev(gains) / math.sqrt(len(gains)))
        lines = [line["acc_norm"] for line in read(made, run, "benchmarks")]
        lost = [x - y for x, y in zip(lines, arc, strict=True)]
        text, low, high = parsed(elsewhere)
        assert text == f"{fmean(lost):+.3f}"
        assert (high - low) / 2 == pytest.approx(1.96 * pstdev(lost) / 20, rel=0.35)


def journal(made: Workspace) -> Rows:
    con = sqlite3.connect(run_place(made).journal)
    con.row_factory = sqlite3.Row
    return [dict(row) for row in con.execute("select * from tags where run = 'experiment_005' and undoes = ''")]


def wilson(hits: int, n: int) -> tuple[float, float]:
    z, share = 1.959964, hits / n
    middle, half = share + z * z / 2 / n, z * math.sqrt(share * (1 - share) / n + z * z / 4 / n / n)
    return (middle - half) / (1 + z * z / n), (middle + half) / (1 + z * z / n)


def test_tags_are_those_of_the_journal(made: Workspace, page: Document) -> None:
    rates, slices, agreement, pairs = tables(page, "Errors and tags")
    events = journal(made)
    people: dict[str, dict[str, str]] = defaultdict(dict)
    for event in events:
        if event["kind"] == "person":
            people[event["prediction_id"]][event["author"]] = event["tag"]
    by_rule = {event["prediction_id"] for event in events if event["kind"] == "rule"}
    wrong = {name for name, by in people.items() if list(by.values()).count("hallucination") * 2 >= len(by)}
    whole = len(read(made, "experiment_005"))
    expected = [
        line("low overlap", "rule", len(by_rule), whole),
        line("hallucination", "person", len(wrong), len(people)),
    ]
    assert rates.rows == expected
    check_tag_slices(made, slices, people, wrong)
    same = [len(set(by.values())) == 1 for by in people.values()]
    assert pairs.rows == [["ana", "bo", str(len(people)), shown(fmean(same))]]
    given = [tag == "hallucination" for by in people.values() for tag in by.values()]
    chance = 1 - 2 * sum(given) * (len(given) - sum(given)) / len(given) / (len(given) - 1)
    alpha = 1 - (1 - fmean(same)) / (1 - chance)
    assert agreement.rows[0][:3] == ["hallucination", "alpha_nominal", shown(alpha)]


def line(tag: str, kind: str, hits: int, n: int) -> list[str]:
    return [tag, kind, str(hits), str(n), *map(shown, (hits / n, *wilson(hits, n))), str(hits)]


def check_tag_slices(made: Workspace, table: Table, people: Mapping[str, Any], wrong: set[str]) -> None:
    topics = {row["item_id"]: json.loads(row["meta"])["topic"] for row in read(made, "experiment_005", "items")}
    of = {row["prediction_id"]: topics[row["item_id"]] for row in read(made, "experiment_005")}
    for tag, field, value, *cells in table.rows:
        inside = {name for name in people if of[name] == value}
        counts = [len(wrong & inside), len(inside), len(wrong - inside), len(people) - len(inside)]
        low, high = cells.pop(2), cells.pop(2)
        assert [low, high] == [shown(bound) for bound in wilson(counts[0], counts[1])]
        assert (tag, field, list(map(int, cells[:4]))) == ("hallucination", "topic", counts)
        ways = math.comb(len(people), len(wrong))
        tail = sum(
            math.comb(counts[1], k) * math.comb(counts[3], len(wrong) - k)
            for k in range(counts[0], min(counts[1], len(wrong)) + 1)
        )
        assert cells[4] == shown(tail / ways)


def test_confidence_is_that_of_the_stored_log_probabilities(made: Workspace, page: Document) -> None:
    (bins,) = tables(page, "Confidence")
    rows = read(made, "experiment_005")
    pairs = sorted((math.exp(row["logprob_mean"]), row["output"] == row["reference"]) for row in rows)
    right = sum(good for _, good in pairs)
    assert f"{len(pairs)} outputs, {right} of them right" in said(page, "Confidence")
    start = 0
    for confidence, share, n in bins.rows:
        part = pairs[start : start + int(n)]
        assert (confidence, share) == (shown(fmean(c for c, _ in part)), shown(fmean(good for _, good in part)))
        start += int(n)
    assert start == len(pairs)


def test_flips_are_the_items_that_changed_most(made: Workspace, of: Subject) -> None:
    assert of.comparison is not None
    base, one, two = (read(made, f"experiment_00{n}") for n in (1, 4, 5))
    scores = [values(rows)["token_f1"] for rows in (base, one, two)]
    gains = {row["item_id"]: (x + y) / 2 - z for row, z, x, y in zip(base, *scores, strict=True)}
    expected = sorted(gains, key=lambda item: (-abs(gains[item]), item))[: len(of.comparison.flips)]
    assert [flip.item_id for flip in of.comparison.flips] == expected
    outputs = {row["item_id"]: row["output"] for row in one}
    assert [flip.output_b for flip in of.comparison.flips] == [outputs[item] for item in expected]


def test_the_data_is_that_of_the_files(made: Workspace, page: Document) -> None:
    splits, sources, *_ = tables(page, "Data")
    lines = (made.root / "raw" / "rows.jsonl").read_text().splitlines()
    assert sources.rows[0][2:4] == [f"{len(lines):,}"] * 2
    assert sum(int(rows.replace(",", "")) for _, rows, _ in splits.rows) == len(lines)
    validation = next(rows for split, rows, _ in splits.rows if split == "validation")
    assert int(validation) == len(read(made, "experiment_005"))


def test_what_is_made_before_the_comparison_is_what_is_made_after_it(made: Workspace, page: Document) -> None:
    early: dict[str, list[Block]] = {}
    drawn: list[str] = []
    of = subject(
        made,
        made.root,
        [],
        alone=lambda one: early.update(sections_alone(one, lambda figure: drawn.append(figure.name))),
    )
    late = {section.title: section.blocks for section in page.sections}
    assert {"lengths", "confidence", "reliability", "risk"} <= set(drawn)
    for name, blocks in early.items():
        for one, two in zip(blocks, late[name], strict=True):
            assert (
                (one.chart.to_dict() == two.chart.to_dict())
                if isinstance(one, Figure) and isinstance(two, Figure)
                else one == two
            )
    again: list[str] = []
    whole = document(of, lambda figure: again.append(figure.name), early)
    assert [section.title for section in whole.sections] == [section.title for section in page.sections]
    assert sorted([*drawn, *again]) == sorted(figure.name for figure in page.figures())


def test_every_chart_holds_the_numbers_of_its_table(made: Workspace, page: Document) -> None:
    figures = {figure.name: figure.chart.to_dict() for figure in page.figures()}
    assert set(figures) >= {"metrics", "trade-off", "tags", "confidence", "reliability", "risk", "lengths", "loss"}
    (drawn,) = figures["confidence"]["datasets"].values()
    assert sum(line["outputs"] for line in drawn) == len(read(made, "experiment_005"))
    (risk,) = figures["risk"]["datasets"].values()
    rows = read(made, "experiment_005")
    assert risk[-1]["risk"] == pytest.approx(fmean(row["output"] != row["reference"] for row in rows))


def test_limits_say_what_was_measured(page: Document, of: Subject) -> None:
    assert isinstance(next(block for block in page.figures()), Figure)
    assert of.comparison is not None
    text = said(page, "Limitations")
    for check in of.comparison.checks:
        assert (f"gate {check.name}" in text) != check.passed


def test_curves_are_those_of_the_journal(made: Workspace, page: Document) -> None:
    con = sqlite3.connect(run_place(made).journal)
    logged = con.execute("select run, name, step, value from metrics where run in ('experiment_004', 'experiment_005')")
    figure = next(figure for figure in page.figures() if figure.name == "loss")
    (drawn,) = figure.chart.to_dict()["datasets"].values()
    assert {(p["run"], p["metric"], p["step"], p["value"]) for p in drawn} == set(logged)
    (table,) = tables(page, "Training")
    assert [row[:4] for row in table.rows] == [
        ["experiment_004", "v2", "1", "1.500"],
        ["experiment_005", "v2", "2", "1.500"],
    ]


def test_a_long_curve_is_thinned_and_keeps_its_end() -> None:
    table = pd.DataFrame({"run": "r", "metric": "train_loss", "step": range(5001), "value": 1.0})
    kept = thinned(table)
    assert 300 <= len(kept) <= 600
    assert kept["step"].iloc[-1] == 5000
    assert kept["step"].is_monotonic_increasing


def test_what_changed_in_the_data_is_what_the_files_say(made: Workspace) -> None:
    of = subject(made, made.root, ["002,003", "004,005"])
    found = document(of)
    text = said(found, "What changed in the data")
    old, new = ({json.loads(one)["id"] for one in lines} for lines in (row_lines(range(300)), row_lines(range(5, 360))))
    assert text.endswith(f"in all {len(new - old)} added, {len(old - new)} removed.")
    (table,) = tables(found, "What changed in the data")
    assert sum(int(row[-1]) for row in table.rows) == len(old ^ new)


def row_lines(numbers: range) -> list[str]:
    return [json.dumps(row(number)) for number in numbers]


@pytest.mark.parametrize("rows", [1, 12_000])
def test_charts_take_any_number_of_outputs(rows: int) -> None:
    """Altair refuses tables of over 5,000 rows."""
    rng = np.random.default_rng(0)
    sure = pd.DataFrame({"item_id": "x", "confidence": rng.random(rows), "right": rng.integers(0, 2, rows)})
    (drawn,) = charts.confidence(sure).to_dict()["datasets"].values()
    assert sum(line["outputs"] for line in drawn) == rows
    coverage = pd.DataFrame({"coverage": np.linspace(0, 1, rows), "risk": 0.5})
    assert charts.risk_coverage(coverage).to_dict()


def test_looks_at_test_are_counted(made: Workspace) -> None:
    of = subject(made, made.root, [])
    assert of.version is not None
    assert of.store is not None
    assert said(document(of), "Looks at test") == "Test was never looked at in this lineage."
    first = of.store.lineage(of.version.info)[-1].id
    with open_journal(run_place(made).journal) as book:
        for run in ("experiment_004", "experiment_005"):
            add_look(book, first, of.version.id, run, 36)
    assert said(document(of), "Looks at test").startswith("Look 2 at this test, after 1 of experiment_004.")
