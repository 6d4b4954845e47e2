"""AlpacaEval, Flan-T5 and PandaLM taken in, and looked at on every screen that shows outputs."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from benchmarks.outside_review import fill
from curation.runs import list_runs, read_run, run_place
from curation.store.journal import open_journal
from curation.store.tags import tags
from curation.workspace import Workspace
from eval.folder import evals
from eval.review.frame import review_frame
from eval.review.judgement import Judgement
from eval.review.queues import QueueSettings
from eval.review.session import Review
from eval.taxonomy import load_taxonomy
from tests.dashboard_screens import dashboard_in, screen, told
from tests.shared_data import shared

pytest.importorskip("streamlit")
pytestmark = [
    pytest.mark.slow,
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),  # of streamlit's own imports
]


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    for needed in ("alpaca_eval/alpaca-7b/model_outputs.json.gz", "pandalm/testset-v1.json.gz"):
        shared(needed)
    made = tmp_path_factory.mktemp("outside") / "w"
    data = shared("pandalm/testset-v1.json.gz").parent.parent
    found = fill(made, data)
    # Left out: of models that answered a prompt in two ways, or not in words.
    assert found == {"runs": 11, "judged": 932, "left_out": 67}
    return made


@pytest.fixture
def here(root: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Workspace]:
    with dashboard_in(root, monkeypatch) as made:
        yield made


def run_called(here: Workspace, name: str) -> str:
    folders = list_runs(run_place(here).experiments)
    return next(folder.name for folder in folders if read_run(folder).settings.get("name") == name)


def test_errors_of_each_kind_of_outputs(here: Workspace) -> None:
    for name in ("vicuna-7b", "flan-t5-small", "bloom-7b"):
        found = screen("errors_view", evaluation=f"{run_called(here, name)}/eval-1")
        table = next(one.value for one in found.dataframe if "counted" in one.value.columns)
        assert table["counted"].sum() > 0


def test_alpacas_models_are_reviewed_blind_and_side_by_side(here: Workspace) -> None:
    place = run_place(here)
    names = [run_called(here, name) for name in ("alpaca-7b", "vicuna-7b")]
    folders = [one for name in names for one in evals(place.experiments / name)]
    with open_journal(place.journal) as journal:
        review = Review(review_frame(folders), journal, load_taxonomy(here.root), "ana", QueueSettings())
        for _ in range(12):
            review.judge(Judgement(review.ahead(1)[0].prediction_id, verdict="correct"))
        assert len({tag.run for tag in tags(journal, kinds=("person",))}) == 2
    assert "12 of" in told(screen("review", **{"as": "ana"})) or review.done == 12
    screen("compare_view", a=names[0], b=names[1])


def test_pandalms_raters_decide_between_its_models(here: Workspace) -> None:
    found = screen("pairwise")
    for key, name in (("first", "bloom-7b"), ("second", "llama-7b")):
        found.selectbox(key=key).select(f"{run_called(here, name)}/eval-1")
    found.text_input(key="author").set_value("ana").run()
    assert not found.exception
    table = next(one.value for one in found.dataframe if "share" in one.value.columns)
    wins = table.iloc[0]
    assert wins["n"] == pytest.approx(3 * 111, abs=60)
    assert wins["low"] > 0.5  # llama-7b wins, as published
