"""The script that chains build, verify, train, evaluate, report and gate, and the CI example that runs it."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from app.cli import COMMANDS
from curation.runs import list_runs
from tests.eval_workspace import SUITE, eval_workspace
from tests.trainings import SMALL

ROOT = Path(__file__).resolve().parent.parent
SCRIPT = ROOT / "scripts" / "pipeline.sh"
EXAMPLE = yaml.safe_load((ROOT / "docs" / "ci" / "github-actions.yml").read_text("utf-8"))
STEPS: list[dict[str, Any]] = EXAMPLE["jobs"]["better-data"]["steps"]


def stages() -> list[str]:
    """The commands behind the word `stage`, in order."""
    code = [line.strip() for line in SCRIPT.read_text("utf-8").splitlines() if not line.startswith("#")]
    return [line.split("stage ")[1].split()[0] for line in code if "stage " in line]


@pytest.fixture
def ci(tmp_path: Path) -> Path:
    """A folder as the example's runner has it: the workspace, curate beside it, `curate` on the path."""
    (tmp_path / "bin").mkdir()
    command = tmp_path / "bin" / "curate"
    command.write_text(f'#!/bin/sh\nPYTHONPATH="{ROOT}" exec "{sys.executable}" -m app.cli "$@"\n')
    command.chmod(0o755)
    (tmp_path / "curate" / "scripts").mkdir(parents=True)
    shutil.copy(SCRIPT, tmp_path / "curate" / "scripts")
    return tmp_path


def run(ci: Path, script: str, **settings: str) -> subprocess.CompletedProcess[str]:
    surroundings = {**os.environ, **EXAMPLE["jobs"]["better-data"]["env"], **settings}
    surroundings["PATH"] = f"{ci / 'bin'}{os.pathsep}{os.environ['PATH']}"
    return subprocess.run(["sh", "-e", "-c", script], cwd=ci, capture_output=True, text=True, env=surroundings)


def test_the_script_runs_every_stage_by_a_command_that_there_is() -> None:
    assert stages() == ["build", "verify", "train", "eval", "report", "compare"]
    assert set(stages()) <= set(COMMANDS)
    subprocess.run(["sh", "-n", str(SCRIPT)], check=True)
    assert "--alone --gate" in SCRIPT.read_text().splitlines()[-1]


def test_the_example_is_a_workflow_that_installs_what_there_is_and_runs_the_script() -> None:
    assert set(EXAMPLE) >= {"name", "jobs", "permissions"}
    assert "push" in EXAMPLE[True]  # YAML 1.1 reads `on` so, and GitHub knows it
    assert all(("uses" in step) != ("run" in step) for step in STEPS)
    install = next(step["run"] for step in STEPS if step.get("name") == "install")
    assert "constraints.txt" in install
    assert "curate[app]" in install
    assert [step["run"] for step in STEPS if "pipeline" in step.get("run", "")] == [
        "sh curate/scripts/pipeline.sh workspace"
    ]


@pytest.mark.parametrize(("recipe", "code"), [("sources: [{path: none}]\n", 3), ("nonsense: 1\n", 2)])
def test_a_stage_that_fails_ends_it_with_its_code(ci: Path, recipe: str, code: int) -> None:
    work = ci / "workspace"
    work.mkdir()
    (work / "curate.yaml").write_text("curate: 1\n")
    (work / "recipe.yaml").write_text(recipe)
    done = run(ci, "sh curate/scripts/pipeline.sh workspace")
    assert done.returncode == code
    assert "== curate train" not in done.stderr


@pytest.mark.slow
def test_the_commands_of_the_example_go_through_and_the_gates_code_comes_out(ci: Path) -> None:
    pytest.importorskip("peft")
    from tests.tiny_model import tiny_model

    work = eval_workspace(ci / "workspace", counts=(12, 30, 5))
    tiny_model(work / "models" / "tiny")
    (work / "configs").mkdir()
    config = {"base_model": "models/tiny", **SMALL, "num_train_epochs": 1, "max_length": 160}
    (work / "configs" / "training.yaml").write_text(yaml.safe_dump(config))
    gates = {"strict": "gates: {primary: better}", "lenient": "gates: {primary: not_worse}"}
    for name, gate in gates.items():
        margin = "primary: {metric: chrf, margin: 100}\n" if name == "lenient" else "primary: {metric: exact_match}\n"
        (work / "suites" / f"{name}.yaml").write_text(f"{SUITE}{margin}{gate}\n")
    commands = [step["run"] for step in STEPS if "run" in step and step.get("name") != "install"]
    for command in commands:
        done = run(ci, command, SUITE="strict", SEEDS="2")
        assert done.returncode == (5 if "pipeline" in command else 0), done.stderr
    assert len(list_runs(work / "experiments")) == 3  # two seeds, and the base beside them
    assert list((work / "reports").glob("*.html"))
    (work / "configs" / "training.yaml").write_text(yaml.safe_dump({**config, "lora_r": 2}))
    done = run(ci, commands[-1], SUITE="lenient")
    assert done.returncode == 0, done.stderr
