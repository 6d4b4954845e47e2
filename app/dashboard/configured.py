"""What .streamlit/ of a workspace says of server and login: looked at before a page is served, not at the click."""

from __future__ import annotations

import os
import tomllib
from collections.abc import Mapping
from importlib import import_module
from pathlib import Path
from typing import Any, Final

from curation.errors import ConfigError

CONFIG: Final = Path(".streamlit") / "config.toml"
SECRETS: Final = Path(".streamlit") / "secrets.toml"
_OF_ALL: Final = ("redirect_uri", "cookie_secret")
_OF_ONE: Final = ("client_id", "client_secret", "server_metadata_url")  # in [auth] itself, or in [auth.NAME] of each


def files(root: Path, name: Path) -> list[Path]:
    """Those that are there, of the person's and the workspace's; what a later one says holds, as in Streamlit."""
    return [path for folder in (Path.home(), root) if (path := folder / name).is_file()]


def server_is_configured(root: Path) -> bool:
    """ConfigError where a file cannot be read: Streamlit prints a traceback and goes on without it."""
    told = [_read(path) for path in files(root, CONFIG)]
    return bool(told) or any(name.startswith("STREAMLIT_SERVER_") for name in os.environ)


def check_login(root: Path) -> None:
    """ConfigError where a login is configured that nobody could pass, or secrets that cannot be read."""
    where, auth = _auth(root)
    if where is None:
        return
    if not isinstance(auth, Mapping):
        raise ConfigError(f"{where}: auth is no section; write [auth] and its keys below it")
    names = providers(auth)
    lacking = [key for key in _OF_ALL if not auth.get(key)]
    lacking += [f"{name}.{key}" for name in names for key in _OF_ONE if not auth[name].get(key)]
    lacking += [key for key in _OF_ONE if not names and not auth.get(key)]
    if lacking:
        raise ConfigError(f"{where}: [auth] lacks {', '.join(lacking)}; nobody could log in (docs/review.md)")
    try:
        import_module("authlib.integrations.starlette_client")  # what Streamlit asks for at the click, and all it needs
    except ImportError as error:
        lacking_module = (error.name or "authlib").partition(".")[0]
        raise ConfigError(
            f'{where} asks for a login, and {lacking_module} is not installed; pip install --upgrade "curate[login]"'
        ) from None


def providers(auth: Mapping[str, Any]) -> list[str]:
    """The names of [auth.NAME]; none where [auth] itself names the one way there is."""
    return [name for name, value in auth.items() if isinstance(value, Mapping) and set(_OF_ONE) & set(value)]


def _auth(root: Path) -> tuple[Path | None, Any]:
    """The file whose `auth` holds, and it."""
    where, auth = None, None
    for path in files(root, SECRETS):
        if "auth" in (told := _read(path)):
            where, auth = path, told["auth"]
    return where, auth


def _read(path: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(path.read_text("utf-8"))
    except (OSError, ValueError) as error:
        raise ConfigError(f"{path}: cannot be read ({error}); mend or remove it") from None
