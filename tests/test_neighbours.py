"""From a tag to the data: nearest training rows, the source that a fault comes from, the command that drops it."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import orjson
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from app.cli import main
from curation.join import jaccard_of
from curation.patches import load_patches
from curation.patches.spent import spent_items
from curation.row_losses import FILE, ROW_LOSSES
from curation.runs import run_place
from curation.shingles import shingle
from curation.store import open_store
from curation.store.journal import open_journal
from curation.store.tags import OK, Tag, add_tags, new_id, tag_events, tags
from curation.workspace import open_workspace
from eval.blame import blame
from eval.folder import EvalFolder
from eval.nearest import ShingleIndex, nearest
from eval.neighbours import Neighbour, Neighbours, TrainingIndex, TrainingRow, copies, neighbours, training_rows
from eval.tags import Finding, Prediction, Rule
from eval.tags.runner import predictions_of, rules_named, tag_automatically
from tests.tagged_run import BAD, GOOD, answer, asked, build, evaluated, learned

Capture = pytest.CaptureFixture[str]


@pytest.fixture(scope="module")
def here(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("tagged")
    build(root)
    return root


@pytest.fixture
def run(here: Path, capsys: Capture) -> EvalFolder:
    capsys.readouterr()
    return evaluated(here, learned())


def found_by(folder: EvalFolder, root: Path, **how: Any) -> Any:
    with open_journal(root / "store" / "journal.sqlite") as journal:
        return tag_automatically(folder, journal, **how)


# ---- nearest


def test_the_nearest_is_the_nearest_by_trying_all() -> None:
    among = [answer(i, i * 5) for i in range(40)] + ["", "belt", "皮带断了", "皮带磨损了"]
    texts = [answer(i, i) for i in range(0, 80, 7)] + ["the belt", "皮带断裂了", "", "zzz qqq"]
    for text, best in zip(texts, nearest(texts, among), strict=True):
        both = shingle(pa.array([*among, text], pa.large_string()), "char", 5)
        alike = jaccard_of(both, np.full(len(among), len(among)), np.arange(len(among)))
        every = [0.0 if not text or not other else s for s, other in zip(alike.tolist(), among, strict=True)]
        assert (best is None) == (max(every) == 0)
        if best is not None:
            assert best.similarity == pytest.approx(max(every))
            assert best.text == every.index(max(every))


ODD = [
    "",
    " ",
    "a",
    "ab  cd",
    "ABCD",
    "abcde",
    "\x1c\u2003 ABCDE\u00a0f ",
    "\u0130stanbul ΣΑΣ",
    "a" * 40,
    "\ud800abc def",
    "ß ẞ SS",
]


@given(st.lists(st.text(max_size=12) | st.sampled_from(ODD), max_size=8), st.lists(st.text(max_size=12), max_size=3))
@example(ODD, ODD)
def test_few_texts_have_the_same_neighbours_without_the_join(among: list[str], texts: list[str]) -> None:
    asked = [*texts, *among][:10]
    few = nearest(asked, among)
    like: list[Any] = [ShingleIndex(among).like([text])[0] for text in asked] if among else [np.empty(0)] * len(asked)
    for found, every in zip(few, like, strict=True):
        assert (found is None) == (not len(every))
        if found is not None:
            assert found.similarity == every["similarity"].max()
            assert found.text == every["text"][every["similarity"].argmax()]


def test_an_index_of_nothing_has_no_neighbours() -> None:
    assert nearest(["a belt"], []) == [None]
    assert ShingleIndex(["a belt"]).like([]) == []


def test_neighbours_are_alike_on_both_sides_and_bring_what_is_known_of_them(here: Path, run: EvalFolder) -> None:
    store = open_store(here / "store")
    version = store.resolve("latest")
    rows = training_rows(store, version)
    assert [row.place for row in rows][:2] == [f"{GOOD}:1", f"{GOOD}:2"]
    lost = {"row_id": bytes.fromhex(rows[3].row_id.replace("-", "")), "loss": 2.5, "tokens": 4}
    table = pa.Table.from_pylist([lost | {"step": 1}, lost | {"step": 2, "loss": 0.5}], ROW_LOSSES)
    pq.write_table(table, run.of / FILE)
    known = {row.row_id: row.loss for row in training_rows(store, version, run.of)}
    assert known[rows[3].row_id] == 0.5
    assert sum(loss is None for loss in known.values()) == len(rows) - 1
    predictions = predictions_of(run.predictions())
    near = neighbours(predictions, rows)
    for prediction in predictions:
        first = near.by_prediction[prediction.id][0]
        assert first.row.answer == prediction.output
        assert first.answer == 1
        assert first.similarity == pytest.approx((first.prompt + first.answer) / 2)
    alike = copies(predictions, rows)
    assert {alike[p.id].similarity for p in predictions} == {1.0}


def test_rows_that_ask_the_same_come_before_those_that_are_more_alike() -> None:
    asked, said = "What is wrong when E-487 appears?", "E-487 means that the air valve has lost its signal."
    told = [
        ("Hello. What is wrong when E-494 appears?", "E-494 means that the air valve has lost its signal."),
        ("Night shift here. Name the reason for E-487.", "E-487 means that the lift axis is jammed."),
        ("Night shift here. What is the cause of E-487?", "E-487 means that the air valve has lost its signal."),
        ("What is wrong when E-464 appears?", "E-464 means that the heat sealer has lost its signal."),
    ]
    index = TrainingIndex([TrainingRow(str(i), "a.jsonl", i, *texts) for i, texts in enumerate(told)])
    assert index.near([asked], [said])[0][0].row.line == 0
    found = index.behind(asked, said)
    assert [(one.row.line, one.same) for one in found] == [(2, True), (1, True), (0, False), (3, False)]
    assert found[0].alike == f"asks the same, {found[0].similarity:.2f} alike"
    # without a code the wording has to be alike as well
    worded = [("How do I clean the belt?", "With water."), ("Where is the belt stored?", "In the hall.")]
    index = TrainingIndex([TrainingRow(str(i), "a.jsonl", i, *texts) for i, texts in enumerate(worded)])
    found = index.behind("How do I clean the belt, please?", "In the hall.")
    assert [(one.row.line, one.same) for one in found] == [(0, True), (1, False)]


# ---- rules over a run


def test_what_learned_a_bad_source_contradicts_its_references(here: Path, run: EvalFolder) -> None:
    tagged = found_by(run, here)
    assert len(tagged.found["contradicts reference"]) == 8
    assert tagged.found["low overlap"] == {}
    assert len(tagged.predictions) == 16


def test_said_twice_nothing_new_is_stored(here: Path, run: EvalFolder) -> None:
    first = found_by(run, here)
    again = found_by(run, here)
    assert first.added >= 8
    assert (again.added, again.taken_back) == (0, 0)
    assert again.events == first.events


def test_a_new_version_of_a_rule_takes_back_the_old_ones_tags_and_gives_its_own(here: Path, run: EvalFolder) -> None:
    def every(prediction: Prediction) -> Finding | None:
        return Finding("odd", (0, 1), 0.5)

    def some(prediction: Prediction) -> Finding | None:
        return Finding("odd", (0, 1), 0.9) if "lift axis" in prediction.text else None

    one, two = Rule("odd", 1, every), Rule("odd", 2, some)
    assert found_by(run, here, rules=[one]).added == 16
    second = found_by(run, here, rules=[two])
    kept = len(second.found["odd"])
    assert 0 < kept < 16
    assert (second.added, second.taken_back) == (kept, 16)
    third = found_by(run, here, rules=[one])  # back to the first: given anew, not revived
    assert (third.added, third.taken_back) == (16, kept)
    assert found_by(run, here, rules=[one]).added == 0
    with open_journal(here / "store" / "journal.sqlite") as journal:
        held = [tag for tag in tags(journal, run.of.name, kinds=("rule",)) if tag.tag == "odd"]
        assert {tag.rule for tag in held} == {"odd/1"}
        assert len(held) == 16
        history = [event for event in tag_events(journal, next(iter(second.found["odd"]))) if event.tag == "odd"]
    assert [(event.rule, bool(event.undoes)) for event in history] == [
        ("odd/1", False),
        ("odd/1", True),
        ("odd/2", False),
        ("odd/2", True),
        ("odd/1", False),
    ]


def test_rules_that_do_not_run_keep_their_tags(here: Path, run: EvalFolder) -> None:
    before = found_by(run, here)
    found_by(run, here, rules=rules_named(["refusal"]))
    with open_journal(here / "store" / "journal.sqlite") as journal:
        held = tags(journal, run.of.name, kinds=("rule",))
    assert len(held) == len(before.events)
    assert {tag.author for tag in held} == {"rules"}


def test_test_items_are_judged_only_when_asked_for(here: Path) -> None:
    rows = [*learned(4), asked(9, answer(9, 2), split="test"), asked(10, "", split="test") | {"output": None}]
    folder = evaluated(here, rows)
    assert len(found_by(folder, here).predictions) == 4
    assert len(found_by(folder, here, test_too=True).predictions) == 5


def test_rank_is_the_share_that_the_model_was_less_sure_of() -> None:
    table = pa.Table.from_pylist([asked(i, "x", logprob_mean=v) for i, v in enumerate([-3.0, -1.0, None, -2.0])])
    assert [p.rank for p in predictions_of(table)] == [0, pytest.approx(2 / 3), None, pytest.approx(1 / 3)]


# ---- sources


def test_the_bad_source_is_blamed(here: Path, run: EvalFolder) -> None:
    store = open_store(here / "store")
    near = neighbours(predictions_of(run.predictions()), training_rows(store, store.resolve("latest")), nearest=1)
    table = blame(found_by(run, here).found["contradicts reference"], near)
    assert [(row.source, row.near, row.n, row.rest_near, row.rest_n, row.rows) for row in table] == [
        (BAD, 8, 8, 0, 8, 8)
    ]
    assert table[0].p == pytest.approx(1 / 12870)  # 1 of the (16 choose 8) ways


def test_a_fault_that_comes_from_everywhere_blames_nobody() -> None:
    rows = [TrainingRow(str(i), f"source {i % 4}", i, "", "") for i in range(40)]
    one = {f"p{i}": [Neighbour(rows[i], 1.0, 1.0, 1.0)] for i in range(40)}
    table = blame({f"p{i}" for i in range(0, 40, 5)}, Neighbours(rows, one))
    assert min(row.p_adjusted for row in table) > 0.5
    assert blame(set(), Neighbours(rows, one)) == []
    assert blame({"p1"}, Neighbours(rows, {"p1": []})) == []


# ---- commands


def test_autotag_says_the_rates_the_source_and_the_command(here: Path, capsys: Capture) -> None:
    run = evaluated(here, [*learned(), asked(33, "E-529 means that the print head has no oil.")])
    assert main(["autotag", "-C", str(here), run.of.name]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[1].split()[:3] == ["contradicts", "reference", "9"]
    assert "8 without a tag" in lines[-3]
    told = (
        f"{BAD} teaches 'contradicts reference': 8 of 8 outputs that it has rows on are wrong as those say, 0 of 8 for"
    )
    assert lines[-2] == f"{told} other sources; p 8e-05; its row {BAD}:1 is one"
    assert f"curate patch add --drop --where \"source = '{BAD}'\"" in lines[-1]
    assert len(lines) <= 15
    assert main(["autotag", "-C", str(here), run.of.name, "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert (told["added"], told["tags"]["contradicts reference"]["found"]) == (0, 9)
    contradicting = told["tags"]["contradicts reference"]
    assert (contradicting["sources"][0]["source"], contradicting["lessons"][0]["source"]) == (BAD, BAD)
    assert contradicting["lessons"][0]["rows"] == [f"{BAD}:{line}" for line in range(1, 9)]


def test_autotag_judges_what_is_not_of_the_test_though_an_exam_is_newer(here: Path, capsys: Capture) -> None:
    evaluated(here, learned())
    run = sorted((here / "experiments").iterdir())[-1]
    exam = evaluated(here, [asked(90, "no", split="test")], run)
    words = ["autotag", run.name, "-C", str(here), "--json"]
    assert main(words) == 0
    assert json.loads(capsys.readouterr().out)["evaluation"] == f"{run.name}/eval-1"
    assert main([*words, "--final"]) == 0
    assert json.loads(capsys.readouterr().out)["evaluation"] == exam.name


def test_autotag_tells_what_people_said_and_where_that_points(here: Path, capsys: Capture) -> None:
    run = evaluated(here, [*learned(), asked(34, "E-529 means that the print head has no oil.")])
    wrong = list(found_by(run, here).found["contradicts reference"])[:4]
    given = [Tag(new_id(), one, run.of.name, "wrong fact", author="ana") for one in wrong]
    given += [Tag(new_id(), one, run.of.name, OK, author="bo") for one in wrong[:1]]
    with open_journal(run_place(open_workspace(here)).journal) as journal:
        add_tags(journal, given)
    assert main(["autotag", "-C", str(here), run.of.name, "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert told["reviewed"]["wrong fact"]["found"] == 4
    assert told["reviewed"]["wrong fact"]["sources"][0]["source"] == BAD
    assert told["reviewed"]["wrong fact"]["lessons"][0]["taught"] == 4
    events = told["tags"]["contradicts reference"]["events"]
    assert len(events) == told["tags"]["contradicts reference"]["found"] == 9
    assert main(["autotag", "-C", str(here), run.of.name]) == 0
    assert "reviewed: wrong fact 4" in capsys.readouterr().out


def test_the_command_it_gives_makes_the_patch(here: Path, run: EvalFolder, capsys: Capture) -> None:
    assert main(["autotag", "-C", str(here), run.of.name, "--events", "contradicts reference"]) == 0
    ids = capsys.readouterr().out.strip()
    words = ["--drop", "--where", f"source = '{BAD}'", "--reason", "wrong", "--tags", ids, "--yes"]
    assert main(["patch", "add", "-C", str(here), *words]) == 0
    entries = load_patches(here)
    assert (len(entries), entries[0].fields["tags"]) == (8, ids.split(","))
    assert spent_items(here) == frozenset()
    (here / entries[0].file).unlink()


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--rule", "refusl"], 'rule "refusl" is not known; did you mean "refusal"?'),
        (["--all", "--rule", "refusal"], "--all and --rule contradict each other; give one"),
    ],
)
def test_mistakes_are_one_line(here: Path, run: EvalFolder, capsys: Capture, words: list[str], said: str) -> None:
    assert main(["autotag", "-C", str(here), run.of.name, *words]) == 2
    assert capsys.readouterr().err == f"curate autotag: {said}\n"


# ---- the test stays the test's


def patch(here: Path, folder: EvalFolder, prediction: int, *more: str) -> int:
    """`curate patch add` with the tag of one prediction; rule `odd` tags all."""
    odd = Rule("odd", 1, lambda p: Finding("odd", None, 0.5))
    events = found_by(folder, here, rules=[odd], test_too=True).events
    wanted = folder.predictions()["prediction_id"][prediction].as_py()
    words = ["--row", f"{BAD}:1", "--answer", "x", "--reason", "wrong", "--tags", events["odd", wanted]]
    return main(["patch", "add", "-C", str(here), *words, *more])


def test_a_patch_from_a_test_item_is_refused_unless_it_is_spent(here: Path, capsys: Capture) -> None:
    folder = evaluated(here, [asked(30, "no"), asked(31, "no", split="test")])
    assert patch(here, folder, 1) == 4
    assert "is a test item; patches made from the test make its scores worthless" in capsys.readouterr().err
    assert (load_patches(here), spent_items(here)) == ((), frozenset())
    assert patch(here, folder, 1, "--spend") == 0
    assert spent_items(here) == {"00000000-0000-4000-8000-000000000031:1"}
    (here / load_patches(here)[0].file).unlink()
    (here / "patches" / "spent" / "items.jsonl").unlink()


def test_a_patch_from_an_item_near_a_test_item_is_refused(here: Path, capsys: Capture) -> None:
    def says(text: str) -> str:
        return orjson.dumps([{"role": "user", "content": text}]).decode()

    near = asked(40, "no", prompt=says("How is the belt of the line cleaned after a shift?"))
    test = asked(41, "no", split="test", prompt=says("How is the belt of the line cleaned after the shift?"))
    fact = asked(42, "no", prompt=says("How is the belt of line 7 oiled after 40 hours of work?"))
    other = asked(43, "no", split="test", prompt=says("How is the belt of line 7 oiled after 60 hours of work?"))
    folder = evaluated(here, [near, test, fact, other])
    assert patch(here, folder, 0) == 4
    assert "is nearly the test item 00000000-0000-4000-8000-000000000041:1" in capsys.readouterr().err
    assert patch(here, folder, 2) == 0  # another number: another question
    (here / load_patches(here)[0].file).unlink()


def test_ids_that_are_no_events_say_nothing(here: Path) -> None:
    words = ["--row", f"{BAD}:1", "--answer", "x", "--reason", "wrong", "--tags", "t-7,t-9"]
    assert main(["patch", "add", "-C", str(here), *words]) == 0
    (here / load_patches(here)[0].file).unlink()


def test_a_run_without_a_version_is_tagged_all_the_same(here: Path, capsys: Capture) -> None:
    from curation.runs import read_run, write_run

    folder = evaluated(here, learned(6))
    write_run(folder.of, replace(read_run(folder.of), version={"name": "v9", "id": "0" * 64}))
    assert main(["autotag", "-C", str(here), folder.of.name]) == 0
    told = capsys.readouterr()
    assert "without training neighbours" in told.err
    assert "contradicts reference" in told.out
