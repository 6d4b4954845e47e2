"""What a screen needs is loaded while the browser is still busy: Python on the server, scripts in the browser."""

from __future__ import annotations

import json
from contextlib import suppress
from pathlib import Path
from typing import Any, Final

import streamlit as st

# Streamlit's page asks for the script of a widget when the first one comes, and each screen waited four times so.
_DRAWN: Final = ("Html", "PageLink", "Selectbox", "TextInput", "NumberInput", "DataFrame", "DownloadButton")
_END: Final = b"</head>"


def load_screens() -> None:
    """Import what the first page shows, and look at the newest version's units as the Data screen will."""
    import app.dashboard.screens.overview
    import app.dashboard.screens.rows  # noqa: F401
    from app.dashboard.place import versions
    from app.dashboard.units import choices, page
    from curation.errors import CurateError
    from curation.store.browse import Asked

    with suppress(CurateError):  # the screen says what is wrong
        for version in versions()[-1:]:
            choices(version)
            page(version, Asked())


def hints(folder: Path | None = None) -> bytes:
    """Links of a page's head that make a browser fetch the scripts of the widgets at once; none where unknown."""
    static = folder or Path(st.__file__).with_name("static")
    try:
        manifest: dict[str, dict[str, Any]] = json.loads((static / "manifest.json").read_bytes())
        known = _with_imports(manifest, ["index.html"])
        widgets = [key for key, one in manifest.items() if one.get("name") in _DRAWN and "file" in one]
        files = [manifest[key]["file"] for key in _with_imports(manifest, widgets) if key not in known]
    except (OSError, ValueError, KeyError):  # another Streamlit: its page comes as it is
        return b""
    scripts = sorted(file for file in files if file.endswith(".js"))
    return "".join(f'<link rel="modulepreload" crossorigin href="./{file}">' for file in scripts).encode()


def with_hints(page: bytes, links: bytes) -> bytes:
    return page.replace(_END, links + _END, 1)


def _with_imports(manifest: dict[str, dict[str, Any]], keys: list[str]) -> dict[str, None]:
    found: dict[str, None] = {}
    waiting = list(keys)
    while waiting:
        key = waiting.pop()
        if key not in found:
            found[key] = None
            waiting += manifest[key].get("imports", ())
    return found
