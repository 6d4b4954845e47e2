"""The page's side of the labeller in a real browser, told by hand what a slow server might say."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.browser import CHROMIUM, ROOT, browsing

pytest.importorskip("playwright")
pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="no Chromium here: apt-get install chromium")
HERE = ROOT / "app" / "dashboard" / "labeller"
MOUNT = """async (source) => {
  const { default: component } = await import(URL.createObjectURL(new Blob([source], { type: "text/javascript" })));
  window.sent = [];
  window.asked = [];
  window.told = (ids, acknowledged) => component({
    parentElement: document.body,
    setTriggerValue: (name, value) => name === "asked" ? window.asked.push(value) : window.sent.push(...value),
    data: {
      items: ids.map((id) => ({ id, turns: [], output: id, reference: null, rules: [], near: null, add: "" })),
      acknowledged, tags: [["f", "wrong fact", ""]], verdicts: [], rubrics: [], changes: [["D", "drop row", ""]],
      progress: "",
    },
  });
}"""


@pytest.fixture
def page() -> Iterator[Any]:
    with browsing() as browser:
        opened = browser.new_page()
        opened.set_content(Path(HERE / "labeller.html").read_text("utf-8"))
        opened.evaluate(MOUNT, Path(HERE / "labeller.js").read_text("utf-8"))
        yield opened


def told(page: Any, ids: str, acknowledged: int) -> None:
    page.evaluate("([ids, acknowledged]) => { window.told(ids, acknowledged); }", [list(ids), acknowledged])


def test_what_was_chosen_never_passes_to_another_output(page: Any) -> None:
    told(page, "abc", 0)
    page.keyboard.press("f")
    assert page.locator("[aria-pressed='true']").count() == 1
    told(page, "bc", 0)  # the server takes back what is on screen
    assert page.locator(".lab").get_attribute("data-item") == "b"
    assert page.locator("[aria-pressed='true']").count() == 0


def test_an_output_that_waits_to_be_stored_is_not_shown_again(page: Any) -> None:
    told(page, "abca", 0)
    for _ in range(3):
        page.keyboard.press("o")
    told(page, "abcad", 0)  # an answer from before the keys: the server has heard of none of them
    while page.locator(".lab").get_attribute("data-item") not in ("", None):
        page.keyboard.press("o")
    judged = {}
    page.wait_for_function("window.sent.length > 4")
    for event in page.evaluate("window.sent"):
        judged[event["seq"]] = event["id"]
    assert [judged[number] for number in sorted(judged)] == list("abcad")


def test_nearest_rows_are_asked_for_once_and_only_where_something_was_chosen(page: Any) -> None:
    told(page, "abc", 0)
    page.keyboard.press("o")
    page.keyboard.press("f")
    page.keyboard.press("f")
    page.keyboard.press("f")
    assert page.evaluate("window.asked") == ["b"]
    page.keyboard.press("D")  # a second time, should the answer have been lost
    assert "being looked up" in page.locator(".state").inner_text()
    assert page.evaluate("window.asked") == ["b", "b"]
    assert page.locator(".lab").get_attribute("data-item") == "b"


def test_a_skip_names_the_output_on_screen_and_judges_nothing(page: Any) -> None:
    told(page, "abc", 0)
    page.keyboard.press("f")
    page.keyboard.press("s")
    assert page.locator(".lab").get_attribute("data-item") == "b"
    assert page.locator("[aria-pressed='true']").count() == 0
    page.wait_for_function("window.sent.length > 0")
    (event, *_) = page.evaluate("window.sent")
    assert {key: event[key] for key in event if key != "event"} == {"seq": 1, "id": "a", "skip": True}
    assert event["event"]
