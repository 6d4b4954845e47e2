"""Loads the written texts of the sample data, kept in data/texts/ apart from the code that composes them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any


def prose(name: str) -> dict[str, Any]:
    """The tables of data/texts/NAME.json; their order is part of what is generated."""
    path = Path(__file__).with_name("texts") / f"{name}.json"
    loaded: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return loaded
