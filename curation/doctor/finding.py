"""One thing that was looked at."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Level = Literal["ok", "note", "broken"]


@dataclass(frozen=True, slots=True)
class Finding:
    """todo: what mends it, "" where nothing has to be done. A note is no fault: something is merely not there."""

    about: str
    level: Level
    told: str
    todo: str = ""
