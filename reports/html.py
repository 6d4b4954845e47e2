"""A report as one HTML file that needs nothing else: charts inline as SVG, no script, no request."""

from __future__ import annotations

import re
import shlex
from collections.abc import Mapping
from html import escape
from pathlib import Path
from typing import Final

from reports.address import anchor
from reports.document import Block, Code, Document, Figure, Section, Table, Text
from reports.figures import to_svg
from reports.visible import visible

# No source of anything is allowed but the page's own styles: a report shows what models wrote.
_POLICY: Final = "default-src 'none'; style-src 'unsafe-inline'; img-src data:; base-uri 'none'; form-action 'none'"
_INTERVAL: Final = re.compile(r"[-+]?[\d.,]+ \[[^\[\]]{1,40}\](?: \([\d,]+\))?")
_LONG: Final = re.compile(r"([0-9a-f]{16})(?=[0-9a-f]{16})")  # a hash may be broken, or a table is as wide as it
_OPTION: Final = re.compile(r"(?<!\S)(--[a-z][a-z-]*)")  # of a command
_WHOLE: Final = r'<span class="o">\1</span>'  # not broken behind its hyphens
_STYLE: Final = (Path(__file__).resolve().parent / "report.css").read_text(encoding="utf-8")


def to_html(document: Document, drawn: Mapping[str, str] | None = None) -> str:
    """The whole page. drawn: the figures' SVG by name, where it is there already."""
    links = "".join(f'<a href="#s{i}">{escape(s.title)}</a>' for i, s in enumerate(document.sections))
    drawn = drawn or {}
    summary = "".join(_block(text, drawn) for text in document.summary)
    body = "".join(_section(i, section, drawn) for i, section in enumerate(document.sections))
    return (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f'<meta http-equiv="Content-Security-Policy" content="{_POLICY}"><meta name="referrer" content="no-referrer">'
        f"<title>{escape(visible(document.title))}</title><style>{_STYLE}</style></head><body><main>"
        f"<header><h1>{escape(visible(document.title))}</h1>{summary}</header><nav>{links}</nav>{body}</main></body></html>\n"
    )


def _section(number: int, section: Section, drawn: Mapping[str, str]) -> str:
    blocks = "".join(_block(block, drawn) for block in section.blocks)
    return f'<section id="s{number}"><h2>{escape(section.title)}</h2>{blocks}</section>'


def _block(block: Block, drawn: Mapping[str, str]) -> str:
    match block:
        case Text(text, tone):
            return (
                f'<p class="{tone}">{escape(visible(text))}</p>'
                if tone != "plain"
                else f"<p>{escape(visible(text))}</p>"
            )
        case Table():
            return _table(block)
        case Figure():
            svg = drawn.get(block.name) or to_svg(block.name, block.chart.to_dict(validate=False))
            return f"<figure>{svg}<figcaption>{escape(visible(block.caption))}</figcaption></figure>"
        case Code(text, label):
            head = f'<div class="label">{escape(visible(label))}</div>' if label else ""
            return f"{head}<pre>{_OPTION.sub(_WHOLE, escape(visible(text)))}</pre>"


def _table(block: Table) -> str:
    kinds = [' class="n"' if column in block.numeric else "" for column in block.columns]
    head = "".join(f"<th{kind}>{escape(visible(c))}</th>" for kind, c in zip(kinds, block.columns, strict=True))
    rows = "".join(
        "<tr>"
        + "".join(
            f"<td{_kind(kind, cell)}>{_cell(cell, block.addresses.get((at, column)))}</td>"
            for column, (kind, cell) in enumerate(zip(kinds, row, strict=True))
        )
        + "</tr>"
        for at, row in enumerate(block.rows)
    )
    # Above what scrolls, not in it: on a telephone a caption as wide as its table cannot be read.
    caption = f'<div class="label">{escape(visible(block.caption))}</div>' if block.caption else ""
    return f'{caption}<div class="scroll"><table><thead><tr>{head}</tr></thead><tbody>{rows}</tbody></table></div>'


def _kind(kind: str, text: str) -> str:
    """A value and its interval stay on one line: broken, they make rows high without being read more easily."""
    return ' class="v"' if not kind and _INTERVAL.fullmatch(text) else kind


def _cell(text: str, address: str | None) -> str:
    """A number that can be traced is a link to itself, so that its address can be copied from the page."""
    shown = _LONG.sub(r"\1<wbr>", escape(visible(text)))
    if address is None:
        return shown
    mark = escape(anchor(address), quote=True)
    title = escape(visible(f"curate trace {shlex.quote(address)}"), quote=True)
    return f'<a class="t" id="{mark}" href="#{mark}" title="{title}">{shown}</a>'
