"""The numbers of a report that tests/test_report_numbers.py leaves: p, what could be shown, reasons, lengths, more."""

from __future__ import annotations

import json
import math
from collections import Counter
from pathlib import Path
from statistics import NormalDist, fmean, pstdev

import pyarrow.parquet as pq
import pytest

pytest.importorskip("altair")

from curation.workspace import Workspace
from reports.document import Document
from reports.report import document
from reports.sections.subject import subject
from tests.compared import build, row, run_of
from tests.lineage_workspace import workspace
from tests.reported import RATIOS, reported
from tests.test_report_numbers import read, shown, tables, values

_EDGES = (0, 50, 100, 200, 400, 800, 1600, 3200, 6400, 12800)


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    return reported(tmp_path_factory.mktemp("rest") / "work", seeds=1)


@pytest.fixture(scope="module")
def page(made: Workspace) -> Document:
    return document(subject(made, made.root, []))


def gains(made: Workspace, metric: str) -> list[float]:
    base, run = (values(read(made, f"experiment_00{number}"))[metric] for number in (1, 3))
    return [after - before for before, after in zip(base, run, strict=True)]


def test_p_and_what_the_exam_could_show_follow_from_the_gains(made: Workspace, page: Document) -> None:
    rows = {row[0]: row for row in tables(page, "Verdict by metric")[0].rows}
    for metric in ("token_f1", "exact_match"):
        told = gains(made, metric)
        error = pstdev(told) / math.sqrt(len(told))
        assert rows[metric][4] == "< 0.001"
        assert 2 * NormalDist().cdf(-abs(fmean(told) / error)) < 0.001
        could = float(rows[metric][6])
        assert 2.6 * error - 0.002 <= could <= 4.2 * error + 0.002  # 80 % power: 1.96 + 0.84 errors, and what both vary


def test_p_of_right_and_wrong_is_mid_p_of_the_discordant_pairs(made: Workspace, page: Document) -> None:
    rows = {row[0]: row for row in tables(page, "Verdict by metric")[0].rows}
    base, run = ([line["acc_norm"] for line in read(made, f"experiment_00{n}", "benchmarks")] for n in (1, 3))
    won = sum(after > before for before, after in zip(base, run, strict=True))
    lost = sum(after < before for before, after in zip(base, run, strict=True))
    few, n = min(won, lost), won + lost
    ways = [math.comb(n, k) / 2**n for k in range(few + 1)]
    alone = 1.0 if won == lost else min(1.0, 2 * sum(ways) - ways[-1])
    told = rows["arc-easy, acc_norm"][4]
    shown_p = 0.0 if told.startswith("<") else float(told)
    assert shown_p >= round(alone, 3)  # Holm only raises it
    if n:
        assert shown_p <= min(1.0, 8 * alone) + 0.0006  # of at most seven others


def test_reasons_are_those_of_the_ledger_and_the_flags(tmp_path: Path) -> None:
    here = workspace(tmp_path / "work", [*map(row, range(60)), row(1), row(2), row(3, completion="")], split=RATIOS)
    with (here.root / "raw" / "rows.jsonl").open("a", encoding="utf-8") as lines:
        lines.write('{"prompt": \n[1]\n')
    build(here)
    run_of(here)
    segments = here.store_path / "segments"
    ledger, flags = (
        pq.read_table(next(segments.glob(f"{name}-*.parquet"))).to_pylist() for name in ("ledger", "flags")
    )
    out = {"merged": "dropped"}  # counted as dropped in the table of sources as well
    lost = Counter(
        (out.get(one["verdict"], one["verdict"]), one["stage"], one["reason"]) for one in ledger if one["reason"]
    )
    noted = Counter(("flagged", one["stage"], one["reason"]) for one in flags)
    assert lost.total() == 5
    page = document(subject(here, here.root, []))
    found = next(one for one in tables(page, "Data") if "reason" in one.columns)
    told = {(verdict, stage, reason.replace(" ", "_")): int(rows) for stage, verdict, reason, rows in found.rows}
    assert told == {**lost, **noted}
    (came,) = (
        dict(zip(one.columns, one.rows[0], strict=True)) for one in tables(page, "Data") if "source" in one.columns
    )
    for verdict in ("quarantined", "dropped"):  # the two tables of the section say the same
        assert int(came[verdict]) == sum(rows for (of, *_), rows in told.items() if of == verdict) > 0
    (drawn,) = next(one for one in page.figures() if one.name == "reasons").chart.to_dict()["datasets"].values()
    assert {one["verdict"] for one in drawn} == {verdict for verdict, *_ in told}


def test_lengths_and_clusters_are_those_of_the_raw_rows(made: Workspace, page: Document) -> None:
    lines = [json.loads(line) for line in (made.root / "raw" / "rows.jsonl").read_text().splitlines()]
    figure = next(figure for figure in page.figures() if figure.name == "lengths")
    (drawn,) = figure.chart.to_dict()["datasets"].values()
    for side, key in (("prompt", "prompt"), ("answer", "completion")):
        expected = Counter(max(edge for edge in _EDGES if edge <= len(line[key])) for line in lines)
        told = {int(one["characters"].split("-")[0].rstrip("+")): one["rows"] for one in drawn if one["side"] == side}
        assert {edge: count for edge, count in told.items() if count} == expected
    for _, rows, clusters in tables(page, "Data")[0].rows:
        assert rows == clusters  # made-up rows that are near to none


def test_the_coefficients_beside_alpha_are_gwets(made: Workspace, page: Document) -> None:
    table = next(one for one in tables(page, "Errors and tags") if "coefficient" in one.columns)
    rows = {row[1]: row for row in table.rows if row[0] == "hallucination"}
    pairs = next(one for one in tables(page, "Errors and tags") if "first" in one.columns).rows[0]
    items, same = int(pairs[2]), float(pairs[3])
    assert rows["gwet_ac1"][5:] == [str(items), "2"]
    assert float(rows["gwet_ac1"][3]) <= float(rows["gwet_ac1"][2]) <= float(rows["gwet_ac1"][4])
    share = _given(made) / (2 * items)
    chance = 2 * share * (1 - share)
    assert float(rows["gwet_ac1"][2]) == pytest.approx((same - chance) / (1 - chance), abs=0.002)


def _given(made: Workspace) -> int:
    import sqlite3

    con = sqlite3.connect(made.store_path / "journal.sqlite")
    query = "select count(*) from tags where run = 'experiment_003' and kind = 'person' and tag = 'hallucination'"
    return int(con.execute(query).fetchone()[0])


def test_the_training_table_is_run_json(made: Workspace, page: Document) -> None:
    (table,) = tables(page, "Training")
    told = json.loads((made.root / "experiments" / "experiment_003" / "run.json").read_bytes())["metrics"]
    assert table.rows[0][3:] == [shown(told[name.replace(" ", "_")]) for name in table.columns[3:]]
