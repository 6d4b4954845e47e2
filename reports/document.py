"""A report as data: sections of text, tables, figures and code, whatever it will be written as."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal


@dataclass(frozen=True, slots=True)
class Text:
    """One paragraph. Everything in it is plain text: nothing is read as markup."""

    text: str
    tone: Literal["plain", "good", "bad", "note"] = "plain"


@dataclass(frozen=True, slots=True)
class Table:
    """columns and rows of cells that are shown as they are; `numeric` names the columns to align right.

    addresses: (row, column) -> what `curate trace` calls the number in that cell.
    """

    columns: Sequence[str]
    rows: Sequence[Sequence[str]]
    numeric: frozenset[str] = frozenset()
    caption: str = ""
    addresses: Mapping[tuple[int, int], str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Figure:
    """An Altair chart. name: a file name without its ending, one a report."""

    name: str
    chart: Any
    caption: str


@dataclass(frozen=True, slots=True)
class Code:
    """Commands, or the output of a model: shown letter by letter, invisible characters made visible."""

    text: str
    label: str = ""


Block = Text | Table | Figure | Code


@dataclass(frozen=True, slots=True)
class Section:
    title: str
    blocks: Sequence[Block] = field(default_factory=tuple)


@dataclass(frozen=True, slots=True)
class Document:
    """summary: the first lines, above all sections."""

    title: str
    summary: Sequence[Text]
    sections: Sequence[Section]

    def figures(self) -> list[Figure]:
        return [block for section in self.sections for block in section.blocks if isinstance(block, Figure)]
