"""`curate eval` beside runs: an endpoint on the same exam, and baselines that compare shows."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from app.cli import main
from curation.errors import ConfigError
from eval.endpoint import EndpointModel
from tests.chat_server import Reply, chat_server, said
from tests.eval_workspace import eval_workspace, row, with_run

# peft asks transformers by a name that is on its way out.
pytestmark = pytest.mark.filterwarnings("ignore:.is_gradient_checkpointing. is deprecated:FutureWarning")
Shown = pytest.CaptureFixture[str]
GOLD = {row(i)["prompt"]: row(i)["completion"] for i in range(31)}


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return eval_workspace(tmp_path_factory.mktemp("beside") / "ws")


def knowing(question: str, before: int, request: dict[str, Any]) -> Reply:
    """Knows all answers but one, which it refuses."""
    return Reply(400) if question == row(12)["prompt"] else said(GOLD[question])


def test_an_endpoint_sits_the_exam_of_the_last_version(root: Path, capsys: Shown) -> None:
    with chat_server(knowing) as server:
        words = ["eval", "-C", str(root), "--suite", "small", "--endpoint", server.url, "--model", "wise"]
        assert main(words) == 0
        shown = capsys.readouterr().out
        assert "wise on validation of v1, 14 items" in shown
        assert "1 items got no answer and are missing (refused: status 400); run it again" in shown
        assert "not measured, for an endpoint does not give what it takes: perplexity, bits_per_char" in shown
        assert main([*words, "--json"]) == 0
        told = json.loads(capsys.readouterr().out)
        assert {line["metric"]: (line["value"], line["n"]) for line in told["metrics"] if line["slice"] == "all"} == {
            "exact_match": (1.0, 13),
            "chrf": (pytest.approx(100.0), 13),
        }
        assert (told["known"], told["missing"]) == (True, 1)
        assert main([*words, "--final"]) == 0
        assert "look 1 at this test, the first" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--endpoint", "http://127.0.0.1:9/v1"], "--endpoint and --model go together"),
        (["--model", "x"], "--endpoint and --model go together"),
        (["003", "--endpoint", "http://127.0.0.1:9/v1", "--model", "x"], "so a RUN has no part in it"),
        (["--no-base", "--endpoint", "http://127.0.0.1:9/v1", "--model", "x"], "so --no-base has no part in it"),
        (["--endpoint", "127.0.0.1:9", "--model", "x"], "is no address"),
    ],
)
def test_what_does_not_go_together_is_one_line(words: list[str], said: str, root: Path, capsys: Shown) -> None:
    assert main(["eval", "-C", str(root), "--suite", "small", *words]) == 2
    told = capsys.readouterr().err.strip()
    assert said in told
    assert "\n" not in told


def test_nothing_is_sent_anywhere_by_itself() -> None:
    """An address has to be given: there is no default one."""
    with pytest.raises(TypeError):
        EndpointModel(model="x")  # type: ignore[call-arg]
    with pytest.raises(ConfigError):
        EndpointModel("", "x")


def test_baselines_sit_beside_the_run_and_compare_shows_them(tmp_path: Path, capsys: Shown) -> None:
    pytest.importorskip("torch")
    pytest.importorskip("peft")
    root = eval_workspace(tmp_path / "ws")
    with_run(root)
    words = ["eval", "-C", str(root), "--suite", "small", "--baselines"]
    assert main(words) == 0
    shown = capsys.readouterr().out
    assert "nearest training answer: exact_match " in shown
    assert "models/tiny with 4 examples: exact_match " in shown
    assert main([*words, "--json"]) == 0
    assert len(json.loads(capsys.readouterr().out)["baselines"]) == 2
    assert main(["compare", "-C", str(root), "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert {one["name"] for one in told["baselines"]} == {"nearest training answer", "models/tiny, 4 examples"}


def test_compare_asks_what_stands_beside_every_run(tmp_path: Path, capsys: Shown) -> None:
    """Nobody asked for --baselines or --unquantised: what costs nothing to try, and what quantisation cost."""
    pytest.importorskip("torch")
    pytest.importorskip("peft")
    root = eval_workspace(tmp_path / "ws")
    with_run(root, quantization="nf4")
    assert main(["eval", "-C", str(root), "--suite", "small"]) == 0
    assert main(["compare", "-C", str(root), "--stored", "--json"]) == 0
    assert json.loads(capsys.readouterr().out.splitlines()[-1])["baselines"] == []
    assert main(["compare", "-C", str(root), "--json"]) == 0
    shown = capsys.readouterr()
    names = {"nearest training answer", "models/tiny, 4 examples", "base (none)"}
    assert {one["name"] for one in json.loads(shown.out)["baselines"]} == names
    assert "asked now, for it stands beside every comparison: " in shown.err
    assert main(["compare", "-C", str(root), "--json"]) == 0
    again = capsys.readouterr()
    assert {one["name"] for one in json.loads(again.out)["baselines"]} == names
    assert "asked now" not in again.err
    with_run(root, base=root / "models" / "tiny", quantization="nf4", seed=5)
    assert main(["eval", "-C", str(root), "--suite", "small", "--no-base"]) == 0
    last = sorted((root / "experiments").iterdir())[-1].name
    capsys.readouterr()
    assert main(["compare", "001", last, "--alone", "-C", str(root), "--json"]) == 0
    assert {one["name"] for one in json.loads(capsys.readouterr().out)["baselines"]} == {*names, "base (nf4)"}


def test_a_base_that_does_not_fit_is_said_and_the_rest_compared(
    tmp_path: Path, capsys: Shown, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("torch")
    pytest.importorskip("peft")
    from eval import untrained

    root = eval_workspace(tmp_path / "ws")
    with_run(root, quantization="nf4")
    assert main(["eval", "-C", str(root), "--suite", "small"]) == 0
    monkeypatch.setattr(untrained, "_free_bytes", lambda: 1000)
    capsys.readouterr()
    assert main(["compare", "-C", str(root), "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert "base (none)" not in {one["name"] for one in told["baselines"]}
    assert any("base (none) was not asked: it takes " in note for note in told["notes"])
