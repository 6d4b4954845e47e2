"""Reviews that outlive a run: found again by item and output, skipped and counted where the output is another."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from app.cli import main
from curation.errors import DataError
from curation.runs import run_place
from curation.store.journal import Journal, open_journal
from curation.store.tags import OK, tags, undo
from curation.workspace import Workspace, init_workspace
from eval.review.frame import review_frame
from eval.review.judgement import Judgement
from eval.review.portable import read_reviews
from eval.review.queues import QueueSettings
from eval.review.session import Review
from eval.taxonomy import DEFAULT, NOTE, VERDICT
from tests.review_data import evaluation

Capture = pytest.CaptureFixture[str]


@pytest.fixture
def here(tmp_path: Path) -> Workspace:
    """Run 001, of which ana judged items 3, 4 and 5."""
    here = init_workspace(tmp_path / "w")
    place = run_place(here)
    frame = review_frame([evaluation(place.experiments, items=8)])
    by_item = {frame.shown(p).item_id: p for p in frame.at}
    with open_journal(place.journal) as journal:
        review = Review(frame, journal, DEFAULT, "ana", QueueSettings())
        review.ahead(8)
        review.judge(Judgement(by_item["row3:1"], ("wrong fact", "tone"), "wrong", "said three"))
        review.judge(Judgement(by_item["row4:1"]))
        review.judge(Judgement(by_item["row5:1"], (), "correct"))
    return here


@pytest.fixture
def journal(here: Workspace) -> Iterator[Journal]:
    with open_journal(run_place(here).journal) as opened:
        yield opened


def curate(here: Workspace, capsys: Capture, *words: str) -> tuple[int, str, str]:
    code = main(["-C", str(here.root), *words])
    out, err = capsys.readouterr()
    return code, out, err


def said(journal: Journal, run: str, author: str) -> list[tuple[str, str, str]]:
    return [(t.tag, t.value, t.note) for t in tags(journal, run, kinds=("person",)) if t.author == author]


def test_what_was_said_of_one_run_is_said_of_the_same_outputs_of_another(
    here: Workspace, journal: Journal, capsys: Capture
) -> None:
    code, _, _ = curate(here, capsys, "tag", "1", "--export", "r.jsonl", "--as", "ana")
    assert code == 0
    lines = [json.loads(line) for line in (here.root / "r.jsonl").read_text().splitlines()]
    assert [line["item"] for line in lines] == ["row3:1", "row4:1", "row5:1"]
    assert lines[0]["tags"] == ["wrong fact", "tone"]
    assert lines[0]["prompt"] == "question 3"
    # In run 2 item 3 says the same in other letters, item 4 something else; item 5 is not asked.
    other = {3: "  ANSWER 3. ", 4: "something else"}
    evaluation(run_place(here).experiments, lambda i: other.get(i, f"answer {i}"), items=5)
    code, out, _ = curate(here, capsys, "tag", "2", "--import", "r.jsonl", "--as", "file", "--json")
    assert code == 0
    told = json.loads(out)
    assert [told[key] for key in ("lines", "used", "other_output", "not_asked", "outputs")] == [3, 1, 1, 1, 1]
    assert said(journal, "experiment_002", "file") == [
        ("wrong fact", "", ""),
        ("tone", "", ""),
        (VERDICT, "wrong", ""),
        (NOTE, "", "said three"),
    ]


def test_ok_and_a_verdict_alone_come_back_as_they_were(here: Workspace, journal: Journal, capsys: Capture) -> None:
    curate(here, capsys, "tag", "1", "--export", "r.jsonl", "--as", "ana")
    evaluation(run_place(here).experiments, items=8)
    code, out, _ = curate(here, capsys, "tag", "2", "--import", "r.jsonl", "--as", "file")
    assert code == 0
    assert "3 of 3 reviews apply, to 3 outputs (0 skipped" in out
    assert (OK, "", "") in said(journal, "experiment_002", "file")
    assert said(journal, "experiment_002", "file")[-1] == (VERDICT, "correct", "")


def test_taken_up_twice_it_is_stored_once_and_what_was_taken_back_stays_so(
    here: Workspace, journal: Journal, capsys: Capture
) -> None:
    curate(here, capsys, "tag", "1", "--export", "r.jsonl", "--as", "ana")
    evaluation(run_place(here).experiments, items=8)
    words = ("tag", "2", "--import", "r.jsonl", "--as", "file", "--json")
    first, again = (json.loads(curate(here, capsys, *words)[1])["stored"] for _ in range(2))
    assert (first, again) == (6, 0)
    for tag in tags(journal, "experiment_002"):
        undo(journal, tag)
    assert json.loads(curate(here, capsys, *words)[1])["stored"] == 0
    assert said(journal, "experiment_002", "file") == []


def test_names_of_before_a_rename_or_merge_are_read_by_the_present_ones(
    here: Workspace, journal: Journal, capsys: Capture
) -> None:
    curate(here, capsys, "tag", "1", "--export", "r.jsonl", "--as", "ana")
    words = ("tag", "2", "--import", "r.jsonl", "--as", "file", "--json")
    evaluation(run_place(here).experiments, items=8)
    assert json.loads(curate(here, capsys, *words)[1])["stored"] == 6
    for tag in tags(journal, "experiment_002"):
        undo(journal, tag)
    assert curate(here, capsys, "taxonomy", "rename", "tone", "manner")[0] == 0
    assert json.loads(curate(here, capsys, *words)[1])["stored"] == 0  # taken back, under whatever name
    assert curate(here, capsys, "taxonomy", "merge", "manner", "wrong fact", "--into", "bad")[0] == 0
    evaluation(run_place(here).experiments, items=8)
    assert curate(here, capsys, "tag", "3", "--import", "r.jsonl", "--as", "file")[0] == 0
    assert [tag for tag, value, _ in said(journal, "experiment_003", "file") if not value] == ["bad", NOTE, OK]


def test_test_items_stay_out_unless_asked_for(here: Workspace, capsys: Capture) -> None:
    curate(here, capsys, "tag", "1", "--export", "r.jsonl", "--as", "ana")
    evaluation(run_place(here).experiments, items=8, split="test")
    words = ("tag", "2", "--import", "r.jsonl", "--as", "file", "--json")
    code, out, _ = curate(here, capsys, *words)
    assert code == 2
    assert "holds outputs of the test split alone" in json.loads(out)["error"]
    assert json.loads(curate(here, capsys, *words, "--final")[1])["used"] == 3


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("{", "r.jsonl:2: is not JSON"),
        ('{"item": "a:1", "output": "x"}', 'r.jsonl:2: row: "tags" is missing; add it'),
        (
            '{"item": "a:1", "output": "x", "tags": ["wrong facts"]}',
            'r.jsonl:2: "wrong facts" is not a tag; did you mean "wrong fact"',
        ),
        ('{"item": "row0:1", "output": "ANSWER 0", "tags": []}', "r.jsonl:2: this output of item row0:1 was judged"),
    ],
)
def test_a_damaged_line_is_named_and_nothing_is_stored(tmp_path: Path, line: str, message: str) -> None:
    path = tmp_path / "r.jsonl"
    path.write_text(f'{{"item": "row0:1", "output": "answer 0", "tags": []}}\n{line}\n')
    with pytest.raises(DataError) as caught:
        read_reviews(path, DEFAULT)
    assert message in str(caught.value)


def test_who_judged_nothing_exports_nothing(here: Workspace, capsys: Capture) -> None:
    code, _, err = curate(here, capsys, "tag", "1", "--export", "r.jsonl", "--as", "bob")
    assert code == 2
    assert "bob has judged none of these 8 outputs; name who did: --as NAME" in err
    assert not (here.root / "r.jsonl").exists()
    code, _, err = curate(here, capsys, "tag", "1", "--import", "none.jsonl")
    assert code == 3
    assert "none.jsonl: cannot be read" in err
