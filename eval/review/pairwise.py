"""Blind pairwise review of two evaluations: order randomised and recorded, ties, win rate, position bias."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

import orjson
import pandas as pd

from curation.errors import ConfigError, CurateError
from curation.store.journal import Journal
from curation.store.tags import JudgedBeforeError, Tag, add_tags, new_id, tags, undo
from eval.agreement import agreement
from eval.folder import EvalFolder
from eval.metrics.metric import mean_of
from eval.review.names import reviewer_name
from eval.stats.value import estimate

PREFERS: Final = "prefers"  # the tag of a pairwise judgement; value: a, b, tie, or neither
CHOICES: Final[Mapping[str, str]] = {"1": "A is better", "2": "B is better", "3": "tie", "4": "both wrong"}
UNRECORDED: Final = "unrecorded"  # the order of a judgement made elsewhere
_WON: Final = {"first": 0.0, "second": 1.0, "tie": 0.5}
_VALUES: Final = {"A is better": "A", "B is better": "B", "tie": "tie", "both wrong": "both wrong"}


@dataclass(frozen=True, slots=True)
class Pair:
    """Two outputs for one item. Which evaluation A is of is drawn by item and person, and not shown."""

    item_id: str
    messages: tuple[Mapping[str, Any], ...]
    reference: str | None
    a: str
    b: str
    first_is_a: bool  # whether A is of the first evaluation
    prediction_id: str  # of the first evaluation's output


class Pairs:
    """The pairs of two evaluations that `author` has not judged, in an order of their own.

    total: pairs whose outputs differ; same: those that say the same, which are ties by themselves and shown to nobody.
    """

    def __init__(self, first: EvalFolder, second: EvalFolder, journal: Journal, author: str) -> None:
        self.key = pair_key(first, second)
        self.journal, self.author = journal, reviewer_name(author)
        both = _pairs(first, second, self.author)
        self._left = [pair for pair in both if not _alike(pair.a, pair.b)]
        self.total = len(self._left)
        self.same = len(both) - self.total
        judged = {tag.note for tag in tags(journal, self.key, kinds=("preference",)) if tag.author == self.author}
        self._left = [pair for pair in self._left if pair.item_id not in judged]
        self._said: list[tuple[Pair, Tag]] = []

    @property
    def judged(self) -> int:
        """Judgements of this session that may be taken back."""
        return len(self._said)

    def next(self) -> Pair | None:
        return self._left[0] if self._left else None

    def judge(self, pair: Pair, choice: str) -> None:
        """Store which one is better; the position is recorded with it. ConfigError where another session of the same
        person has judged the pair meanwhile; it is left out from then on."""
        if choice not in _VALUES:
            raise ConfigError(f'"{choice}" is not one of {", ".join(_VALUES)}')
        seen = _VALUES[choice]
        better = {"A": "first" if pair.first_is_a else "second", "B": "second" if pair.first_is_a else "first"}.get(
            seen, seen
        )
        order = "first-second" if pair.first_is_a else "second-first"
        event = Tag(
            new_id(),
            pair.prediction_id,
            self.key,
            PREFERS,
            f"{better}|{order}",
            author=self.author,
            kind="preference",
            note=pair.item_id,
        )
        self._left = [other for other in self._left if other.item_id != pair.item_id]
        try:
            add_tags(self.journal, [event], once=True)
        except JudgedBeforeError:
            raise ConfigError(
                f"this pair was judged by {self.author} meanwhile, in another session; that holds, "
                "and this was not stored"
            ) from None
        except CurateError:
            self._left.insert(0, pair)
            raise
        self._said.append((pair, event))

    def undo(self) -> bool:
        """Take back the last judgement of this session; its pair comes first again."""
        if not self._said:
            return False
        pair, event = self._said[-1]  # of this session until the undo is on disk
        undo(self.journal, event)
        self._said.pop()
        self._left.insert(0, pair)
        return True


def outcome(journal: Journal, first: EvalFolder, second: EvalFolder) -> pd.DataFrame:
    """what, share, low, high, n, pairs: how often the second wins (a tie is half a win), and how often A is chosen.

    A win is told of pairs whose outputs differ, and beside it of all pairs, those that say the same being ties.
    Intervals are over pairs: several people on one pair are no further proof.
    """
    same, differ = _counted(first, second)
    found = [(t.note, *t.value.split("|")) for t in tags(journal, pair_key(first, second), kinds=("preference",))]
    decided = [(item, _WON[better]) for item, better, _ in found if better in _WON and item not in same]
    at_a = [(item, float(order.startswith(better))) for item, better, order in found if _clear(better, order)]
    none = [(item, float(better == "both wrong")) for item, better, _ in found]
    rows = [(f"{second.name} wins", decided), ("A is chosen (half: no position bias)", at_a), ("both wrong", none)]
    table = [(what, *_share(values)) for what, values in rows if values]
    if decided and same:
        what, share, low, high, n, pairs = table[0]
        part = differ / (differ + len(same))
        share, low, high = (0.5 + (value - 0.5) * part for value in (share, low, high))
        table.insert(1, (f"{what}, {len(same):,} same outputs as ties", share, low, high, n, pairs))
    return pd.DataFrame(table, columns=["what", "share", "low", "high", "n", "pairs"])


def _clear(better: str, order: str) -> bool:
    return better in ("first", "second") and order != UNRECORDED


def _share(values: list[tuple[str, float]]) -> tuple[float, float, float, int, int]:
    found = estimate(mean_of("share", "pairs", [value for _, value in values]), [item for item, _ in values])
    return found.value, found.low, found.high, found.n, found.clusters


def same_outputs(first: EvalFolder, second: EvalFolder) -> str:
    """What becomes of the pairs that say the same, in words; "" where there is none."""
    same, differ = _counted(first, second)
    if not same:
        return ""
    return (
        f"{len(same):,} of {differ + len(same):,} pairs say the same but for white space at the ends: ties "
        "by themselves, and not shown"
    )


def no_pairs(first: EvalFolder, second: EvalFolder) -> str:
    """Why these two have nothing to compare, and what to do."""
    if said := same_outputs(first, second):
        return f"{first.name} and {second.name} answer alike: {said}"
    return (
        f"{first.name} and {second.name} share no item outside the test split to which both have an output; "
        f"ask both the validation split: curate eval {second.of.name}"
    )


def raters_agree(journal: Journal, first: EvalFolder, second: EvalFolder) -> pd.DataFrame:
    """coefficient, value, low, high, items, raters: how far those who judged the same pairs prefer the same."""
    said: dict[str, dict[str, str]] = {}
    for tag in tags(journal, pair_key(first, second), kinds=("preference",)):
        said.setdefault(tag.note, {})[tag.author] = tag.value.split("|")[0]
    people = sorted({author for by in said.values() for author in by})
    table = [[by.get(who) for who in people] for by in said.values()]
    found = (
        [agreement(table, name) for name in ("fleiss_kappa", "alpha_nominal", "pairwise")] if len(people) > 1 else []
    )
    rows = [(one.coefficient, one.value, one.low, one.high, one.items, one.raters) for one in found if one.items]
    return pd.DataFrame(rows, columns=["coefficient", "value", "low", "high", "items", "raters"])


def _counted(first: EvalFolder, second: EvalFolder) -> tuple[set[str], int]:
    """(items to which both say the same, number of those to which they do not)."""
    columns = ["item_id", "output", "split"]
    ours, theirs = (folder.predictions(columns).to_pydict() for folder in (first, second))
    said = {item: text for item, text in zip(ours["item_id"], ours["output"], strict=True) if text is not None}
    same, differ = set[str](), 0
    for item, text, split in zip(*(theirs[name] for name in columns), strict=True):
        if item in said and text is not None and split != "test":
            if _alike(said[item], text):
                same.add(item)
            else:
                differ += 1
    return same, differ


def _alike(one: str, other: str) -> bool:
    """Whether a reader sees the same: a list on one line is another answer than one on three."""
    return _seen(one) == _seen(other)


def _seen(text: str) -> list[str]:
    return [line.rstrip() for line in text.strip().splitlines()]


def _pairs(first: EvalFolder, second: EvalFolder, author: str) -> list[Pair]:
    columns = ["prediction_id", "item_id", "prompt", "output", "reference", "split"]
    ours = {row["item_id"]: row for row in first.predictions(columns).to_pylist() if row["output"] is not None}
    found = []
    for row in second.predictions(columns).to_pylist():
        one = ours.get(row["item_id"])
        if one is None or row["output"] is None or row["split"] == "test":
            continue
        drawn = hashlib.sha256(f"{author} {row['item_id']}".encode()).digest()
        first_is_a = drawn[-1] % 2 == 0  # the first bytes give the order: many pairs in a row would have one side
        a, b = (one["output"], row["output"]) if first_is_a else (row["output"], one["output"])
        messages = tuple(orjson.loads(row["prompt"]))
        found.append((drawn, Pair(row["item_id"], messages, row["reference"], a, b, first_is_a, one["prediction_id"])))
    return [pair for _, pair in sorted(found, key=lambda drawn: drawn[0])]


def pair_key(first: EvalFolder, second: EvalFolder) -> str:
    """What judgements on the pairs of two evaluations are stored under."""
    return f"{first.name} | {second.name}"
