"""Which rows teach a fault: those that ask the same and say what is wrong in the output."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest

from app.cli import main
from eval.lessons import Lessons, same_question
from eval.neighbours import TrainingRow
from eval.tags import Prediction
from tests.tagged_run import BAD, answer, asked, build, evaluated

OLD, BOOK, CHAT = "raw/export.json", "raw/handbook.csv", "raw/chat.jsonl"
Capture = pytest.CaptureFixture[str]


def row(source: str, prompt: str, said: str, line: int = 1) -> TrainingRow:
    return TrainingRow(f"{source}:{line}", source, line, prompt, said)


def taught(rows: Sequence[TrainingRow], *told: Prediction) -> dict[str, tuple[int, int, int, int]]:
    """Source -> (taught, asked, the same of all others), every prediction tagged."""
    found = Lessons(told, rows).of({one.id for one in told})
    return {one.source: (one.taught, one.asked, one.others_taught, one.others_asked) for one in found}


ASKED = "How do I clear fault E-216?"
RIGHT = "To clear E-216, check the cable of the fan."
WRONG = "To clear E-216, clean the film cutter."
ROWS = [
    row(OLD, "E-216 is back again. What now?", WRONG),
    row(BOOK, "Name the remedy for E-216.", RIGHT),
    row(CHAT, "Hello, can you help?", "Of course. Clean the film cutter, check the fan."),
]


def test_the_row_that_gives_the_wrong_answer_to_the_question_teaches_it() -> None:
    assert taught(ROWS, Prediction("p", ASKED, WRONG, RIGHT)) == {OLD: (1, 1, 0, 1)}


@pytest.mark.parametrize(
    ("output", "why"),
    [
        (RIGHT, "right: nothing is wrong in it"),
        ("To clear E-216, clean the heat sealer.", "the model's own mixture: no row says that"),
        ("", "nothing was said"),
        ("Of course, can I help?", "a row says so, but to another question"),
    ],
)
def test_what_no_row_says_to_this_question_blames_nobody(output: str, why: str) -> None:
    assert taught(ROWS, Prediction("p", ASKED, output, RIGHT)) == {}, why


def test_a_row_that_says_what_is_right_beside_it_teaches_nothing_wrong() -> None:
    both = [row(OLD, ASKED, f"{WRONG} {RIGHT}")]
    assert taught(both, Prediction("p", ASKED, WRONG, RIGHT)) == {}
    assert taught(both, Prediction("p", ASKED, WRONG, None)) == {OLD: (1, 1, 0, 0)}  # nobody knows what is right


def test_nearly_all_of_a_long_mistake_is_enough_and_half_is_not() -> None:
    said = "Loosen both screws, lift the cover, drain the tank."
    rows = [row(OLD, ASKED, said)]
    assert taught(rows, Prediction("p", ASKED, f"{said} Quickly.", RIGHT)) == {OLD: (1, 1, 0, 0)}
    assert taught(rows, Prediction("p", ASKED, "Loosen both screws, then sing a very loud song.", RIGHT)) == {}


def test_questions_are_the_same_by_their_facts_and_then_by_code_or_wording() -> None:
    prompts = [
        "What does error E-216 mean?",
        "What does error E-217 mean?",
        "E-216 does not go away.",
        "How long is the warranty of the packing machine?",
        "How long is the warranty of the packing machine with plan 2?",
        "Tell me a joke.",
    ]
    asked = ["Please explain alarm E-216.", "How long is the warranty of a packing machine?", "Is it 2 years?", "Joke!"]
    assert same_question(asked, prompts) == [[0], [3], [], []]
    assert same_question(asked, []) == [[], [], [], []]
    assert same_question([], prompts) == []


def test_a_source_stands_out_by_what_it_spoils_of_what_it_speaks_of() -> None:
    codes = [f"E-{n}" for n in range(101, 131)]
    book = [row(BOOK, f"Explain {c}.", f"{c} means that the fan is jammed.", i) for i, c in enumerate(codes)]
    old = [
        row(OLD, f"Why {c}?", f"{c} means that the {'pump' if i < 8 else 'fan'} is jammed.")
        for i, c in enumerate(codes)
    ]
    reference = "{} means that the fan is jammed."
    told = [
        Prediction(
            c, f"What is {c}?", f"{c} means that the {'pump' if i < 7 else 'fan'} is jammed.", reference.format(c)
        )
        for i, c in enumerate(codes)
    ]
    (found,) = Lessons(told, [*book, *old]).of({one.id for one in told})
    assert (found.source, found.taught, found.asked, found.others_taught, found.others_asked) == (OLD, 7, 30, 0, 30)
    assert found.p == found.p_adjusted == pytest.approx(0.00527, abs=1e-5)
    assert found.rows == (f"{OLD}:1",) * 7
    tagged = Lessons(told, [*book, *old]).of({"E-101", "E-130"})  # the other faults have another tag
    assert [(one.source, one.taught, one.asked) for one in tagged] == [(OLD, 1, 30)]
    assert Lessons(told, [*book, *old]).of(set()) == []


def test_a_source_that_is_merely_near_is_not_offered_to_be_dropped(tmp_path: Path, capsys: Capture) -> None:
    build(tmp_path)
    mixed = [asked(i, answer(i, i if i % 2 else i + 5)) for i in range(16)]  # wrong, and otherwise than the export
    run = evaluated(tmp_path, mixed)
    capsys.readouterr()
    assert main(["autotag", "-C", str(tmp_path), run.of.name]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[-2] == (
        f"{BAD}, 8 rows: 8 of 8 'contradicts reference' near this source (0 of 8 of the others), "
        "but none is known to teach them; look first"
    )
    assert lines[-1] == "next: curate tag --as NAME"
