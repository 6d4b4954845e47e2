"""The texts most like given ones, by exact Jaccard similarity of their shingles."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final, NamedTuple

import numpy as np
import numpy.typing as npt

from curation.join import jaccard_of
from curation.shingles import Shingles, Unit, shingle
from eval.metrics.tokens import arrow

# So many places are looked up for a text, those of its rarest shingles first: shingles that half of the texts share
# tell nothing apart, and cost most. A text whose every shingle is as common may miss some of its neighbours.
_PLACES: Final = 200_000


class Near(NamedTuple):
    text: int  # its number
    similarity: float


class ShingleIndex:
    """Texts that others are compared with. Chinese and other scripts without spaces need unit auto or char."""

    def __init__(self, texts: Sequence[str], unit: Unit = "char", size: int = 5) -> None:
        self._unit, self._size = unit, size
        self._texts = shingle(arrow(texts), unit, size)
        owner = np.repeat(np.arange(len(self._texts), dtype=np.int32), np.diff(self._texts.offsets))
        order = np.argsort(self._texts.values, kind="stable")
        self._values, self._owners = self._texts.values[order], owner[order]

    def like(self, texts: Sequence[str]) -> list[npt.NDArray[np.void]]:
        """For each text those that share a shingle with it: an array with the fields text and similarity."""
        asked = shingle(arrow(texts), self._unit, self._size)
        both = _joined(self._texts, asked)
        found = []
        for i in range(len(asked)):
            candidates = self._candidates(asked.values[asked.offsets[i] : asked.offsets[i + 1]])
            left = np.full(len(candidates), len(self._texts) + i, np.int64)
            similarity = jaccard_of(both, left, candidates.astype(np.int64))
            near = np.empty(len(candidates), [("text", np.int64), ("similarity", np.float64)])
            near["text"], near["similarity"] = candidates, similarity
            found.append(near)
        return found

    def _candidates(self, values: Any) -> npt.NDArray[np.int32]:
        first = np.searchsorted(self._values, values, "left")
        end = np.searchsorted(self._values, values, "right")
        rarest = np.argsort(end - first, kind="stable")
        enough = int(np.searchsorted(np.cumsum((end - first)[rarest]), _PLACES)) + 1
        parts = [self._owners[first[k] : end[k]] for k in rarest[:enough].tolist()]
        return np.unique(np.concatenate(parts)) if parts else np.empty(0, np.int32)


def nearest(texts: Sequence[str], among: Sequence[str], unit: Unit = "char", size: int = 5) -> list[Near | None]:
    """For each text the one of `among` that is most like it, the first of equals; None where none shares a shingle."""
    found = ShingleIndex(among, unit, size).like(texts)
    best = (near[int(np.argmax(near["similarity"]))] if len(near) else None for near in found)
    return [None if one is None else Near(int(one["text"]), float(one["similarity"])) for one in best]


def _joined(one: Shingles, two: Shingles) -> Shingles:
    offsets = np.concatenate([one.offsets, one.offsets[-1] + two.offsets[1:]])
    return Shingles(np.concatenate([one.values, two.values]), offsets)
