"""What each row asks: its prompt and, in longer conversations, its opening; equal ones collapsed into one text.

A row whose prompt is empty or blank asks nothing: it is tied to no other row by its question.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import orjson
import pyarrow as pa
import pyarrow.compute as pc

from curation.join import unique_sets
from curation.shingles import Shingles, shingle

Ints = npt.NDArray[np.int64]
Bools = npt.NDArray[np.bool_]

SHORTEST_OPENING = 20  # characters: "hello" opens many conversations that have nothing else in common


@dataclass(frozen=True, slots=True)
class Questions:
    """Entry i says: row[i] asks text[i], as its opening if opening[i]. Texts are numbered by their first entry."""

    row: Ints
    text: Ints
    opening: Bools
    shingles: Shingles  # one set per text
    words: Any  # one string per text, for facts and for people: that of the row with the smallest row_id


def questions(rows: Any, rank: Ints, size: int) -> Questions:
    """The questions of tables.ROWS; `rank` orders rows by row_id, so that nothing depends on the order of rows."""
    opened, openings = _openings(rows)
    prompts = rows["prompt"].combine_chunks()
    encoded = pa.concat_arrays([prompts, openings]).dictionary_encode()
    row = np.concatenate((np.arange(rows.num_rows, dtype=np.int64), opened))
    opening = np.arange(len(row)) >= rows.num_rows

    sets = shingle(encoded.dictionary, "char", size)
    asks = np.diff(sets.offsets) > 0
    sets = Shingles(sets.values, np.append(sets.offsets[:-1][asks], sets.offsets[-1]))
    collapsed, text_of = unique_sets(sets)
    text_of_word = np.full(len(asks), -1, np.int64)
    text_of_word[asks] = text_of

    word = encoded.indices.to_numpy().astype(np.int64)
    kept = text_of_word[word] >= 0
    row, opening, word = row[kept], opening[kept], word[kept]
    text = text_of_word[word]
    first = _first(text, 2 * rank[row] + opening)
    return Questions(row, text, opening, collapsed, encoded.dictionary.take(pa.array(word[first])))


def _first(text: Ints, key: Ints) -> Ints:
    """For each text the entry with the smallest key."""
    order = np.lexsort((key, text))
    return order[np.diff(text[order], prepend=-1) > 0]


def _openings(rows: Any) -> tuple[Ints, Any]:
    """Rows with more than one user turn, and the first of these turns; short ones left out."""
    several = pc.greater(pc.count_substring(rows["roles"], "u"), 1)
    chosen: Ints = np.flatnonzero(several.to_numpy())
    records = rows["record"].take(pa.array(chosen)).to_pylist() if len(chosen) else []
    at, texts = [], []
    for row, record in zip(chosen.tolist(), records, strict=True):
        content = next(m["content"] for m in orjson.loads(record)["messages"] if m["role"] == "user")
        if content and len(" ".join(content.split())) >= SHORTEST_OPENING:
            at.append(row)
            texts.append(content)
    return np.array(at, np.int64), pa.array(texts, pa.large_string())


def row_ranks(rows: Any) -> tuple[Ints, npt.NDArray[np.uint64]]:
    """Each row's place among the distinct row_ids, and those ids as (n, 2) big-endian halves."""
    ids = rows["row_id"].combine_chunks()
    raw = np.frombuffer(ids.buffers()[1] or b"", np.dtype(">u8"))[2 * ids.offset : 2 * (ids.offset + len(ids))]
    halves = raw.astype(np.uint64).reshape(-1, 2)
    order = np.lexsort((halves[:, 1], halves[:, 0]))
    fresh = np.ones(len(order), np.bool_)
    fresh[1:] = (halves[order[1:]] != halves[order[:-1]]).any(axis=1)
    rank = np.empty(len(order), np.int64)
    rank[order] = np.cumsum(fresh) - 1
    return rank, halves[order[fresh]]
