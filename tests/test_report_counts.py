"""More numbers of a report, counted again by other code: languages, conflicts, clusters, intervals, provenance."""

from __future__ import annotations

import json
import math
import re
from collections import Counter, defaultdict
from itertools import combinations
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest

pytest.importorskip("altair")

from curation.runs import run_place
from curation.store.journal import open_journal
from curation.store.tags import Tag, add_tags, new_id
from curation.workspace import Workspace
from eval.review.queues import SECOND_LOOK
from reports.document import Code, Document, Table
from reports.report import document
from reports.sections.subject import subject
from tests.compared import build, row, run_of
from tests.lineage_workspace import workspace
from tests.reported import RATIOS, reported
from tests.test_report_numbers import f1, journal, read, said, shown, tables, wilson

RUN = "experiment_005"
AGAIN = 40  # outputs that ana saw a second time
ENGLISH = "The {} pump must be switched off before anybody opens the cover of the {} valve on the northern wall."
ROMANIAN = "Pompa {} trebuie oprită înainte ca cineva să deschidă capacul supapei {} de pe peretele dinspre nord."
NAMES = ("blue", "green", "heavy", "little", "narrow", "old", "quiet", "round", "silver", "wooden")


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    """Ana sees forty outputs again, and says of every fifth that it is OK whatever she said before."""
    here = reported(tmp_path_factory.mktemp("counts") / "work")
    first = [event for event in journal(here) if event["author"] == "ana"][:AGAIN]
    again = [
        Tag(new_id(), one["prediction_id"], RUN, "OK" if at % 5 == 0 else one["tag"], author=f"ana{SECOND_LOOK}")
        for at, one in enumerate(first)
    ]
    with open_journal(run_place(here).journal) as book:
        add_tags(book, again)
    return here


@pytest.fixture(scope="module")
def page(made: Workspace) -> Document:
    return document(subject(made, made.root, []))


def with_column(page: Document, section: str, column: str) -> Table:
    return next(one for one in tables(page, section) if column in one.columns)


def answers(made: Workspace) -> dict[str, dict[str, str]]:
    """prediction -> author -> what they said of it at first."""
    found: dict[str, dict[str, str]] = defaultdict(dict)
    for event in journal(made):
        if event["author"] in ("ana", "bo"):
            found[event["prediction_id"]][event["author"]] = event["tag"]
    return found


# ---- people


def alpha(both: np.ndarray) -> float:
    """Krippendorff's, nominal, of two people who judged the same items; both: 0 or 1, a row an item."""
    given = both.sum()
    n = both.size
    apart = float((both[:, 0] != both[:, 1]).mean())
    chance = 2 * given * (n - given) / n / (n - 1)
    return 1 - apart / chance if chance else math.nan


def ac1(both: np.ndarray) -> float:
    """Gwet's, of the same."""
    share = both.mean()
    chance = 2 * share * (1 - share)
    return float(((both[:, 0] == both[:, 1]).mean() - chance) / (1 - chance))


def test_ends_of_agreement_intervals_are_those_of_resampled_items(made: Workspace, page: Document) -> None:
    told = {row[1]: row for row in with_column(page, "Errors and tags", "coefficient").rows}
    said_by = answers(made).values()
    both = np.array([[by["ana"] == "hallucination", by["bo"] == "hallucination"] for by in said_by], np.float64)
    rng = np.random.default_rng(99)
    drawn = [both[rng.integers(0, len(both), len(both))] for _ in range(4000)]
    for name, coefficient in (("alpha_nominal", alpha), ("gwet_ac1", ac1)):
        low, high = np.nanquantile([coefficient(one) for one in drawn], [0.025, 0.975])
        value, *ends = map(float, told[name][2:5])
        assert value == pytest.approx(coefficient(both), abs=0.0006)
        assert ends == pytest.approx([low, high], abs=0.03)
        assert ends[0] < value < ends[1]


def test_steadiness_is_how_often_the_same_was_said_again(made: Workspace, page: Document) -> None:
    before = answers(made)
    again = {one["prediction_id"]: one["tag"] for one in journal(made) if one["author"] == f"ana{SECOND_LOOK}"}
    same = sum(before[prediction]["ana"] == tag for prediction, tag in again.items())
    assert 0 < same < len(again) == AGAIN
    (row,) = with_column(page, "Errors and tags", "author").rows
    assert row == ["ana", str(AGAIN), shown(same / AGAIN), *map(shown, wilson(same, AGAIN))]


# ---- seeds


def test_the_noise_floor_is_what_two_seeds_differ_by(made: Workspace, page: Document) -> None:
    one, two = (
        np.mean([f1(line["output"], line["reference"]) for line in read(made, f"experiment_00{n}")]) for n in (4, 5)
    )
    found = re.search(
        r"(\d+) seeds .* are ([\d.]+) apart at most, .* within ([\d.]+), 19", said(page, "Verdict by metric")
    )
    assert found
    assert found[1] == "2"
    assert float(found[2]) == pytest.approx(abs(one - two), abs=0.0006)
    quantile = math.tan(math.pi * 0.475)  # of Student's t with one degree of freedom, which is Cauchy's
    assert float(found[3]) == pytest.approx(quantile * abs(one - two), abs=0.0006)


# ---- data


def lines(made: Workspace, name: str) -> list[dict[str, Any]]:
    (path,) = (made.store_path / "segments").glob(f"{name}-*.parquet")
    found: list[dict[str, Any]] = pq.read_table(path).to_pylist()
    return found


def data_of(root: Path, rows: list[dict[str, Any]], **recipe: Any) -> tuple[Workspace, Document]:
    here = workspace(root, rows, split=RATIOS, **recipe)
    build(here)
    run_of(here)
    return here, document(subject(here, here.root, []))


def test_languages_are_counted_over_the_answers_that_were_kept(tmp_path: Path) -> None:
    pairs = list(combinations(NAMES, 2))
    texts = [ENGLISH.format(*pair) for pair in pairs] + [ROMANIAN.format(*pair) for pair in pairs[:12]]
    rows = [{**row(number), "completion": text} for number, text in enumerate([*texts, texts[0]])]
    rows[-1] = {**rows[0]}  # a copy, which is dropped and not counted
    here, page = data_of(tmp_path / "work", rows)
    kept = [line for line in lines(here, "ledger") if line["verdict"] == "kept"]
    assert len(kept) == len(texts)
    counted = Counter(line["answer_language"] for line in kept)
    told = {name: int(count) for name, count in with_column(page, "Data", "language").rows}
    assert told == {"en": len(pairs), "ro": 12} == counted


def test_conflicts_are_the_rows_that_were_flagged_and_dropped(tmp_path: Path) -> None:
    asked = "How many litres does the boiler of the north wing hold when it is full?"
    rows: list[dict[str, Any]] = [row(number) for number in range(40)]
    rows += [{"id": 900 + n, "prompt": asked, "completion": f"The boiler holds {n} litres."} for n in (120, 150)]
    other = "Who keeps the key of the tool shed behind the workshop?"
    rows += [{"id": 950, "prompt": other, "completion": "The foreman of the early shift keeps it in his desk."}]
    rows += [{"id": 951, "prompt": other, "completion": "Ask at the gate, somebody there will know."}]
    here, page = data_of(tmp_path / "work", rows)
    flags = Counter(line["reason"] for line in lines(here, "flags"))
    lost = sum(line["reason"] == "conflict" for line in lines(here, "ledger"))
    found = re.search(r"Conflicts: (\d+) rows .* kept and (\d+) dropped; (\d+) more", said(page, "Data"))
    assert found
    assert [int(one) for one in found.groups()] == [flags["conflict"], lost, flags["alternative_answers"]]
    assert flags["conflict"] + lost >= 2


def test_clusters_are_those_of_near_questions_found_by_trying_all_pairs(tmp_path: Path) -> None:
    rows = [row(number) for number in range(60)]
    for number in range(0, 60, 4):  # one word of six is another: a twin
        words = row(number)["prompt"].rstrip("?").split()
        rows.append({**row(1000 + number), "prompt": f"{' '.join([*words[:5], 'otherwise'])}?"})
    here, page = data_of(tmp_path / "work", rows)
    grams = [{text[at : at + 5] for at in range(len(text) - 4)} for text in (one["prompt"].lower() for one in rows)]
    group = list(range(len(rows)))
    for i, j in combinations(range(len(rows)), 2):
        if len(grams[i] & grams[j]) >= 0.5 * len(grams[i] | grams[j]):
            group = [group[i] if one == group[j] else one for one in group]
    assert len(set(group)) == 60
    of = {line["row_id"]: line["split"] for line in lines(here, "members")}
    placed = sorted(lines(here, "ledger"), key=lambda line: line["unit"])
    expected: dict[str, set[int]] = defaultdict(set)
    for line, number in zip(placed, group, strict=True):
        expected[line["split"]].add(number)
    told = {split: (int(count), int(clusters)) for split, count, clusters in tables(page, "Data")[0].rows}
    assert {split: clusters for split, (_, clusters) in told.items()} == {s: len(g) for s, g in expected.items()}
    assert sum(count for count, _ in told.values()) == len(rows) == len(of)


# ---- provenance


def test_provenance_is_what_the_files_say(made: Workspace, page: Document) -> None:
    by_run, alike, evaluation = tables(page, "Provenance")
    names = by_run.columns[1:]
    told = {line[0]: dict(zip(names, line[1:], strict=True)) for line in by_run.rows}
    shared = {line[0]: line[1] for line in alike.rows}
    for name in names:
        run = json.loads((made.root / "experiments" / name / "run.json").read_bytes())
        facts = {**shared, **{fact: cells[name] for fact, cells in told.items()}}
        assert facts["seeds"] == (", ".join(map(str, run["seeds"])) or "-")
        assert facts["kind"] == f"{run['kind']}, {run['state']}"
        assert facts["version"] == (f"{run['version']['name']} · {run['version']['id']}" if run["version"] else "-")
    settings = [
        block for one in page.sections if one.title == "Provenance" for block in one.blocks if isinstance(block, Code)
    ]
    shared_by = [name for block in settings for name in re.findall(r"experiment_\d+", block.label)]
    assert len({block.text for block in settings}) == len(settings)  # said once, however many runs share them
    assert len(shared_by) == len(set(shared_by))
    asked = {line[0]: line[1] for line in evaluation.rows}
    rows = read(made, RUN)
    version = json.loads((made.root / "experiments" / RUN / "run.json").read_bytes())["version"]["name"]
    split = next(int(count) for name, count, _ in tables(page, "Data")[0].rows if name == "validation")
    assert asked["exam"] == f"validation of {version}, {len(rows)} of {split} items"
    assert asked["arc-easy"].endswith(f"file {'cd' * 8}")
