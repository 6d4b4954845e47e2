"""Recorded outputs of any length are taken in without their texts in memory."""

from __future__ import annotations

import json
import tracemalloc
from pathlib import Path

import pytest

from curation.runs import RunPlace
from eval.imported_predictions import Wanted, import_predictions
from eval.suite import MetricChoice, Primary, Suite

EXACT = Suite(metrics=(MetricChoice("exact_match"),), primary=Primary("exact_match"))
LONG = 6_000  # characters of texts an item


def peak(place: Path, count: int, references: bool) -> int:
    """Bytes of Python objects at most; columns lie outside them, a part at a time."""
    place.mkdir()
    asked, gold = place / "outputs.jsonl", place / "gold.jsonl"
    with asked.open("w") as file, gold.open("w") as answers:
        for i in range(count):
            prompt, said = f"Question {i}? " + "w" * (LONG // 3), f"It is {i}. " + "x" * (LONG // 3)
            line = {"prompt": prompt, "reference": f"It is {i}. " + "y" * (LONG // 3)}
            file.write(json.dumps({**line, "output": said}) + "\n")
            answers.write(json.dumps(line) + "\n")
    wanted = Wanted(asked, references=(gold,) if references else ())
    tracemalloc.start()
    try:
        made = import_predictions(wanted, EXACT, RunPlace(place / "experiments", place / "journal.sqlite"), place)
        assert made.matched == count
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


@pytest.mark.slow
@pytest.mark.parametrize("references", [False, True])
def test_memory_does_not_grow_with_the_texts_of_a_file(tmp_path: Path, references: bool) -> None:
    few, many = (peak(tmp_path / str(count), count, references) for count in (2_100, 3_600))
    assert (many - few) / 1_500 < LONG / 4  # an item brings an id and digests, not what it says
