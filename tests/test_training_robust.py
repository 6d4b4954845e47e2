"""Trainings that go wrong, are stopped, are killed, or run in several processes."""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest

pytest.importorskip("torch")
pytest.importorskip("peft")

import torch
from safetensors.torch import load_file, save_file

from app.cli import main
from curation.errors import CurateError
from curation.row_losses import read_row_losses
from curation.runs import read_run, state_now
from curation.store.journal import open_journal
from tests.tiny_model import tiny_model
from tests.trainings import SMALL, place, small, source
from train.config import TrainingConfig
from train.estimate import Estimate
from train.preflight import prepare
from train.run import last_checkpoint, train
from train.watch import History, out_of_memory

# peft asks the model by a name that transformers 5.23 gives up.
pytestmark = pytest.mark.filterwarnings("ignore:.is_gradient_checkpointing. is deprecated:FutureWarning")


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny_model(tmp_path_factory.mktemp("base") / "tiny")


def adapter(folder: Path) -> dict[str, Any]:
    return dict(load_file(folder / "adapter" / "adapter_model.safetensors"))


def furthest(one: dict[str, Any], other: dict[str, Any]) -> float:
    assert one.keys() == other.keys()
    return max(float((one[name] - other[name]).abs().max()) for name in one)


def test_a_loss_that_is_no_number_names_step_and_rows(base: Path, tmp_path: Path) -> None:
    """One token of one row has an embedding that is no number; every other row is fine."""
    rows = list(prepare(small(base), source()).train)
    lone = next(
        (row["row_id"], token)
        for row in rows
        for token in row["input_ids"]
        if not any(token in other["input_ids"] for other in rows if other is not row)
    )
    folder = tiny_model(tmp_path / "broken")
    weights = load_file(folder / "model.safetensors")
    weights["model.embed_tokens.weight"][lone[1]] = float("nan")
    save_file(weights, folder / "model.safetensors", {"format": "pt"})
    with pytest.raises(CurateError, match=rf"^step \d+: the loss is not a number; rows: {lone[0]}; look at"):
        train(small(folder, eval_strategy="no"), source(), place(tmp_path))
    run = read_run(tmp_path / "experiments" / "experiment_001")
    assert (run.state, run.detail[:5]) == ("failed", "step ")
    assert lone[0] in run.detail
    assert not (tmp_path / "experiments" / "experiment_001" / "adapter").exists()
    with open_journal(tmp_path / "journal.sqlite") as journal:
        assert journal.statuses()["experiment_001"].state == "failed"


def test_an_adapter_that_runs_away_stops_the_training(base: Path, tmp_path: Path) -> None:
    wild = {"learning_rate": 50.0, "lr_scheduler_type": "constant", "eval_strategy": "no"}
    with pytest.raises(CurateError, match=r"^step [2-8]: the (gradient is nothing|loss)") as caught:
        train(small(base, **wild), source(), place(tmp_path))
    assert "lower learning_rate" in str(caught.value)


def test_a_loss_worse_than_guessing_stops_the_training_and_noise_does_not() -> None:
    def steps(losses: list[float]) -> None:
        history = History(vocabulary=512)  # guessing: 6.24
        for step, loss in enumerate(losses, start=1):
            history.visit([str(UUID(int=1)), str(UUID(int=2))], torch.tensor([[2.5 * loss, 0.5 * loss], [2.0, 1.0]]))
            history.settle(step, [torch.ones(2)])

    steps([6.0] * 8 + [12.0, 5.0] * 20)
    steps([14.0] * 8 + [12.0] * 20)
    with pytest.raises(CurateError, match=r"^step 18: the loss diverges \(12.00, guessing: 6.24\); rows: 0+-.*-0+1, "):
        steps([6.0] * 8 + [6.0] * 8 + [30.0] * 20)
    with pytest.raises(CurateError, match=r"^step 2: the loss is not a number; rows: 0+-.*-0+1, 0+-.*-0+2; look"):
        steps([6.0, float("inf")])


def test_out_of_memory_names_knobs_and_amounts(base: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def too_large(*args: Any) -> Any:
        raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB.")

    monkeypatch.setattr("train.trainer.token_losses", too_large)
    with pytest.raises(CurateError, match="out of memory") as caught:
        train(small(base), source(), place(tmp_path))
    assert "per_device_train_batch_size=1 gradient_accumulation_steps=4 (the same training) frees about" in str(
        caught.value
    )
    run = read_run(tmp_path / "experiments" / "experiment_001")
    assert (run.state, run.detail) == ("failed", str(caught.value))


def test_a_full_disk_is_one_line(base: Path, tmp_path: Path) -> None:
    """In a process of its own that may write no file over a third of a MB: the checkpoint's adapter is larger."""
    code = (
        "import resource, signal\nfrom pathlib import Path\nfrom curation.errors import StoreError\n"
        "from tests.trainings import place, small, source\nfrom train.run import train\n"
        "signal.signal(signal.SIGXFSZ, signal.SIG_IGN)\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (300_000, resource.RLIM_INFINITY))\n"
        f"try: train(small(Path({str(base)!r}), lora_r=64), source(), place(Path({str(tmp_path)!r})))\n"
        "except StoreError as error: print(error)\n"
    )
    exit_code, out, err = finished(["-c", code])
    assert exit_code == 0, err
    run = tmp_path / "experiments" / "experiment_001"
    assert out.startswith(f"{run}: cannot be written (")
    assert out.endswith("; make room, then go on with: curate train --resume experiment_001\n")
    assert (read_run(run).state, last_checkpoint(run)) == ("failed", None)
    assert not (run / "adapter").exists()


def test_memory_knobs_are_worth_what_the_estimate_says() -> None:
    gib = 2**30
    cost = Estimate(8 * gib, 0, 16 * gib, gib, 20 * gib, 2 * gib, 4 * gib, 1, 1, 1.0)
    told = str(out_of_memory(TrainingConfig("m", quantization="bf16"), cost, checkpointing=False))
    assert "about 41 GiB wanted" in told
    assert "per_device_train_batch_size=2 gradient_accumulation_steps=8 (the same training) frees about 12 GiB" in told
    assert "activation_checkpointing=true frees about 18 GiB" in told
    assert "quantization=nf4 frees about 11 GiB" in told
    assert "max_length=1024 frees about 12 GiB" in told
    least = str(out_of_memory(TrainingConfig("m", per_device_train_batch_size=1), cost, checkpointing=True))
    assert "batch_size" not in least
    assert "max_length=1024 frees about 3 GiB" in least


def test_a_checkpoint_whose_writing_was_cut_short_is_passed_over(tmp_path: Path) -> None:
    assert last_checkpoint(tmp_path) is None
    for step, files in ((4, ["row_losses.parquet"]), (12, ["row_losses.parquet"]), (16, ["trainer_state.json"])):
        folder = tmp_path / "checkpoints" / f"checkpoint-{step}"
        folder.mkdir(parents=True)
        for name in files:
            (folder / name).touch()
    assert last_checkpoint(tmp_path) == tmp_path / "checkpoints" / "checkpoint-12"


# ---- as processes, on a pack and without a store

LONG = {"num_train_epochs": 40, "save_strategy": "steps", "save_steps": 7, "lora_dropout": 0.1}


@pytest.fixture(scope="module")
def packed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a pack, a model and a config, and nothing else."""
    root = tmp_path_factory.mktemp("packed")
    chance = random.Random(1)

    def words(count: int) -> str:
        return " ".join("".join(chance.choices("abcdefghilmnoprstu", k=5)) for _ in range(count))

    # Nothing of one question stands in another: else they would be one cluster, all of it in train.
    lines = [
        json.dumps({"question": words(chance.randint(2, 4)), "answer": words(chance.randint(1, 3))}) for _ in range(60)
    ]
    (root / "made").mkdir()
    (root / "made" / "rows.jsonl").write_text("\n".join(lines) + "\n")
    here = ["-C", str(root / "made")]
    assert main(["build", *here, str(root / "made" / "rows.jsonl")]) == 0
    assert main(["pack", *here, "--to", str(root / "v1.pack")]) == 0
    tiny_model(root / "base")
    return root


def command(root: Path, experiments: Path, **changes: Any) -> list[str]:
    settings = {**SMALL, "max_length": 96, "base_model": str(root / "base"), **changes}
    told = [f"{key}={json.dumps(value)}" for key, value in settings.items()]
    pairs = [word for setting in told for word in ("--set", setting)]
    return ["-m", "app.cli", "train", "-C", str(experiments), str(root / "v1.pack"), *pairs]


def process(words: list[str]) -> subprocess.Popen[str]:
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": str(Path(__file__).parents[1])}
    return subprocess.Popen(
        [sys.executable, *words], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment
    )


def finished(words: list[str]) -> tuple[int, str, str]:
    running = process(words)
    out, err = running.communicate(timeout=300)
    return running.returncode, out, err


def stopped_when(words: list[str], ready: Callable[[], bool], number: signal.Signals) -> tuple[int, str]:
    running = process(words)
    deadline = time.monotonic() + 240
    while not ready() and running.poll() is None and time.monotonic() < deadline:
        time.sleep(0.02)
    running.send_signal(number)
    _, err = running.communicate(timeout=240)
    return running.returncode, err


@pytest.mark.slow
def test_a_pack_trains_without_a_store(packed: Path, tmp_path: Path) -> None:
    """Neither DuckDB nor the store's database modules are even imported."""
    words = command(packed, tmp_path)
    code = (
        "import sys, runpy\n"
        f"sys.argv = {['curate', *words[2:], '--json', '--seeds', '2', '--set', 'select=token_f1']!r}\n"
        "from app.cli import main\n"
        "code = main()\n"
        "unwanted = {'duckdb', 'curation.store.database', 'curation.store.sql'}\n"
        "print(sorted(unwanted & set(sys.modules)), file=sys.stderr)\n"
        "sys.exit(code)\n"
    )
    code_of_exit, out, err = finished(["-c", code])
    assert code_of_exit == 0, err
    assert err.splitlines()[-1] == "[]"
    told = json.loads(out)["runs"]
    assert [(run["name"], run["seeds"], run["state"]) for run in told] == [
        ("experiment_001", [1], "done"),
        ("experiment_002", [2], "done"),
    ]
    assert told[0]["version"]["source"] == "pack"
    assert all("token_f1" in entry["metrics"] for run in told for entry in run["checkpoints"])
    assert "Warning" not in err
    for run in told:
        assert "train_loss" in (Path(run["folder"]) / "results.csv").read_text()
    assert {path.name for path in tmp_path.iterdir()} == {"experiments"}


@pytest.fixture(scope="module")
def whole(packed: Path, tmp_path_factory: pytest.TempPathFactory) -> Callable[[Mapping[str, Any]], Path]:
    """The run that nobody stopped, by its settings."""
    made: dict[str, Path] = {}

    def run(settings: Mapping[str, Any]) -> Path:
        name = str(settings.get("quantization", "none"))
        if name not in made:
            root = tmp_path_factory.mktemp(name)
            code, _, err = finished(command(packed, root, **settings))
            assert code == 0, err
            made[name] = root / "experiments" / "experiment_001"
        return made[name]

    return run


@pytest.mark.slow
@pytest.mark.parametrize(
    ("number", "exit_code", "settings"),
    [
        (signal.SIGKILL, -9, LONG),
        (signal.SIGINT, 130, LONG),
        (signal.SIGTERM, 130, LONG),
        (
            signal.SIGKILL,
            -9,
            {**LONG, "quantization": "nf4", "lora_dropout": 0.0},
        ),  # computed as train.model.fused does
    ],
    ids=["kill", "interrupt", "terminate", "kill nf4"],
)
def test_a_run_that_was_stopped_goes_on_as_if_it_was_not(
    packed: Path,
    whole: Callable[[Mapping[str, Any]], Path],
    tmp_path: Path,
    number: signal.Signals,
    exit_code: int,
    settings: Mapping[str, Any],
) -> None:
    """Data order, dropout, optimiser and schedule included: no weight differs by anything."""
    undisturbed = whole(settings)
    run = tmp_path / "experiments" / "experiment_001"
    code, err = stopped_when(command(packed, tmp_path, **settings), lambda: last_checkpoint(run) is not None, number)
    assert code == exit_code, err
    assert state_now(run, read_run(run)) == "interrupted"
    step = int((last_checkpoint(run) or run).name.split("-")[1])
    last = read_run(undisturbed).selected_step or 0
    assert 0 < step < last
    if exit_code == 130:
        assert err.splitlines()[-1] == (
            f"curate train: stopped and saved after step {step} of {last}; go on with: "
            "curate train --resume experiment_001"
        )
    assert not (run / "adapter").exists()
    code, out, err = finished(["-m", "app.cli", "train", "-C", str(tmp_path), "--resume"])
    assert code == 0, err
    assert out.startswith(f"{run}: ")
    assert furthest(adapter(run), adapter(undisturbed)) == 0
    assert read_row_losses(run) == read_row_losses(undisturbed)
    one, other = read_run(run), read_run(undisturbed)
    for name in ("train_loss", "validation_loss", "trained_tokens"):
        assert one.metrics[name] == other.metrics[name]
    steps = {entry["step"] for entry in other.checkpoints}
    assert steps <= {entry["step"] for entry in one.checkpoints} <= steps | {step}


TORCHRUN = ["-m", "torch.distributed.run", "--nproc_per_node=2", "--master_port=0", "--rdzv_backend=c10d"]
# As docs/training.md has it, with a port of its own for each test.
ACCELERATE = ["-m", "accelerate.commands.launch", "--multi_gpu", "--num_processes", "2", "--main_process_port", "0"]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("launch", "quantization"),
    [([*TORCHRUN, "--rdzv_endpoint=localhost:0"], "none"), (ACCELERATE, "nf4")],
    ids=["torchrun", "accelerate"],
)
def test_two_processes_train_what_one_does(launch: list[str], quantization: str, packed: Path, tmp_path: Path) -> None:
    same = {"lora_dropout": 0.0, "num_train_epochs": 3, "quantization": quantization}
    (tmp_path / "one").mkdir()
    (tmp_path / "two").mkdir()
    code, _, err = finished(command(packed, tmp_path / "one", **same, gradient_accumulation_steps=4))
    assert code == 0, err
    code, out, err = finished([*launch, *command(packed, tmp_path / "two", **same, gradient_accumulation_steps=2)])
    assert code == 0, err
    folders = [tmp_path / name / "experiments" for name in ("one", "two")]
    assert [sorted(path.name for path in folder.glob("experiment_*")) for folder in folders] == [["experiment_001"]] * 2
    one, two = (folder / "experiment_001" for folder in folders)
    assert furthest(adapter(one), adapter(two)) <= 1e-5
    assert out.count("trained tokens") == 1
    first, second = read_run(one).metrics, read_run(two).metrics
    assert first["trained_tokens"] == second["trained_tokens"]
    assert second["validation_loss"] == pytest.approx(first["validation_loss"], abs=1e-5)
    assert second["train_loss"] == pytest.approx(first["train_loss"], abs=1e-5)
    visits = [{row.row_id: len(row.losses) for row in read_row_losses(folder)} for folder in (one, two)]
    assert visits[0] == visits[1]


@pytest.mark.slow
def test_a_launch_that_starts_one_process_on_a_cpu_is_told(packed: Path, tmp_path: Path) -> None:
    launch = ["-m", "accelerate.commands.launch", "--cpu", "--num_processes", "2"]
    code, _, err = finished([*launch, *command(packed, tmp_path, max_steps=1)])
    assert code == 0, err
    assert "warning: this is one process; accelerate launch --cpu starts no more" in err
