"""`curate doctor` on environments and workspaces that really are broken, and on sound ones."""

from __future__ import annotations

import json
import os
import shutil
import stat
import subprocess
import sys
import tomllib
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from app.cli import main
from curation.doctor import environment_checks
from curation.runs import read_run, run_place, working_on, write_run
from curation.store.journal import open_journal
from curation.workspace import Workspace, open_workspace
from tests.compared import built, right_at, run_of
from tests.reported import arc, evaluated


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    made = built(tmp_path_factory.mktemp("doctor") / "work", 30)
    run_of(made)
    with open_journal(run_place(made).journal) as book:
        for step in range(400):
            book.metric("experiment_001", step, {"train_loss": 1.0})
    return made


@pytest.fixture
def made(whole: Workspace, tmp_path: Path) -> Workspace:
    shutil.copytree(whole.root, tmp_path / "work")
    return open_workspace(tmp_path / "work")


def doctor(where: Path, capsys: pytest.CaptureFixture[str], *words: str) -> tuple[int, list[dict[str, Any]]]:
    capsys.readouterr()
    code = main(["doctor", "--json", *words, "-C", str(where)])
    told = json.loads(capsys.readouterr().out)
    assert told["sound"] is (code == 0)
    return code, told["findings"]


def faults(where: Path, capsys: pytest.CaptureFixture[str], *words: str) -> list[dict[str, Any]]:
    code, found = doctor(where, capsys, *words)
    broken = [one for one in found if one["level"] == "broken"]
    assert bool(broken) == (code == 1)
    assert all(one["todo"] for one in broken)
    return broken


def test_a_sound_workspace(made: Workspace, capsys: pytest.CaptureFixture[str]) -> None:
    code, found = doctor(made.root, capsys)
    assert code == 0
    sound = {one["about"]: one["told"] for one in found if one["level"] == "ok"}
    assert {
        "python",
        "packages",
        "threads",
        "settings",
        "disk",
        "store",
        "segments",
        "journal",
        "locks",
        "runs",
    } <= set(sound)
    assert sound["store"] == "CURRENT names a sound catalogue, 1 versions"
    assert sound["journal"] == "0 tag events, 400 metrics"


def test_outside_a_workspace_it_looks_at_the_environment(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, found = doctor(tmp_path, capsys)
    assert code == 0
    (last,) = [one for one in found if one["about"] == "workspace"]
    assert (last["level"], last["todo"]) == ("note", "curate init DIR, or curate demo")


def segment(made: Workspace, name: str) -> Path:
    return next((made.store_path / "segments").glob(f"{name}-*.parquet"))


def test_a_damaged_and_a_missing_segment(made: Workspace, capsys: pytest.CaptureFixture[str]) -> None:
    rows = segment(made, "rows")
    content = bytearray(rows.read_bytes())
    content[len(content) // 2] ^= 1
    rows.write_bytes(content)
    segment(made, "members").unlink()
    told = {one["told"] for one in faults(made.root, capsys)}
    assert told == {
        f"{rows}: damaged (has changed since)",
        f"{made.store_path}/segments/{segment_name(told)}: is missing",
    }


def segment_name(told: set[str]) -> str:
    return next(line for line in told if line.endswith("is missing")).split("/")[-1].split(":")[0]


def test_a_large_store_is_hashed_in_part_and_deep_hashes_all(
    made: Workspace, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    from curation.doctor import workspace

    monkeypatch.setattr(workspace, "_HASHED", 0)
    rows = segment(made, "rows")
    content = bytearray(rows.read_bytes())
    content[len(content) // 2] ^= 1
    rows.write_bytes(content)
    _, found = doctor(made.root, capsys)
    told = next(one["told"] for one in found if one["about"] == "segments")
    assert told.endswith(" 0 of them by hash; --deep hashes all")
    assert [one.level for one in workspace.workspace_checks(made.root, deep=True) if one.about == "segments"] == [
        "broken"
    ]
    rows.write_bytes(content[:-1])
    assert faults(made.root, capsys)[0]["told"].startswith(f"{rows}: damaged (is ")


@pytest.mark.parametrize("what", ["CURRENT", "catalogue"])
def test_a_store_whose_head_is_damaged(made: Workspace, what: str, capsys: pytest.CaptureFixture[str]) -> None:
    if what == "CURRENT":
        (made.store_path / "CURRENT").write_text("nothing\n")
    else:
        path = made.store_path / (made.store_path / "CURRENT").read_text().split()[0]
        path.write_bytes(path.read_bytes()[:-100])
    (fault,) = faults(made.root, capsys)
    assert fault["about"] == "store"
    assert "restore it from a backup" in fault["todo"]


def test_a_damaged_journal(made: Workspace, capsys: pytest.CaptureFixture[str]) -> None:
    path = run_place(made).journal
    with open_journal(path) as book:
        book.read("pragma wal_checkpoint(truncate)")
    content = bytearray(path.read_bytes())
    content[8192:12288] = os.urandom(4096)
    path.write_bytes(content)
    for left in path.parent.glob("journal.sqlite-*"):
        left.unlink()
    (fault,) = faults(made.root, capsys)
    assert fault["about"] == "journal"
    assert "damaged (" in fault["told"]
    assert fault["todo"].startswith("restore it from a backup")


def test_settings_and_sources_that_are_wrong_or_gone(made: Workspace, capsys: pytest.CaptureFixture[str]) -> None:
    (made.root / "suites").mkdir()
    (made.root / "suites" / "small.yaml").write_text("metrics: [token_f1]\nprimry: {}\n")
    (fault,) = faults(made.root, capsys)
    assert fault["about"] == "small.yaml"
    assert "primry" in fault["told"]
    (made.root / "suites" / "small.yaml").unlink()
    shutil.rmtree(made.root / "raw")  # what a workspace that was moved has left behind
    (fault,) = faults(made.root, capsys)
    assert (fault["told"], fault["todo"]) == (
        "the recipe reads raw, which is not there",
        "put it back, or correct sources in recipe.yaml",
    )
    made.recipe_path.write_text("sources: [{path: raw}]\nnear: {thresold: .8}\n")
    assert "thresold" in faults(made.root, capsys)[0]["told"]
    (made.root / "curate.yaml").write_text("curate: [")
    assert faults(made.root, capsys)[0]["about"] == "workspace"


def test_damaged_and_stopped_runs_and_damaged_patches(made: Workspace, capsys: pytest.CaptureFixture[str]) -> None:
    folder = made.root / "experiments" / "experiment_001"
    _, found = doctor(made.root, capsys)
    (bare,) = [one for one in found if one["about"] == "experiment_001"]
    assert bare["todo"] == "restore adapter/ from a copy, or train it again"
    (folder / "adapter").mkdir()
    assert not [one for one in doctor(made.root, capsys)[1] if one["about"] == "experiment_001"]
    write_run(folder, replace(read_run(folder), state="running"))
    _, found = doctor(made.root, capsys)
    assert {"about": "experiment_001", "level": "note", "told": "was stopped",
            "todo": "curate train --resume experiment_001"} in found  # fmt: skip
    (folder / "run.json").write_text("{")
    (made.root / "patches").mkdir()
    (made.root / "patches" / "p-001.jsonl").write_text("{}\n")
    assert {one["about"] for one in faults(made.root, capsys)} == {"experiment_001", "patches"}


@pytest.mark.parametrize(
    ("what", "told", "todo"),
    [
        ("run.json", "run.json: cannot be read", "restore it, or remove the run's folder"),
        ("suite.yaml", "suite.yaml: no such file", "or move it away and run curate eval experiment_002"),
        (
            "predictions.parquet",
            "predictions.parquet: cannot be read",
            "or move that away and run the evaluation again",
        ),
        ("metrics.parquet", "metrics.parquet: cannot be read", "or move that away and run the evaluation again"),
    ],
)
def test_damaged_evaluations(
    made: Workspace, what: str, told: str, todo: str, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = evaluated(made, run_of(made), right_at(0.5, "it"), arc(0.5, 0, 60))
    _, found = doctor(made.root, capsys)
    assert {"about": "evaluations", "level": "ok", "told": "1 are whole", "todo": ""} in found
    path = folder.path / what
    path.unlink() if what == "suite.yaml" else path.write_bytes(b"{")
    (one,) = faults(made.root, capsys)
    assert one["about"] == "experiment_002/eval-1"
    assert told in one["told"]
    assert one["todo"].endswith(todo)
    assert main(["doctor", "-C", str(made.root)]) == 1
    assert f"-> {one['todo']}" in capsys.readouterr().out


def test_locks_name_who_holds_them(made: Workspace, capsys: pytest.CaptureFixture[str]) -> None:
    from curation.store import open_store

    with open_store(made.store_path).writer(), working_on(made.root / "experiments" / "experiment_001"):
        code, found = doctor(made.root, capsys)
    told = [one["told"] for one in found if one["about"] == "locks"]
    assert code == 0
    assert [line.split(":")[0] for line in told] == ["writer.lock", "experiment_001/.running"]
    assert all(f"process {os.getpid()} is writing to it" in line for line in told)


def test_old_and_missing_packages(tmp_path: Path) -> None:
    """Real metadata of other versions, before the installed ones on the path."""
    for name, number in (("orjson", "1.0"), ("altair", "3.0")):
        folder = tmp_path / f"{name}-{number}.dist-info"
        folder.mkdir()
        (folder / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: {number}\n")
    code = "import sys; from curation.doctor import environment_checks\n"
    code += "for one in environment_checks(): print(one.about, one.level, one.told)\n"
    code += "sys.exit(len({'torch', 'transformers', 'bitsandbytes'} & set(sys.modules)))"
    path = os.pathsep.join([str(tmp_path), os.environ.get("PYTHONPATH", "")])
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True,
                          env={**os.environ, "PYTHONPATH": path}, cwd=Path(__file__).parent.parent)  # fmt: skip
    assert "packages broken orjson 1.0 is installed, >=3.13 is needed" in done.stdout
    assert "extra app broken altair 3.0 is installed, >=6.0 is needed" in done.stdout


def test_every_extra_of_the_package_is_looked_at(monkeypatch: pytest.MonkeyPatch) -> None:
    """`all` is the sum of the others, and `dev` is for working on the program itself."""
    text = (Path(__file__).parent.parent / "pyproject.toml").read_text("utf-8")
    extras = tomllib.loads(text)["project"]["optional-dependencies"]
    told = [f"{line}; extra == '{name}'" for name, lines in extras.items() for line in lines]
    monkeypatch.setattr("curation.doctor.surroundings.requires", lambda name: told)
    found = {one.about.removeprefix("extra "): one for one in environment_checks() if one.about.startswith("extra ")}
    assert set(found) == set(extras) - {"all", "dev"}
    assert "older than" not in "".join(one.told for one in found.values())
    monkeypatch.setattr("curation.doctor.surroundings.requires", lambda name: told[:1])
    (login,) = [one for one in environment_checks() if one.about == "extra login"]
    assert (login.level, login.told) == ("note", "what was installed here is older than this program")
    assert login.todo == 'pip install -c constraints.txt "curate[login]"'


def test_an_extra_that_is_not_there_is_a_note(monkeypatch: pytest.MonkeyPatch) -> None:
    from importlib.metadata import PackageNotFoundError, version

    def absent(name: str) -> str:
        if name == "vl-convert-python":
            raise PackageNotFoundError(name)
        return version(name)

    monkeypatch.setattr("curation.doctor.surroundings.version", absent)
    (found,) = [one for one in environment_checks() if one.about == "extra app"]
    assert (found.level, found.told) == ("note", "not installed: vl-convert-python")
    assert found.todo == 'pip install -c constraints.txt "curate[app]"'


@pytest.mark.parametrize(("capability", "said"), [("9.0", "bf16"), ("7.5", "fp16: bf16 is emulated")])
def test_a_gpu_is_asked_for_by_its_drivers_tool(
    capability: str, said: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tool = tmp_path / "nvidia-smi"
    tool.write_text(f"#!/bin/sh\necho 'Some GPU, 580.1, 16000 MiB, 15000 MiB, {capability}'\n")
    tool.chmod(tool.stat().st_mode | stat.S_IXUSR)
    monkeypatch.setenv("PATH", f"{tmp_path}{os.pathsep}{os.environ['PATH']}")
    monkeypatch.setattr("curation.doctor.surroundings._torch_cuda", lambda: "")
    found = {one.about: one for one in environment_checks()}
    assert found["gpu"].told == f"Some GPU, 15000 MiB of 16000 MiB free, driver 580.1, {said}"
    assert found["cuda"].level == "broken"


@pytest.mark.parametrize(("threads", "level"), [("1", "ok"), ("none", "broken"), ("4096", "note")])
def test_threads(threads: str, level: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OMP_NUM_THREADS", threads)
    assert next(one for one in environment_checks() if one.about == "threads").level == level


def test_a_hub_folder_that_is_not_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_HOME", str(tmp_path / "none"))
    found = next(one for one in environment_checks() if one.about == "hub")
    assert (found.level, found.todo) == ("note", "make it, or unset HF_HOME")


def test_fifteen_lines_however_much_is_broken(made: Workspace, capsys: pytest.CaptureFixture[str]) -> None:
    for number in range(20):
        folder = made.root / "experiments" / f"experiment_{100 + number}"
        folder.mkdir()
        (folder / "run.json").write_text("{")
    capsys.readouterr()
    assert main(["doctor", "-C", str(made.root)]) == 1
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) <= 15
    assert any("more; curate doctor --full" in line for line in lines)


@pytest.mark.slow
def test_deep_tries_out_the_four_bit_layer(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    pytest.importorskip("bitsandbytes")
    _, found = doctor(tmp_path, capsys, "--deep")
    assert "a 4-bit layer on" in next(one["told"] for one in found if one["about"] == "bitsandbytes")
