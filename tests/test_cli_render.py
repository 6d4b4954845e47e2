"""What the command line prints: tables, clipping, harmless data, differences, progress."""

from __future__ import annotations

import io

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.cli import render
from app.cli.difference import difference
from app.cli.progress import Bar, Lines, progress
from app.cli.render import Screen, clip, columns, number, page, paragraphs, percent, ratio, seconds, table, visible

PLAIN = Screen()


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("plain", "plain"),
        ("two\nlines\ttab\r", "two\\nlines\\ttab\\r"),
        ("\x1b[31mred\x00", "\\x1b[31mred\\x00"),
        ("a\u202eb\u200bc", "a\\u202eb\\u200bc"),
        ("\ud800", "\\ud800"),
        ("\U000e0041", "\\U000e0041"),
        ("文 字\u3000, caf\xe9\xa0!", "文 字\u3000, caf\xe9\xa0!"),
        ("\u0645\u06cc\u200c\u062e", "\u0645\u06cc\u200c\u062e"),
    ],
)
def test_visible(text: str, shown: str) -> None:
    assert visible(text) == shown


@pytest.mark.parametrize(
    ("text", "width"), [("abc", 3), ("文字", 4), ("e\u0301", 1), ("\uff48", 2), ("", 0), ("a\u200db", 2), ("한글", 4)]
)
def test_columns(text: str, width: int) -> None:
    assert columns(text) == width


@given(st.text(), st.integers(0, 40))
def test_a_clipped_text_fits_and_begins_like_the_whole(text: str, width: int) -> None:
    clipped = clip(text, width)
    assert columns(clipped) <= max(width, 0)
    assert clipped == text or text.startswith(clipped.removesuffix("...").rstrip(".")) or clipped in "..."


@given(st.text())
def test_visible_text_steers_no_terminal(text: str) -> None:
    assert not any(c in visible(text) for c in "\x1b\x07\r\n\x9b\u202e\u2066")


@pytest.mark.parametrize(
    ("value", "text"),
    [(None, "-"), (1234567, "1,234,567"), (0.25, "0.25"), (2.0, "2"), (1234.5678, "1,234.568"), ("a\nb", "a\\nb")],
)
def test_number(value: render.Cell, text: str) -> None:
    assert number(value) == text


@pytest.mark.parametrize(
    ("value", "text"),
    [(0.81, ".81"), (0.999, ".99"), (1.0, "1.0"), (0, "0"), (0.29, ".29"), (0.57, ".57"), (0.004, ".0040")],
)
def test_ratio_never_rounds_up(value: float, text: str) -> None:
    assert ratio(value) == text


@pytest.mark.parametrize(
    ("value", "text"), [(0, "0"), (0.31, "31 %"), (0.015, "1.5 %"), (0.0001, "0.0100 %"), (1, "100 %")]
)
def test_percent_says_0_only_for_nothing(value: float, text: str) -> None:
    assert percent(value) == text


def test_seconds() -> None:
    assert (seconds(4.14), seconds(125)) == ("4.1 s", "2 min 05 s")


def test_table_aligns_numbers_right_and_wide_characters_by_columns() -> None:
    assert table(["source", "units"], [["文字.jsonl", 9412], ["b.csv", 7]], screen=PLAIN) == [
        "source      units",
        "文字.jsonl  9,412",
        "b.csv           7",
    ]


def test_table_says_how_much_it_leaves_out() -> None:
    lines = table(["n"], [[i] for i in range(20)], limit=10, screen=PLAIN)
    assert len(lines) == 10
    assert lines[-1] == "... and 12 more (--json shows all)"
    assert len(table(["n"], [[i] for i in range(9)], limit=10, screen=PLAIN)) == 10


def test_table_cuts_texts_to_the_terminal_but_never_numbers() -> None:
    lines = table(["source", "units"], [["x" * 80, 123_456_789]], screen=Screen(width=40))
    assert [columns(line) for line in lines] == [40, 40]
    assert lines[1].endswith("...  123,456,789")


@given(st.lists(st.lists(st.one_of(st.none(), st.integers(), st.text()), min_size=3, max_size=3), max_size=5))
def test_every_table_is_one_line_a_row(rows: list[list[render.Cell]]) -> None:
    assert len(table(["a", "b", "c"], rows, screen=PLAIN)) == 1 + len(rows)


@given(st.integers(0, 40), st.integers(0, 8), st.integers(0, 3))
def test_a_page_has_fifteen_lines_at_most(rows: int, after: int, reserved: int) -> None:
    assert len(page(["n"], [[i] for i in range(rows)], ["verdict"] * after, reserved=reserved)) + reserved <= 15


def test_colour_only_on_a_terminal_that_wants_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("NO_COLOR", raising=False)
    monkeypatch.setenv("TERM", "xterm")
    assert Screen.of(Terminal()).colour
    assert not Screen.of(io.StringIO()).colour
    monkeypatch.setenv("NO_COLOR", "1")
    assert not Screen.of(Terminal()).colour
    monkeypatch.delenv("NO_COLOR")
    monkeypatch.setenv("TERM", "dumb")
    assert not Screen.of(Terminal()).colour


@pytest.mark.parametrize(
    ("mine", "other", "lines"),
    [
        ("same", "same", ["  = same"]),
        ("reset my pin", "reset the pin", ["  - reset [my] pin", "  + reset [the] pin"]),
        ("the old red door", "the new blue door", ["  - the [old red] door", "  + the [new blue] door"]),
        ("a b", "a b c", ["  - a b", "  + a b[ c]"]),
        ("重置密码", "重设密码", ["  - 重[置]密码", "  + 重[设]密码"]),
        ("x\ny", "x\tz", ["  - x[\\ny]", "  + x[\\tz]"]),
    ],
)
def test_difference(mine: str, other: str, lines: list[str]) -> None:
    assert difference(mine, other, PLAIN) == lines


def test_difference_leaves_out_long_equal_stretches() -> None:
    long = " ".join(f"w{i}" for i in range(200))
    mine, other = difference(f"{long} one", f"{long} two", PLAIN)
    assert mine == "  - ...w196 w197 w198 w199 [one]"
    assert other == "  + ...w196 w197 w198 w199 [two]"


def test_difference_in_colour_marks_the_same_words() -> None:
    mine, _ = difference("a x", "a y", Screen(width=80, colour=True))
    assert mine == "  - a \x1b[31m[x]\x1b[0m"


def test_progress_in_a_log_is_one_line_a_stage_and_one_every_ten_seconds() -> None:
    stream, now = io.StringIO(), [0.0]
    log = Lines(stream, lambda: now[0])
    log.stage("read", 40_000_000, "bytes")
    for second in range(1, 26):
        now[0] = float(second)
        log.advance(second * 1_000_000)
    log.stage("near", 900)
    now[0] = 26.0
    log.note("raw\x1b.csv: is empty")
    log.finish()
    log.finish()
    assert stream.getvalue().splitlines() == [
        "read: 10.0 MB of 40.0 MB, 1.0 MB a second, 30.0 s left",
        "read: 20.0 MB of 40.0 MB, 1.0 MB a second, 20.0 s left",
        "read: 40.0 MB, 25.0 s",
        "raw\\x1b.csv: is empty",
        "near: 900 rows, 1.0 s",
    ]


def test_what_takes_longer_than_a_second_each_is_said_so() -> None:
    stream, now = io.StringIO(), [0.0]
    log = Lines(stream, clock=lambda: now[0])
    log.stage("training", 60, "steps")
    now[0] = 14.0
    log.advance(2)
    assert stream.getvalue() == "training: 2 steps of 60 steps, 7.0 s each, 6 min 46 s left\n"


def test_progress_on_a_terminal_leaves_nothing_behind(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TERM", "xterm")
    stream = Terminal()
    bar = progress(stream)
    assert isinstance(bar, Bar)
    bar.stage("read", 100)
    bar.advance(50)
    bar.stage("near", None)
    bar.finish()
    bar.finish()
    assert "near" in stream.getvalue()
    assert isinstance(progress(io.StringIO()), Lines)


def test_paragraphs_keep_their_lines_and_none_can_pose_as_ours() -> None:
    assert paragraphs("a\r\nreference: no\n\tx\x1b[31m\u202e") == "a\n  reference: no\n      x\\x1b[31m\\u202e"
    assert paragraphs("") == ""
    long = paragraphs("x" * 20_003)
    assert long.endswith("x\n  (3 more characters are not shown)")
    assert len(long) < 20_050
