"""Gates: what has to hold before a run may take another's place. What cannot be told has not been shown to hold."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from eval.compare.benchmarks import Benchmarked
from eval.compare.claim import FEWEST_CLUSTERS
from eval.stats.compare import Difference
from eval.stats.verdict import FEWEST_FOR_SAME, Gate
from eval.suite import Suite


@dataclass(frozen=True, slots=True)
class Check:
    name: str
    rule: str
    result: Gate
    told: str

    @property
    def passed(self) -> bool:
        return self.result == "passed"


def is_arc(name: str) -> bool:
    return name.lower().startswith("arc")


def checks(
    suite: Suite, main: Difference, benchmarks: Sequence[Benchmarked], fewest: int = FEWEST_CLUSTERS
) -> list[Check]:
    """The primary metric's gate, and that no ARC benchmark of the suite lost as much as the margin. fewest: clusters
    that carry a verdict on the primary metric."""
    found = [_primary(suite, main, fewest)]
    margin = suite.gates.arc_margin
    rule = f"loses less than {margin:g}"
    known = {one.name: one for one in benchmarks}
    asked = [choice.label for choice in suite.benchmarks if is_arc(choice.name)]
    for name in dict.fromkeys([*asked, *(name for name in known if is_arc(name))]):
        one = known.get(name)
        if one is None:
            told = "was not measured on both sides; see docs/evaluation.md for where its file belongs"
            found.append(Check(name, rule, "cannot tell", told))
        else:
            found.append(Check(name, rule, careful(one.diff, one.no_loss), _interval(one.diff)))
    return found


def _primary(suite: Suite, main: Difference, fewest: int) -> Check:
    margin = suite.primary.margin
    if (suite.gates.primary or "not_worse") == "not_worse":
        return Check(main.name, f"loses less than {margin:g}", careful(main, main.gate(), fewest), _interval(main))
    if main.verdict in ("better", "higher"):
        result: Gate = "passed"
    else:
        result = "cannot tell" if main.verdict == "cannot tell" else "failed"
    return Check(main.name, "better", result, f"{main.verdict}: {_interval(main)}")


def careful(found: Difference, result: Gate, fewest: int = FEWEST_CLUSTERS) -> Gate:
    """Of a handful of items an interval may lie anywhere, and of a few more it is no width at all where both agree."""
    few = found.clusters < fewest or (found.low == found.high and found.clusters < FEWEST_FOR_SAME)
    return "cannot tell" if few else result


def _interval(found: Difference) -> str:
    return f"{found.diff:+.4g} [{found.low:+.4g}, {found.high:+.4g}]"
