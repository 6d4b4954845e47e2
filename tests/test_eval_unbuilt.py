"""`curate eval base` over a file where nothing was built: template, likelihoods that cannot be had, plain refusals."""

from __future__ import annotations

from pathlib import Path

import pytest

pytest.importorskip("torch")

from app.cli import main
from eval.folder import EvalFolder
from reports.sections.limits import _answers
from tests.eval_workspace import write_jsonl
from tests.tiny_model import CHAT_TEMPLATE, tiny_model

Shown = pytest.CaptureFixture[str]
ROWS = [
    {"prompt": "Where is the key?", "completion": "In the drawer."},
    {"prompt": "Who has the key?", "completion": " Nobody has it. "},
    {"prompt": "Which key is it?", "completion": "The red one."},
]
TRIMMED = CHAT_TEMPLATE.replace("m.content", "m.content | trim")
BARE = "{{ bos_token }}{% for m in messages %}{{ m.content }}{% endfor %}{{ eos_token }}"


def place(root: Path, template: str | None) -> Path:
    tiny_model(root / "models" / "tiny", hidden=16, layers=1, heads=2, chat_template=template)
    (root / "curate.yaml").write_text("curate: 1\n")
    write_jsonl(root / "asked.jsonl", ROWS)
    suite = "file: asked.jsonl\nmetrics: [chrf, perplexity]\nbenchmarks: []\ngeneration: {max_new_tokens: 4}\n"
    for folder, name, text in (
        ("suites", "asked.yaml", suite),
        ("configs", "training.yaml", "base_model: models/tiny\nquantization: none\n"),
    ):
        (root / folder).mkdir()
        (root / folder / name).write_text(text)
    return root


def run(root: Path) -> int:
    return main(["-C", str(root), "eval", "base", "--suite", "asked"])


def test_a_file_is_asked_where_nothing_was_built(tmp_path: Path, capsys: Shown) -> None:
    assert run(place(tmp_path / "ws", CHAT_TEMPLATE)) == 0
    assert "have no likelihood" not in capsys.readouterr().out


def test_likelihoods_that_the_template_refuses_are_counted_with_the_reason(tmp_path: Path, capsys: Shown) -> None:
    root = place(tmp_path / "ws", TRIMMED)
    assert run(root) == 0
    said = "1 of 3 references have no likelihood: tiny: message 2 (assistant): tiny trims white space around it"
    assert said in capsys.readouterr().out
    folder = EvalFolder(root / "experiments" / "experiment_001" / "eval-1")
    assert {row["metric"]: row["n"] for row in folder.metrics().to_pylist()} == {"chrf": 3, "perplexity": 2}
    assert any(said in line for line in _answers(folder)), "the report says it as well"
    told = folder.predictions(["output", "detail"]).to_pylist()
    assert [bool(row["detail"]) for row in told] == [False, True, False]
    assert told[1]["output"] is not None


@pytest.mark.parametrize(
    ("template", "said"),
    [
        (BARE, "template tiny: cannot tell a question from its answer"),
        (None, "the model brings no chat template and the recipe names none; set template: to "),
    ],
)
def test_what_no_template_can_do_is_one_line(tmp_path: Path, capsys: Shown, template: str | None, said: str) -> None:
    root = place(tmp_path / "ws", template)
    capsys.readouterr()
    assert run(root) == 2
    (error,) = [line for line in capsys.readouterr().err.splitlines() if line.startswith("curate eval: ")]
    assert said in error
    assert not (root / "experiments").exists()
