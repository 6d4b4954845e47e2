"""What each kind of selection step chooses. Nothing here depends on the order of the rows."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import pyarrow.compute as pc

from curation.errors import ConfigError
from curation.meta_fields import field_values, metas_of
from curation.records import canonical
from curation.selection.config import Step
from curation.splits.measure import mixed

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]
_SELECT: Final = 0x5E1EC7  # so that the draw is not the one by which the split orders clusters of the same seed


@dataclass(frozen=True, slots=True)
class Chosen:
    """One step's outcome, in arrays of one entry a row given."""

    taken: npt.NDArray[np.bool_]
    value: Floats  # what was compared: a rank, a length, a score, a similarity; NaN where there is none
    threshold: Floats  # where the line lay
    matched: Ints | None = None  # diversity: row number of the most similar chosen row, -1 for none
    detail: Sequence[str | None] | None = None
    wanted: int = 0  # rows asked for; more than were taken if there were too few


def choose(rows: Any, step: Step) -> Chosen:
    """Apply one step to tables.ROWS."""
    return _STEPS[step.by](rows, step)


def draw(rows: Any, seed: int) -> Ints:
    """Row numbers in a random order that depends on seed and row_id alone (equal row_ids: on pos)."""
    column = rows["row_id"].combine_chunks()
    size = 16 * rows.num_rows
    raw = np.frombuffer(column.buffers()[1], np.uint8, size, 16 * column.offset) if size else np.zeros(0, np.uint8)
    halves = raw.view(">u8").astype(np.uint64).reshape(-1, 2)
    order: Ints = np.lexsort((rows["pos"].to_numpy(), mixed(halves, seed ^ _SELECT)))
    return order


def _random(rows: Any, step: Step) -> Chosen:
    assert step.n is not None
    assert step.seed is not None
    rank = _ranks(draw(rows, step.seed))
    return Chosen(rank <= step.n, rank.astype(np.float64), _all(rank, min(step.n, len(rank))), wanted=step.n)


def _length(rows: Any, step: Step) -> Chosen:
    length = lengths(rows, step.on)
    if step.order == "closest_to":
        assert step.target is not None
        far = np.abs(length - step.target)
        chosen = _first(rows, far, far, step)
        details = [f"{n} characters" for n in length.tolist()]
        return Chosen(chosen.taken, chosen.value, chosen.threshold, detail=details, wanted=chosen.wanted)
    return _first(rows, -length if step.order == "longest" else length, length, step)


def _score(rows: Any, step: Step) -> Chosen:
    assert step.field is not None
    score = np.array([_number(value) for value in meta_values(rows, step.field, "score")], np.float64)
    if rows.num_rows and np.isnan(score).all():
        raise ConfigError(f'select: by score: no row has a number in "{step.field}"')
    chosen = _first(rows, score if step.order == "lowest" else -score, score, step)
    details = [f"no number in {step.field}" if math.isnan(s) else None for s in score.tolist()]
    return Chosen(chosen.taken, chosen.value, chosen.threshold, detail=details, wanted=chosen.wanted)


def _diversity(rows: Any, step: Step) -> Chosen:
    from curation.selection.diversity import k_centre

    assert step.n is not None
    assert step.seed is not None
    order = draw(rows, step.seed)
    centres = k_centre(texts(rows, step.on).take(order), step.n, step.size or 1)
    back = np.empty(len(order), np.int64)
    back[order] = np.arange(len(order))
    matched = np.where(centres.nearest >= 0, order[centres.nearest], -1)[back] if len(order) else order
    value = np.where(matched >= 0, centres.similarity[back], np.nan)
    line = centres.last if step.n < rows.num_rows else math.nan  # none was left out: there is no line
    return Chosen(centres.chosen[back], value, _all(value, line), matched=matched, wanted=step.n)


def _quota(rows: Any, step: Step) -> Chosen:
    assert step.field is not None
    assert step.seed is not None
    keys = [_key(value) for value in meta_values(rows, step.field, "quota")]
    names = sorted(set(keys))
    place = {key: i for i, key in enumerate(names)}
    group = np.array([place[key] for key in keys], np.int64)
    order = draw(rows, step.seed)
    order = order[np.argsort(group[order], kind="stable")]
    size = np.bincount(group, minlength=len(names))
    begin = np.cumsum(size) - size
    rank = np.empty(len(order), np.int64)
    rank[order] = np.arange(len(order)) - begin[group[order]] + 1
    share = _shares(size, step)
    details = [f"{step.field} = {key or 'none'}" for key in keys]
    wanted = step.n if step.n is not None else (step.per_value or 0) * len(names)
    line = share[group].astype(np.float64)
    return Chosen(rank <= share[group], rank.astype(np.float64), line, detail=details, wanted=wanted)


def _shares(size: Ints, step: Step) -> Ints:
    """Rows each value gives: per_value, or n spread evenly, what small ones cannot give going to the others."""
    if step.n is None:
        assert step.per_value is not None
        return np.minimum(size, step.per_value)
    share = np.zeros(len(size), np.int64)
    left = min(step.n, int(size.sum()))
    while left:
        open_ = np.flatnonzero(share < size)
        each = max(left // len(open_), 1)
        some = open_[:left]  # fewer rows left than values: the first by name
        give = np.minimum(each, size[some] - share[some])
        share[some] += give
        left -= int(give.sum())
    return share


_STEPS: Final[Mapping[str, Callable[[Any, Step], Chosen]]] = {
    "random": _random,
    "length": _length,
    "score": _score,
    "diversity": _diversity,
    "quota": _quota,
}


def _first(rows: Any, key: npt.NDArray[Any], value: npt.NDArray[Any], step: Step) -> Chosen:
    """The n rows of smallest key; NaN last, ties by chance as in `draw`."""
    assert step.n is not None
    by_chance = draw(rows, 0)
    order = by_chance[np.argsort(key[by_chance], kind="stable")]
    taken = np.zeros(len(order), np.bool_)
    taken[order[: step.n]] = True
    line = float(value[order[step.n - 1]]) if step.n < len(order) else math.nan
    return Chosen(taken, value.astype(np.float64), _all(value, line), wanted=step.n)


def texts(rows: Any, on: str | None) -> Any:
    """An Arrow column of what a step looks at."""
    if on in ("prompt", "answer"):
        return rows[on].combine_chunks()
    import pyarrow as pa

    line = pa.scalar("\n", pa.large_string())
    return pc.binary_join_element_wise(rows["prompt"], rows["answer"], line).combine_chunks()


def lengths(rows: Any, on: str | None) -> Ints:
    """Characters of prompt, answer, or both."""
    names = (on,) if on in ("prompt", "answer") else ("prompt", "answer")
    total = np.zeros(rows.num_rows, np.int64)
    for name in names:
        total += pc.utf8_length(rows[name]).to_numpy()
    return total


def meta_values(rows: Any, field: str, by: str) -> list[Any]:
    """The field of every row's meta (dots reach inside); `source`: where the row comes from."""
    if field == "source" and "source_name" in rows.column_names:
        names: list[Any] = rows["source_name"].to_pylist()
        return names
    return field_values(metas_of(rows["record"]), field, f"select: by {by}")


def _number(value: Any) -> float:
    """A number, also one written as text (CSV has nothing else); NaN for all other values."""
    if isinstance(value, bool) or not isinstance(value, (int, float, str)):
        return math.nan
    try:
        number = float(value)
    except ValueError:
        return math.nan
    return number if math.isfinite(number) else math.nan


def _key(value: Any) -> str:
    if value is None:
        return ""
    return value if isinstance(value, str) else canonical(value).decode()


def _ranks(order: Ints) -> Ints:
    rank = np.empty(len(order), np.int64)
    rank[order] = np.arange(1, len(order) + 1)
    return rank


def _all(like: npt.NDArray[Any], value: float) -> Floats:
    return np.full(len(like), value, np.float64)
