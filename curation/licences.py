"""Under which licences the data is, source by source, as the recipe says it; None: nobody has said."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from curation.reading.sources import Source

Licences = Mapping[str, str | None]
NOT_STATED: Final = "not stated"


def of_sources(sources: Iterable[Source], accounts: Sequence[Mapping[str, Any]]) -> dict[str, str | None]:
    """What the recipe says of each of its sources that gave the version a row, by the path that it names."""
    kept = {account["source"] for account in accounts if account["kept"]}
    return {source.spec.path: source.spec.licence for source in sources if source.name in kept}


def of_version(stats: Mapping[str, Any]) -> dict[str, str | None]:
    """The same of a stored version; empty for one from before licences were stored."""
    return dict(stats.get("licences") or {})


def stated(licences: Licences) -> dict[str, str]:
    return {source: licence for source, licence in licences.items() if licence}


def by_licence(licences: Licences) -> dict[str | None, list[str]]:
    """Licence -> its sources, in their order; what nobody has said of comes last."""
    found: dict[str | None, list[str]] = {}
    for source, licence in licences.items():
        found.setdefault(licence or None, []).append(source)
    unknown = found.pop(None, None)
    return {**found, **({None: unknown} if unknown else {})}


def of_run(told: str | Licences | None) -> dict[str, str | None]:
    """What a run's `licences.data` says; one text that is of no source in particular stands under "data"."""
    if isinstance(told, Mapping):
        return dict(told)
    return {"data": told} if told else {}


def in_words(licences: Licences, sources: int = 3) -> str:
    """`cc-by-nc-4.0 (data/a.jsonl), not stated (data/b.jsonl)`; one licence of everything stands alone."""
    parts = by_licence(licences)
    if len(parts) < 2:
        return next(iter(parts), None) or NOT_STATED
    return ", ".join(f"{licence or NOT_STATED} ({named(where, sources)})" for licence, where in parts.items())


def named(sources: Sequence[str], most: int = 3) -> str:
    more = len(sources) - most
    return ", ".join(sources[:most]) + (f" and {more} more" if more > 0 else "")


def put_right(before: Licences, after: Licences) -> list[str]:
    """One line for each source that is now said to be under another licence, or under one at all."""
    return [
        f"{source}: licence {licence or NOT_STATED}, which was {before.get(source) or NOT_STATED} before"
        for source, licence in after.items()
        if (licence or None) != (before.get(source) or None)
    ]
