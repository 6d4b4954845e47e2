"""Charts as SVG and PNG, drawn without a browser or a request, in a process of its own while a report is put together.

Starting what draws takes as long as drawing all charts of a report, and it lets nothing else run meanwhile.
"""

from __future__ import annotations

import base64
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from tempfile import TemporaryFile
from typing import Any, BinaryIO, Final

import orjson

from curation.errors import CurateError
from reports.document import Figure

_SCALE: Final = 2  # pixels of a PNG to a pixel of the chart
_LONGEST: Final = 200  # characters of a reason; a stack of JavaScript follows it
_NOTHING: Final = {"data": {"values": []}, "mark": "point"}


@dataclass(frozen=True, slots=True)
class Drawn:
    svg: str
    png: bytes


class Drawing:
    """What draws, and what it was given so far."""

    def __init__(self, process: subprocess.Popen[bytes], told: BinaryIO, said: BinaryIO) -> None:
        self._process, self._told, self._said = process, told, said

    def add(self, figure: Figure) -> None:
        """Have it drawn; does not wait. Its chart is not looked at again."""
        line = orjson.dumps({"name": figure.name, "spec": figure.chart.to_dict(validate=False)})
        with self._or_say_why():
            assert self._process.stdin is not None
            self._process.stdin.write(line + b"\n")
            self._process.stdin.flush()

    def finish(self) -> dict[str, Drawn]:
        """All figures by their names, in the order in which they were added. CurateError where one cannot be drawn."""
        with self._or_say_why():
            assert self._process.stdin is not None
            self._process.stdin.close()
            if self._process.wait():
                raise BrokenPipeError
        self._told.seek(0)
        lines = [orjson.loads(line) for line in self._told]
        return {line["name"]: Drawn(line["svg"], base64.b64decode(line["png"])) for line in lines}

    @contextmanager
    def _or_say_why(self) -> Iterator[None]:
        try:
            yield
        except BrokenPipeError:
            self._process.wait()
            self._said.seek(0)
            why = self._said.read().decode("utf-8", "replace").strip().splitlines()
            raise CurateError(
                f"a chart could not be drawn: {why[-1] if why else 'what draws it was stopped'}"
            ) from None


@contextmanager
def drawing() -> Iterator[Drawing]:
    """Starts what draws, so that it is ready when the first chart is; it ends with the block."""
    paths = os.pathsep.join(path for path in sys.path if path)
    with TemporaryFile() as told, TemporaryFile() as said:
        process = subprocess.Popen(
            [sys.executable, "-P", "-m", __name__],
            stdin=subprocess.PIPE,
            stdout=told,
            stderr=said,
            env={**os.environ, "PYTHONPATH": paths},
        )
        try:
            yield Drawing(process, told, said)
        finally:
            process.kill()
            process.communicate()


@contextmanager
def unchecked() -> Iterator[None]:
    """Within, Altair does not check each part of a chart against its schema, which takes longer than to draw it."""
    from altair.utils.schemapi import debug_mode

    with debug_mode(False):
        yield


def to_svg(name: str, spec: dict[str, Any]) -> str:
    """A chart's SVG; ids are made the figure's own, since all charts of a page share one name space."""
    import vl_convert

    svg: str = vl_convert.vegalite_to_svg(spec)
    for mark in ('id="', "url(#", 'href="#'):
        svg = svg.replace(mark, f"{mark}{name}-")
    return svg


def _draw_all(told: BinaryIO, said: BinaryIO) -> None:
    import vl_convert

    vl_convert.vegalite_to_svg(_NOTHING)  # the first takes longest
    for line in told:
        asked = orjson.loads(line)
        try:
            svg = to_svg(asked["name"], asked["spec"])
        except ValueError as error:
            sys.exit(f"{asked['name']}: {' '.join(str(error).split())[:_LONGEST]}")
        png = base64.b64encode(vl_convert.svg_to_png(svg, scale=_SCALE)).decode()
        said.write(orjson.dumps({"name": asked["name"], "svg": svg, "png": png}) + b"\n")
        said.flush()


if __name__ == "__main__":
    _draw_all(sys.stdin.buffer, sys.stdout.buffer)
