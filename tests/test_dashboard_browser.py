"""The dashboard in a real browser: keyboard tagging, hostile outputs, no request to elsewhere, in light and dark."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.request import urlopen

import pytest

from curation.runs import run_place
from curation.store.journal import open_journal
from curation.store.tags import OK, Tag, tags
from curation.workspace import Workspace, init_workspace
from tests.browser import CHROMIUM, browsing, serving
from tests.review_data import evaluation

pytest.importorskip("playwright")
pytest.importorskip("streamlit")
pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(CHROMIUM is None, reason="no Chromium here: apt-get install chromium"),
]
HOSTILE = (
    "<script>alert(1)</script><img src=http://x.example/a.png onerror=alert(2)>",
    "![a](http://x.example/b.png) [b](javascript:alert(3))",
    "<iframe src=http://x.example/></iframe>",
    "right\u202eto left\u200b and nothing",
    "=cmd()",
    "x" * 1_000_000,
)


@pytest.fixture(scope="module")
def here(tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    made = init_workspace(tmp_path_factory.mktemp("dashboard") / "w")
    evaluation(run_place(made).experiments, lambda i: HOSTILE[i % len(HOSTILE)] if i < 12 else f"answer {i}", items=60)
    return made


@pytest.fixture(scope="module")
def address(here: Workspace) -> Iterator[str]:
    with serving(here.root) as found:
        yield found


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    with browsing() as started:
        yield started


@pytest.fixture
def page(browser: Any, address: str) -> Iterator[Any]:
    """A page that notes requests to elsewhere and dialogs."""
    opened = browser.new_page(viewport={"width": 1280, "height": 900})
    opened.elsewhere, opened.dialogs = [], []

    def requested(request: Any) -> None:
        if not request.url.startswith((address, address.replace("http", "ws"), "data:", "blob:")):
            opened.elsewhere.append(request.url)

    def asked(dialog: Any) -> None:
        opened.dialogs.append(dialog.message)
        dialog.dismiss()

    opened.on("request", requested)
    opened.on("dialog", asked)
    yield opened
    opened.close()


def stored(here: Workspace, author: str) -> list[Tag]:
    with open_journal(run_place(here).journal) as journal:
        return [tag for tag in tags(journal) if tag.author == author]


def on_screen(page: Any) -> str:
    return str(page.locator(".lab").get_attribute("data-item"))


# The labeller lies in a shadow root.
STORED = """() => {
  const find = (root) => {
    for (const e of root.querySelectorAll('*')) {
      if (e.classList && e.classList.contains('lab')) return e;
      const found = e.shadowRoot && find(e.shadowRoot);
      if (found) return found;
    }
    return null;
  };
  const lab = find(document);
  return lab && lab.dataset.pending === '0';
}"""


def wait_stored(page: Any) -> None:
    page.wait_for_function(STORED, timeout=60_000)


def test_keys_tag_what_is_on_screen_and_nothing_else(here: Workspace, page: Any, address: str) -> None:
    page.goto(f"{address}/review?as=ana")
    page.wait_for_selector(".lab[data-item]:not([data-item=''])", timeout=60_000)
    seen = []
    for keys in (["o"], ["f", "Enter"], ["3", "Enter"], ["t", "t", "o"], ["o"], ["o"], ["o"], ["o"]):
        seen.append(on_screen(page))
        for key in keys:
            page.keyboard.press(key)
    wait_stored(page)
    found = stored(here, "ana")
    assert [t.prediction_id for t in found] == seen
    assert [(t.tag, t.value) for t in found[:4]] == [(OK, ""), ("wrong fact", ""), ("verdict", "wrong"), (OK, "")]
    assert len(set(seen)) == len(seen)


def test_undo_shows_the_last_one_again(here: Workspace, page: Any, address: str) -> None:
    page.goto(f"{address}/review?as=bea")
    page.wait_for_selector(".lab[data-item]:not([data-item=''])", timeout=60_000)
    first = on_screen(page)
    page.keyboard.press("o")
    wait_stored(page)
    assert [t.prediction_id for t in stored(here, "bea")] == [first]
    page.keyboard.press("u")
    page.wait_for_selector(f".lab[data-item='{first}']", timeout=60_000)
    wait_stored(page)
    assert stored(here, "bea") == []


def test_typing_a_note_is_no_tag(here: Workspace, page: Any, address: str) -> None:
    page.goto(f"{address}/review?as=eva")
    page.wait_for_selector(".lab[data-item]:not([data-item=''])", timeout=60_000)
    page.keyboard.press("n")
    page.keyboard.type("of 3 u")
    page.keyboard.press("Enter")
    page.keyboard.press("Enter")
    wait_stored(page)
    found = stored(here, "eva")
    assert {(t.tag, t.note) for t in found} == {(OK, ""), ("note", "of 3 u")}


def test_hostile_outputs_stay_text(here: Workspace, page: Any, address: str) -> None:
    page.goto(f"{address}/review?as=mallory")
    page.wait_for_selector(".lab[data-item]:not([data-item=''])", timeout=60_000)
    shown = ""
    for _ in range(60):
        page.wait_for_selector(".lab[data-item]:not([data-item=''])", timeout=60_000)
        shown += page.locator(".output").inner_text()[:400]
        page.keyboard.press("o")
    wait_stored(page)
    assert len(stored(here, "mallory")) == 60
    assert "<script>alert(1)</script>" in shown
    assert "\\u202e" in shown
    for screen in ("errors", "rows", "", "compare", "agreement"):
        page.goto(f"{address}/{screen}")
        page.wait_for_selector("h1", timeout=60_000)
        page.wait_for_timeout(1500)
    assert page.elsewhere == []
    assert page.dialogs == []


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_screens_draw_in_both_themes(browser: Any, address: str, tmp_path: Path, scheme: str) -> None:
    page = browser.new_page(viewport={"width": 1280, "height": 900}, color_scheme=scheme)
    for screen in ("", "training", "compare", "errors", "review?as=ana"):
        page.goto(f"{address}/{screen}")
        page.wait_for_selector("h1", timeout=60_000)
        page.wait_for_timeout(1000)
        assert page.locator("[data-testid='stException']").count() == 0
        assert len(page.screenshot(path=str(tmp_path / "screen.png"))) > 5000
    page.close()


def test_every_answer_forbids_other_hosts(address: str) -> None:
    with urlopen(address, timeout=30) as answer:
        policy = answer.headers["content-security-policy"]
        assert answer.headers["referrer-policy"] == "no-referrer"
    assert "frame-ancestors 'none'" in policy
    assert "http" not in policy
