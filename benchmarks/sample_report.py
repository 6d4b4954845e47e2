"""The report of a loop and pictures of its first screen, for docs/sample-report.

python -m benchmarks.sample_report WORKSPACE OUT     (WORKSPACE: what `curate loop` made)

Works on a copy; the sides are those that `curate loop` compares: the runs of v1 and of v2.
"""

from __future__ import annotations

import io
import json
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any, Final

WIDTHS: Final = (1280, 390)
THEMES: Final[tuple[Any, ...]] = ("light", "dark")
_HEIGHT: Final = 1400
_COLOURS: Final = 128


def sample(workspace: Path, out: Path) -> list[Path]:
    """report.html, and WIDTH-THEME.png of its beginning."""
    from tests.browser import browsing

    out.mkdir(parents=True, exist_ok=True)
    page = out / "report.html"
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder) / "workshop"
        shutil.copytree(workspace, root)
        words = [sys.executable, "-m", "app.cli", "-C", str(root), "report", *_sides(root), "--suite", "exam", "--json"]
        told = json.loads(subprocess.run(words, capture_output=True, text=True, check=True).stdout)
        shutil.copyfile(told["html"], page)
    with browsing() as browser:
        return [page, *(_picture(browser, page, out, width, theme) for width in WIDTHS for theme in THEMES)]


def _sides(root: Path) -> list[str]:
    from curation.runs import readable_runs, run_place
    from curation.workspace import open_workspace
    from eval.compare.sides import Part

    runs: dict[str, list[str]] = {}
    for folder, run in readable_runs(run_place(open_workspace(root)).experiments):
        if version := Part(folder, run).version_name:
            runs.setdefault(version, []).append(folder.name)
    return [",".join(runs[name]) for name in ("v1", "v2")]


def _picture(browser: Any, page: Path, out: Path, width: int, theme: Any) -> Path:
    from PIL import Image

    shown = browser.new_page(viewport={"width": width, "height": _HEIGHT}, color_scheme=theme)
    shown.goto(page.resolve().as_uri())
    packed, path = io.BytesIO(), out / f"{width}-{theme}.png"
    Image.open(io.BytesIO(shown.screenshot())).convert("RGB").quantize(_COLOURS).save(packed, "PNG", optimize=True)
    shown.close()
    path.write_bytes(packed.getvalue())
    return path


if __name__ == "__main__":
    print(*sample(Path(sys.argv[1]), Path(sys.argv[2])), sep="\n")
