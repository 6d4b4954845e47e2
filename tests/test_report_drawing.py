"""Charts are drawn beside the report, by a process that ends with it and says why where it cannot."""

from __future__ import annotations

from typing import Any

import altair as alt
import pandas as pd
import pytest

from curation.errors import CurateError
from reports.document import Figure
from reports.figures import drawing, to_svg


class Chart:
    """What only looks like one."""

    def to_dict(self, validate: bool) -> dict[str, Any]:
        return {"layer": "x"}


def figure(name: str, height: int = 90) -> Figure:
    points = pd.DataFrame({"x": [1, 2, 3], "y": [2, 3, 5]})
    return Figure(name, alt.Chart(points, height=height).mark_line(clip=True).encode(x="x:Q", y="y:Q"), "")


def test_figures_come_back_in_order_each_with_ids_of_its_own() -> None:
    names = ["second", "first"]
    with drawing() as pictures:
        for name in names:
            pictures.add(figure(name))
        drawn = pictures.finish()
    assert list(drawn) == names
    for name, one in drawn.items():
        assert one.svg == to_svg(name, figure(name).chart.to_dict())
        assert f'id="{name}-' in one.svg
        assert one.png.startswith(b"\x89PNG")


def test_more_than_a_pipe_holds_is_drawn() -> None:
    with drawing() as pictures:
        for number in range(40):
            pictures.add(figure(f"f{number}", height=60 + number))
        assert len(pictures.finish()) == 40


def test_what_cannot_be_drawn_is_an_error_with_its_reason() -> None:
    with drawing() as pictures:
        pictures.add(Figure("odd", Chart(), ""))
        with pytest.raises(CurateError, match=r"a chart could not be drawn: odd: .*layer"):
            pictures.finish()


def test_the_process_ends_with_the_report() -> None:
    with drawing() as pictures:
        pictures.add(figure("alone"))
    assert pictures._process.returncode is not None
