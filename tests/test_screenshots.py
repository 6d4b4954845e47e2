"""The pictures in docs/ are made by a script; here it makes those of a small workspace, in both themes."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.browser import CHROMIUM

pytest.importorskip("playwright")
pytest.importorskip("streamlit")
pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(CHROMIUM is None, reason="no Chromium here: apt-get install chromium"),
]
DOCS = Path(__file__).resolve().parent.parent / "docs"


def test_pictures_of_the_screens_in_light_and_dark(tmp_path: Path) -> None:
    from PIL import Image

    from benchmarks.screenshots import pictures
    from tests.reported import reported

    made = reported(tmp_path / "w", rows=80, seeds=1)
    before = (made.root / "store" / "journal.sqlite").read_bytes()
    found = pictures(made.root, tmp_path / "out", ("overview", "compare", "review"))
    assert [path.stem for path in found] == [
        f"{name}-{theme}" for theme in ("light", "dark") for name in ("overview", "compare", "review")
    ]
    shade = {}
    for path in found:
        with Image.open(path) as picture:
            assert picture.width == 1280
            shade[path.stem] = picture.convert("L").tobytes()[-10 * 1280 - 10]
        assert 5_000 < path.stat().st_size < 200_000
    assert all(shade[f"{name}-light"] > 200 > 60 > shade[f"{name}-dark"] for name in ("overview", "compare", "review"))
    assert (made.root / "store" / "journal.sqlite").read_bytes() == before


def test_pictures_in_the_docs_are_small_and_all_are_shown() -> None:
    told = (DOCS / "review.md").read_text("utf-8")
    found = sorted((DOCS / "images").glob("*.png"))
    assert found
    for path in found:
        assert path.stat().st_size < 200_000, path.name
        assert f"images/{path.name}" in told, path.name
