"""Finds a task of lm-evaluation-harness by name, or in a folder of the workspace, with its data, and never online."""

from __future__ import annotations

import hashlib
import logging
import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import chdir, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from curation.errors import ConfigError, did_you_mean
from curation.user_code import told
from eval.harness import EXTRA, PREFIX

DATA: Final = Path("data") / "benchmarks"  # in a workspace: TASK/SPLIT.jsonl for tasks whose data is on the hub
_ENDINGS: Final = (".jsonl", ".jsonl.gz", ".json")
_NAMED: Final = re.compile(rb"^[ \t-]*task:[ \t]*[\"']?([^\s\"'#\[]+)", re.MULTILINE)
_ABSENT: Final = re.compile(r"Unable to find '([^']+)'")
_SPLITS: Final = ("training_split", "validation_split", "test_split", "fewshot_split")


class NotHereError(Exception):
    """The task's data is not on this machine; the message says where its file belongs."""


@dataclass(frozen=True, slots=True)
class _Spec:
    """A task's own settings, its YAML file, and the name it has there."""

    name: str
    path: Path
    config: Mapping[str, Any]


def load_task(name: str, root: Path, trusted: bool) -> Any:
    """The harness's task object for `lm_eval:TASK` or `lm_eval:FOLDER/TASK`, its data read.

    ConfigError for a name that is not known, with the nearest; NotHereError where its data would have to be fetched.
    """
    _require_harness(name)
    spec = _found(name, root, trusted)
    from lm_eval.tasks import TaskManager

    given: dict[str, Any] = {}
    if local := _local_data(spec, root):
        files = {split: str(path) for split, path in local.items()}
        given |= {"dataset_path": "json", "dataset_name": None, "dataset_kwargs": {"data_files": files}}
    with _quiet(), _offline(), chdir(spec.path.parent):  # a task's data files are relative to it
        manager = TaskManager(include_path=str(spec.path.parent), include_defaults=False)
        try:
            entry = manager.task_index[spec.name]
            task = manager._factory.build(entry, overrides=given, registry=manager.task_index)
        except (ConnectionError, FileNotFoundError) as error:
            raise NotHereError(_wanted(spec, root, error)) from None
        except Exception as error:  # a task is a program of others
            raise ConfigError(f"{name}: the harness cannot load it ({told(error)})") from error
    if getattr(task, "UNSAFE_CODE", False):
        raise ConfigError(f"{name}: runs code that models write, which this does not; leave it out")
    if getattr(task, "MULTIMODAL", False):
        raise ConfigError(f"{name}: asks with images or sound, which these models do not see; leave it out")
    return task


def harness_version() -> str:
    from importlib.metadata import version

    return version("lm_eval")


@contextmanager
def quiet() -> Iterator[None]:
    """Without the harness's own bars and notes."""
    with _quiet():
        yield


def _require_harness(name: str) -> None:
    try:
        import lm_eval  # noqa: F401
    except ImportError:
        raise ConfigError(f"{name}: lm-evaluation-harness is not installed; {EXTRA}") from None


def _found(name: str, root: Path, trusted: bool) -> _Spec:
    import lm_eval

    wanted = name.removeprefix(PREFIX)
    folder, _, short = wanted.rpartition("/")
    if folder:
        place = root / folder
        if not place.is_dir():
            raise ConfigError(f"{name}: the folder {folder} is not there; name one with the task's YAML file")
        _require_trust(name, place, trusted)
    else:
        place, short = Path(lm_eval.__file__).parent / "tasks", wanted
    known = _names(place)
    if short not in known:
        where = f"{folder} has no such task" if folder else "the harness knows no such task"
        raise ConfigError(f"{name}: {where}{did_you_mean(short, sorted(known))}")
    return _spec(name, short, known[short])


def _names(place: Path) -> dict[str, Path]:
    """Task -> its file; reading the texts takes a second, the harness's own index of its 14,000 tasks ten."""
    found: dict[str, Path] = {}
    for path in sorted(place.rglob("*.yaml")):
        for match in _NAMED.finditer(path.read_bytes()):
            found.setdefault(match[1].decode(errors="replace"), path)
    return found


def _spec(name: str, short: str, path: Path) -> _Spec:
    from lm_eval.tasks._index import Kind, TaskIndex

    with _quiet():
        entry = TaskIndex.build([path.parent]).get(short)
    if entry is None or entry.kind not in (Kind.TASK, Kind.PY_TASK) or entry.yaml_path is None:
        raise ConfigError(f"{name}: is a group of tasks; name one of them, see {path.name} of the harness")
    return _Spec(short, entry.yaml_path, entry.cfg or {})


def _require_trust(name: str, place: Path, trusted: bool) -> None:
    """A task's YAML may call Python of its folder, which is a program like any other."""
    code = sorted(path.name for path in place.rglob("*.py"))
    called = any(b"!function" in path.read_bytes() or b"class:" in path.read_bytes() for path in place.rglob("*.yaml"))
    if (code or called) and not trusted:
        what = code[0] if code else "a function that its YAML names"
        raise ConfigError(f"{name}: has a program of its own ({what}); read it, and give --trust-metrics to let it run")


def _local_data(spec: _Spec, root: Path) -> dict[str, Path]:
    """Split -> its file, of DATA/TASK in the workspace."""
    found = {}
    for split in _splits(spec):
        paths = (root / DATA / spec.name / f"{split}{ending}" for ending in _ENDINGS)
        if path := next((path for path in paths if path.is_file()), None):
            found[split] = path.resolve()
    return found


def _splits(spec: _Spec) -> list[str]:
    return list(dict.fromkeys(str(spec.config[key]) for key in _SPLITS if spec.config.get(key)))


def _wanted(spec: _Spec, root: Path, error: Exception) -> str:
    """Where the data belongs: the file that the task's YAML names, else a file of ours."""
    if match := _ABSENT.search(str(error)):
        path = Path(match[1])
        return str(path.relative_to(root.resolve()) if path.is_relative_to(root.resolve()) else path)
    asked = spec.config.get("test_split") or spec.config.get("validation_split") or next(iter(_splits(spec)), "test")
    return str(DATA / spec.name / f"{asked}.jsonl")


@contextmanager
def _offline() -> Iterator[None]:
    """What is in the cache of data sets may be used; nothing is fetched."""
    import datasets
    import huggingface_hub

    modules: Sequence[Any] = (datasets.config, huggingface_hub.constants)
    before = [module.HF_HUB_OFFLINE for module in modules]
    try:
        for module in modules:
            module.HF_HUB_OFFLINE = True
        yield
    finally:
        for module, value in zip(modules, before, strict=True):
            module.HF_HUB_OFFLINE = value


@contextmanager
def _quiet() -> Iterator[None]:
    import warnings

    import datasets
    import lm_eval.api.task as api

    log, level, bar = logging.getLogger("lm_eval"), logging.getLogger("lm_eval").level, api.tqdm
    shown = datasets.are_progress_bars_disabled()
    try:
        log.setLevel(logging.ERROR)
        api.tqdm = lambda rows, *_, **__: rows
        datasets.disable_progress_bars()
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of the harness and of what it imports
            yield
    finally:
        log.setLevel(level)
        api.tqdm = bar
        if not shown:
            datasets.enable_progress_bars()


def doc_hash(doc: Mapping[str, Any]) -> str:
    import json

    return hashlib.sha256(json.dumps(doc, sort_keys=True, default=str).encode()).hexdigest()
