"""Screens of the dashboard run by Streamlit's AppTest, each alone, in a workspace of a test."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from curation.workspace import Workspace, open_workspace


@contextmanager
def dashboard_in(root: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Workspace]:
    """The dashboard works in `root`; what it keeps from one page to the next is forgotten before and after."""
    from app.dashboard import comparing, place
    from app.dashboard.screens import row_story, version_diff

    monkeypatch.setenv(place.VARIABLE, str(root))
    held: list[Any] = [place.here, place.journal, place._opened]
    held += [comparing._compared, comparing._headline, row_story._tables, version_diff._diff]
    for cached in held:
        cached.cache_clear()
    yield open_workspace(root)
    for cached in held:
        cached.cache_clear()


def screen(name: str, **address: str) -> Any:
    """A screen as it is first drawn, with these words in its address."""
    from streamlit.testing.v1 import AppTest

    text = f"from app.dashboard.screens import {name}\n{name}.show()\n"
    found = AppTest.from_string(text, default_timeout=120)
    for key, value in address.items():
        found.query_params[key] = value
    return sound(found.run())


def sound(found: Any) -> Any:
    """The page, which ended without an exception."""
    assert not found.exception, [one.value for one in found.exception]
    return found


def told(found: Any) -> str:
    """All that the page says, letter by letter."""
    kinds = (found.text, found.code, found.info, found.warning, found.error, found.success, found.caption)
    return "\n".join(str(one.value) for kind in kinds for one in kind)
