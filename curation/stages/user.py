"""The user's own stages: loaded from the workspace, with consent, and held to what every stage promises."""

from __future__ import annotations

import hashlib
import re
import sys
import traceback
from collections.abc import Callable, Mapping, Sequence
from contextlib import redirect_stdout
from copy import deepcopy
from dataclasses import dataclass, field, replace
from importlib.abc import SourceLoader
from importlib.util import module_from_spec, spec_from_loader
from pathlib import Path
from types import ModuleType
from typing import Any, Final

from curation.errors import ConfigError, DataError, did_you_mean
from curation.stages.conservation import problem
from curation.tables import Verdict

# The stages that one may follow. What comes later (split, token counts) takes no rows out.
AFTER: Final = ("turns", "normalise", "filters", "conflicts", "exact", "near", "decontaminate", "select")
_USE: Final = re.compile(r"(?P<module>[A-Za-z_]\w*(?:\.[A-Za-z_]\w*)*):(?P<function>[A-Za-z_]\w*)")


@dataclass(frozen=True, slots=True)
class StageSpec:
    """One item of the recipe's `stages`."""

    use: str  # module:function; the module is a file of the workspace: stages.short:keep is stages/short.py
    after: str
    config: Mapping[str, Any] = field(default_factory=dict)
    trust: str | None = None  # sha256 of the file: the user has read it and lets it run

    def __post_init__(self) -> None:
        if not _USE.fullmatch(self.use):
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
            with redirect_stdout(sys.stderr):
                verdict = self.function(rows, deepcopy(dict(config)))
        except (Exception, SystemExit) as error:
            raise DataError(
                f"stage {self.name}: {_told(error)} ({self._line(error)}); nothing was published"
            ) from error
        if found := problem(rows, verdict):
            raise DataError(f"stage {self.name}: {found}; nothing was published")
        return verdict

    def _line(self, error: BaseException) -> str:
        """file:line of the deepest call within the user's file."""
        lines = [
            frame.lineno for frame in traceback.extract_tb(error.__traceback__) if frame.filename == str(self.path)
        ]
        return f"{self.path.name}:{lines[-1]}" if lines else self.path.name


def load_stages(specs: Sequence[StageSpec], root: Path, trusted: bool = False) -> list[UserStage]:
    """The recipe's own stages from files of the workspace at `root`; `trusted`: consent was given for all of them.

    ConfigError if a file or function is not there, lies outside the workspace, or nobody has consented to run it.
    """
    return [_load(spec, root, trusted) for spec in specs]


def _load(spec: StageSpec, root: Path, trusted: bool) -> UserStage:
    match = _USE.fullmatch(spec.use)
    assert match is not None
    path = _path(spec, root, match["module"])
    try:
        code = path.read_bytes()
    except OSError as error:
        raise ConfigError(f"stage {spec.use}: {path}: cannot be read ({error.strerror})") from None
    sha256 = hashlib.sha256(code).hexdigest()
    if not trusted:
        _require_consent(spec, path.relative_to(root.resolve()).as_posix(), sha256)
    module = _module(spec, path, code, sha256)
    function = getattr(module, match["function"], None)
    if not callable(function):
        known = [name for name, value in vars(module).items() if callable(value) and not name.startswith("_")]
        hint = did_you_mean(match["function"], known) if known else ""
        raise ConfigError(f"stage {spec.use}: {path.name} has no function {match['function']}{hint}")
    return UserStage(replace(spec, trust=sha256), path, function)


def _path(spec: StageSpec, root: Path, module: str) -> Path:
    """The module's file; never one from outside the workspace, also not through a link."""
    relative = Path(*module.split(".")).with_suffix(".py")
    path = (root / relative).resolve()
    if not path.is_relative_to(root.resolve()):
        raise ConfigError(f"stage {spec.use}: {relative} leads out of the workspace, to {path}; copy it in")
    if not path.is_file():
        raise ConfigError(f"stage {spec.use}: the workspace has no {relative}; stages are loaded from there only")
    return path


def _require_consent(spec: StageSpec, name: str, sha256: str) -> None:
    consent = f"if you want it to run, write trust: {sha256} beside it in the recipe, or give --trust-stages"
    if spec.trust is None:
        raise ConfigError(f"stage {spec.use}: {name} is a program; read it, and {consent}")
    if spec.trust.lower() != sha256:
        raise ConfigError(f"stage {spec.use}: {name} has changed since it was trusted; read it again, and {consent}")


class _Loader(SourceLoader):
    """Runs the very bytes whose hash was checked; the file is not read a second time, and no bytecode is kept."""

    def __init__(self, path: Path, code: bytes) -> None:
        self._path, self._code = str(path), code

    def get_filename(self, fullname: str) -> str:
        return self._path

    def get_data(self, path: bytes | str) -> bytes:
        if path != self._path:
            raise OSError(path)
        return self._code


def _module(spec: StageSpec, path: Path, code: bytes, sha256: str) -> ModuleType:
    name = f"curate_stage_{sha256[:16]}"
    made = spec_from_loader(name, loader := _Loader(path, code))
    assert made is not None
    module = module_from_spec(made)
    sys.modules[name] = module  # dataclasses look their module up there
    try:
        with redirect_stdout(sys.stderr):
            loader.exec_module(module)
    except (Exception, SystemExit) as error:
        del sys.modules[name]
        lines = [frame.lineno for frame in traceback.extract_tb(error.__traceback__) if frame.filename == str(path)]
        line = error.lineno if isinstance(error, SyntaxError) else lines[-1] if lines else None
        where = f"{path.name}:{line}" if line else path.name
        raise ConfigError(f"stage {spec.use}: {where}: {_told(error)}; repair it") from error
    return module


def _told(error: BaseException) -> str:
    """An exception as one line."""
    said = " ".join((error.msg if isinstance(error, SyntaxError) else str(error)).split())
    return f"{type(error).__name__}: {said}" if said else type(error).__name__
