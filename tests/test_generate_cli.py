"""`curate generate`: one prompt beside the base, a file or a split into a file that can be gone on with."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("torch")

from app.cli import main
from app.cli.generate import _shown, _wrapped
from app.cli.render import Screen
from curation.runs import read_run, write_run
from eval.generation import Generated
from tests.lineage_workspace import line, store_of, workspace
from tests.small_run import PAIRS, config_of, learn, small_run, template_of
from tests.tiny_model import tiny_model

Capture = pytest.CaptureFixture[str]
# peft asks a model by a name that transformers is about to drop.
pytestmark = pytest.mark.filterwarnings("ignore:`is_gradient_checkpointing` is deprecated:FutureWarning")
QUESTION, ANSWER = PAIRS[0]
ASKED = [{"role": "user", "content": QUESTION}]
ANSWERED = {"role": "assistant", "content": "R"}


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A workspace with a version, a base that knows its answers and a run whose adapter has it say others."""
    here = workspace(tmp_path_factory.mktemp("generate") / "work", [line(number) for number in range(30)])
    assert main(["build", "-C", str(here.root)]) == 0
    base = tiny_model(here.root / "models" / "tiny")
    learn(base, template_of(base, config_of(base)))
    folder = small_run(here.root, base=base, effect=0.5, quantization="nf4")
    version = store_of(here).resolve("latest")
    told = {"name": version.name, "id": version.id, "source": "store"}
    write_run(folder, replace(read_run(folder), version=told))
    return here.root


def curate(capsys: Capture, here: Path, *argv: str, code: int = 0) -> str:
    capsys.readouterr()
    assert main([*argv, "-C", str(here)]) == code
    out, err = capsys.readouterr()
    return err if code else out


def told(capsys: Capture, here: Path, *argv: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(curate(capsys, here, *argv, "--json"))
    return found


def lines(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text("utf-8").splitlines()]


def test_one_prompt_is_answered_by_base_and_adapter(trained: Path, capsys: Capture) -> None:
    found = told(capsys, trained, "generate", "--prompt", QUESTION, "--max-new-tokens", "12")
    assert list(found["answers"]) == ["base", "experiment_001"]
    assert found["answers"]["base"]["text"] == ANSWER
    assert found["answers"]["base"]["finish_reason"] == "stop"
    assert found["answers"]["experiment_001"]["text"] != ANSWER
    assert (found["quantization"], found["template"], found["system"]) == ("nf4", "tiny", None)
    shown = curate(capsys, trained, "generate", "1", "--prompt", QUESTION, "--max-new-tokens", "12").splitlines()
    assert shown[:2] == ["base", ANSWER]
    assert shown[2].startswith("(7 tokens, log-probability -0.")
    assert shown[4] == "experiment_001"
    assert shown[-1].startswith("(12 tokens, cut off, log-probability -")
    only = told(capsys, trained, "generate", "base", "--prompt", QUESTION)
    assert list(only["answers"]) == ["base"]
    assert only["answers"]["base"]["text"] == ANSWER


def test_a_system_text_is_asked_with(trained: Path, capsys: Capture) -> None:
    plain, system = (
        told(capsys, trained, "generate", "base", "--prompt", QUESTION, *more)["answers"]["base"]
        for more in ((), ("--system", "Be brief."))
    )
    assert system["prompt_tokens"] > plain["prompt_tokens"]
    assert system["logprob_mean"] != plain["logprob_mean"]


def test_the_system_prompt_of_the_training_is_the_default(trained: Path, capsys: Capture) -> None:
    folder = small_run(trained, base=trained / "models" / "tiny", system_prompt="Be brief.")
    try:
        own = told(capsys, trained, "generate", folder.name, "--prompt", QUESTION)
        same = told(capsys, trained, "generate", folder.name, "--prompt", QUESTION, "--system", "Be brief.")
        other = told(capsys, trained, "generate", folder.name, "--prompt", QUESTION, "--system", "Be quick.")
        assert own["system"] == "Be brief."
        assert own["answers"]["base"]["logprob_mean"] == same["answers"]["base"]["logprob_mean"]
        assert own["answers"]["base"]["logprob_mean"] != other["answers"]["base"]["logprob_mean"]
    finally:
        (folder / "run.json").unlink()


def test_the_two_stand_beside_each_other_where_there_is_room() -> None:
    answers = {
        "base": Generated("prompt", "one two three four five six seven eight nine\nten", "stop", 3, logprob_mean=-1.0),
        "experiment_001": Generated("prompt", "\x1b[31mred", "length", 2, logprob_mean=-2.0),
    }
    assert _shown(answers, Screen(width=80)) == [
        "base                                  │ experiment_001",
        "one two three four five six seven     │ \\x1b[31mred",
        "eight nine                            │ (2 tokens, cut off, log-probability",
        "ten                                   │ -2.00 a token)",
        "(3 tokens, log-probability -1.00 a    │",
        "token)                                │",
    ]
    below = _shown(answers, Screen(width=60))
    assert below[1] == "one two three four five six seven eight nine"
    assert _wrapped("aa bb  cc", 5) == ["aa bb", "cc"]
    assert _wrapped("abcdefghij k", 4) == ["abcd", "efgh", "ij k"]
    assert _wrapped("漢字漢字漢", 4) == ["漢字", "漢字", "漢"]


@pytest.mark.parametrize(
    ("name", "content", "asked"),
    [
        ("q.txt", f"\ufeff{QUESTION}\r\n\nWhat\\nnow?\n", {"1": QUESTION, "3": "What\\nnow?"}),
        ("q.jsonl", f'{{"prompt": "{QUESTION}"}}\n{{"id": "b", "question": "Q"}}', {"1": QUESTION, "b": "Q"}),
        (
            "q.jsonl",
            json.dumps({"id": 7, "messages": [*ASKED, {"role": "assistant", "content": "R"}]}),
            {"7": QUESTION},
        ),
    ],
)
def test_a_file_of_questions(
    name: str, content: str, asked: dict[str, str], trained: Path, tmp_path: Path, capsys: Capture
) -> None:
    (tmp_path / name).write_bytes(content.encode())
    out = tmp_path / "out.jsonl"
    argv = ("generate", "base", "--input", str(tmp_path / name), "--out", str(out), "--max-new-tokens", "9")
    found = told(capsys, trained, *argv)
    assert (found["answers"], found["new"]) == (len(asked), len(asked))
    assert {one["item_id"]: one["messages"][-1]["content"] for one in lines(out)} == asked
    first = next(one for one in lines(out) if one["messages"][-1]["content"] == QUESTION)
    assert first["response"] == ANSWER
    assert first.get("reference") == ("R" if "R" in content else None)
    assert told(capsys, trained, *argv)["new"] == 0
    refused = curate(capsys, trained, *argv[:-1], "8", code=2)
    assert "was begun with another max_new_tokens; use the same, or name another file" in refused
    again = curate(capsys, trained, "generate", *argv[2:], code=2)
    assert "was begun with another adapter" in again


def test_a_split_of_the_run_s_version(trained: Path, tmp_path: Path, capsys: Capture) -> None:
    out = tmp_path / "out.jsonl"
    argv = ("generate", "--split", "train", "-n", "5", "--out", str(out), "--max-new-tokens", "4")
    found = told(capsys, trained, *argv)
    assert found["answers"] == 5
    assert all(one["reference"] and one["messages"][-1]["role"] == "user" for one in lines(out))
    assert len({one["item_id"] for one in lines(out)}) == 5
    refused = curate(capsys, trained, "generate", "--split", "test", "--out", str(out), code=2)
    assert "test is for the end; use curate eval --final" in refused


@pytest.mark.parametrize(
    ("content", "argv", "code", "message"),
    [
        ("", ["--input", "q.jsonl", "--out", "o.jsonl"], 2, "nothing to ask: there is no question in it"),
        ("{}", ["--input", "q.jsonl", "--out", "o.jsonl"], 3, "q.jsonl:1: has none of messages, prompt, question"),
        ('{"promt": "a"}', ["--input", "q.jsonl", "--out", "o.jsonl"], 3, 'did you mean "prompt"?'),
        ("\n[1]", ["--input", "q.jsonl", "--out", "o.jsonl"], 3, "q.jsonl:2: is not an object"),
        ("{", ["--input", "q.jsonl", "--out", "o.jsonl"], 3, "q.jsonl:1: is not JSON"),
        ('{"prompt": 3}', ["--input", "q.jsonl", "--out", "o.jsonl"], 3, "q.jsonl:1: prompt is not a conversation"),
        ('{"messages": [{"role": "x"}]}', ["--input", "q.jsonl", "--out", "o.jsonl"], 3, "messages is not a conv"),
        ('{"id": "a", "prompt": "a"}\n' * 2, ["--input", "q.jsonl", "--out", "o.jsonl"], 3, 'item id "a" comes twice'),
        ("", ["--input", "no.jsonl", "--out", "o.jsonl"], 2, "no.jsonl: no such file"),
        ("", ["--input", "q.jsonl"], 2, "many answers go into a file; name it with --out"),
        ("", [], 2, "nothing to ask; give --prompt TEXT, --input FILE or --split NAME"),
        ("", ["--prompt", "  "], 2, "--prompt: is empty; say what to ask"),
        ("", ["--prompt", "a", "--out", "o.jsonl"], 2, "--out has no meaning with --prompt"),
        ("", ["--prompt", "a", "--split", "train"], 2, "not allowed with argument"),
        ("", ["--prompt", "a", "--temperature", "-1"], 2, "temperature must be 0 (greedy) or more"),
        ("", ["--prompt", "a", "--temperature", "warm"], 2, 'must be a number, not "warm"'),
        ("", ["--prompt", "a " * 600], 3, "does not fit the model's context of 512"),
        ("", ["--prompt", "a <|end|>"], 3, "is a marker of tiny"),
        ("", ["--split", "dev", "--out", "o.jsonl"], 2, "--split dev: is no split; known: train, validation"),
        ("", ["7", "--prompt", "a"], 2, 'run "7" is not known'),
    ],
)
def test_what_cannot_be_asked_is_told_in_one_line(
    content: str,
    argv: list[str],
    code: int,
    message: str,
    trained: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: Capture,
) -> None:
    (trained / "q.jsonl").write_text(content)
    (trained / "o.jsonl").unlink(missing_ok=True)
    (trained / "o.jsonl.settings.json").unlink(missing_ok=True)
    error = curate(capsys, trained, "generate", *argv, code=code)
    (told_of,) = [line for line in error.splitlines() if line.startswith("curate generate: ")]
    assert message in told_of


def test_a_run_is_not_used_with_another_template_or_without_its_parts(
    trained: Path, tmp_path: Path, capsys: Capture
) -> None:
    import shutil

    shutil.copytree(trained / "experiments", tmp_path / "experiments")
    shutil.copytree(trained / "models", tmp_path / "models")
    folder = tmp_path / "experiments" / "experiment_001"
    template = folder / "template" / "chat_template.jinja"
    ask = ("generate", "--prompt", QUESTION)
    whole = template.read_text()
    template.write_text(whole.replace("<|assistant|>\n", "<|assistant|>"))
    assert "experiment_001: was trained with another template" in curate(capsys, tmp_path, *ask, code=2)
    template.write_text(whole)
    shutil.move(folder / "adapter", folder / "elsewhere")
    assert "experiment_001: is done and has no adapter" in curate(capsys, tmp_path, *ask, code=2)
    shutil.rmtree(tmp_path / "models")
    gone = curate(capsys, tmp_path, *ask, code=2)
    assert "base_model: models/tiny is neither a folder nor in the hub's cache" in gone


@pytest.mark.slow
def test_stopped_by_hand_it_says_how_to_go_on_and_goes_on(trained: Path, tmp_path: Path) -> None:
    questions, out = tmp_path / "q.txt", tmp_path / "out.jsonl"
    questions.write_text("".join(f"Question number {number}?\n" for number in range(120)))
    command = [sys.executable, "-m", "app.cli", "generate", "-C", str(trained), "--input", str(questions)]
    command += ["--out", str(out), "--max-new-tokens", "16", "--batch-size", "2"]
    quiet = {**os.environ, "OMP_NUM_THREADS": "1"}
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=quiet)
    while process.poll() is None and (not out.is_file() or out.stat().st_size < 5000):
        time.sleep(0.02)
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=120)
    assert process.returncode == 130
    done = len(lines(out))
    assert f"stopped; {done} of 120 answers are in {out}; the same command again goes on" in err
    again = subprocess.run([*command, "--json"], check=True, capture_output=True, text=True, env=quiet)
    found = json.loads(again.stdout)
    assert (found["answers"], found["new"]) == (120, 120 - done)
    assert sorted(int(one["item_id"]) for one in lines(out)) == list(range(1, 121))
