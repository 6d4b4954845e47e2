"""From an output on screen to the data: nearest rows, one key a patch, linked to its tags, refused where it must be."""

from __future__ import annotations

import io
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from app.cli import main
from app.cli.tag_lines import parted, proposed
from curation.errors import ConfigError, DataError, LeakError
from curation.patches import load_patches
from curation.patches.spent import spent_items
from curation.runs import run_place
from curation.store.journal import Journal, open_journal
from curation.store.tags import Tag, add_tags, new_id, tags
from curation.workspace import Workspace, find_workspace
from eval.folder import EvalFolder
from eval.neighbours import Neighbour, TrainingRow
from eval.review.frame import review_frame
from eval.review.judgement import Judgement
from eval.review.proposals import Proposal, TrainingData
from eval.review.queues import QueueSettings
from eval.review.session import Review
from eval.taxonomy import DEFAULT
from tests.tagged_run import BAD, asked, build, evaluated, learned

WRONG = ("wrong fact",)


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, EvalFolder]:
    root = tmp_path_factory.mktemp("proposed")
    build(root)
    return root, evaluated(root, [*learned(), asked(50, "no", split="test")])


@pytest.fixture
def here(built: tuple[Path, EvalFolder]) -> Iterator[Workspace]:
    found = find_workspace(built[0])
    assert found is not None
    yield found
    for path in sorted((found.root / "patches").rglob("*.jsonl")):
        path.unlink()
    for path in (found.root / "store").glob("journal.sqlite*"):
        path.unlink()


@pytest.fixture
def journal(here: Workspace) -> Iterator[Journal]:
    with open_journal(run_place(here).journal) as opened:
        yield opened


@pytest.fixture
def review(here: Workspace, journal: Journal, built: tuple[Path, EvalFolder]) -> Review:
    frame = review_frame([built[1]], test_too=True)
    data = TrainingData(here, DEFAULT)
    return Review(frame, journal, DEFAULT, "ana", QueueSettings(one_in=0), data=data)


def shown(review: Review, number: int) -> str:
    """The prediction of item `number`, made sure to be before the reviewer."""
    return next(
        s.prediction_id for s in review.ahead(100) if s.item_id.startswith(f"00000000-0000-4000-8000-{number:012d}")
    )


def test_the_nearest_row_is_what_it_learned(review: Review) -> None:
    prediction = shown(review, 4)
    near = review.near(prediction)
    assert near[0].row.source == BAD
    assert near[0].row.answer == review.frame.shown(prediction).output
    assert [one.similarity for one in near] == sorted((one.similarity for one in near), reverse=True)
    assert review.near(prediction) is near  # looked up once


def test_one_step_drops_the_row_and_links_it_to_the_tags(review: Review, journal: Journal, here: Workspace) -> None:
    prediction = shown(review, 4)
    row = review.near(prediction)[0].row
    made = review.change(Judgement(prediction, WRONG, "wrong"), Proposal("drop", row.row_id))
    (entry,) = load_patches(here.root)
    assert (made.patch, made.rows, entry.id, entry.op) == ("p-001", 1, "p-001", "drop")
    assert entry.fields["row_id"] == row.row_id
    assert set(entry.fields["tags"]) == {t.id for t in tags(journal)}
    assert entry.fields["author"] == "ana"
    reason = entry.fields["reason"]
    assert reason.startswith(f"wrong fact, verdict wrong: output {prediction} of item ")
    assert f"{row.place} asks the same, " in reason
    assert "is one opinion" in made.warnings[0]
    again = review.change(Judgement(prediction, WRONG, "wrong"), Proposal("drop", row.row_id))
    assert (again.patch, len(load_patches(here.root))) == ("p-001", 1)


def test_a_whole_source_another_answer_and_a_new_row(review: Review, here: Workspace) -> None:
    first, second, third = (shown(review, number) for number in (4, 6, 5))
    new = Proposal("add", answer="It is the glue pump.", question="What is E-999?")
    review.change(Judgement(third, WRONG), new)
    edited = Proposal("edit", review.near(second)[0].row.row_id, "The lift axis.")
    review.change(Judgement(second, WRONG), edited)
    with pytest.raises(ConfigError, match="is changed by p-002 already"):
        review.change(Judgement(first, WRONG), Proposal("drop source", review.near(first)[0].row.row_id))
    assert review.undo() is not None
    assert review.undo() is not None  # with the patch of `edit`
    made = review.change(Judgement(first, WRONG), Proposal("drop source", review.near(first)[0].row.row_id))
    assert made.rows == 8
    ops = [(e.id, e.op) for e in load_patches(here.root)]
    assert ops == [("p-001", "add"), *[("p-003", "drop")] * 8]
    entries = load_patches(here.root)
    assert entries[1].fields["where"] == f"source = '{BAD}'"
    assert [m["content"] for m in entries[0].fields["record"]["messages"]] == ["What is E-999?", "It is the glue pump."]
    assert main(["patch", "drop", "p-003", "-C", str(here.root)]) == 0
    assert [e.id for e in load_patches(here.root)] == ["p-001"]


def test_without_a_tag_there_is_no_patch(review: Review, here: Workspace) -> None:
    prediction = shown(review, 4)
    with pytest.raises(ConfigError, match="say first what is wrong"):
        review.change(Judgement(prediction), Proposal("drop", review.near(prediction)[0].row.row_id))
    assert load_patches(here.root) == ()


def test_a_test_item_makes_a_patch_only_where_it_is_spent(review: Review, here: Workspace, journal: Journal) -> None:
    prediction = shown(review, 50)
    new = Proposal("add", answer="The lift axis is worn out.", question="Why does the lift stop?")
    with pytest.raises(LeakError, match="is a test item"):
        review.change(Judgement(prediction, WRONG), new)
    assert (load_patches(here.root), spent_items(here.root)) == ((), frozenset())
    assert [t.tag for t in tags(journal)] == list(WRONG)  # what was said is kept
    with pytest.raises(ConfigError, match="was judged by ana before; undo that first"):
        review.change(Judgement(prediction, ("made up",)), new, allow_test=True)  # another judgement is not the same
    review.change(Judgement(prediction, WRONG), new, allow_test=True)
    assert [t.tag for t in tags(journal)] == list(WRONG)  # and is stored once
    assert spent_items(here.root) == {"00000000-0000-4000-8000-000000000050:1"}


def test_a_tag_on_which_people_differ_makes_no_patch(review: Review, here: Workspace, journal: Journal) -> None:
    for number in range(8):
        other = shown(review, number)
        add_tags(journal, [Tag(new_id(), other, review.frame.run_of(other), "OK", taxonomy="v1", author="bea")])
    prediction = shown(review, 4)
    row = review.near(prediction)[0].row.row_id
    with pytest.raises(DataError, match=r'agree on "wrong fact" by alpha .* --adjudicate --outputs'):
        review.change(Judgement(prediction, WRONG), Proposal("drop", row))
    assert load_patches(here.root) == ()


def test_curate_patch_add_refuses_such_a_tag_with_exit_code_3(
    review: Review, here: Workspace, journal: Journal, capsys: pytest.CaptureFixture[str]
) -> None:
    prediction = shown(review, 4)
    (event,) = review.judge(Judgement(prediction, WRONG))
    words = ["patch", "add", "-C", str(here.root), "--row", f"{BAD}:1", "--drop", "--reason", "x", "--tags", event.id]
    add_tags(journal, [Tag(new_id(), prediction, event.run, "OK", taxonomy="v1", author="bea")])
    assert main(words) == 3
    told = capsys.readouterr().err
    assert told.startswith('curate patch: --tags: people agree on "wrong fact" by alpha 0.00')
    assert f"curate tag {event.run} --adjudicate --outputs {prediction}" in told
    assert load_patches(here.root) == ()
    say = ["tag", event.run, "-C", str(here.root), "--adjudicate", "--outputs", prediction, "--as", "eva"]
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr("sys.stdin", io.StringIO("f\n"))
        assert main(say) == 0
    assert main(words) == 0
    assert len(load_patches(here.root)) == 1


def test_the_terminal_proposes_with_one_key(
    here: Workspace, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def typed(lines: str) -> tuple[dict[str, Any], str]:
        monkeypatch.setattr("sys.stdin", io.StringIO(lines))
        assert main(["tag", "-C", str(here.root), "--as", "ana", "--json"]) == 0
        told = capsys.readouterr()
        return json.loads(told.out), told.err

    told, err = typed("w\nf3 D\nf E The belt.\nf A What is E-9? => A belt.\nD\nq\n")
    assert told["judged"] == 3
    assert "1  raw/" in err
    assert "p-001 (1 row); u takes it back" in err
    assert '"" is no key' not in err
    assert "say first what is wrong with it, in the same line: 3 D" in err  # D alone says nothing of the output
    assert [e.op for e in load_patches(here.root)] == ["drop", "edit", "add"]
    _, err = typed("f A Only an answer.\nu\nq\n")
    assert len(load_patches(here.root)) == 3


def test_a_refused_patch_is_mended_on_the_output_it_was_meant_for(
    here: Workspace, journal: Journal, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    lines = "f A\nz\nf\nf A What is E-9? => A belt.\n" + "f E\n\n" + "f A\nu\no\nq\n"
    monkeypatch.setattr("sys.stdin", io.StringIO(lines))
    assert main(["tag", "-C", str(here.root), "--as", "ana", "--json"]) == 0
    told = capsys.readouterr()
    assert json.loads(told.out)["judged"] == 3
    assert told.err.count("what you said is stored, without a patch") == 5
    assert told.err.count("user: ") == 5  # three outputs, one of them again after its undo, and the one at q
    (entry,) = load_patches(here.root)
    assert entry.fields["record"]["messages"][0]["content"] == "What is E-9?"
    given = tags(journal)
    assert [tag.tag for tag in given] == ["wrong fact", "wrong fact", "OK"]
    assert entry.fields["tags"] == [given[0].id]


def test_a_line_is_parted_at_the_change_unless_a_note_comes_first() -> None:
    assert parted("f3 D2") == ("f3 ", "D2")
    assert parted("f3 E open the door") == ("f3 ", "E open the door")
    assert parted("f n said A or B") == ("f n said A or B", None)
    near = [Neighbour(TrainingRow(f"r{i}", "a", i, "", ""), 0.5, 0.5, 0.5) for i in range(2)]
    assert proposed("D", near) == Proposal("drop", "r0")
    assert proposed("S2", near) == Proposal("drop source", "r1")
    assert proposed("E2 two bolts", near) == Proposal("edit", "r1", "two bolts")
    assert proposed("A what? => that", near) == Proposal("add", answer="that", question="what?")
    for line in ("D3", "Dx", "E3 x"):
        with pytest.raises(ConfigError):
            proposed(line, near)
