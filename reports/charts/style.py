"""How our charts look: colours that hold in light and dark and for colour-blind readers, quiet axes, no frame."""

from __future__ import annotations

from typing import Any, Final

# Okabe and Ito (2008), Color universal design; the yellow is left out, it vanishes on white.
COLOURS: Final = ("#0072B2", "#E69F00", "#009E73", "#CC79A7", "#56B4E9", "#D55E00")
INK: Final = "#808080"  # for axes and text; grey reads on white and on black
WIDTH: Final = 520
HEIGHT: Final = 240
BAR: Final = 20  # pixels a bar
# Measured where the chart is drawn, shown where it is read: fonts of equal widths, so that no label is cut.
FONT: Final = "Arial, Liberation Sans, Helvetica, sans-serif"


def styled(chart: Any, title: str = "", *, height: int | None = HEIGHT, width: int | str = WIDTH) -> Any:
    """The chart in the house's style, on a transparent ground so that light and dark pages both hold it."""
    size = {"width": width} | ({"height": height} if height else {})
    return themed(chart.properties(**size, **({"title": title} if title else {})))


def themed(chart: Any) -> Any:
    """Colours, fonts and ground alone; for charts of several parts, which have no size of their own."""
    return chart.configure(  # in one step: each copies the whole chart
        background="transparent",
        font=FONT,
        padding={"left": 10, "right": 10, "top": 5, "bottom": 5},
        view={"stroke": None},
        axis={
            "labelColor": INK,
            "titleColor": INK,
            "gridColor": INK,
            "gridOpacity": 0.2,
            "domainColor": INK,
            "tickColor": INK,
            "labelLimit": 220,
        },
        legend={"labelColor": INK, "titleColor": INK, "orient": "bottom", "labelLimit": 300, "columns": 2}
        | {"symbolBaseFillColor": INK, "symbolBaseStrokeColor": INK},
        title={"color": INK, "anchor": "start", "fontSize": 13},
        range={"category": list(COLOURS)},
    )


def tooltips(*fields: Any) -> list[Any]:
    """Fields by name, or as they are. Of a bare name, as of a bare channel, Altair looks through its whole schema."""
    import altair as alt

    return [alt.Tooltip(field) if isinstance(field, str) else field for field in fields]


def bars_high(rows: int) -> int:
    """Pixels for so many horizontal bars."""
    return max(2 * BAR, BAR * rows)
