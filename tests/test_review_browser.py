"""Review by keyboard in a real browser: a rubric, the nearest training rows, and a patch with one key."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import orjson
import pytest

from curation.patches import load_patches
from curation.store.journal import open_journal
from curation.store.tags import tags
from tests.browser import CHROMIUM, browsing, serving
from tests.tagged_run import asked, build, evaluated, learned

pytest.importorskip("playwright")
pytest.importorskip("streamlit")
pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(CHROMIUM is None, reason="no Chromium here: apt-get install chromium"),
]
LAB = ".lab[data-item]:not([data-item=''])"


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = tmp_path_factory.mktemp("reviewed")
    build(made)
    near_test = asked(
        60, "no", prompt='[{"role": "user", "content": "How is the belt of the line cleaned after a shift?"}]'
    )
    test = asked(
        61,
        "no",
        split="test",
        prompt='[{"role": "user", "content": "How is the belt of the line cleaned after the shift?"}]',
    )
    evaluated(made, [*learned(), near_test, test])
    return made


@pytest.fixture
def page(root: Path) -> Iterator[Any]:
    with serving(root) as address, browsing() as browser:
        opened = browser.new_page(viewport={"width": 1280, "height": 900})
        opened.goto(f"{address}/review?as=ana")
        opened.wait_for_selector(LAB, timeout=60_000)
        yield opened


def test_keys_make_a_patch_of_what_is_on_screen(root: Path, page: Any) -> None:
    assert page.locator(".near .row").count() == 0  # hidden until something was chosen
    page.keyboard.press("D")
    assert "a tag or a verdict first" in page.locator(".state").inner_text()
    first = str(page.locator(".lab").get_attribute("data-item"))
    page.keyboard.press("f")
    page.wait_for_selector(".near .row[aria-current='true']", timeout=60_000)
    about = page.locator(".near .row[aria-current='true'] b").inner_text()
    page.keyboard.press("h")
    page.keyboard.press("h")
    page.keyboard.press("D")
    page.wait_for_selector("text=p-001: 1 row,", timeout=60_000)
    (entry,) = load_patches(root)
    with open_journal(root / "store" / "journal.sqlite") as journal:
        given = tags(journal)
    assert {(t.prediction_id, t.tag, t.value) for t in given} == {
        (first, "wrong fact", ""),
        (first, "helpfulness", "a little"),
    }
    place = f"{entry.fields['at']['source']}:{entry.fields['at']['line']}"
    assert (entry.op, about.split(",")[0]) == ("drop", place)
    assert set(entry.fields["tags"]) == {t.id for t in given}
    page.keyboard.press("u")
    page.wait_for_selector(f".lab[data-item='{first}']", timeout=60_000)
    for _ in range(100):
        if not load_patches(root):
            break
        page.wait_for_timeout(100)
    assert load_patches(root) == ()


def test_another_answer_is_typed_and_no_letter_of_it_is_a_key(root: Path, page: Any) -> None:
    page.keyboard.press("3")
    page.wait_for_selector(".near .row", timeout=60_000)
    page.keyboard.press("E")
    assert page.locator(".change").input_value().endswith(" is worn out.")
    page.locator(".change").fill("")
    page.keyboard.type("oDfu 3")
    page.keyboard.press("Enter")
    page.wait_for_selector("text=: 1 row,", timeout=60_000)
    (entry,) = load_patches(root)
    assert (entry.op, entry.fields["turns"][-1]["content"]) == ("edit", "oDfu 3")
    (root / entry.file).unlink()


def test_an_item_near_one_of_test_makes_no_patch_until_it_is_spent_by_tick_and_click(root: Path, page: Any) -> None:
    for _ in range(30):
        if "belt of the line cleaned after a shift" in page.locator(".turns").inner_text():
            break
        page.keyboard.press("o")

    def propose() -> None:
        page.keyboard.press("3")
        page.keyboard.press("A")
        page.locator(".change").fill("What is a belt? => A band that moves.")
        page.keyboard.press("Enter")
        page.wait_for_selector("text=is nearly the test item", timeout=60_000)

    propose()
    page.get_by_role("button", name="leave it").click()
    page.get_by_text("Spend this item").wait_for(state="detached", timeout=60_000)
    assert load_patches(root) == ()
    assert not (root / "patches" / "spent").exists()
    page.keyboard.press("u")  # the judgement was stored all the same: it is taken back, and said again
    for _ in range(100):
        if "belt of the line cleaned after a shift" in page.locator(".turns").inner_text():
            break
        page.wait_for_timeout(100)
    propose()
    assert load_patches(root) == ()
    spend = page.get_by_role("button", name="spend it and patch")
    assert spend.is_disabled()
    for key in ("Enter", "s", "S", "y"):  # no key alone does it
        page.keyboard.press(key)
    page.wait_for_timeout(500)
    assert load_patches(root) == ()
    assert not (root / "patches" / "spent").exists()
    page.get_by_text("Spend this item").click()
    for _ in range(100):
        if spend.is_enabled():
            break
        page.wait_for_timeout(100)
    spend.click()
    page.wait_for_selector("text=: 1 row,", timeout=60_000)
    (entry,) = load_patches(root)
    (line,) = (root / "patches" / "spent" / "items.jsonl").read_text("utf-8").splitlines()
    assert (entry.op, orjson.loads(line)["tags"]) == ("add", list(entry.fields["tags"]))
    page.get_by_text("Spend this item").wait_for(state="detached", timeout=60_000)  # once the screen is drawn anew
