"""Bytes of many units to Python objects, with duplicate keys, lost integers and depth looked for."""

from __future__ import annotations

from typing import Any, Final

import orjson

from curation.reading.diagnose import depth, diagnose, parse_exactly
from curation.reading.unit import MAX_DEPTH, MAX_RAW, Bad

Parsed = tuple[list[dict[str, Any] | None], dict[int, Bad]]

# 19 digits is where an integer may leave 64 bits, and orjson silently makes it a float.
_DIGITS: Final = bytes(48 if 48 <= byte <= 57 else 32 for byte in range(256))
_RUN: Final = b"0" * 19


def parse_units(raws: list[bytes]) -> Parsed:
    """A value for each unit (None where bad) and what is wrong with the bad ones, by place."""
    values, bad = _load(raws)
    body = b"\n".join(raws)
    careful = _careful(raws, body)
    for place in careful:
        if place not in bad:
            values[place] = _exact(raws[place], place, bad)
    skip = careful.union(bad)
    _find_duplicates(raws, values, body, skip, bad)
    for place, value in enumerate(values):
        if type(value) is not dict and place not in bad:
            bad[place] = _bad("not_an_object", f"is {_kind(value)}, not an object", raws[place])
    for place in bad:
        values[place] = None
    return values, bad


def _load(raws: list[bytes]) -> tuple[list[Any], dict[int, Bad]]:
    try:
        return list(map(orjson.loads, raws)), {}
    except orjson.JSONDecodeError:
        pass
    values: list[Any] = []
    bad: dict[int, Bad] = {}
    for place, raw in enumerate(raws):
        try:
            values.append(orjson.loads(raw))
        except orjson.JSONDecodeError:
            values.append(None)
            bad[place] = _bad(*diagnose(raw), raw)
    return values, bad


def _careful(raws: list[bytes], body: bytes) -> set[int]:
    """Units that need the slow parser: long runs of digits, or an escaped colon that upsets the count below."""
    found: set[int] = set()
    if _RUN in body.translate(_DIGITS):
        found.update(place for place, raw in enumerate(raws) if _RUN in raw.translate(_DIGITS))
    if b"\\u003" in body:
        found.update(place for place, raw in enumerate(raws) if b"\\u003a" in raw or b"\\u003A" in raw)
    return found


def _exact(raw: bytes, place: int, bad: dict[int, Bad]) -> Any:
    if depth(raw) <= MAX_DEPTH:
        try:
            return parse_exactly(raw)
        except ValueError:
            pass
    bad[place] = _bad(*diagnose(raw), raw)
    return None


def _find_duplicates(raws: list[bytes], values: list[Any], body: bytes, skip: set[int], bad: dict[int, Bad]) -> None:
    """Find objects that name a key twice: orjson keeps the last, so writing them again loses a colon.

    A colon of the raw text is structure or stands in a string, and orjson writes both back as they were; only a
    dropped key takes one away, and an escaped colon (left out by `skip`) could hide it. Counted for all units at once.
    """
    if skip:
        rest = [place for place in range(len(raws)) if place not in skip]
        body = b"\n".join([raws[place] for place in rest])
        values = [values[place] for place in rest]
    else:
        rest = []
    if _colons(values) == body.count(b":"):
        return
    for index, value in enumerate(values):
        place = rest[index] if skip else index
        raw = raws[place]
        if _colons([value]) != raw.count(b":"):
            bad[place] = _bad(*diagnose(raw), raw)


def _colons(values: list[Any]) -> int:
    """Colons in the values written as JSON; -1 if they are nested too deep to be written."""
    try:
        return orjson.dumps(values).count(b":")
    except orjson.JSONEncodeError:
        return -1


def _bad(reason: str, detail: str, raw: bytes) -> Bad:
    return Bad(reason, detail, raw[:MAX_RAW])


def _kind(value: Any) -> str:
    names = {list: "an array", str: "a string", bool: "true or false", type(None): "null"}
    return names.get(type(value), "a number")
