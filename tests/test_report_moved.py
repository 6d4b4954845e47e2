"""What a report says of a change made from a tag: the tag on both sides, a control beside it, on untouched items."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from statistics import fmean
from typing import Any

import pytest

from app.cli import main
from curation.runs import new_run_folder, read_run, run_place, write_run
from curation.store.journal import open_journal
from curation.store.tags import Tag, add_tags, new_id
from curation.workspace import Workspace
from eval.folder import EvalFolder
from eval.measuring import Trust
from eval.recompute import write_numbers
from reports.document import Document, Table
from reports.report import document
from reports.sections.subject import subject
from tests.compared import SUITE, base_of, build, built, right_at, run_of, sit
from tests.lineage_workspace import store_of
from tests.reported import RATIOS, arc

ABOUT = "It measures whether the answer is known, and nothing else."
TOLD: Mapping[str, Any] = {**SUITE, "about": ABOUT}


def judged(made: Workspace, found: EvalFolder) -> list[str]:
    """Rules say `low overlap` of what is wrong and `cut off` of every tenth output; the ids of the first."""
    wrong, events = [], []
    rows = found.predictions(["prediction_id", "output", "reference"]).to_pylist()
    for place, line in enumerate(rows):
        tags = ["low overlap"] * (line["output"] != line["reference"]) + ["cut off"] * (place % 10 == 0)
        for tag in tags:
            event = Tag(new_id(), line["prediction_id"], found.of.name, tag, author="rules", kind="rule", rule="1")
            events.append(event)
            wrong += [event.id] * (tag == "low overlap")
    with open_journal(run_place(made).journal) as journal:
        add_tags(journal, events)
    return wrong


def seated(made: Workspace, run: Path, share: float, right: float, number: int) -> EvalFolder:
    """With the questions of a benchmark that is not ARC."""
    found = sit(made, run, right_at(share, run.name), suite=TOLD, arc=arc(right, number))
    found.write("benchmarks", [{**line, "benchmark": "science"} for line in found.benchmarks().to_pylist()])
    told = [{**one, "benchmark": "science"} for one in found.run.settings["benchmarks"]]
    write_run(found.path, replace(found.run, settings={**found.run.settings, "benchmarks": told}))
    write_numbers(found, found.suite, Trust())
    return found


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    """v1 and v2, two seeds each; the patch between them drops ten rows because of three tagged validation outputs."""
    made = built(tmp_path_factory.mktemp("moved") / "w", split=RATIOS)
    seated(made, base_of(made), 0.2, 0.8, 0)
    first = [run_of(made, seed=seed) for seed in (1, 2)]
    events = [judged(made, seated(made, run, 0.4, 0.5, n + 1)) for n, run in enumerate(first)]
    patch = ["patch", "add", "--drop", "--where", "split = 'train' and line < 30", "--reason", "wrong", "--yes"]
    assert main(["-C", str(made.root), *patch, "--tags", ",".join(events[0][:3])]) == 0
    build(made)
    for n, run in enumerate([run_of(made, seed=seed) for seed in (1, 2)]):
        judged(made, seated(made, run, 0.8, 0.5, n + 1))
    copied = new_run_folder(made.root / "experiments")
    version = {"name": "v2", "id": store_of(made).resolve("v2").id, "source": "store"}
    told = {"name": "nearest training answer", "baseline": "nearest"}
    base = read_run(made.root / "experiments" / "experiment_001")
    write_run(copied, replace(base, name=copied.name, kind="predictions", settings=told, version=version))
    sit(made, copied, right_at(0.3, "copied"), suite=TOLD)
    return made


@pytest.fixture(scope="module")
def page(made: Workspace) -> Document:
    return document(subject(made, made.root, ["002,003", "004,005"]))


def tables(page: Document, section: str) -> list[Table]:
    found = next(one for one in page.sections if one.title == section)
    return [block for block in found.blocks if isinstance(block, Table)]


def shares(made: Workspace, runs: tuple[str, ...], out: set[str]) -> float:
    """How many of the answers to the other items are wrong, of all runs together."""
    found = []
    for run in runs:
        for line in EvalFolder(made.root / "experiments" / run / "eval-1").predictions().to_pylist():
            if line["item_id"] not in out:
                found.append(line["output"] != line["reference"])
    return fmean(found)


def test_the_targeted_tag_shrinks_beside_a_control_on_items_no_patch_was_made_from(
    made: Workspace, page: Document
) -> None:
    table = tables(page, "Errors and tags")[0]
    target, control = table.rows
    assert (target[0], target[1]) == ("low overlap", "p-001")
    assert (control[0], control[1]) == ("cut off", "-")
    rows = EvalFolder(made.root / "experiments/experiment_002/eval-1").predictions().to_pylist()
    out = {line["item_id"] for line in [one for one in rows if one["output"] != one["reference"]][:3]}
    assert "left out: 3 that a patch was made from" in (table.caption or "")
    assert target[-1] == str(len(rows) - 3)
    before = shares(made, ("experiment_002", "experiment_003"), out)
    after = shares(made, ("experiment_004", "experiment_005"), out)
    assert (float(target[2]), float(target[3])) == pytest.approx((before, after), abs=0.0006)
    assert after < before
    assert control[2] == control[3]


def test_sides_that_no_rule_has_looked_at_get_no_such_table(made: Workspace) -> None:
    page = document(subject(made, made.root, ["base", "004,005"]))
    assert [table.columns[0] for table in tables(page, "Errors and tags")] == ["tag"]


def test_what_was_lost_of_any_benchmark_is_told_against_the_base(page: Document) -> None:
    (table,) = tables(page, "Trade-off")
    assert table.columns[-1] == "science"
    assert all(float(row[-1].split()[0]) < -0.2 for row in table.rows)


def test_what_needs_no_training_stands_beside_the_verdict(page: Document) -> None:
    table = tables(page, "Verdict by metric")[1]
    assert [row[0] for row in table.rows] == ["base (nf4)", "nearest training answer"]
    for row in table.rows:
        assert float(row[1]) < float(row[2])
        assert row[-1] == "better"


def test_the_suite_says_what_it_measures_in_the_first_lines(page: Document) -> None:
    assert ABOUT in [text.text for text in page.summary]
