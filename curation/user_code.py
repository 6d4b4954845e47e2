"""The user's own functions: loaded from a file of the workspace, with consent, and never from anywhere else."""

from __future__ import annotations

import hashlib
import re
import sys
import traceback
from collections.abc import Callable
from contextlib import redirect_stdout
from dataclasses import dataclass
from importlib.abc import SourceLoader
from importlib.util import module_from_spec, spec_from_loader
from pathlib import Path
from types import ModuleType
from typing import Any, Final

from curation.errors import ConfigError, did_you_mean

USE: Final = re.compile(r"(?P<module>[A-Za-z_]\w*(?:\.[A-Za-z_]\w*)*):(?P<function>[A-Za-z_]\w*)")


@dataclass(frozen=True, slots=True)
class Consent:
    """Whether a file may run: the hash its reader wrote down, or consent to all; `how` ends the sentence that asks."""

    trust: str | None
    trusted: bool
    how: str


@dataclass(frozen=True, slots=True)
class UserCode:
    function: Callable[..., Any]
    path: Path
    sha256: str  # of the code that runs


def load_function(kind: str, use: str, root: Path, consent: Consent) -> UserCode:
    """The function of MODULE:FUNCTION in the workspace at `root`; `kind` (stage, metric) begins every message.

    ConfigError if a file or function is not there, lies outside the workspace, or nobody has consented to run it.
    """
    match = USE.fullmatch(use)
    assert match is not None, use
    what = f"{kind} {use}"
    path = _path(what, f"{kind}s", root, match["module"])
    try:
        code = path.read_bytes()
    except OSError as error:
        raise ConfigError(f"{what}: {path}: cannot be read ({error.strerror})") from None
    sha256 = hashlib.sha256(code).hexdigest()
    if not consent.trusted:
        _require(consent, what, path.relative_to(root.resolve()).as_posix(), sha256)
    module = _module(what, f"curate_{kind}_{sha256[:16]}", path, code)
    function = getattr(module, match["function"], None)
    if not callable(function):
        known = [name for name, value in vars(module).items() if callable(value) and not name.startswith("_")]
        hint = did_you_mean(match["function"], known) if known else ""
        raise ConfigError(f"{what}: {path.name} has no function {match['function']}{hint}")
    return UserCode(function, path, sha256)


def told(error: BaseException) -> str:
    """An exception as one line."""
    said = " ".join((error.msg if isinstance(error, SyntaxError) else str(error)).split())
    return f"{type(error).__name__}: {said}" if said else type(error).__name__


def line_of(error: BaseException, path: Path) -> str:
    """file:line of the deepest call within the user's file."""
    lines = [frame.lineno for frame in traceback.extract_tb(error.__traceback__) if frame.filename == str(path)]
    return f"{path.name}:{lines[-1]}" if lines else path.name


def _path(what: str, plural: str, root: Path, module: str) -> Path:
    """The module's file; never one from outside the workspace, also not through a link."""
    relative = Path(*module.split(".")).with_suffix(".py")
    path = (root / relative).resolve()
    if not path.is_relative_to(root.resolve()):
        raise ConfigError(f"{what}: {relative} leads out of the workspace, to {path}; copy it in")
    if not path.is_file():
        raise ConfigError(f"{what}: the workspace has no {relative}; {plural} are loaded from there only")
    return path


def _require(consent: Consent, what: str, name: str, sha256: str) -> None:
    ask = f"if you want it to run, write trust: {sha256} beside it {consent.how}"
    if consent.trust is None:
        raise ConfigError(f"{what}: {name} is a program; read it, and {ask}")
    if consent.trust.lower() != sha256:
        raise ConfigError(f"{what}: {name} has changed since it was trusted; read it again, and {ask}")


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


def _module(what: str, name: str, path: Path, code: bytes) -> ModuleType:
    made = spec_from_loader(name, loader := _Loader(path, code))
    assert made is not None
    module = module_from_spec(made)
    sys.modules[name] = module  # dataclasses look their module up there
    try:
        with redirect_stdout(sys.stderr):
            loader.exec_module(module)
    except (Exception, SystemExit) as error:
        del sys.modules[name]
        where = line_of(error, path)
        if isinstance(error, SyntaxError) and error.lineno:
            where = f"{path.name}:{error.lineno}"
        raise ConfigError(f"{what}: {where}: {told(error)}; repair it") from error
    return module
