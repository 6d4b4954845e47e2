"""Decontamination: training rows that hold items of an evaluation set, with the evidence for each."""

from __future__ import annotations

import glob
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Literal

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from curation.decontamination.evaluation_sets import EvaluationSet, Item, evaluation_sets
from curation.decontamination.index import Index, candidates, index_of
from curation.decontamination.matching import Match, Matcher, Question, RowWords
from curation.decontamination.words import words
from curation.errors import ConfigError
from curation.reading.sources import located
from curation.tables import DROPPED, FLAGGED, Verdict, dropped_table, empty, flagged_table

REASON: Final = "contaminated"

# One line per row and item. start and end are characters of the row's text: its system prompt and a newline
# if it has one, its prompt, a newline, its answer. coverage: share of the question's telling n-grams found.
CONTAMINATION: Final = pa.schema(
    [
        ("set", pa.string()),
        ("set_sha256", pa.string()),
        ("item", pa.string()),
        ("pos", pa.int64()),
        ("start", pa.int64()),
        ("end", pa.int64()),
        ("coverage", pa.float64()),
        ("how", pa.string()),  # stem | stem+choices | stem+answer
        ("dropped", pa.bool_()),
    ]
)
_TELLING: Final = re.compile(r"[^\W\d_]{2}|\d{2}|[\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3040-\u9fff\uac00-\ud7af]")


@dataclass(frozen=True, slots=True)
class DecontaminateConfig:
    against: tuple[str, ...] = ()
    action: Literal["drop", "report", "off"] = "drop"
    coverage: float = 0.8
    coverage_with_choices: float = 0.3

    def __post_init__(self) -> None:
        object.__setattr__(self, "against", tuple(self.against))
        if self.action not in ("drop", "report", "off"):
            raise ConfigError(f"decontaminate: no action {self.action!r}; use drop, report or off")
        if not 0 < self.coverage_with_choices <= self.coverage <= 1:
            raise ConfigError(
                f"decontaminate: coverage {self.coverage} and coverage_with_choices {self.coverage_with_choices} "
                "must be above 0 and at most 1, the second not above the first"
            )


@dataclass(frozen=True, slots=True)
class Contamination:
    """Which rows hold which items, and what they were compared with."""

    matches: Any  # CONTAMINATION, by pos, then order of sets and items
    sets: tuple[EvaluationSet, ...]


def decontaminate(rows: Any, config: DecontaminateConfig, found: Contamination) -> Verdict:
    """drop: rows that hold an item go; report: they are flagged. One line a row, for its best covered item."""
    matches = found.matches
    if not matches.num_rows:
        return Verdict(rows, empty(DROPPED), empty(FLAGGED))
    order = np.lexsort((np.arange(len(matches)), -matches["coverage"].to_numpy(), matches["pos"].to_numpy()))
    best = matches.take(pa.array(order[np.unique(matches["pos"].to_numpy()[order], return_index=True)[1]]))
    about = {
        "value": best["coverage"].to_pylist(),
        "threshold": config.coverage,
        "detail": [
            f"{line['set']}: {line['item']} ({line['how']})" for line in best.select(["set", "item", "how"]).to_pylist()
        ],
    }
    pos = best["pos"].to_pylist()
    if config.action == "report":
        return Verdict(rows, empty(DROPPED), flagged_table(pos, REASON, **about))
    kept = rows.filter(pc.invert(pc.is_in(rows["pos"], value_set=pa.array(pos, pa.int64()))))
    return Verdict(kept, dropped_table(pos, REASON, **about), empty(FLAGGED))


def sets_named(config: DecontaminateConfig, root: Path) -> tuple[EvaluationSet, ...]:
    """The evaluation sets that rows are compared with. ConfigError for a path that is not there."""
    if config.action == "off" or not config.against:
        return ()
    for path in config.against:
        if not glob.has_magic(path) and not path.startswith("hf:") and not located(path, root).exists():
            raise ConfigError(f"decontaminate.against: {path}: is not there; check it from {root}")
    return tuple(evaluation_sets(config.against, root))


def find_contamination(
    rows: Any, config: DecontaminateConfig, root: Path, sets: tuple[EvaluationSet, ...] | None = None
) -> Contamination:
    """Compare all rows with the evaluation sets in `config.against`, paths relative to root; `sets` if read already.

    Rows that a source or field fixes to test or validation are not training rows and are left alone.
    """
    sets = sets_named(config, root) if sets is None else sets
    if not sets:
        return Contamination(CONTAMINATION.empty_table(), ())
    items = [(number, item) for number, one in enumerate(sets) for item in one.items]
    lines = []
    for pos, at, match in _matches(_training(rows), [item for _, item in items], config):
        of, item = items[at]
        about = {"set": sets[of].name, "set_sha256": sets[of].sha256, "item": item.id, "pos": pos}
        where = {"start": match.start, "end": match.end, "coverage": match.coverage, "how": match.how}
        lines.append({**about, **where, "dropped": config.action == "drop"})
    return Contamination(pa.Table.from_pylist(lines, CONTAMINATION), sets)


def row_texts(rows: Any) -> Any:
    """The text of each row that CONTAMINATION's start and end count in."""
    newline = pa.scalar("\n", pa.large_string())
    asked = pc.binary_join_element_wise(rows["prompt"], rows["answer"], newline)
    with_system = pc.binary_join_element_wise(rows["system"], asked, newline)
    return pc.if_else(pc.equal(rows["system"], ""), asked, with_system)


def _training(rows: Any) -> Any:
    if "fixed_split" not in rows.column_names:
        return rows
    held = pc.is_in(rows["fixed_split"], value_set=pa.array(["test", "validation"]))
    return rows.filter(pc.invert(held))


def _matches(rows: Any, items: Sequence[Item], config: DecontaminateConfig) -> list[tuple[int, int, Match]]:
    """(pos, index into items, match), by pos, then item."""
    texts: dict[str, int] = {}
    stem_of = [texts.setdefault(item.stem, len(texts)) for item in items]
    index = index_of(list(texts), min(config.coverage_with_choices, config.coverage))
    row_of, stem = candidates(row_texts(rows), index)
    asking: dict[int, list[int]] = {number: [] for number in np.unique(stem).tolist()}
    for at, number in enumerate(stem_of):
        if number in asking:
            asking[number].append(at)
    questions = _questions(items, stem_of, [at for group in asking.values() for at in group])
    matcher = Matcher(index.stems, _with_digits(index, texts), config.coverage, config.coverage_with_choices)
    involved, place = np.unique(row_of, return_inverse=True)
    some = rows.take(pa.array(involved))
    views, pos = _row_words(some), some["pos"].to_pylist()
    found = []
    for view, number in zip(place.tolist(), stem.tolist(), strict=True):
        for at in asking[number]:
            if match := matcher.match(views[view], questions[at]):
                found.append((pos[view], at, match))
    return sorted(found, key=lambda line: line[:2])


def _questions(items: Sequence[Item], stem_of: list[int], wanted: list[int]) -> dict[int, Question]:
    """The wanted items as words."""
    flat = [text for at in wanted for text in (items[at].answer, *items[at].choices)]
    hashed = words(pa.array(flat, pa.large_string()))
    questions, number = {}, 0
    for at in wanted:
        answer, *choices = range(number, number + 1 + len(items[at].choices))
        number += 1 + len(choices)
        plain = frozenset(tuple(hashed.of(i)) for i in (answer, *choices) if not _TELLING.search(flat[i]))
        questions[at] = Question(
            stem_of[at], tuple(tuple(hashed.of(i)) for i in choices), tuple(hashed.of(answer)), plain | {()}
        )
    return questions


def _with_digits(index: Index, texts: dict[str, int]) -> frozenset[int]:
    """Words of the stems that hold a digit."""
    found = index.stems.words
    numbers: set[int] = set()
    for text, stem in texts.items():
        if not any(map(str.isdigit, text)):
            continue
        low, high = int(found.offsets[stem]), int(found.offsets[stem + 1])
        numbers.update(
            int(found.hashes[i])
            for i in range(low, high)
            if any(map(str.isdigit, text[found.first[i] : found.last[i]]))
        )
    return frozenset(numbers)


def _row_words(rows: Any) -> list[RowWords]:
    found = words(row_texts(rows))
    parts = [np.diff(words(rows[name]).offsets).tolist() for name in ("system", "answer")]
    first, last, hashes = found.first.tolist(), found.last.tolist(), found.hashes.tolist()
    views = []
    for row, (system, answer) in enumerate(zip(*parts, strict=True)):
        low, high = int(found.offsets[row]), int(found.offsets[row + 1])
        views.append(RowWords(hashes[low:high], first[low:high], last[low:high], system, high - low - answer))
    return views
