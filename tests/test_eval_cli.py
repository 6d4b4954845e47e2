"""`curate eval` as it is typed: what it prints, what it refuses, and with which exit code."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("torch")
pytest.importorskip("peft")

from app.cli import main
from tests.eval_workspace import SUITE, eval_workspace, question, with_run, write_jsonl

# peft asks transformers by a name that is on its way out.
pytestmark = pytest.mark.filterwarnings("ignore:.is_gradient_checkpointing. is deprecated:FutureWarning")
Shown = pytest.CaptureFixture[str]


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = eval_workspace(tmp_path_factory.mktemp("eval") / "ws")
    with_run(root)
    return root


def run(root: Path, *words: str) -> int:
    return main(["-C", str(root), "eval", *words])


def told(root: Path, shown: Shown, *words: str) -> dict[str, Any]:
    shown.readouterr()
    assert run(root, *words, "--json") == 0
    found: dict[str, Any] = json.loads(shown.readouterr().out)
    return found


def test_cost_first_then_a_table_and_the_next_command(root: Path, capsys: Shown) -> None:
    assert run(root, "--suite", "small") == 0
    out, said = capsys.readouterr()
    lines = out.splitlines()
    assert len(lines) <= 15
    assert lines[0].split() == ["exam", "metric", "experiment_001", "95", "%", "interval", "n", "base", "(none)"]
    assert lines[1].split()[:2] == ["validation", "exact_match"]
    assert lines[-1] == "next: curate compare · curate runs"
    cost = next(line for line in said.splitlines() if line.startswith("exam: "))
    assert cost.startswith("exam: validation of v1, 14 items (14 clusters) · about ")
    assert cost.endswith("for 2 models")
    assert said.index("exam: ") < said.index("answers of")
    assert (root / "experiments" / "experiment_001" / "results.csv").is_file()


def test_known_numbers_are_shown_again(root: Path, capsys: Shown) -> None:
    run(root, "--suite", "small")
    capsys.readouterr()
    assert run(root, "--suite", "small") == 0
    assert "nothing was computed: all of it was known" in capsys.readouterr().out


def test_partial_and_benchmarks_without_a_file(root: Path, capsys: Shown) -> None:
    (root / "suites" / "arc.yaml").write_text(SUITE.replace("benchmarks: []", "benchmarks: [{name: arc-easy}]"))
    found = told(root, capsys, "--suite", "arc", "--limit", "4", "--no-base")
    assert found["partial"] is True
    assert found["not_run"] == ["arc-easy: not run, put the file at data/benchmarks/ARC-Easy-Test.jsonl"]
    assert run(root, "--suite", "arc", "--limit", "4", "--no-base") == 0
    out = capsys.readouterr().out
    assert "partial: 4 of 14 items" in out
    assert "arc-easy: not run" in out


def test_every_look_at_test_is_counted(root: Path, capsys: Shown) -> None:
    assert run(root, "--suite", "small", "--final") == 0
    assert "look 1 at this test, the first" in capsys.readouterr().out
    assert (
        told(root, capsys, "--suite", "small", "--final")["looks"] == "look 2 at this test, after 1 of experiment_001"
    )
    assert told(root, capsys, "--suite", "small")["looks"] is None


def test_a_look_counts_where_the_baselines_are_stopped(
    root: Path, capsys: Shown, monkeypatch: pytest.MonkeyPatch
) -> None:
    (root / "suites" / "stopped.yaml").write_text(SUITE)

    def stopped(*_: object) -> None:
        raise KeyboardInterrupt

    before = _looks(told(root, capsys, "--suite", "stopped", "--final"))
    with monkeypatch.context() as patched:
        patched.setattr("app.cli.eval_beside.run_baselines", stopped)
        assert run(root, "--suite", "stopped", "--final", "--baselines") == 130
    assert _looks(told(root, capsys, "--suite", "stopped", "--final")) == before + 2


def _looks(found: dict[str, Any]) -> int:
    return int(found["looks"].split()[1])


def test_the_base_by_itself(root: Path, capsys: Shown) -> None:
    run(root, "--suite", "small")
    found = told(root, capsys, "base", "--suite", "small")
    (one,) = found["evaluations"]
    assert one["run"] == "base (none)"
    assert one["known"] is True, "it was evaluated beside its run"


def test_your_own_metric(root: Path, capsys: Shown) -> None:
    (root / "mine.py").write_text("def score(outputs, references):\n    return [len(text) for text in outputs]\n")
    (root / "suites" / "own.yaml").write_text(SUITE.replace("exact_match,", "mine:score, exact_match,"))
    assert run(root, "--suite", "own") == 2
    assert "--trust-metrics" in capsys.readouterr().err
    found = told(root, capsys, "--suite", "own", "--trust-metrics", "--no-base")
    assert any(row["metric"] == "mine:score" for row in found["evaluations"][0]["metrics"])


def test_recompute_needs_no_model(root: Path, capsys: Shown) -> None:
    run(root, "--suite", "small")
    code = (
        "import sys\nfrom app.cli import main\n"
        f"code = main(['-C', {str(root)!r}, 'eval', '--recompute', '001', '--trust-metrics'])\n"
        "assert not {'torch', 'transformers', 'peft'} & set(sys.modules)\nraise SystemExit(code)\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert "largest difference 0" in done.stdout
    numbers = root / "experiments" / "experiment_001" / "eval-1"
    assert run(root, "experiment_001/eval-1", "--recompute") == 0
    assert told(root, capsys, "experiment_001/eval-1", "--recompute")["folder"] == str(numbers)


@pytest.mark.parametrize(
    ("suite", "words", "code", "said"),
    [
        ("metrics: [rogueL]", (), 2, 'metric "rogueL" is not known; did you mean "rougeL"'),
        ("metrics: [chrf]\nsplit: test", (), 2, "add --final"),
        ("metrics: [chrf]\nsplit: test@v9", ("--final",), 2, 'version "v9" is not known'),
        ("metrics: [chrf]\nfile: none.jsonl", (), 3, "none.jsonl"),
        ("metrics: [chrf]\nfile: asked.jsonl", (), 3, "asked.jsonl"),
        ("metrics: [chrf]\nbenchmarks: [{file: odd.jsonl}]", (), 3, "odd.jsonl:1: not an evaluation item"),
        ("metrics: [chrf]\nbenchmarks: [{file: quiz.jsonl, shots: 2}]", (), 2, "its examples are not there"),
        ("metrics: [{chrf: {words: 2}}]", (), 2, 'metric chrf: it has no option "words"'),
        ("metrics: [{regex_match: {pattern: '('}}]", (), 2, "metric regex_match: pattern: missing )"),
        ("metrics: [{auroc: {right: ece}}]", (), 2, "give a metric of each output and a number"),
        ("metrics: ['mine:score']", (), 2, "metric mine:score: the workspace has no mine.py"),
        ("metrics: [chrf]", ("7",), 2, 'run "7" is not known'),
        ("metrics: [chrf]", ("--recompute",), 2, "was not evaluated yet"),
    ],
)
def test_what_cannot_be_is_one_line_before_a_model_is_loaded(
    tmp_path: Path, capsys: Shown, suite: str, words: tuple[str, ...], code: int, said: str
) -> None:
    root = eval_workspace(tmp_path / "ws", counts=(3, 3, 2))
    with_run(root)
    write_jsonl(root / "asked.jsonl", [{"messages": [{"role": "user", "content": "Where?"}]}])
    write_jsonl(root / "odd.jsonl", [{"text": "?"}])
    write_jsonl(root / "quiz.jsonl", [{"question": "Which one is it?", "choices": ["a", "b"], "answer": "a"}])
    (root / "suites" / "x.yaml").write_text(suite + "\n" + ("" if "benchmarks" in suite else "benchmarks: []\n"))
    capsys.readouterr()
    assert run(root, "--suite", "x", *words) == code
    error = capsys.readouterr().err.splitlines()[-1]
    assert error.startswith("curate eval: ")
    assert said in error
    assert not list((root / "experiments").glob("*/eval-*"))


def test_what_was_asked_in_part_or_of_nothing_is_said(root: Path, capsys: Shown) -> None:
    """A question that lost its beginning, and a slice that no item has."""
    rows = [question(number, "word " * (5, 3000)[number] + "?", "a", "b") for number in range(2)]
    write_jsonl(root / "endless.jsonl", rows)
    told = SUITE.replace("benchmarks: []", "benchmarks: [{file: endless.jsonl}]").replace("[topic]", "[topic, topik]")
    (root / "suites" / "endless.yaml").write_text(told)
    assert run(root, "--suite", "endless", "--no-base") == 0
    out = capsys.readouterr().out
    assert "endless: 1 of 2 questions are longer than the model reads; their beginning was left out" in out
    assert "slices: no item has the field topik" in out
    assert "field topic;" not in out
    assert run(root, "--suite", "small") == 0
    assert "left out" not in capsys.readouterr().out


def test_an_adapter_whose_base_is_gone_is_one_line(tmp_path: Path, capsys: Shown) -> None:
    root = eval_workspace(tmp_path / "ws", counts=(3, 3, 2))
    with_run(root)
    (root / "models" / "tiny").rename(root / "models" / "away")
    capsys.readouterr()
    assert run(root, "--suite", "small") == 2
    (error,) = capsys.readouterr().err.splitlines()[-1:]
    assert error.startswith("curate eval: ")
    assert "models/tiny" in error
    assert not list((root / "experiments").glob("*/eval-*"))


def test_an_ece_is_at_no_chance_level(root: Path, capsys: Shown) -> None:
    """Guessing has an accuracy; what it gets is no bound of an ECE."""
    rows = [
        {"question": f"Which of them is it, {i * 37}?", "choices": ["a", "b"], "answer": "ab"[i % 2]} for i in range(8)
    ]
    write_jsonl(root / "guess.jsonl", rows)
    (root / "suites" / "guess.yaml").write_text(SUITE.replace("benchmarks: []", "benchmarks: [{file: guess.jsonl}]"))
    found = told(root, capsys, "--suite", "guess", "--no-base")
    assert found["at_chance"]["experiment_001"] == ["guess acc", "guess acc_norm"]


def test_without_a_run_the_way_is_named(tmp_path: Path, capsys: Shown) -> None:
    root = eval_workspace(tmp_path / "ws", counts=(3, 3, 2))
    assert run(root) == 2
    assert "curate train" in capsys.readouterr().err
    assert run(root, "base") == 2
    assert "base_model is missing" in capsys.readouterr().err
