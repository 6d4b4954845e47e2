"""Comparisons from stored answers, each made once: while nothing new is evaluated or judged, it is the same one."""

from __future__ import annotations

from functools import lru_cache

from app.dashboard.place import evaluations, here, journal, place
from curation.runs import read_run, readable_runs
from curation.store import Store, open_store
from curation.store.tags import last_event
from eval.compare.comparison import Comparison, Headline, Settings, compare
from eval.compare.comparison import headline as decided
from eval.compare.sides import BASE, chosen
from eval.folder import EvalFolder
from eval.review.scores import scores_of

_FLIPS = 50


def comparison(first: str, second: str, suite: str | None = None) -> Comparison:
    """`second` against `first`, runs or base; CurateError where they cannot be compared."""
    return _compared(first, second, suite, _known())


def headline(first: str, second: str) -> Headline:
    """The verdict of the same comparison alone."""
    return _headline(first, second, _known())


def comparable() -> list[str]:
    """Runs with a finished evaluation, newest first, and the base model where it has one."""
    by_kind = {folder.name: run.kind for folder, run in readable_runs(place().experiments)}
    names = dict.fromkeys(one.of.name for one in evaluations())
    found = [name for name in names if by_kind.get(name) != "base"]
    return [*found[::-1], *[BASE] * (len(found) < len(names))]


def latest_pairs(done: list[EvalFolder]) -> list[tuple[str, str]]:
    """What a newcomer would ask first: the newest run against the base, and against the newest of another version."""
    by_run = {one.of.name: one.of for one in done}
    runs = [(name, read_run(folder)) for name, folder in by_run.items()]
    trained = [(name, run) for name, run in runs if run.kind == "training"]
    if not trained:
        return []
    name, run = trained[-1]
    pairs = [(BASE, name)] if any(one.kind == "base" for _, one in runs) else []
    others = [other for other, one in trained if (one.version or {}).get("id") != (run.version or {}).get("id")]
    return [*pairs, *((other, name) for other in others[-1:])]


def _known() -> tuple[str, ...]:
    """What has been evaluated and judged so far."""
    return (*(one.name for one in evaluations()), str(last_event(journal())))


@lru_cache(maxsize=8)
def _headline(first: str, second: str, known: tuple[str, ...]) -> Headline:
    at = place()
    sides = chosen(at.experiments, [first, second])
    return decided(at.experiments, sides, _store(), Settings(people=scores_of(at, here().root)))


@lru_cache(maxsize=8)
def _compared(first: str, second: str, suite: str | None, known: tuple[str, ...]) -> Comparison:
    at = place()
    sides = chosen(at.experiments, [first, second])
    settings = Settings(suite=suite, most_flips=_FLIPS, people=scores_of(at, here().root))
    return compare(at.experiments, sides, _store(), settings)


def _store() -> Store | None:
    return open_store(here().store_path) if here().has_store else None
