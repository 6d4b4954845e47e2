"""Runs on disk: one folder a training, experiments/experiment_NNN, and its run.json (schemas/run.schema.json).

Beside run.json lie adapter/, training.yaml, train.log, results.csv, checkpoints/ and row_losses.parquet
(curation.row_losses). While a run is at work its metrics go to the journal, under the names in METRICS.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, fields
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Literal

import orjson

from curation.config_file import check_config
from curation.errors import ConfigError, CurateError, DataError, StoreBusyError, did_you_mean
from curation.store.files import disk_errors, replace_file
from curation.store.locking import WriterLock, is_locked

if TYPE_CHECKING:
    from curation.workspace import Workspace

RUN_FILE: Final = "run.json"
SCHEMA: Final = "run.schema.json"
LAYOUT: Final = 1
_LOCK: Final = ".running"
_NUMBERED: Final = re.compile(r"experiment_([0-9]{3,})")

# What a training measures: in the journal at a step, in run.json as it was at the end.
METRICS: Final = (
    *("train_loss", "validation_loss", "gradient_norm", "learning_rate", "trained_tokens", "tokens_per_second"),
    *("seconds", "peak_memory_mb", "eta_seconds"),
)

Kind = Literal["training", "evaluation", "base", "predictions"]
State = Literal["running", "done", "interrupted", "failed"]
Provenance = Literal["curate", "imported", "unknown"]


@dataclass(frozen=True, slots=True)
class Run:
    """run.json; the schema says what each key holds. A value that is not known is None or empty."""

    name: str
    kind: Kind
    state: State
    started: str
    base_model: Mapping[str, Any]
    provenance: Provenance = "curate"
    detail: str = ""
    origin: str = ""
    ended: str | None = None
    tokenizer_sha256: str | None = None
    template: Mapping[str, Any] | None = None
    fingerprint: Mapping[str, str] = field(default_factory=dict)  # of train.model.check
    version: Mapping[str, Any] | None = None
    config: Mapping[str, Any] | None = None
    config_sha256: str | None = None
    seeds: Sequence[int] = ()
    packages: Mapping[str, str] = field(default_factory=dict)
    python: str | None = None
    code: Mapping[str, Any] | None = None
    hardware: Mapping[str, Any] = field(default_factory=dict)
    host: str | None = None
    pid: int | None = None
    licences: Mapping[str, Any] = field(default_factory=dict)
    metrics: Mapping[str, float] = field(default_factory=dict)
    checkpoints: Sequence[Mapping[str, Any]] = ()
    selected_step: int | None = None
    merge: Mapping[str, Any] | None = None
    settings: Mapping[str, Any] = field(default_factory=dict)  # of an evaluation

    @property
    def base(self) -> str:
        return str(self.base_model["name"])

    def as_json(self) -> dict[str, Any]:
        """The object in run.json, without the keys that belong to another kind of run."""
        values = {entry.name: _plain(getattr(self, entry.name)) for entry in fields(self)}
        other = ("settings",) if self.kind == "training" else ("checkpoints", "selected_step", "merge")
        return {"run": LAYOUT, **{key: value for key, value in values.items() if key not in other}}


@dataclass(frozen=True, slots=True)
class RunPlace:
    """Where runs are kept, and the journal that they write to."""

    experiments: Path
    journal: Path


def run_place(workspace: Workspace | None, near: Path = Path()) -> RunPlace:
    """The workspace's; without one, `experiments` in the folder `near`."""
    if workspace is None:
        return RunPlace(near / "experiments", near / "experiments" / "journal.sqlite")
    return RunPlace(workspace.root / "experiments", workspace.store_path / "journal.sqlite")


def new_run_folder(experiments: Path) -> Path:
    """Make experiments/experiment_NNN, one above the highest there is; two processes never get the same."""
    with disk_errors(experiments, "no run was started"):
        experiments.mkdir(parents=True, exist_ok=True)
        while True:
            highest = max((run_number(path.name) for path in experiments.iterdir()), default=0)
            folder = experiments / f"experiment_{highest + 1:03}"
            try:
                folder.mkdir()
            except FileExistsError:
                continue
            return folder


def run_number(name: str) -> int:
    """17 of experiment_017; 0 of anything else."""
    found = _NUMBERED.fullmatch(name)
    return int(found[1]) if found else 0


def list_runs(experiments: Path) -> list[Path]:
    """The folders of all runs that hold a run.json, be it a damaged one; oldest first."""
    if not experiments.is_dir():
        return []
    folders = [path for path in experiments.iterdir() if run_number(path.name) and (path / RUN_FILE).is_file()]
    return sorted(folders, key=lambda path: run_number(path.name))


def readable_runs(experiments: Path) -> list[tuple[Path, Run]]:
    """Oldest first, without the damaged ones, which `damaged_runs` names."""
    return [(folder, run) for folder, run in _each_run(experiments) if isinstance(run, Run)]


def damaged_runs(experiments: Path) -> dict[Path, CurateError]:
    """Those whose run.json cannot be read, and why."""
    return {folder: error for folder, error in _each_run(experiments) if isinstance(error, CurateError)}


def _each_run(experiments: Path) -> Iterator[tuple[Path, Run | CurateError]]:
    for folder in list_runs(experiments):
        try:
            yield folder, read_run(folder)
        except CurateError as error:
            yield folder, error


def resolve_run(experiments: Path, ref: str, kind: Kind = "training") -> Path:
    """The folder of `latest` (the newest of this kind), of 3, 003 or experiment_003, of a path, or of outputs that were
    taken in under this name."""
    folders = list_runs(experiments)
    if not ref:
        raise ConfigError(f'"" names no run{did_you_mean("", ["latest", *(folder.name for folder in folders[-8:])])}')
    if ref == "latest":
        return _latest(experiments, folders, kind)
    for folder in folders:
        if ref == folder.name or (ref.isascii() and ref.isdigit() and int(ref) == run_number(folder.name)):
            return folder
    for path in (Path(ref), experiments / ref):
        if (path / RUN_FILE).is_file():
            return path
    if len(called := _called(experiments, ref)) == 1:
        return called[0]
    if called:
        raise ConfigError(f'"{ref}" is what {" and ".join(folder.name for folder in called[:3])} are called; name one')
    if Path(ref).is_dir():
        raise ConfigError(f"{ref}: no {RUN_FILE} in it; take in a run made elsewhere with curate import-run")
    if not folders:
        raise ConfigError(f'run "{ref}" is not known, and no run was made yet; make one with curate train')
    if of_version := [folder.name for folder, run in readable_runs(experiments) if _trained_on(run, ref)]:
        raise ConfigError(f'"{ref}" is a version; name a run that was trained on it: {", ".join(of_version)}')
    hint = did_you_mean(ref, ["latest", *(folder.name for folder in folders[-8:])])
    raise ConfigError(f'run "{ref}" is not known{hint}')


def _called(experiments: Path, name: str) -> list[Path]:
    """Runs of outputs that were taken in under this name."""
    runs = readable_runs(experiments)
    return [folder for folder, run in runs if run.kind == "predictions" and run.settings.get("name") == name]


def _trained_on(run: Run, version: str) -> bool:
    return run.kind == "training" and (run.version or {}).get("name") == version


def _latest(experiments: Path, folders: Sequence[Path], kind: Kind) -> Path:
    for folder in reversed(folders):
        if read_run(folder).kind == kind:
            return folder
    taken = [folder.name for folder, run in readable_runs(experiments) if run.kind == "predictions"]
    if kind == "training" and taken:
        raise ConfigError(f"{experiments}: no training yet; name outputs that were taken in: {' '.join(taken[-2:])}")
    raise ConfigError(f"{experiments}: no {kind} yet; make one with curate {'train' if kind == 'training' else 'eval'}")


def write_run(folder: Path, run: Run) -> None:
    """Write run.json; a reader, and a crash, find the old one or the new one, whole."""
    told = run.as_json()
    check_config(told, SCHEMA, where=str(folder / RUN_FILE))
    with disk_errors(folder / RUN_FILE, "what it said before stays"):
        replace_file(folder / RUN_FILE, orjson.dumps(told, option=orjson.OPT_INDENT_2) + b"\n")


def read_run(folder: Path) -> Run:
    """The run in a folder, or of a run.json; DataError where it is damaged."""
    path = folder if folder.name == RUN_FILE else folder / RUN_FILE
    try:
        told = orjson.loads(path.read_bytes())
    except FileNotFoundError:
        raise ConfigError(f"{path.parent}: no {RUN_FILE} in it; it is not a run") from None
    except (OSError, orjson.JSONDecodeError) as error:
        raise DataError(f"{path}: cannot be read ({error}); restore it, or remove the run's folder") from None
    if isinstance(told, dict) and isinstance(told.get("run"), int) and told["run"] > LAYOUT:
        raise ConfigError(f"{path}: made by a newer curate (layout {told['run']}, this one knows {LAYOUT}); upgrade")
    try:
        check_config(told, SCHEMA, where=str(path))
    except ConfigError as error:
        raise DataError(f"{error}; restore it, or remove the run's folder") from None
    values: dict[str, Any] = {k: tuple(v) if isinstance(v, list) else v for k, v in told.items() if k != "run"}
    values["metrics"] = {key: math.nan if v is None else v for key, v in values.get("metrics", {}).items()}
    return Run(**values)


@contextmanager
def working_on(folder: Path) -> Iterator[None]:
    """While a process works on a run it holds this; StoreBusyError where another does.

    The kernel lets go of it however the process ends, so that a run that was killed is known by it.
    """
    lock = WriterLock(folder / _LOCK)
    with disk_errors(folder, "the run was not started"):
        try:
            lock.acquire(wait_s=1.0)  # somebody who only looks holds it for a moment
        except StoreBusyError as error:
            raise StoreBusyError(str(error).replace("is writing to it", "is at work on this run")) from None
    try:
        yield
    finally:
        lock.release()


def state_now(folder: Path, run: Run) -> State:
    """The run's state; interrupted where it says running and no process is at work on it."""
    if run.state == "running" and not is_locked(folder / _LOCK):
        return "interrupted"
    return run.state


def utc_now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")


def _plain(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {key: _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value
