"""Pictures of the dashboard's screens in light and dark, for docs/review.md.

python -m benchmarks.screenshots WORKSPACE OUT     (WORKSPACE: what `curate loop` made)

Works on a copy. Two made-up reviewers judge some outputs in it first, by whether they equal the reference, so that
the screens about tags have something to show.
"""

from __future__ import annotations

import io
import shutil
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final
from urllib.parse import quote

SCREENS: Final = {
    "overview": "",
    "data": "rows?reason=near_duplicate",
    "why": "rows?view=rows&unit={unit}",
    "measured": "rows?view=measured values",
    "versions": "rows?view=another version",
    "training": "training",
    "compare": "compare",
    "errors": "errors?evaluation={evaluation}",
    "review": "review?as=cleo&evaluations={evaluation}",
    "pairwise": "pairwise?as=cleo&first={earlier}&second={evaluation}",
    "agreement": "agreement",
    "playground": "playground",
}
_ASKED: Final = "What does error E-127 mean?"
THEMES: Final[tuple[Any, ...]] = ("light", "dark")
_DRAWN: Final = """() => !document.querySelector("[data-testid=stSpinner], [data-testid=stSkeleton]")
    && [...document.querySelectorAll("[data-testid=stVegaLiteChart]")].every(one => one.querySelector("canvas, svg"))"""
_COLOURS: Final = 128
_JUDGED: Final = 60


def pictures(workspace: Path, out: Path, screens: Sequence[str] = tuple(SCREENS)) -> list[Path]:
    """A PNG for each screen and theme, 1280 pixels wide."""
    from tests.browser import browsing, serving

    out.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder) / "workshop"
        shutil.copytree(workspace, root)
        names = _prepared(root)
        with serving(root) as address, browsing() as browser:
            return [
                _picture(browser, f"{address}/{_filled(SCREENS[name], names)}", out / f"{name}-{theme}.png", theme)
                for theme in THEMES
                for name in screens
            ]


def _filled(path: str, names: dict[str, str]) -> str:
    return quote(path.format(**names), safe="/?&=")


def _picture(browser: Any, address: str, path: Path, theme: Any) -> Path:
    page = browser.new_page(viewport={"width": 1280, "height": 900}, color_scheme=theme)
    page.goto(address)
    page.wait_for_selector("h1", timeout=120_000)
    page.wait_for_selector("[data-testid='stApp'][data-test-script-state='notRunning']", timeout=120_000)
    for _ in range(3):  # a chart's place is empty, then grey while its code is fetched, then drawn
        page.wait_for_function(_DRAWN, timeout=120_000)
        page.wait_for_timeout(1000)
    if "/playground" in address:
        page.get_by_label("prompt", exact=True).fill(_ASKED)
        page.keyboard.press("Control+Enter")
        page.get_by_role("button", name="answer", exact=True).click()
        page.get_by_role("button", name="keep it").last.wait_for(timeout=300_000)
    if "unit=" in address:
        page.get_by_role("heading", name="Why").scroll_into_view_if_needed()
        page.wait_for_timeout(500)
    taken = page.screenshot(animations="disabled")
    page.close()
    path.write_bytes(_small(taken))
    return path


def _small(png: bytes) -> bytes:
    """The same picture in fewer colours: a third of the bytes, and nobody sees it."""
    from PIL import Image

    packed = io.BytesIO()
    Image.open(io.BytesIO(png)).convert("RGB").quantize(_COLOURS).save(packed, "PNG", optimize=True)
    return packed.getvalue()


def _prepared(root: Path) -> dict[str, str]:
    """Judgements of two made-up reviewers in the copy; what the addresses need to know."""
    from curation.runs import list_runs, run_place
    from curation.store import open_store
    from curation.store.browse import Asked, page
    from curation.store.journal import open_journal
    from curation.workspace import open_workspace
    from eval.folder import EvalFolder, evals

    here = open_workspace(root)
    place = run_place(here)

    def to_review(one: EvalFolder) -> bool:
        return one.run.state == "done" and "validation" in one.predictions(["split"])["split"].to_pylist()

    found = [one for folder in list_runs(place.experiments) for one in evals(folder) if to_review(one)]
    with open_journal(place.journal) as journal:
        for evaluation in found:
            for number, author in enumerate(("ana", "ben")):
                _judge(evaluation, journal, here.root, author, number)
    store = open_store(here.store_path)
    units = page(store, store.resolve("latest"), Asked(reason="near_duplicate")).units.to_pylist()
    units = units or page(store, store.resolve("latest"), Asked()).units.to_pylist()
    names = [one.name for one in found]
    return {
        "unit": f"{units[0]['source']}:{units[0]['line']}",
        "evaluation": names[-1] if names else "",
        "earlier": names[-2] if len(names) > 1 else "",
    }


def _judge(evaluation: Any, journal: Any, root: Path, author: str, number: int) -> None:
    """Right where the output is the reference, else wrong; the second reviewer is milder with one in five."""
    from eval.review.frame import review_frame
    from eval.review.judgement import Judgement
    from eval.review.queues import QueueSettings
    from eval.review.session import Review
    from eval.taxonomy import load_taxonomy

    settings = QueueSettings(one_in=2, calibration=_JUDGED // 2)
    review = Review(review_frame([evaluation]), journal, load_taxonomy(root), author, settings)
    tag = next(iter(review.taxonomy.tags), "")
    for place in range(_JUDGED):
        shown = next(iter(review.ahead(1)), None)
        if shown is None:
            return
        right = shown.output.strip() == (shown.reference or "").strip() or (number == 1 and place % 5 == 0)
        tags = () if right or not tag else (tag,)
        review.judge(Judgement(shown.prediction_id, tags, "correct" if right else "wrong"))


def main(argv: Sequence[str]) -> int:
    if len(argv) != 2:
        print(__doc__, file=sys.stderr)
        return 2
    for path in pictures(Path(argv[0]), Path(argv[1])):
        print(f"{path.name} {path.stat().st_size:,} bytes")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
