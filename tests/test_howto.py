"""README, tutorial and a page for each kind of project: followed from an empty folder to the end, trainings and all."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.doc_blocks import Reader, blocks, commands
from tests.test_docs import wrong

DOCS = Path(__file__).resolve().parent.parent / "docs"
HOWTOS = sorted((DOCS / "howto").glob("*.md"))
PAGES = [DOCS.parent / "README.md", DOCS / "tutorial.md", *HOWTOS]


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::FutureWarning", "ignore::DeprecationWarning")
@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_the_whole_way_goes_as_it_is_told(page: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """If this fails because the output changed for the better: python -m tests.doc_blocks docs/howto/NAME.md"""
    pytest.importorskip("bitsandbytes")
    monkeypatch.setenv("NO_COLOR", "1")
    reader = Reader(tmp_path.resolve())
    told = [line for block in blocks(page.read_text("utf-8")) for line in wrong(block, reader)]
    assert told == []
    trained = [path for path in tmp_path.rglob("experiments/experiment_*/run.json") if b'"done"' in path.read_bytes()]
    assert trained


def test_every_kind_of_project_has_its_page() -> None:
    assert {page.stem for page in HOWTOS} == {
        "company-questions",
        "guanaco-responses",
        "model-card-project",
        "romanian",
        "tuned-elsewhere",
    }


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_the_links_and_configs_of_a_page_are_there(page: Path) -> None:
    text = page.read_text("utf-8")
    targets = [target for target in re.findall(r"\]\(([^)#]+)", text) if "://" not in target]
    missing = [target for target in targets if not (page.parent / target).exists()]
    missing += [name for name in re.findall(r"REPO/([\w./-]+)", text) if not (DOCS.parent / name).exists()]
    assert missing == []
    assert sum(len(commands(block)) for block in blocks(text) if block.language == "console") >= 9
