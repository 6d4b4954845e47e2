"""A run as a project folder of its own: splits, config, experiments with results, model card, notebook."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

import yaml

from curation.config_file import check_config
from curation.errors import ConfigError
from curation.export import export
from curation.runs import RUN_FILE
from curation.store.files import disk_errors, replace_file
from reports.card import Claims, model_card
from reports.notebook import notebook, prompts_of
from reports.results import RESULTS_FILE, write_results
from reports.sections.subject import Subject

MARK: Final = ".curate-project"  # says that the folder is ours to write anew
_COPIED: Final = ("adapter", "template")
_EVALUATION: Final = ("run.json", "suite.yaml", "metrics.parquet", "item_metrics.parquet", "predictions.parquet")


def write_tree(folder: Path, subjects: Sequence[Subject], claims: Claims) -> list[Path]:
    """Write the project of these runs of one version; config, card and notebook are the last one's.

    ConfigError for a folder that holds other things, and where a part is missing that the tree is made of.
    """
    last = subjects[-1]
    _require(folder, subjects)
    assert last.version is not None
    assert last.store is not None
    card, _ = model_card(last, claims)
    with disk_errors(folder, "the project is not complete"):
        folder.mkdir(parents=True, exist_ok=True)
        replace_file(folder / MARK, b"Written by curate project; written anew by it.\n")
        export(last.store, last.version.info, folder / "data" / "splits")
        for known in (folder / "experiments").glob("experiment_*"):  # may be of another version
            shutil.rmtree(known, ignore_errors=True)
        for of in subjects:
            _experiment(of, folder / "experiments" / of.folder.name)
        texts = {
            "configs/training.yaml": _config(last),
            "notebooks/example_prompts.ipynb": _notebook(folder, last),
            "README.md": card,
        }
        for name, text in texts.items():
            (folder / name).parent.mkdir(exist_ok=True)
            replace_file(folder / name, text.encode())
    return sorted(path for path in folder.rglob("*") if path.is_file() and path.name != MARK)


def _require(folder: Path, subjects: Sequence[Subject]) -> None:
    if folder.exists() and not folder.is_dir():
        raise ConfigError(f"{folder}: is a file; name a folder")
    if folder.is_dir() and any(folder.iterdir()) and not (folder / MARK).exists():
        raise ConfigError(f"{folder}: holds files that curate project did not write; name an empty or new folder")
    for of in subjects:
        if of.run.kind != "training":
            raise ConfigError(f"{of.folder.name}: is {of.kind_words}, not a training; name a training")
        if of.state != "done":
            raise ConfigError(f"{of.folder.name}: is {of.state}; see curate runs show {of.folder.name}")
        if of.version is None:
            raise ConfigError(f"{of.no_version}; a project needs the version for its splits")
    versions = {of.version.id for of in subjects if of.version}
    if len(versions) > 1:
        names = ", ".join(f"{of.folder.name} {of.version.name}" for of in subjects if of.version)
        raise ConfigError(f"the runs are of several versions ({names}); a project holds one")


def _experiment(of: Subject, target: Path) -> None:
    """The run's folder without what only a training needs; results.csv made anew."""
    target.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(of.folder / RUN_FILE, target / RUN_FILE)
    for name in _COPIED:
        if (of.folder / name).is_dir():
            shutil.copytree(of.folder / name, target / name)
    if of.evaluation is not None:
        place = target / of.evaluation.path.name
        place.mkdir(exist_ok=True)
        for name in _EVALUATION:
            if (of.evaluation.path / name).is_file():
                shutil.copyfile(of.evaluation.path / name, place / name)
    write_results(of.folder)
    shutil.copyfile(of.folder / RESULTS_FILE, target / RESULTS_FILE)


def _config(of: Subject) -> str:
    """The training's settings, all of them, as `curate train` reads them; the version by its name."""
    version = (of.run.version or {}).get("name", "latest")
    told = {key: value for key, value in (of.run.config or {}).items() if value is not None} | {"version": version}
    check_config(told, "training.schema.json", where="configs/training.yaml")
    head = f"# The settings of {of.folder.name}. In the workspace: curate train --config configs/training.yaml\n"
    return head + yaml.safe_dump(told, sort_keys=False, allow_unicode=True)


def _notebook(folder: Path, of: Subject) -> str:
    exam: Mapping[str, object] = (of.evaluation.run.settings.get("exam") or {}) if of.evaluation else {}
    told = {
        "run": f"experiments/{of.folder.name}",
        "name": of.folder.name,
        "base": Path(of.run.base).name,
        "template": str((of.run.template or {}).get("name", "not known")),
        "exam": f"{exam.get('split', 'validation')} of {exam.get('version') or (of.run.version or {}).get('name')}",
    }
    near = os.path.relpath(of.root.resolve(), folder.resolve())
    prompts = prompts_of(of.evaluation) if of.evaluation else _of_version(of)
    return json.dumps(notebook(told, prompts, Path(near).as_posix()), indent=1, ensure_ascii=False) + "\n"


def _of_version(of: Subject, count: int = 5) -> list[dict[str, object]]:
    """Held-out questions where nothing was evaluated yet."""
    assert of.version is not None
    found: list[dict[str, object]] = []
    for messages in of.version.to_arrow("validation")["messages"].to_pylist()[:count]:
        asked = [{"role": one["role"], "content": one["content"]} for one in messages[:-1]]
        found.append({"messages": asked, "reference": messages[-1]["content"]})
    return found
