"""The texts most like given ones, by exact Jaccard similarity of their shingles."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import numpy as np
import numpy.typing as npt

from eval.metrics.tokens import arrow

if TYPE_CHECKING:
    from curation.shingles import Shingles, Unit

# So many places are looked up for a text, those of its rarest shingles first: shingles that half of the texts share
# tell nothing apart, and cost most. A text whose every shingle is as common may miss some of its neighbours.
_PLACES: Final = 200_000
# Characters that are looked through as sets of Python's: sooner done than to load the compiled join, and the same.
_FEW: Final = 2_000_000
_FEW_ASKED: Final = 10  # texts


class Near(NamedTuple):
    text: int  # its number
    similarity: float


class ShingleIndex:
    """Texts that others are compared with. Chinese and other scripts without spaces need unit auto or char."""

    def __init__(self, texts: Sequence[str], unit: Unit = "char", size: int = 5) -> None:
        from curation.shingles import shingle  # with numba, which few texts need not

        self._unit, self._size = unit, size
        self._texts = shingle(arrow(texts), unit, size)
        owner = np.repeat(np.arange(len(self._texts), dtype=np.int32), np.diff(self._texts.offsets))
        order = np.argsort(self._texts.values, kind="stable")
        self._values, self._owners = self._texts.values[order], owner[order]

    def like(self, texts: Sequence[str]) -> list[npt.NDArray[np.void]]:
        """For each text those that share a shingle with it: an array with the fields text and similarity."""
        from curation.join import jaccard_of
        from curation.shingles import shingle

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
    if unit == "char" and sum(map(len, among)) <= _FEW and len(texts) <= _FEW_ASKED:
        return _nearest_of_few(texts, among, size)
    found = ShingleIndex(among, unit, size).like(texts)
    best = (near[int(np.argmax(near["similarity"]))] if len(near) else None for near in found)
    return [None if one is None else Near(int(one["text"]), float(one["similarity"])) for one in best]


def _nearest_of_few(texts: Sequence[str], among: Sequence[str], size: int) -> list[Near | None]:
    asked = [_sequences(text, size) for text in texts]
    any_asked = frozenset[str]().union(*asked)
    best: list[Near | None] = [None] * len(texts)
    for number, text in enumerate(among):
        held = _sequences(text, size)
        shared = held & any_asked
        for i, wanted in enumerate(asked) if shared else ():
            if common := len(shared & wanted):
                similarity = common / (len(held) + len(wanted) - common)
                known = best[i]
                if known is None or similarity > known.similarity:
                    best[i] = Near(number, similarity)
    return best


def _sequences(text: str, size: int) -> set[str]:
    """Of `size` characters, as curation.shingles cuts them: what is shorter is one of its own, equal to no sequence."""
    plain = " ".join(text.encode("utf-8", "replace").decode().lower().split())
    if len(plain) < size:
        return {f"{plain}{chr(0) * (size + 1)}"} if plain else set()
    return {plain[at : at + size] for at in range(len(plain) - size + 1)}


def _joined(one: Shingles, two: Shingles) -> Shingles:
    from curation.shingles import Shingles

    offsets = np.concatenate([one.offsets, one.offsets[-1] + two.offsets[1:]])
    return Shingles(np.concatenate([one.values, two.values]), offsets)
