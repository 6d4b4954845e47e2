"""`curate compare` asks a model for the answers it lacks."""

from __future__ import annotations

from pathlib import Path

import pytest

pytest.importorskip("torch")
pytest.importorskip("peft")

from app.cli import main
from curation.library import build
from eval.folder import evals
from tests.eval_workspace import eval_workspace, row, with_run, write_jsonl

# peft asks transformers by a name that is on its way out.
pytestmark = pytest.mark.filterwarnings("ignore:.is_gradient_checkpointing. is deprecated:FutureWarning")
Shown = pytest.CaptureFixture[str]


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run and its base sat the exam of v1, a run of v2 that of v2, which has six items more."""
    root = eval_workspace(tmp_path_factory.mktemp("asked") / "work")
    with_run(root)
    assert main(["eval", "-C", str(root), "--suite", "small"]) == 0
    write_jsonl(root / "raw" / "validation.jsonl", [row(number) for number in [*range(12, 26), *range(100, 106)]])
    build(root)
    with_run(root, base=root / "models" / "tiny", seed=5)
    assert main(["eval", "-C", str(root), "--suite", "small", "--no-base"]) == 0
    return root


def test_what_the_base_lacks_is_asked_and_stored(root: Path, capsys: Shown) -> None:
    stored = ["compare", "-C", str(root), "--stored"]
    assert main(stored) == 0
    assert "left out: 6 that experiment_002 was not asked" in capsys.readouterr().out
    assert main(["compare", "-C", str(root)]) == 0
    out, err = capsys.readouterr()
    assert "experiment_002 lacks answers to validation of v2; it is asked now" in err
    assert "exam: validation of v2, 20 of 20 items" in out
    assert "left out" not in out
    assert len(evals(root / "experiments" / "experiment_002")) == 2
    assert main(stored) == 0
    assert "20 of 20 items" in capsys.readouterr().out


def test_a_model_that_cannot_be_asked_is_said_and_the_rest_compared(root: Path, capsys: Shown) -> None:
    (root / "models" / "tiny").rename(root / "models" / "away")
    try:
        assert main(["compare", "1", "3", "-C", str(root)]) == 0
    finally:
        (root / "models" / "away").rename(root / "models" / "tiny")
    out = capsys.readouterr().out
    assert "left out: 6 that experiment_001 was not asked" in out
    assert "note: experiment_001 could not be asked (" in out
