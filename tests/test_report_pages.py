"""Reports as pages: nothing that a model or a row says becomes markup, a request, or invisible; charts are inside."""

from __future__ import annotations

import re
from html.parser import HTMLParser

import pandas as pd
import pytest

from reports.cells import number, signed, table, with_interval
from reports.charts.evaluation import trade_off, won_and_lost
from reports.charts.training import curve
from reports.document import Code, Document, Figure, Section, Table, Text
from reports.figures import to_svg
from reports.html import to_html
from reports.markdown import fenced, to_markdown
from reports.visible import visible

HOSTILE = (
    "<script>alert(1)</script>",
    '<img src="http://x.example/a.png" onerror=alert(1)>',
    "![a](http://x.example/a.png)",
    "[a](javascript:alert(1))",
    "</pre></table><iframe src=//x.example>",
    "a\u202eb\u200bc\x00d\u2066",
    "```\n# not a heading\n```",
    "=cmd()|' | new cell",
)


def hostile_document() -> Document:
    blocks = [
        block for text in HOSTILE for block in (Text(text), Code(text, text), Table((text,), [[text]], caption=text))
    ]
    return Document(HOSTILE[0], [Text(HOSTILE[1], "bad")], [Section(HOSTILE[4], blocks)])


class Tags(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.seen: list[tuple[str, dict[str, str | None]]] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.seen.append((tag, dict(attrs)))


def test_what_models_write_never_becomes_markup_or_a_request() -> None:
    page = to_html(hostile_document())
    tags = Tags()
    tags.feed(page)
    assert not {"script", "img", "iframe", "object", "link", "form"} & {tag for tag, _ in tags.seen}
    assert not any(name.startswith("on") for _, attrs in tags.seen for name in attrs)
    assert all(
        value and value.startswith("#")
        for _, attrs in tags.seen
        for name, value in attrs.items()
        if name in ("src", "href")
    )
    assert "default-src 'none'" in page
    assert not re.search("[\u202a-\u202e\u2066-\u2069\u200b\x00]", page)


def test_markdown_holds_no_markup_of_others() -> None:
    text = to_markdown(hostile_document())
    outside = re.sub(r"(`{3,})text\n.*?\n\1", "", text, flags=re.DOTALL)
    assert "![a](" not in outside
    assert "<script>" not in outside.replace("\\<script\\>", "")
    assert "\n# not a heading" not in outside
    assert [line.count("|") - line.count("\\|") for line in outside.splitlines() if line.startswith("|")] == [2] * 24
    assert fenced("```` inside").startswith("`````text\n")


def test_charts_are_inside_the_page_with_names_of_their_own() -> None:
    from reports.charts.tags import rates

    frame = pd.DataFrame(
        [("wrong", "person", 5, 20, 0.25, 0.1, 0.45, 9)],
        columns=["tag", "kind", "hits", "n", "share", "low", "high", "counted"],
    )
    figures = [Figure(name, rates(frame), "Tags") for name in ("one", "two")]
    page = to_html(Document("t", [], [Section("s", figures)]))
    assert page.count("<svg") == 2
    ids = re.findall(r'\bid="([^"]+)"', page)
    assert len(ids) == len(set(ids))
    assert "://" not in re.sub(r"http://www\.w3\.org/\S+", "", page)
    assert to_markdown(Document("t", [], [Section("s", figures)])).count("figures/one.png") == 1


def test_marks_of_a_legend_are_seen_on_a_dark_page_and_intervals_have_no_points() -> None:
    """Where a legend has no colour of its own, Vega paints it black; and a rule that has a shape gets a point."""
    run = ("e1", "arc", 0.5, 0.4, 0.6, 0.3, 0.2, 0.4)
    names = ["domain", "domain_low", "domain_high"]
    scores = pd.DataFrame([run], columns=["evaluation", "benchmark", *names, "score", "score_low", "score_high"])
    lost = pd.DataFrame([run], columns=["run", "benchmark", *names, "elsewhere", "elsewhere_low", "elsewhere_high"])
    losses = pd.DataFrame(
        [(run, metric, step, 1.0) for run in "ab" for metric in ("train_loss", "validation_loss") for step in (1, 2)],
        columns=["run", "metric", "step", "value"],
    )
    for chart, points in ((trade_off(scores), 1), (won_and_lost(lost), 1), (curve(losses), 8)):
        svg = to_svg("one", chart.to_dict())
        assert not re.search(r'(?:fill|stroke)="(?:black|#000(?:000)?)"', svg)
        marks = re.findall(r'aria-roledescription="(?:point|circle)"', svg)
        assert len(marks) == points
    for runs in ("ab", "a"):
        svg = to_svg("one", curve(losses[losses["run"].isin(list(runs))]).to_dict())
        assert [svg.count(f">{metric}</text>") for metric in ("train_loss", "validation_loss")] == [1, 1]


def test_tables_break_hashes_and_keep_intervals_whole() -> None:
    digest = "0123456789abcdef" * 4
    cells = ["+0.576 [+0.517, +0.634]", "0.817 [0.769, 0.857] (290)", "loses less than 0.05 [of 1]", f"v1 · {digest}"]
    page = to_html(Document("t", [], [Section("s", [Table(("a", "b", "c", "d"), [cells])])]))
    shown = re.findall("<td(.*?)>(.*?)</td>", page)
    assert [kind for kind, _ in shown] == [' class="v"', ' class="v"', "", ""]
    assert shown[3][1].count("<wbr>") == 3
    assert shown[3][1].replace("<wbr>", "") == cells[3]


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0.4123, "0.412"),
        (1234, "1,234"),
        (1234.0, "1,234"),
        (12.34, "12.3"),
        (float("nan"), "-"),
        (None, "-"),
        (3.0, "3.000"),
    ],
)
def test_numbers_read_as_people_write_them(value: float | None, text: str) -> None:
    assert number(value) == text


def test_intervals_signs_and_frames() -> None:
    assert with_interval(0.41, 0.39, 0.433) == "0.410 [0.390, 0.433]"
    assert with_interval(0.41, None, None) == "0.410"
    assert signed(0.05) == "+0.050"
    found = table(pd.DataFrame({"name": ["a"], "n": [1200], "ok": [True]}), {"name": "Name", "n": "N"})
    assert (found.columns, found.rows, found.numeric) == (("Name", "N"), [["a", "1,200"]], frozenset({"N"}))


def test_joiners_and_breaks_stay_and_what_hides_is_spelt_out() -> None:
    assert visible("a\u200cb\n\tc\xa0d") == "a\u200cb\n\tc\xa0d"
    assert visible("a\u202eb\x1b[1m") == "a\\u202eb\\u001b[1m"


def test_an_option_of_a_command_is_not_broken_behind_its_hyphens() -> None:
    told = "curate compare base 003 --suite x --stored; a--b --3 <!-- no -->"
    page = to_html(Document("t", [], [Section("s", [Code(told)])]))
    assert re.findall(r'<span class="o">(.*?)</span>', page) == ["--suite", "--stored"]
    assert ".o { white-space: nowrap; }" in page
