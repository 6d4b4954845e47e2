"""Rows that ask the same and contradict each other."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from curation import join
from curation.errors import ConfigError
from curation.pipeline import build
from curation.stages import conflict_pairs
from curation.stages.conflicts import ConflictsConfig, conflicts
from tests.duplicate_rows import rows_of, told
from tests.lineage_workspace import PLACES, workspace, write

CASES = [
    json.loads(line) for line in (Path(__file__).parent / "fixtures/conflicts.jsonl").read_text("utf-8").splitlines()
]


@pytest.mark.parametrize("case", CASES, ids=lambda case: case["why"])
def test_conflicts(case: dict[str, Any]) -> None:
    verdict = conflicts(rows_of(case["rows"]), ConflictsConfig(**case.get("config", {})))
    notes = [line for line in told(verdict.flagged, "pos", "matched", "detail", "reason") if line[3] == "conflict"]
    assert [line[:3] for line in notes] == case["conflict"]
    assert verdict.dropped["pos"].to_pylist() == case.get("dropped", [])
    if "alternative" in case:
        assert told(verdict.flagged, "pos", "reason") == [[pos, "alternative_answers"] for pos in case["alternative"]]


answers = st.sampled_from(["E-204", "E-205", "yes", "no", "Paris", "Rome", "", "It is Paris."])
described = st.lists(
    st.fixed_dictionaries({"prompt": st.sampled_from(["Which one?", "which one", "When?"]), "answer": answers}),
    max_size=9,
)


@settings(max_examples=80, deadline=None)
@given(rows=described, action=st.sampled_from(["report", "drop", "source_priority"]))
def test_no_row_is_lost_and_every_note_names_a_row_of_the_same_question(
    rows: list[dict[str, str]], action: Any
) -> None:
    verdict = conflicts(rows_of(rows), ConflictsConfig(action=action))
    assert verdict.kept.num_rows + verdict.dropped.num_rows == len(rows)
    for pos, matched in told(verdict.flagged, "pos", "matched") + told(verdict.dropped, "pos", "matched"):
        assert rows[pos]["answer"] != rows[matched]["answer"]
        assert rows[pos]["prompt"].lower().rstrip("?") == rows[matched]["prompt"].lower().rstrip("?")


def test_many_answers_to_one_question_make_no_square_of_pairs() -> None:
    rows = [{"prompt": "Write a line.", "answer": f"line {'x' * (i % 50)} {i}"} for i in range(20_000)]
    assert conflicts(rows_of(rows), ConflictsConfig()).flagged.num_rows == 20_000


def alike(count: int) -> list[dict[str, str]]:
    """Questions below one long text, each asked twice, in two wordings of the same, with two answers."""
    text = " ".join(f"word{i}" for i in range(90))
    names = [chr(97 + i // 26) + chr(97 + i % 26) + "x" for i in range(count)]
    asked = [f"{please}{text} what about {name}" for name in names for please in ("", "please ")]
    return [{"prompt": prompt, "answer": f"Answer {at}."} for at, prompt in enumerate(asked)]


@pytest.mark.parametrize("limits", [{"MOST_PAIRS": 100}, {"MOST_PAIRS": 100, "_BLOCK": 50}])
def test_more_similar_questions_than_memory_holds_are_looked_at_in_parts(
    limits: dict[str, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    rows = rows_of(alike(40))  # 3,160 similar pairs, of which 40 ask the same
    whole = conflicts(rows, ConflictsConfig())
    assert told(whole.flagged, "pos", "matched") == [[pos, pos ^ 1] for pos in range(80)]
    for name, value in limits.items():
        monkeypatch.setattr(join, name, value)
    assert conflicts(rows, ConflictsConfig()).flagged.equals(whole.flagged)


def test_of_too_many_wordings_of_one_question_each_meets_the_first_few(monkeypatch: pytest.MonkeyPatch) -> None:
    text = " ".join(f"word{i}" for i in range(90))
    polite = [" ".join(["please"] * k) for k in range(1, 9)]
    rows = rows_of([{"prompt": f"{words} {text}", "answer": f"E-20{at}"} for at, words in enumerate(polite)])
    whole = conflicts(rows, ConflictsConfig())
    assert whole.flagged.num_rows == 8
    monkeypatch.setattr(conflict_pairs, "_MOST", 10)
    few = conflicts(rows, ConflictsConfig())
    assert told(few.flagged, "pos", "matched") == told(whole.flagged, "pos", "matched")  # the first of each is the same


def test_refuses_an_unknown_action() -> None:
    with pytest.raises(ConfigError, match="use report, drop, source_priority or off"):
        ConflictsConfig(action="merge")  # type: ignore[arg-type]  # what a recipe might say


def test_priority_that_no_source_has_decides_nothing_and_is_said(tmp_path: Path) -> None:
    old = [
        {"id": name, "prompt": f"How many keys has cabinet {name}?", "completion": f"It has {len(name)}."}
        for name in PLACES
    ]
    new = [{**row, "completion": f"It has {len(row['id']) + 5}."} for row in old]
    for name, priorities, dropped in (("equal", (0, 0), 0), ("newer", (0, 1), len(PLACES))):
        sources = [{"path": f"raw/{at}.jsonl", "priority": told} for at, told in zip("ab", priorities, strict=True)]
        made = workspace(tmp_path / name, [], sources=sources, conflicts={"action": "source_priority"})
        write(made.root, old, "a.jsonl")
        write(made.root, new, "b.jsonl")
        result = build(made)
        notes = [note for note in result.notes if note.startswith("conflicts: ")]
        assert result.reasons.get("conflict", 0) == dropped
        assert len(notes) == (dropped == 0)
        assert dropped or notes[0].startswith(
            "conflicts: 12 rows that contradict a row of equal priority stay, flagged"
        )
