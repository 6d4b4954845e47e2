"""Fields of a row's meta, which are the user's own: found by name or dotted path, and missed with a hint."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

import numpy as np
import orjson

from curation.errors import ConfigError, did_you_mean

_META: Final = b'],"meta":{'
_TOOLS: Final = b',"tools":['
_NAMED: Final = 3


def meta_of(record: bytes) -> dict[str, Any]:
    """The meta of a canonical record without reading its messages: a third of the time.

    Inside JSON text every quote is escaped, so this sequence begins the meta, unless it stands there twice.
    """
    start = record.find(_META)
    if record.find(_META, start + 1) < 0 and record.find(_TOOLS, start) < 0:
        meta: dict[str, Any] = orjson.loads(record[start + len(_META) - 1 : -1])
        return meta
    return orjson.loads(record).get("meta") or {}


def field_in(meta: Mapping[str, Any], name: str) -> Any:
    """The field of that name, else what a dotted path leads to; None where there is neither."""
    if name in meta or "." not in name:
        return meta.get(name)
    value: Any = meta
    for part in name.split("."):
        value = value.get(part) if isinstance(value, dict) else None
    return value


def metas_of(records: Any) -> list[dict[str, Any]]:
    """The meta of each record of a column of tables.ROWS."""
    return [meta_of(record) for record in records.to_pylist()]


def field_values(metas: Sequence[Mapping[str, Any]], name: str, setting: str) -> list[Any]:
    """The field in every meta; ConfigError that names the recipe's `setting` if none has it."""
    values = [field_in(meta, name) for meta in metas]
    if metas and all(value is None for value in values):
        raise no_such_field(setting, name, metas)
    return values


def no_such_field(setting: str, name: str, metas: Iterable[Mapping[str, Any]]) -> ConfigError:
    return ConfigError(f'{setting}: no row has a field "{name}"{_hint(name, metas)}')


def id_notes(rows: Any, sources: Sequence[str], id_field: str | None) -> list[str]:
    """Which of the sources have no row with the recipe's id_field; ConfigError if none has one.

    `rows` are tables.ROWS, in the order of the sources; those that a patch adds come after and count for nothing here.
    """
    if id_field is None:
        return []
    lacking: list[str] = []
    metas: list[dict[str, Any]] = []
    bounds = np.searchsorted(rows["source"].to_numpy(), np.arange(len(sources) + 1)).tolist()
    for name, start, stop in zip(sources, bounds, bounds[1:], strict=False):
        seen = _until((record.as_py() for record in rows["record"][start:stop]), id_field)
        if seen and field_in(seen[-1], id_field) is None:
            lacking.append(name)
            metas += seen
    if not lacking:
        return []
    if len(metas) == bounds[-1]:
        raise no_such_field("id_field", id_field, metas)
    named = ", ".join(lacking[:_NAMED]) + (f" and {len(lacking) - _NAMED:,} more" if len(lacking) > _NAMED else "")
    what = f'no row of {named} has a field "{id_field}"{_hint(id_field, metas)}'
    return [f"id_field: {what}; edited rows of theirs count as new"]


def _until(records: Iterable[bytes], name: str) -> list[dict[str, Any]]:
    """The metas up to the first that has the field: all of them where none has."""
    metas = []
    for record in records:
        metas.append(meta_of(record))
        if field_in(metas[-1], name) is not None:
            break
    return metas


def _hint(name: str, metas: Iterable[Mapping[str, Any]]) -> str:
    known = {key for meta in metas for key in meta}
    return did_you_mean(name, known) if known else "; the rows have no fields of their own"
