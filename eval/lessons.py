"""From a fault to the rows that teach it: training rows that ask the same and give the same wrong answer."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Final

from curation.facts import KINDS, facts_of
from eval.metrics.tokens import arrow, unicode_tokens
from eval.nearest import ShingleIndex
from eval.neighbours import SAME, TrainingRow
from eval.review.rates import fisher_greater
from eval.stats.multiple import benjamini_hochberg
from eval.tags.finding import Prediction, content, stems

_SAID: Final = 0.8  # share of what is wrong in an output that a row says; of four words or fewer that is all
_CODE: Final = KINDS.index("code")


@dataclass(frozen=True, slots=True)
class Lesson:
    """A source against a tag.

    asked: outputs on whose question the source has a row. taught: those of them that have the tag and in which is wrong
    what such a row says, too. others_*: the same of all other sources, added up. p: one-sided Fisher; p_adjusted:
    Benjamini-Hochberg over the sources. Outputs about one fact go wrong together, so p is a guide and no proof.
    rows: the places of the rows that teach it, in build order.
    """

    source: str
    taught: int
    asked: int
    others_taught: int
    others_asked: int
    p: float
    p_adjusted: float
    rows: tuple[str, ...]


class Lessons:
    """Predictions beside the training rows that ask what they were asked, looked up once for all tags."""

    def __init__(self, predictions: Sequence[Prediction], rows: Sequence[TrainingRow]) -> None:
        self._rows = rows
        self._predictions = {prediction.id: prediction for prediction in predictions}
        found = same_question([p.asked for p in predictions], [row.prompt for row in rows])
        self._asked = dict(zip(self._predictions, found, strict=True))

    @cached_property
    def taught(self) -> dict[str, list[int]]:
        """Prediction -> the rows that ask the same and say what its reference does not, right or wrong."""
        known: dict[int, set[str]] = {}
        taught = {}
        for name, prediction in self._predictions.items():
            for i in self._asked[name]:
                known.setdefault(i, _stated(self._rows[i].answer))
            taught[name] = [i for i in self._asked[name] if _teaches(known[i], prediction)]
        return taught

    def of(self, tagged: Collection[str]) -> list[Lesson]:
        """Every source that teaches a fault of these outputs, most suspicious first."""
        asked: Counter[str] = Counter()
        taught: Counter[str] = Counter()
        rows: Mapping[str, set[int]] = defaultdict(set)
        for name in self._predictions:
            asked.update({self._rows[i].source for i in self._asked[name]})
            lessons = self.taught[name] if name in tagged else []
            taught.update({self._rows[i].source for i in lessons})
            for i in lessons:
                rows[self._rows[i].source].add(i)
        every, faults = asked.total(), taught.total()
        counts = [(taught[s], asked[s], faults - taught[s], every - asked[s]) for s in taught]
        p = [fisher_greater(*four) for four in counts]
        table = [
            Lesson(source, *four, one, adjusted, tuple(self._rows[i].place for i in sorted(rows[source])))
            for source, four, one, adjusted in zip(taught, counts, p, benjamini_hochberg(p), strict=True)
        ]
        return sorted(table, key=lambda lesson: (lesson.p_adjusted, lesson.p, lesson.source))


def same_question(asked: Sequence[str], prompts: Sequence[str]) -> list[list[int]]:
    """For each question the prompts that ask the same, in order.

    No fact may differ (numbers, codes, units, dates, negations). Then a code that both name settles it, however the
    rest is worded; without one the texts must be alike.
    """
    facts = facts_of(arrow([*prompts, *asked])).signatures
    keys = [one.tobytes() for one in facts]
    same: Mapping[bytes, list[int]] = defaultdict(list)
    for i, key in enumerate(keys[: len(prompts)]):
        same[key].append(i)
    found = []
    for i, near in enumerate(ShingleIndex(prompts).like(asked), len(prompts)):
        if facts[i, _CODE]:
            found.append(same.get(keys[i], []))
        else:
            alike = near["text"][near["similarity"] >= SAME].tolist()
            found.append([j for j in alike if keys[j] == keys[i]])
    return found


def _teaches(row: set[str], prediction: Prediction) -> bool:
    """The row says what is wrong in the output, and not what should stand there."""
    said, right, asked = (_stated(text) for text in (prediction.text, prediction.reference or "", prediction.asked))
    wrong, missing = said - right - asked, right - said - asked
    return bool(wrong) and len(wrong & row) >= _SAID * len(wrong) and not (missing and missing <= row)


def _stated(text: str) -> set[str]:
    return stems(content(unicode_tokens(text)))
