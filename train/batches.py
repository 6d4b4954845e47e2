"""Which rows are trained together, and their tensors: packed one behind the other, or padded to one length."""

from __future__ import annotations

import heapq
import math
import random
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import pairwise
from typing import Any, Final

from train.encode import IGNORED, Encoded, lengths

_GRAIN: Final = 64  # packing takes lengths as equal that differ by less than this part of max_length
_JITTER: Final = 0.1  # sorted by length, give or take this share: who stands beside whom changes between epochs


@dataclass(frozen=True, slots=True)
class Shape:
    """What decides the batches: rows in one, tokens of the longest row, and batches in a step over all processes."""

    rows: int
    max_length: int
    packing: bool
    window: int = 1
    processes: int = 1


class Batches:
    """Which rows of an encoded dataset are in each batch of one process: a batch_sampler for torch's DataLoader.

    `epoch` decides their order and who is in them; their number is always the same. `collate` makes their tensors.
    """

    def __init__(self, rows: Any, shape: Shape, *, rank: int = 0, seed: int | None = None, pad_id: int = 0) -> None:
        self.rows, self.shape = rows, shape
        self.epoch = 0
        self.collate = partial(_tensors, packing=shape.packing, pad_id=pad_id)
        self._lengths, self._rank, self._seed = lengths(rows), rank, seed
        self._planned: tuple[int, list[list[int]]] | None = None

    def __len__(self) -> int:
        return len(self._plan()) // self.shape.processes

    def __iter__(self) -> Iterator[list[int]]:
        return iter(self._plan()[self._rank :: self.shape.processes])

    def _plan(self) -> list[list[int]]:
        if self._planned is None or self._planned[0] != self.epoch:
            chance = None if self._seed is None else random.Random(f"{self._seed}/{self.epoch}")
            self._planned = (self.epoch, plan(self._lengths, self.shape, chance))
        return self._planned[1]


def plan(lengths: Sequence[int], shape: Shape, chance: random.Random | None = None) -> list[list[int]]:
    """Every row in one batch, the batches of all processes in turn; only `chance` orders them, or nothing.

    Packed batches have next to the same number of tokens and a like mix of lengths, so that every step weighs the
    same; padded ones have rows of one length. Their number is a multiple of the window where there are rows enough.
    """
    least = _least_packed(lengths, shape) if shape.packing else math.ceil(len(lengths) / shape.rows)
    count = _multiple(least, shape.window)
    if count > len(lengths):
        count = _multiple(least, shape.processes)
    order = list(range(len(lengths)))
    if chance:
        chance.shuffle(order)
    batches = _packed(order, lengths, shape, count) if shape.packing else _alike(order, lengths, count, chance)
    if chance:
        chance.shuffle(batches)
    return batches


def _tensors(rows: Sequence[Mapping[str, Any]], *, packing: bool, pad_id: int) -> dict[str, Any]:
    # With fewer rows than processes some get a row that counts for nothing: all have to take part in the step.
    batch = [Encoded(**row) for row in rows] or [Encoded("", [pad_id], [IGNORED], 0)]
    return flattened(batch) if packing else padded(batch, pad_id)


def flattened(rows: Sequence[Encoded]) -> dict[str, Any]:
    """Rows one behind the other in one sequence, positions from 0 in each; see packed_attention for the borders."""
    import torch

    borders = [0]
    for row in rows:
        borders.append(borders[-1] + len(row.input_ids))
    limits = torch.tensor(borders, dtype=torch.int32)
    longest = max(len(row.input_ids) for row in rows)
    inputs = {
        "input_ids": torch.tensor([[token for row in rows for token in row.input_ids]]),
        "position_ids": torch.cat([torch.arange(len(row.input_ids)) for row in rows])[None],
        "cu_seq_lens_q": limits,
        "cu_seq_lens_k": limits,
        "max_length_q": longest,
        "max_length_k": longest,
    }
    return {**inputs, **_targets(rows, borders)}


def padded(rows: Sequence[Encoded], pad_id: int) -> dict[str, Any]:
    """Rows under one another, filled up on the right."""
    import torch

    longest = max(len(row.input_ids) for row in rows)
    inputs = {
        "input_ids": torch.tensor([row.input_ids + [pad_id] * (longest - len(row.input_ids)) for row in rows]),
        "attention_mask": torch.tensor(
            [[1] * len(row.input_ids) + [0] * (longest - len(row.input_ids)) for row in rows]
        ),
    }
    return {**inputs, **_targets(rows, [i * longest for i in range(len(rows))])}


def _targets(rows: Sequence[Encoded], starts: Sequence[int]) -> dict[str, Any]:
    """`keep`: where, in all positions one behind the other, the next token is trained; `targets`: that token;
    `owner`: whose it is. A batch that trains nothing keeps one position, whose target counts for nothing."""
    import torch

    found = [
        (start + at - 1, label, number)
        for number, (row, start) in enumerate(zip(rows, starts, strict=False))
        for at, label in enumerate(row.labels)
        if at and label != IGNORED
    ]
    keep, targets, owner = zip(*(found or [(0, IGNORED, 0)]), strict=True)
    tensors = {"keep": torch.tensor(keep), "targets": torch.tensor(targets), "owner": torch.tensor(owner)}
    return {**tensors, "row_ids": [row.row_id for row in rows], "trained": len(found)}


def _least_packed(lengths: Sequence[int], shape: Shape) -> int:
    """The fewest batches that hold the rows; the same whatever order rows of one length come in."""
    room = shape.rows * shape.max_length
    least = max(1, math.ceil(sum(lengths) / room))
    ordered = range(len(lengths))
    while max(sum(lengths[i] for i in batch) for batch in _packed(ordered, lengths, shape, least)) > room:
        least += 1
    return least


def _packed(order: Sequence[int], lengths: Sequence[int], shape: Shape, count: int) -> list[list[int]]:
    """The longest rows first, each into the batch with the most room (Graham, https://doi.org/10.1137/0117039)."""
    grain = max(1, shape.max_length // _GRAIN)
    batches: list[list[int]] = [[] for _ in range(count)]
    filled = [(0, number) for number in range(count)]
    for i in sorted(order, key=lambda i: -(-lengths[i] // grain), reverse=True):
        tokens, number = filled[0]
        batches[number].append(i)
        heapq.heapreplace(filled, (tokens + -(-lengths[i] // grain) * grain, number))
    return batches


def _alike(order: Sequence[int], lengths: Sequence[int], count: int, chance: random.Random | None) -> list[list[int]]:
    """Rows of like length beside each other, cut into `count` parts of one size, give or take a row."""
    near = {i: lengths[i] * (chance.uniform(1 - _JITTER, 1 + _JITTER) if chance else 1) for i in order}
    ordered = sorted(order, key=lambda i: near[i])
    cuts = [len(ordered) * part // count for part in range(count + 1)]
    return [ordered[a:b] for a, b in pairwise(cuts)]


def _multiple(number: int, of: int) -> int:
    return math.ceil(number / of) * of
