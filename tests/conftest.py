"""What every test may rely on; and what the tests of reviews begin with."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from curation.store.journal import Journal
    from curation.workspace import Workspace
    from eval.review.frame import Frame

# A shell starts its background jobs with Ctrl-C ignored, and so would be the tests and every build they start.
signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture
def here(tmp_path: Path) -> Workspace:
    """A workspace in which nothing was built; many tests have one of their own."""
    from curation.workspace import init_workspace

    return init_workspace(tmp_path / "w")


@pytest.fixture
def journal(here: Workspace) -> Iterator[Journal]:
    """That of the workspace."""
    from curation.runs import run_place
    from curation.store.journal import open_journal

    with open_journal(run_place(here).journal) as opened:
        yield opened


@pytest.fixture
def frame(here: Workspace) -> Frame:
    """Thirty right outputs of one run to review."""
    from curation.runs import run_place
    from eval.review.frame import review_frame
    from tests.review_data import evaluation

    return review_frame([evaluation(run_place(here).experiments)])
