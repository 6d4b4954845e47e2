"""Confidence against right and wrong: said by people where they judged outputs, else by a metric."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from app.cli import main
from curation.errors import ConfigError
from curation.runs import run_place
from curation.store.journal import open_journal
from curation.store.tags import Draw, Tag, add_tags, new_id
from eval.folder import EvalFolder
from eval.measuring import Trust, measured
from eval.recompute import write_numbers
from eval.suite import MetricChoice, Suite, suite_of
from reports.tables.evaluation import confidence, risk_coverage
from tests.compared import SUITE, built, right_at, run_of, sit

AUROC: dict[str, Any] = {**SUITE, "metrics": ["exact_match", "auroc", "aurc"], "primary": {"metric": "exact_match"}}


def sure_of(folder: EvalFolder, values: list[float]) -> None:
    rows = folder.predictions().to_pylist()
    folder.write("predictions", [{**row, "logprob_mean": -values[at % len(values)]} for at, row in enumerate(rows)])


@pytest.fixture
def judged(tmp_path: Path) -> tuple[Path, EvalFolder]:
    made = built(tmp_path / "ws", rows=60)
    run = run_of(made)
    found = sit(made, run, right_at(0.5, "x"), suite={**AUROC, "benchmarks": []})
    sure_of(found, [0.1, 0.4, 0.2, 0.8])
    write_numbers(found, found.suite, Trust())
    return made.root, found


def say(root: Path, folder: EvalFolder, verdicts: list[tuple[str, str]]) -> None:
    ids = folder.predictions(["prediction_id"])["prediction_id"].to_pylist()
    from curation.workspace import open_workspace

    events = [
        Tag(new_id(), ids[at], folder.of.name, "verdict", value=value, taxonomy="v0", author=who)
        for at, (value, who) in enumerate(verdicts)
    ]
    drawn = [Draw(one.prediction_id, one.run, one.author, "random", 0.5) for one in events]
    with open_journal(run_place(open_workspace(root)).journal) as journal:
        add_tags(journal, events, drawn)


def rows_of(folder: EvalFolder) -> dict[str, dict[str, Any]]:
    return {row["metric"]: row for row in folder.metrics().to_pylist() if row["slice"] == "all"}


def test_peoples_verdicts_are_what_is_right(
    judged: tuple[Path, EvalFolder], capsys: pytest.CaptureFixture[str]
) -> None:
    root, folder = judged
    before = rows_of(folder)
    assert "|right:exact_match" in before["auroc"]["signature"]
    say(
        root, folder, [("wrong", "ana"), ("correct", "ana"), ("wrong", "ana"), ("partly", "ana"), ("cannot judge", "b")]
    )
    assert main(["-C", str(root), "eval", "--recompute", "001"]) == 0
    assert "4 outputs were judged by people; auroc and aurc are of these" in capsys.readouterr().out
    after = rows_of(folder)
    assert after["auroc"]["signature"].endswith("|right:people")
    assert after["auroc"]["n"] == 4
    # Surest first: .1 wrong, .2 wrong, .4 right, .8 half right: of 1.5 x 2.5 pairs of right and wrong, .25/2 are won.
    assert after["auroc"]["value"] == pytest.approx((0.5 * 0.5 / 2 + 1 * 0.5) / (1.5 * 2.5))
    risks = [1, 1, 2 / 3, 2.5 / 4]
    assert after["aurc"]["value"] == pytest.approx(sum(risks) / 4)
    assert after["exact_match"] == before["exact_match"]
    assert len(risk_coverage(confidence(folder))) == 4
    assert main(["-C", str(root), "eval", "--recompute", "001"]) == 0
    assert "largest difference 0" in capsys.readouterr().out


def test_without_verdicts_a_metric_from_a_value_on(judged: tuple[Path, EvalFolder]) -> None:
    _, folder = judged
    graded = Suite(metrics=(MetricChoice("auroc", {"right": "chrf", "at": 50}),))
    found = measured(folder, graded)["auroc"]
    assert ">=50" in found.signature
    assert found.value == pytest.approx(rows_of(folder)["auroc"]["value"]), (
        "chrf is 100 where the answer is the gold one"
    )
    with pytest.raises(ConfigError, match="metric auroc: right: ece"):
        measured(folder, Suite(metrics=(MetricChoice("auroc", {"right": "ece"}),)))
    assert suite_of({"metrics": [{"auroc": {"right": "token_f1", "at": 0.6}}]}, "x").metrics[0].options["at"] == 0.6
