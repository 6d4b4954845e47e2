"""A report as Markdown beside its figures in files."""

from __future__ import annotations

from collections.abc import Sequence

from reports.document import Block, Code, Document, Figure, Table, Text
from reports.visible import visible

_SPECIAL = str.maketrans({c: f"\\{c}" for c in "\\`*_[]<>|#!"})


def to_markdown(document: Document, figures: str = "figures") -> str:
    """The report; pictures are at FIGURES/NAME.png."""
    parts = [f"# {plain(document.title)}", *(plain(text.text) for text in document.summary)]
    for section in document.sections:
        parts.append(f"## {plain(section.title)}")
        parts += [_block(block, figures) for block in section.blocks]
    return "\n\n".join(parts) + "\n"


def plain(text: str) -> str:
    """Text in which nothing is markup."""
    return " ".join(visible(text).split()).translate(_SPECIAL)


def fenced(text: str) -> str:
    """Text letter by letter, in a fence longer than any that it holds."""
    longest = max((len(run) for run in _runs(text)), default=0)
    fence = "`" * max(3, longest + 1)
    return f"{fence}text\n{visible(text)}\n{fence}"


def _runs(text: str) -> list[str]:
    return [run for run in "".join(c if c == "`" else " " for c in text).split() if run]


def _block(block: Block, figures: str) -> str:
    match block:
        case Text(text):
            return plain(text)
        case Table():
            return _table(block.columns, block.rows, block.numeric, block.caption)
        case Figure(name, _, caption):
            return f"![{plain(caption)}]({figures}/{name}.png)\n\n{plain(caption)}"
        case Code(text, label):
            return (f"{plain(label)}\n\n" if label else "") + fenced(text)


def _table(columns: Sequence[str], rows: Sequence[Sequence[str]], numeric: frozenset[str], caption: str) -> str:
    head = "| " + " | ".join(map(plain, columns)) + " |"
    line = "| " + " | ".join("---:" if column in numeric else "---" for column in columns) + " |"
    body = ["| " + " | ".join(plain(cell) for cell in row) + " |" for row in rows]
    return (f"{plain(caption)}\n\n" if caption else "") + "\n".join([head, line, *body])
