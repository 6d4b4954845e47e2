"""`curate runs`, `curate runs show` and what `curate why` says of trainings."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any
from uuid import UUID

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from app.cli import main
from app.cli.curve import curve
from app.cli.render import LINES, Screen
from curation.row_losses import FILE, ROW_LOSSES, read_row_losses
from curation.runs import new_run_folder, read_run, working_on, write_run
from curation.store.journal import open_journal
from curation.workspace import Workspace
from tests.lineage_workspace import line, store_of, workspace
from tests.test_runs import training
from train.config import training_config

Capture = pytest.CaptureFixture[str]


def run(capsys: Capture, *argv: str, code: int = 0) -> list[str]:
    capsys.readouterr()
    assert main(list(argv)) == code
    out, err = capsys.readouterr()
    return (err if code else out).splitlines()


def run_json(capsys: Capture, *argv: str) -> Any:
    (told,) = run(capsys, *argv, "--json")
    return json.loads(told)


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    made = workspace(tmp_path_factory.mktemp("runs") / "work", [line(number) for number in range(30)])
    assert main(["build", "-C", str(made.root)]) == 0
    return made


@pytest.fixture
def here(built: Workspace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Workspace:
    """The built workspace without runs."""
    import shutil

    shutil.copytree(built.root, tmp_path / "work")
    monkeypatch.chdir(tmp_path / "work")
    return Workspace(tmp_path / "work", tmp_path / "work" / "recipe.yaml")


def trained(here: Workspace, **changes: Any) -> Path:
    """A run of the workspace's version, as a training leaves it."""
    folder = new_run_folder(here.root / "experiments")
    version = store_of(here).resolve("latest")
    config = training_config({"base_model": "models/tiny", "learning_rate": 1e-3}).as_json()
    told = {"name": version.name, "id": version.id, "source": "store", "rows": {"train": 18, "validation": 6}}
    metrics = {"train_loss": 1.5, "validation_loss": 1.75, "trained_tokens": 4321.0, "seconds": 12.34}
    write_run(folder, training(folder.name, **{"version": told, "config": config, "metrics": metrics, **changes}))
    return folder


def logged(here: Workspace, name: str, steps: int) -> None:
    with open_journal(here.store_path / "journal.sqlite") as journal:
        for step in range(1, steps + 1):
            journal.metric(name, step, {"train_loss": 4 / step, "trained_tokens": 100.0 * step, "seconds": step / 2})
        journal.metric(name, steps, {"validation_loss": 1.25})


def lost(folder: Path, rows: Sequence[tuple[bytes, list[float]]]) -> None:
    flat = [
        {"row_id": row_id, "step": step, "loss": loss, "tokens": 10 + at}
        for at, (row_id, losses) in enumerate(rows)
        for step, loss in enumerate(losses)
    ]
    pq.write_table(pa.Table.from_pylist(flat[::-1], ROW_LOSSES), folder / FILE)


def test_no_run_yet(here: Workspace, capsys: Capture) -> None:
    assert run(capsys, "runs") == ["no run yet", "next: curate train --check · curate train"]
    assert run_json(capsys, "runs") == {"runs": []}


def test_runs_are_listed_newest_first(here: Workspace, capsys: Capture) -> None:
    trained(here)
    trained(here, state="failed", detail="the loss is not a number at step 3", metrics={"train_loss": float("nan")})
    shown = run(capsys, "runs")
    assert shown[0].split() == [
        "run",
        "version",
        "base",
        "template",
        "state",
        "train",
        "loss",
        "validation",
        "tokens",
        "seconds",
    ]
    assert shown[1].split() == ["experiment_002", "v1", "tiny", "chatml", "failed", "not", "a", "number", "-", "-", "-"]
    assert shown[2].split() == ["experiment_001", "v1", "tiny", "chatml", "done", "1.5", "1.75", "4,321", "12.3"]
    assert shown[-1] == "next: curate runs show experiment_002"


def test_what_a_comparison_asked_beside_is_named_and_a_training_shown(here: Workspace, capsys: Capture) -> None:
    trained(here)
    trained(here, kind="base")
    trained(here, kind="predictions", settings={"baseline": "few-shot"})
    shown = run(capsys, "runs")
    assert "done, baseline" in shown[1]
    assert "done, base model" in shown[2]
    assert "," not in shown[3].split("done")[1].split("  ")[0]
    assert shown[-1] == "next: curate runs show experiment_001"


def test_a_run_at_work_shows_what_it_measured_last(here: Workspace, capsys: Capture) -> None:
    folder = trained(here, state="running", metrics={})
    logged(here, folder.name, 8)
    with working_on(folder):
        (told,) = run_json(capsys, "runs")["runs"]
    assert told["state"] == "running"
    last = {"train_loss": 0.5, "trained_tokens": 800.0, "seconds": 4.0, "validation_loss": 1.25}
    assert told["metrics"] == last
    write_run(folder, replace(read_run(folder), state="interrupted", detail="stopped and saved after step 8"))
    (told,) = run_json(capsys, "runs")["runs"]
    assert (told["state"], told["metrics"]) == ("interrupted", last)


def test_a_killed_run_says_how_to_go_on(here: Workspace, capsys: Capture) -> None:
    folder = trained(here, state="running", metrics={})
    logged(here, folder.name, 8)
    program = "import os, signal, sys; from pathlib import Path; from curation.runs import working_on\n"
    program += "with working_on(Path(sys.argv[1])): os.kill(os.getpid(), signal.SIGKILL)"
    subprocess.run([sys.executable, "-c", program, str(folder)], check=False)
    shown = run(capsys, "runs")
    assert shown[1].split() == ["experiment_001", "v1", "tiny", "chatml", "interrupted", "0.5", "1.25", "800", "4"]
    assert shown[2:] == [
        "experiment_001 did not come to the end",
        "next: curate train --resume experiment_001 · curate runs show experiment_001",
    ]
    shown = run(capsys, "runs", "show")
    assert shown[0] == "experiment_001  interrupted · v1 train 18 validation 6 · at step 8"
    assert shown[-1] == "next: curate train --resume experiment_001"


def test_a_damaged_run_hides_no_other(here: Workspace, capsys: Capture) -> None:
    trained(here)
    (trained(here) / "run.json").write_text("{")
    shown = run(capsys, "runs")
    assert [told.split()[0] for told in shown[1:3]] == ["experiment_002", "experiment_001"]
    assert "damaged" in shown[1]
    assert shown[3].startswith("damaged: ")
    assert "curate runs show experiment_001" in shown[4]
    (told,) = run(capsys, "runs", "show", "002", code=3)
    assert told.startswith("curate runs: ")


def test_one_run_in_fifteen_lines(here: Workspace, capsys: Capture) -> None:
    folder = trained(here)
    logged(here, folder.name, 300)
    ids = [UUID(int=number).bytes for number in range(1, 8)]
    lost(folder, [(row_id, [3.0, 0.1 * at, 0.04 * at]) for at, row_id in enumerate(ids)])
    shown = run(capsys, "runs", "show", "1")
    assert len(shown) == LINES
    assert shown[0] == "experiment_001  done · v1 train 18 validation 6 · 12.3 s"
    assert shown[1] == "base models/tiny · template chatml abababab"
    assert shown[2] == "off their default: learning_rate 0.001"
    assert shown[3] == "     2.44 |."
    assert shown[10].endswith("+step 1" + "-" * 60 + "300")
    assert shown[11] == "           . train loss 4 -> 0.0133   o validation loss 1.25 -> 1.25"
    assert shown[12] == (
        "highest loss at the last visit, of 7 rows: 00000000 0.24 · 00000000 0.20 · 00000000 0.16 · 00000000 0.12"
    )
    assert shown[13] == (
        "known by heart (loss up to .1): 3 rows, the longest 00000000 0.08 (12 tokens) · "
        "00000000 0.04 (11 tokens) · 00000000 0.00 (10 tokens)"
    )
    assert shown[14] == "next: curate why 00000000 --version v1 · curate generate experiment_001 --prompt '...'"


def test_one_run_for_machines(here: Workspace, capsys: Capture) -> None:
    folder = trained(here)
    logged(here, folder.name, 3)
    lost(folder, [(UUID(int=1).bytes, [3.0, 0.01]), (UUID(int=2).bytes, [3.0, float("nan")])])
    told = run_json(capsys, "runs", "show", "latest")
    assert told["name"] == "experiment_001"
    assert told["changed_settings"] == {"learning_rate": 1e-3}
    assert told["series"]["train_loss"] == [[1, 4.0], [2, 2.0], [3, 4 / 3]]
    assert [row["row_id"] for row in told["highest_loss"]] == [str(UUID(int=2)), str(UUID(int=1))]
    assert told["memorised_count"] == 1


def test_a_run_without_a_curve_or_rows(here: Workspace, capsys: Capture) -> None:
    folder = trained(here, provenance="unknown", origin="a peft folder", version=None, config=None, template=None)
    shown = run(capsys, "runs", "show", str(folder))
    assert shown == [
        "experiment_001  done · 12.3 s",
        "base models/tiny · provenance unknown (a peft folder)",
        "next: curate generate experiment_001 --prompt '...'",
    ]


def test_a_folder_from_elsewhere_is_not_shown_with_another_runs_curve(here: Workspace, capsys: Capture) -> None:
    folder = trained(here)
    logged(here, folder.name, 3)
    elsewhere = here.root / "elsewhere"
    elsewhere.mkdir()
    write_run(elsewhere, read_run(folder))
    assert run_json(capsys, "runs", "show", str(elsewhere))["series"] == {}


def test_runs_without_a_workspace(tmp_path: Path, capsys: Capture) -> None:
    folder = new_run_folder(tmp_path / "experiments")
    write_run(folder, replace(training(folder.name), state="done"))
    assert [told["run"] for told in run_json(capsys, "-C", str(tmp_path), "runs")["runs"]] == ["experiment_001"]


def test_mistakes(here: Workspace, capsys: Capture) -> None:
    assert run(capsys, "runs", "shwo", code=2) == [
        'curate runs: "shwo" is not something runs does; did you mean "show"?'
    ]
    assert run(capsys, "runs", "show", "7", code=2) == [
        'curate runs: run "7" is not known, and no run was made yet; make one with curate train'
    ]


def test_why_tells_how_trainings_took_a_row(here: Workspace, capsys: Capture) -> None:
    members = store_of(here).table("latest", "members").to_pylist()
    ids = [member["row_id"] for member in members if member["split"] == "train"]
    folder = trained(here)
    lost(folder, [(row_id, [3.0, 2.0, 1.0, 0.5, 0.05 * at]) for at, row_id in enumerate(ids)])
    other = trained(here, version={"name": "v9", "id": "ab" * 32})
    lost(other, [(ids[1], [9.0])])
    damaged = trained(here)
    (damaged / FILE).write_bytes(b"no parquet")
    key = str(UUID(bytes=ids[1]))
    last = f"number {len(ids) - 1} of {len(ids)} from the highest"
    said = [told for told in run(capsys, "why", key) if told.startswith("trained on")]
    assert said == [
        f"trained on in experiment_001: loss 3.00 -> 2.00 -> ... -> 0.50 -> 0.05 over 11 tokens, known by heart, {last}"
    ]
    (history,) = run_json(capsys, "why", key)["trained"]
    assert (history["run"], len(history["losses"]), history["memorised"]) == ("experiment_001", 5, True)


def test_row_losses_are_read_in_the_order_of_steps(tmp_path: Path) -> None:
    lost(tmp_path, [(UUID(int=1).bytes, [3.0, 2.0, 1.0])])  # written newest first
    (row,) = read_row_losses(tmp_path)
    assert (row.losses, row.last, row.rank, row.rows) == ((3.0, 2.0, 1.0), 1.0, 1, 1)


def test_a_curve_is_plain_text_of_the_height_asked_for() -> None:
    points = [(step, 10.0 - step) for step in range(10)]
    shown = curve({"train_loss": points}, 4, Screen(width=30))
    assert shown == [
        "       10 |. .",
        "        7 |    . . .",
        "        4 |           . . .",
        "        1 |                 . .",
        "          +step 0-------------9",
        "           . train loss 10 -> 1",
    ]
    assert "".join(shown).isascii()


def test_a_curve_of_one_point_of_nothing_and_of_no_numbers() -> None:
    assert len(curve({"train_loss": [(5, 2.0)]}, 3, Screen())) == 5
    assert curve({}, 3, Screen()) == []
    assert curve({"train_loss": [(1, float("nan"))]}, 3, Screen()) == []
    assert "nan" not in "".join(curve({"train_loss": [(1, float("nan")), (2, 1.0)]}, 3, Screen()))


def test_colours_only_where_they_are_understood() -> None:
    series = {"train_loss": [(1, 2.0), (2, 1.0)], "validation_loss": [(2, 1.5)]}
    assert "\x1b" not in "".join(curve(series, 3, Screen(80)))
    assert "\x1b[32mo\x1b[0m" in "".join(curve(series, 3, Screen(80, colour=True)))
