"""Charts as SVG and PNG, drawn here without a browser or a request."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from reports.document import Document
from reports.html import to_svg

_SCALE = 2  # pixels of a PNG to a pixel of the chart


@contextmanager
def unchecked() -> Iterator[None]:
    """Within, Altair does not check each part of a chart against its schema, which takes longer than to draw it."""
    from altair.utils.schemapi import debug_mode

    with debug_mode(False):
        yield


def drawn(document: Document) -> dict[str, str]:
    """The SVG of every figure by its name."""
    return {figure.name: to_svg(figure) for figure in document.figures()}


def to_png(svg: str) -> bytes:
    import vl_convert

    png: bytes = vl_convert.svg_to_png(svg, scale=_SCALE)
    return png
