"""The user's own stages: loaded from the workspace, with consent, and held to what every stage promises."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, redirect_stdout
from copy import deepcopy
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Final, NoReturn

from curation.errors import ConfigError, DataError, did_you_mean
from curation.stages.conservation import problem
from curation.tables import Verdict
from curation.user_code import USE, Consent, line_of, load_function, told

# The stages that one may follow. What comes later (split, token counts) takes no rows out.
AFTER: Final = ("turns", "normalise", "filters", "language", "conflicts", "exact", "near", "decontaminate", "select")


@dataclass(frozen=True, slots=True)
class StageSpec:
    """One item of the recipe's `stages`."""

    use: str  # module:function; the module is a file of the workspace: stages.short:keep is stages/short.py
    after: str
    config: Mapping[str, Any] = field(default_factory=dict)
    trust: str | None = None  # sha256 of the file: the user has read it and lets it run

    def __post_init__(self) -> None:
        if not USE.fullmatch(self.use):
            raise ConfigError(
                f'stages: use: "{self.use}" must be MODULE:FUNCTION, for instance stages.short:keep for the function '
                f"keep in stages/short.py of the workspace"
            )
        if self.after not in AFTER:
            raise ConfigError(f'stages: {self.use}: after: "{self.after}" is no stage{did_you_mean(self.after, AFTER)}')


@dataclass(frozen=True, slots=True)
class UserStage:
    """A loaded stage. `spec.trust` is the hash of the code that runs, also where consent came by another way."""

    spec: StageSpec
    path: Path
    function: Callable[[Any, Any], Verdict]

    @property
    def name(self) -> str:
        return self.spec.use

    def __call__(self, rows: Any, config: Any) -> Verdict:
        """Run it; DataError of one line if it raises or breaks a promise. What it prints goes to stderr."""
        try:
            with redirect_stdout(sys.stderr), _no_sudden_end():
                verdict = self.function(rows, deepcopy(dict(config)))
        except (Exception, SystemExit) as error:
            raise DataError(
                f"stage {self.name}: {told(error)} ({line_of(error, self.path)}); nothing was published"
            ) from error
        if found := problem(rows, verdict):
            raise DataError(f"stage {self.name}: {found}; nothing was published")
        return verdict


@contextmanager
def _no_sudden_end() -> Iterator[None]:
    """os._exit would end the build with an exit code of the stage's choice, such as 0, and publish nothing."""
    leave = os._exit

    def refused(status: int) -> NoReturn:
        raise RuntimeError(f"calls os._exit({status})")

    os._exit = refused
    try:
        yield
    finally:
        os._exit = leave


def load_stages(specs: Sequence[StageSpec], root: Path, trusted: bool = False) -> list[UserStage]:
    """The recipe's own stages from files of the workspace at `root`; `trusted`: consent was given for all of them.

    ConfigError if a file or function is not there, lies outside the workspace, or nobody has consented to run it.
    """
    return [_load(spec, root, trusted) for spec in specs]


def _load(spec: StageSpec, root: Path, trusted: bool) -> UserStage:
    consent = Consent(spec.trust, trusted, "in the recipe, or give --trust-stages")
    code = load_function("stage", spec.use, root, consent)
    return UserStage(replace(spec, trust=code.sha256), code.path, code.function)
