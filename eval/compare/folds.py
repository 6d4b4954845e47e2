"""Which folds of a version were trained and evaluated, by which config and suite."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import orjson

from curation.runs import readable_runs
from eval.compare.sides import Part, base_part
from eval.suite import Suite

if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Protocol

    class Config(Protocol):
        """A training config, which this layer knows as plain values."""

        @property
        def seed(self) -> int: ...

        def as_json(self) -> dict[str, Any]: ...


_UNSAID: Final = ("seed", "version")


def trained(experiments: Path, version: str, config: Config) -> Part | None:
    """The newest training on the version (its id) with this config and seed: a finished one, else one that stopped."""
    wanted = _settings(config.as_json())
    found = []
    for folder, run in reversed(readable_runs(experiments)):
        part = Part(folder, run)
        alike = part.version == version and tuple(part.run.seeds) == (config.seed,)
        if part.is_trained and alike and _settings(part.run.config or {}) == wanted:
            found.append(part)
    return next((part for part in found if part.run.state == "done"), next(iter(found), None))


def evaluated(experiments: Path, part: Part, suite: Suite, version: str) -> bool:
    """Whether the run and its base sat the whole exam of the version (its id) by this very suite."""
    base = base_part(experiments, part.run)
    return base is not None and all(_sat(one, suite, version) for one in (part, base))


def _sat(part: Part, suite: Suite, version: str) -> bool:
    for one in part.evals:
        told = one.run.settings
        exam = told.get("exam") or {}
        whole = exam.get("version_id") == version and not told.get("partial")
        if whole and told.get("suite") == suite.name and one.suite == suite:
            return True
    return False


def _settings(config: Mapping[str, Any]) -> bytes:
    kept = {key: value for key, value in config.items() if key not in _UNSAID}
    return orjson.dumps(kept, option=orjson.OPT_SORT_KEYS)
