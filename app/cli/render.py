"""Plain text for people: aligned tables, harmless data, at most fifteen lines; colour only on a terminal."""

from __future__ import annotations

import os
import re
import shutil
import sys
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Literal, TextIO

LINES: Final = 15
Cell = str | int | float | None
Style = Literal["good", "bad", "dim", "bold"]

_GAP: Final = "  "
_CODES: Final[dict[Style, str]] = {"good": "32", "bad": "31", "dim": "2", "bold": "1"}
_NUMBER: Final = re.compile(r"[-+]?[\d.,]+( ?%| s)?|-")
_KEPT: Final = (
    "\u200c\u200d\u3000\xa0"  # spelling in Persian, joined emoji, the spaces of Chinese and of French: no disguise
)
_SHORT: Final = {"\n": "\\n", "\r": "\\r", "\t": "\\t"}
_LONGEST: Final = 20_000  # characters of a text that are shown; the browser's page shows as many
_NARROWEST: Final = 12


@dataclass(frozen=True, slots=True)
class Screen:
    """Where the output goes: columns (None: no limit) and whether colours are understood."""

    width: int | None = None
    colour: bool = False

    @classmethod
    def of(cls, stream: TextIO) -> Screen:
        if not stream.isatty():
            return cls()
        plain = bool(os.environ.get("NO_COLOR")) or os.environ.get("TERM") == "dumb"
        return cls(shutil.get_terminal_size().columns, not plain)

    @classmethod
    def here(cls) -> Screen:
        return cls.of(sys.stdout)

    def paint(self, text: str, style: Style) -> str:
        return f"\x1b[{_CODES[style]}m{text}\x1b[0m" if self.colour and text else text


def visible(text: str) -> str:
    """Control, format and unassigned characters as escapes, so that data can neither hide nor steer the terminal."""
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() or c in _KEPT else _SHORT.get(c) or _escape(c) for c in text)


def paragraphs(text: str) -> str:
    """As `visible`, line by line: the lines of a text stay, indented, so that none of them can pose as one of ours."""
    shown = text[:_LONGEST].replace("\r\n", "\n").expandtabs(4).split("\n")
    left = [f"({len(text) - _LONGEST:,} more characters are not shown)"] * (len(text) > _LONGEST)
    return "\n  ".join([*map(visible, shown), *left])


def _escape(character: str) -> str:
    code = ord(character)
    return f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"


def columns(text: str) -> int:
    """How many terminal columns a visible text takes: 2 for East Asian wide, 0 for combining characters."""
    if text.isascii():
        return len(text)
    return sum(_columns(character) for character in text)


def _columns(character: str) -> int:
    if unicodedata.category(character) in ("Mn", "Me", "Cf"):
        return 0
    return 2 if unicodedata.east_asian_width(character) in ("W", "F") else 1


def clip(text: str, width: int) -> str:
    """The text if it fits, else its beginning and `...`."""
    if columns(text) <= width:
        return text
    room, kept = max(width - 3, 0), 0
    for place, character in enumerate(text):
        kept += _columns(character)
        if kept > room:
            return text[:place] + "..."[:width]
    return text


def quote(text: str, width: int = 60) -> str:
    """Data as one short quoted line."""
    return f'"{clip(visible(text), width)}"'


def number(value: Cell) -> str:
    """A cell as text: thousands separators, `-` for nothing, at most three decimals."""
    if value is None:
        return "-"
    if isinstance(value, str):
        return visible(value)
    if isinstance(value, int):
        return f"{value:,}"
    return f"{value:,.3f}".rstrip("0").rstrip(".")


def ratio(value: float) -> str:
    """A similarity or share the short way: .81, 1.0, 0.

    Rounded down, so that what is printed is never above a threshold the value itself is below.
    """
    if value in (0, 1):
        return "0" if value == 0 else "1.0"
    hundredths = int(value * 100 + 1e-9)
    return f"{value:.4f}".lstrip("0") if hundredths == 0 else f"{hundredths / 100:.2f}".removeprefix("0")


def percent(value: float) -> str:
    """A share in per cent; decimals where a whole number would hide it, 0 only for none at all."""
    if value == 0:
        return "0"
    digits = 0 if value >= 0.0995 else 1 if value >= 0.0005 else 4
    return f"{100 * value:.{digits}f} %"


def seconds(value: float) -> str:
    return f"{value:.1f} s" if value < 60 else f"{int(value) // 60} min {int(value) % 60:02d} s"


def table(
    headers: Sequence[str], rows: Sequence[Sequence[Cell]], *, limit: int | None = None, screen: Screen | None = None
) -> list[str]:
    """Aligned lines, numbers to the right. Rows beyond `limit` lines become `... and N more`."""
    screen = screen or Screen.here()
    shown = list(rows)
    if limit is not None and len(rows) > limit - 1:
        shown = shown[: max(limit - 2, 1)]
    cells = [[number(cell) for cell in row] for row in shown]
    right = [all(_NUMBER.fullmatch(row[i]) for row in cells) and bool(cells) for i in range(len(headers))]
    widths = _fit([max(map(columns, column)) for column in zip(headers, *cells, strict=True)], right, screen.width)
    lines = [_line([clip(c, w) for c, w in zip(row, widths, strict=True)], widths, right) for row in [headers, *cells]]
    lines[0] = screen.paint(lines[0], "dim")
    if len(shown) < len(rows):
        lines.append(more(len(rows) - len(shown)))
    return lines


def more(count: int) -> str:
    return f"... and {count:,} more (--json shows all)"


def _fit(widths: list[int], right: list[bool], limit: int | None) -> list[int]:
    """Take columns from the widest texts until the line fits; numbers are never cut."""
    widths = list(widths)
    while limit is not None and sum(widths) + len(_GAP) * (len(widths) - 1) > limit:
        texts = [i for i, is_number in enumerate(right) if not is_number and widths[i] > _NARROWEST]
        if not texts:
            break
        widths[max(texts, key=lambda i: widths[i])] -= 1
    return widths


def _line(cells: Sequence[str], widths: Sequence[int], right: Sequence[bool]) -> str:
    padded = []
    for cell, width, to_right in zip(cells, widths, right, strict=True):
        space = " " * (width - columns(cell))
        padded.append(space + cell if to_right else cell + space)
    return _GAP.join(padded).rstrip()


def page(
    headers: Sequence[str], rows: Sequence[Sequence[Cell]], after: Sequence[str], *, reserved: int = 0
) -> list[str]:
    """A table and the lines below it (verdict, then next), fifteen in all with the `reserved` lines above."""
    if not rows:
        return list(after)
    return [*table(headers, rows, limit=max(LINES - reserved - len(after), 3)), *after]


def next_commands(*commands: str) -> str:
    return "next: " + " · ".join(commands)
