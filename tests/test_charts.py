"""What a chart draws, read from the picture: intervals in the middle of their bars, the most frequent tag first."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

import pandas as pd
import pytest

vl_convert = pytest.importorskip("vl_convert")
pytest.importorskip("altair")

COLUMNS = ("tag", "kind", "hits", "n", "share", "low", "high")
RATES = [
    ("rare", "rule", 2, 30, 0.07, 0.02, 0.2),
    ("wrong fact", "person", 3, 30, 0.1, 0.02, 0.3),
    ("wrong fact", "rule", 9, 30, 0.3, 0.2, 0.5),
    ("off topic", "rule", 6, 30, 0.2, 0.1, 0.4),
]


def drawn(lines: Sequence[tuple[Any, ...]] = RATES) -> str:
    from reports.charts.tags import rates

    return str(vl_convert.vegalite_to_svg(rates(pd.DataFrame(list(lines), columns=list(COLUMNS))).to_json()))


def test_an_interval_runs_through_the_middle_of_its_bar() -> None:
    shapes = re.findall(r'aria-roledescription="bar" d="M[\d.]+,([\d.]+)h[\d.]+v([\d.]+)', drawn())
    middles = [float(top) + float(high) / 2 for top, high in shapes]
    bars, lines = middles[: len(RATES)], middles[len(RATES) :]
    assert len(lines) == len(RATES)
    assert lines == pytest.approx(bars)


def test_a_legend_names_those_who_judged_and_no_others() -> None:
    assert re.findall(r">(person|rule)</text>", drawn()) == ["person", "rule"]
    alone = drawn([line for line in RATES if line[1] == "rule"])
    assert re.findall(r">(person|rule)</text>", alone) == ["rule"]
    assert "#E69F00" in alone  # a rule's colour, whoever else is there


def test_the_most_frequent_tag_comes_first() -> None:
    labels = re.findall(r">(rare|wrong fact|off topic)</text>", drawn())
    assert labels == ["wrong fact", "off topic", "rare"]


@pytest.mark.parametrize("runs", [1, 2])
def test_the_lines_of_a_curve_are_named(runs: int) -> None:
    from reports.charts.training import curve

    rows = [
        {"run": f"experiment_00{run}", "metric": metric, "step": step, "value": 1.0 / (step + 1)}
        for run in range(runs)
        for metric in ("train_loss", "validation_loss")
        for step in range(3)
    ]
    chart = curve(pd.DataFrame(rows))
    # A channel without a legend takes the legend of the others on the same field with it, in the page's Vega.
    assert all(channel.get("legend", "shown") for channel in chart.to_dict()["encoding"].values() if "field" in channel)
    picture = str(vl_convert.vegalite_to_svg(chart.to_json()))
    named = ["train_loss", "validation_loss", *(f"experiment_00{run}" for run in range(runs) if runs > 1)]
    assert [name for name in named if f">{name}</text>" in picture] == named


@pytest.mark.parametrize("values", [[2, 3, 7], [0.25], [0.25, 0.375]])
def test_a_measured_value_has_its_bar_over_it(values: list[float]) -> None:
    from reports.charts.data import measured

    rows = [("filters: echo", "flagged", value, 1.0, 4) for value in values]
    table = pd.DataFrame(rows, columns=["what", "verdict", "value", "threshold", "rows"])
    picture = str(vl_convert.vegalite_to_svg(measured(table).to_json()))
    bars = [float(at) + float(wide) / 2 for at, wide in re.findall(r'"bar" d="M([\d.]+),[\d.]+h([\d.]+)', picture)]
    # The limit is at 1: where the bars are over their values, their places are a straight line through it.
    (limit,) = {float(at) for at in re.findall(r'"rule mark" transform="translate\(([\d.]+)', picture)}
    scale = {round((at - limit) / (value - 1), 3) for at, value in zip(bars, values, strict=True)}
    assert len(scale) == 1


def test_baselines_with_long_names_are_told_apart() -> None:
    from reports.charts.evaluation import differences

    long = "exact_match, against experiment_003 as it is stored, with"
    rows = [(f"{long} {shots} examples", 0.1, 0.0, 0.2, 9, "better") for shots in ("four", "five")]
    table = pd.DataFrame(rows, columns=["what", "difference", "low", "high", "n", "verdict"])
    picture = str(vl_convert.vegalite_to_svg(differences(table).to_json()))
    assert [f">{long} {shots} examples</text>" in picture for shots in ("four", "five")] == [True, True]


def test_a_slice_says_its_share_and_whether_it_stands_out() -> None:
    from reports.charts.tags import heat_map

    rows = [("wrong fact", "topic", "pins", 40, 50, 2, 50, 1e-9), ("wrong fact", "topic", "belts", 3, 50, 2, 50, 0.4)]
    columns = ["tag", "field", "value", "hits", "n", "rest_hits", "rest_n", "p_adjusted"]
    picture = str(vl_convert.vegalite_to_svg(heat_map(pd.DataFrame(rows, columns=columns)).to_json()))
    said = re.findall(r'<text[^>]*fill="(\w+)"[^>]*>(\d+%[ *]*)</text>', picture)
    assert sorted(said) == [("black", "6%"), ("white", "80% *")]


def test_the_colours_of_a_legend_are_those_of_the_lines() -> None:
    from reports.charts.tags import trend

    rows = [(run, "v1", tag, 0.2, 0.1, 0.3, 6, 30) for run in ("one", "two") for tag in ("wrong fact", "off topic")]
    columns = ["run", "version", "tag", "share", "low", "high", "hits", "n"]
    picture = str(vl_convert.vegalite_to_svg(trend(pd.DataFrame(rows, columns=columns)).to_json()))
    legend = re.findall(r'role-legend-symbol".*?</g>', picture)
    assert len(legend) == 2
    assert not any(re.search(r'opacity="0?\.\d', symbol) for symbol in legend)
