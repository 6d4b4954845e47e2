"""The playground: answers of base and adapter under several system prompts, kept as predictions that can be tagged."""

from __future__ import annotations

from pathlib import Path

import pytest

from curation.runs import list_runs, read_run, run_place
from curation.store.journal import open_journal
from curation.store.tags import tags
from curation.workspace import open_workspace
from eval.folder import EvalFolder, evals
from eval.playground import keep_answer
from eval.review.frame import review_frame
from eval.review.judgement import Judgement
from eval.review.queues import QueueSettings
from eval.review.session import Review
from eval.taxonomy import load_taxonomy
from tests.dashboard_screens import dashboard_in, screen, sound, told
from tests.eval_workspace import eval_workspace, with_run

ASKED = [{"role": "user", "content": "Which key?"}]


def answer(text: str) -> dict[str, object]:
    return {"text": text, "finish_reason": "stop", "tokens": 3, "logprob_mean": -0.2}


def kept(root: Path) -> list[EvalFolder]:
    experiments = run_place(open_workspace(root)).experiments
    return [one for folder in list_runs(experiments) if read_run(folder).kind == "predictions" for one in evals(folder)]


@pytest.fixture
def root(tmp_path: Path) -> Path:
    (tmp_path / "curate.yaml").write_text("curate: 1\n")
    return tmp_path


def test_answers_are_kept_once_each_and_can_be_tagged(root: Path) -> None:
    place = run_place(open_workspace(root))
    first = keep_answer(place, "experiment_001", ASKED, answer("Key 7."))
    assert keep_answer(place, "experiment_001", ASKED, answer("Key 7.")) == first
    other = keep_answer(place, "experiment_001", ASKED, answer("Key 8."))
    keep_answer(place, "base", ASKED, answer("Key 7."))
    found = kept(root)
    assert [one.predictions(["output"])["output"].to_pylist() for one in found] == [["Key 7.", "Key 8."], ["Key 7."]]
    assert all(one.items().num_rows == one.predictions().num_rows for one in found)
    assert len({row for one in found for row in one.items(["item_id"])["item_id"].to_pylist()}) == 2
    with open_journal(place.journal) as journal:
        review = Review(review_frame(found), journal, load_taxonomy(root), "ana", QueueSettings())
        assert {one.prediction_id for one in review.ahead()} > {first, other}
        review.judge(Judgement(first, verdict="wrong"))
        assert [tag.prediction_id for tag in tags(journal)] == [first]


def test_an_item_left_by_a_save_that_was_killed_is_forgotten(root: Path) -> None:
    place = run_place(open_workspace(root))
    keep_answer(place, "base", ASKED, answer("Key 7."))
    (folder,) = kept(root)
    rows = folder.items().to_pylist()
    folder.write("items", [*rows, {**rows[0], "item_id": "left:1"}])
    keep_answer(place, "base", [{"role": "user", "content": "Another?"}], answer("No."))
    assert folder.items(["item_id"])["item_id"].to_pylist() == folder.predictions(["item_id"])["item_id"].to_pylist()
    assert folder.items().num_rows == 2


def test_system_prompts_stand_between_lines() -> None:
    from app.dashboard.screens.playground import variants

    assert variants("") == [""]
    assert variants("Be short.\n---\nBe kind.\n---\n") == ["Be short.", "Be kind.", ""]
    assert variants("a --- b") == ["a --- b"]


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::DeprecationWarning")
@pytest.mark.filterwarnings("ignore:.is_gradient_checkpointing. is deprecated:FutureWarning")
def test_base_and_adapter_answer_under_each_system_prompt(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("streamlit")
    pytest.importorskip("torch")
    root = eval_workspace(tmp_path / "w")
    run = with_run(root).name
    with dashboard_in(root, monkeypatch):
        found = screen("playground")
        found.text_area(key="system").set_value("Be short.\n---\nBe kind.")
        found.text_area(key="prompt").set_value("![x](http://x.example/a.png) Which key?")
        found.number_input(key="longest").set_value(4)
        found.run().button(key="answer").click().run()
        said = told(sound(found))
        assert said.count("base: ") == 2
        assert said.count(f"{run}: ") == 2
        found.button(key=f"keep 1 {run}").click().run()
        assert "Kept as prediction" in told(sound(found))
        for sink in (*found.markdown, *found.caption, *found.success):
            assert "x.example" not in sink.value
    (folder,) = kept(root)
    assert "Be kind." in folder.predictions(["prompt"])["prompt"][0].as_py()
