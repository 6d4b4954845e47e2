"""Evaluation sets: the layouts that are understood, and what is said of those that are not."""

from __future__ import annotations

import gzip
from pathlib import Path
from typing import Any

import orjson
import pytest

from curation.decontamination.evaluation_sets import Item, evaluation_sets
from curation.errors import ConfigError, DataError
from curation.pipeline import build
from tests.decontam_layouts import arc_item
from tests.lineage_workspace import line, workspace
from tests.shared_data import shared

LAYOUTS: list[tuple[str, dict[str, Any], Item]] = [
    (
        "ARC official",
        arc_item("q1", "Where is it cold?", ["pole", "desert", "jungle"], 0),
        Item("q1", "Where is it cold?", ("pole", "desert", "jungle"), "pole"),
    ),
    (
        "ARC official, numbered labels",
        {
            "id": "q2",
            "question": {"stem": "Where?", "choices": [{"text": "up", "label": "1"}, {"text": "down", "label": "2"}]},
            "answerKey": "2",
        },
        Item("q2", "Where?", ("up", "down"), "down"),
    ),
    (
        "the hub's ARC",
        {"id": "q3", "question": "Where?", "choices": {"text": ["a", "b"], "label": ["A", "B"]}, "answerKey": "B"},
        Item("q3", "Where?", ("a", "b"), "b"),
    ),
    (
        "list of choices, answer counted from 0",
        {"question": "Where?", "choices": ["up", "down"], "answer": 1},
        Item("0", "Where?", ("up", "down"), "down"),
    ),
    (
        "list of choices, answer as text",
        {"question": "Where?", "choices": ["up", "down"], "answer": "down"},
        Item("0", "Where?", ("up", "down"), "down"),
    ),
    (
        "no key",
        {"id": 7, "question": "Where?", "choices": {"text": ["a", "b"], "label": ["A", "B"]}, "answerKey": ""},
        Item("7", "Where?", ("a", "b"), ""),
    ),
    ("question and answer", {"id": "k", "question": "Where?", "answer": "There."}, Item("k", "Where?", (), "There.")),
    (
        "messages",
        {
            "messages": [
                {"role": "system", "content": "Be brief."},
                {"role": "user", "content": "Where?"},
                {"role": "assistant", "content": "There."},
            ]
        },
        Item("0", "Where?", (), "There."),
    ),
    (
        "alpaca",
        {"instruction": "Translate", "input": "apa", "output": "water"},
        Item("0", "Translate\napa", (), "water"),
    ),
]


@pytest.mark.parametrize(("why", "line", "item"), LAYOUTS, ids=[why for why, _, _ in LAYOUTS])
def test_layout(why: str, line: dict[str, Any], item: Item, tmp_path: Path) -> None:
    (tmp_path / "exam.jsonl").write_bytes(orjson.dumps(line))
    read = evaluation_sets(["exam.jsonl"], tmp_path)[0].items[0]
    assert (read.id, read.choices, read.answer) == (item.id, item.choices, item.answer)
    assert " ".join(read.stem.split()) == " ".join(item.stem.split())


def test_compressed_and_arrays_and_folders_read_the_same(tmp_path: Path) -> None:
    items = [arc_item(f"q{i}", f"Question {i}?", ["yes", "no"]) for i in range(3)]
    lines = b"\n".join(orjson.dumps(item) for item in items)
    folder = tmp_path / "exams"
    folder.mkdir()
    (folder / "a.jsonl").write_bytes(lines)
    (folder / "b.jsonl.gz").write_bytes(gzip.compress(lines))
    (folder / "c.json").write_bytes(orjson.dumps(items))
    sets = evaluation_sets(["exams"], tmp_path)
    assert [one.name for one in sets] == ["exams/a.jsonl", "exams/b.jsonl.gz", "exams/c.json"]
    assert sets[0].items == sets[1].items == sets[2].items
    assert len({one.sha256 for one in sets}) == 3


UNDERSTOOD = (
    "understood are question {stem, choices [{text, label}]} with answerKey, question with choices {text, label} and "
    "answerKey, question with choices [text] and answer, or a layout that a build reads, such as question and answer"
)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (
            b'{"passage": "p", "hypothesis": "h", "label": 1}',
            f"exam.jsonl:1: not an evaluation item, its fields are passage, hypothesis, label; {UNDERSTOOD}",
        ),
        (
            orjson.dumps(arc_item("a", "Where?", ["x", "y"])) + b'\n{"id": "b", "question": {"stem": "Where?"}}',
            f"exam.jsonl:2: not an evaluation item, its fields are id, question; {UNDERSTOOD}",
        ),
        (
            b'{"question": "q", "answer": "a"}\n{"question": 7}',
            f"exam.jsonl:2: not an evaluation item, its fields are question; {UNDERSTOOD}",
        ),
        (
            b'{"question": "q", "answer": "a"}\n{"question": " ", "answer": "a"}',
            "exam.jsonl:2: its question is empty; repair this evaluation item",
        ),
        (
            orjson.dumps(arc_item("a", "Where?", ["x", "y"]) | {"answerKey": "E"}),
            'exam.jsonl:1: its answer "E" names none of its 2 choices; repair this evaluation item',
        ),
        (b"\n\n", "exam.jsonl: holds no evaluation items; name a file that holds some"),
    ],
)
def test_what_is_no_evaluation_set_is_refused_by_line(content: bytes, message: str, tmp_path: Path) -> None:
    (tmp_path / "exam.jsonl").write_bytes(content)
    with pytest.raises(DataError) as error:
        evaluation_sets(["exam.jsonl"], tmp_path)
    assert str(error.value) == message


def test_a_broken_line_is_refused_by_its_number(tmp_path: Path) -> None:
    (tmp_path / "exam.jsonl").write_bytes(b'{"question": "q", "answer": "a"}\n\n{"question": "q", "ans')
    with pytest.raises(DataError, match=r"^exam\.jsonl:3: .*; repair this evaluation item$"):
        evaluation_sets(["exam.jsonl"], tmp_path)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"^exam\.jsonl: is not there"):
        evaluation_sets(["exam.jsonl"], tmp_path)


def test_all_of_arc_is_read() -> None:
    folder = shared("arc/ARC-Easy-Test.jsonl.gz").parent
    sets = evaluation_sets(["*.jsonl.gz"], folder)
    assert sum(len(one.items) for one in sets) == 7_787
    assert all(item.answer in item.choices for one in sets for item in one.items)


def test_missing_and_wrong_sets_are_told_before_any_source_is_read(tmp_path: Path) -> None:
    made = workspace(tmp_path, [line(0)], decontaminate={"against": ["exam.jsonl"]})
    (tmp_path / "raw" / "rows.jsonl").unlink()  # which would be told otherwise
    with pytest.raises(ConfigError, match=r"^decontaminate\.against: exam\.jsonl: is not there; check it from "):
        build(made)
    (tmp_path / "exam.jsonl").write_text('{"passage": "p"}\n')
    with pytest.raises(DataError, match=r"^exam\.jsonl:1: not an evaluation item"):
        build(made)
