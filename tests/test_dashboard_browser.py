"""The dashboard in a real browser: keyboard tagging, hostile outputs, no request to elsewhere, in light and dark."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote
from urllib.request import urlopen

import pytest

from app.cli import main
from curation.library import build
from curation.runs import run_place
from curation.store.journal import open_journal
from curation.store.tags import OK, Tag, add_tags, new_id, tags
from curation.workspace import Workspace, init_workspace
from eval.folder import latest_eval
from tests.browser import CHROMIUM, browsing, serving
from tests.eval_workspace import write_jsonl
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
REVIEWED = "evaluations=experiment_001/eval-1"
NAMES = ("![n](http://x.example/n.png)", "<img src=http://x.example/m.png onerror=alert(5)>")
EVERYWHERE = (
    "",
    "rows?version=v2",
    "rows?version=v2&unit=data/raw/<img src=x onerror=alert(4)>.jsonl:2",
    "rows?version=v2&view=what became of it",
    "rows?version=v2&view=measured values",
    "rows?version=v2&view=clusters",
    "rows?version=v2&view=conflicts",
    "rows?version=v2&view=another version",
    "rows?version=v2&text=<img",
    "rows?row=<script>alert(6)</script>",
    "training",
    "compare",
    "compare?a=experiment_003&b=experiment_004",
    "errors?evaluation=experiment_001/eval-1&item=row1:1",
    "errors?evaluation=experiment_003/eval-1",
    "pairwise",
    "agreement",
    "playground",
)


@pytest.fixture(scope="module")
def here(tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    """Hostile rows in two versions, hostile outputs of two runs, tags by people of hostile names."""
    made = init_workspace(tmp_path_factory.mktemp("dashboard") / "w")
    for number in range(2):
        rows = [{"prompt": f"{number} {text[:300]} {i}?", "completion": text} for i, text in enumerate(HOSTILE)]
        write_jsonl(made.root / "data" / "raw" / "<img src=x onerror=alert(4)>.jsonl", rows)
        build(made)
        evaluation(
            run_place(made).experiments,
            lambda i, n=number: HOSTILE[(i + n) % len(HOSTILE)] if i < 12 else f"answer {i}",  # type: ignore[misc]
            items=60,
            metrics={"exact_match": [0.0, 1.0] * 30},
        )
    rows = [{"prompt": f"question {i}", "output": text} for i, text in enumerate(HOSTILE)]
    file = made.root / "hostile.jsonl"
    write_jsonl(made.root / "hostile.jsonl", rows)
    for name in NAMES:
        assert main(["import-predictions", str(file), "--name", name, "-C", str(made.root)]) == 0
    folder = latest_eval(run_place(made).experiments / "experiment_001")
    assert folder is not None
    with open_journal(run_place(made).journal) as journal:
        for name in NAMES:
            for row in folder.predictions(["prediction_id"]).slice(0, 12).to_pylist():
                tag = "wrong fact" if name == NAMES[0] else OK
                add_tags(journal, [Tag(new_id(), row["prediction_id"], "experiment_001", tag, author=name, note=name)])
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
    page.goto(f"{address}/review?as=ana&{REVIEWED}")
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
    page.goto(f"{address}/review?as=bea&{REVIEWED}")
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
    page.goto(f"{address}/review?as=eva&{REVIEWED}")
    page.wait_for_selector(".lab[data-item]:not([data-item=''])", timeout=60_000)
    page.keyboard.press("n")
    page.keyboard.type("of 3 u")
    page.keyboard.press("Enter")
    page.keyboard.press("Enter")
    wait_stored(page)
    found = stored(here, "eva")
    assert {(t.tag, t.note) for t in found} == {(OK, ""), ("note", "of 3 u")}


def test_hostile_outputs_stay_text(here: Workspace, page: Any, address: str) -> None:
    page.goto(f"{address}/review?as=mallory&{REVIEWED}")
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
    assert page.elsewhere == []
    assert page.dialogs == []


@pytest.mark.parametrize("screen", EVERYWHERE)
def test_hostile_text_reaches_nobody_on_any_screen(page: Any, address: str, screen: str) -> None:
    page.goto(f"{address}/{quote(screen, safe='/?&=')}")
    page.wait_for_selector("h1", timeout=60_000)
    settled(page)
    assert page.locator("[data-testid='stException']").count() == 0
    assert page.locator("img[src*='x.example'], iframe[src*='x.example'], a[href^='javascript']").count() == 0
    assert page.elsewhere == []
    assert page.dialogs == []


def settled(page: Any) -> None:
    """The script has run to its end, and the browser had time to ask for what the page names."""
    page.wait_for_selector("[data-testid='stApp'][data-test-script-state='notRunning']", timeout=60_000)
    page.wait_for_timeout(700)


def test_what_is_chosen_stands_in_the_address_and_a_link_brings_it_back(page: Any, address: str) -> None:
    page.goto(f"{address}/rows?version=v1&row=0")
    page.wait_for_selector("h1", timeout=60_000)
    settled(page)
    page.get_by_label("row id begins with").fill("a")
    page.get_by_label("row id begins with").press("Enter")
    page.wait_for_function("() => new URLSearchParams(location.search).get('row') === 'a'", timeout=30_000)
    assert "version=v1" in page.url


def test_a_download_guards_what_a_spreadsheet_would_run(page: Any, address: str) -> None:
    page.goto(f"{address}/rows?version=v2&view=rows")
    page.wait_for_selector("h1", timeout=60_000)
    settled(page)
    with page.expect_download() as waiting:
        page.get_by_role("button", name="CSV", exact=True).first.click()
    text = Path(waiting.value.path()).read_text("utf-8")
    assert "begins" in text
    assert not [line for line in text.splitlines() if line[:1] in ("=", "+", "-", "@")]
    page.hover("[data-testid='stDataFrame']")  # whose own download guards nothing
    assert page.locator("button[aria-label='Download as CSV']:visible").count() == 0


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


def test_scripts_of_widgets_come_before_the_first_widget(browser: Any, address: str) -> None:
    """And the page is still the page: each of them is fetched once."""
    view = browser.new_page()
    seen: list[str] = []
    view.on("request", lambda request: seen.append(request.url))
    view.on("websocket", lambda _: seen.append("widgets"))
    view.goto(f"{address}/rows?version=v2")
    view.wait_for_selector("[data-testid='stDataFrame'] canvas", timeout=60_000)
    assert view.get_by_text("Deploy").count() == 0  # nothing of Streamlit's own leads away from here
    for name in ("DataFrame", "Selectbox", "NumberInput"):
        places = [place for place, url in enumerate(seen) if f"/js/{name}." in url]
        assert len(places) == 1, name
        assert places[0] < seen.index("widgets"), name
    view.close()
