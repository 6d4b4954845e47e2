"""Why a unit is not one JSON value: a stable reason code and one line with the byte it went wrong at."""

from __future__ import annotations

import json
import re
from collections import Counter
from typing import Any, Final

from curation.reading.unit import MAX_DEPTH

_TOKEN: Final = re.compile(rb'"(?:[^"\\]|\\.)*"?|[\[{]|[\]}]', re.DOTALL)
_SURROGATE: Final = re.compile(r"\\\\|\\u([dD][89a-fA-F][0-9a-fA-F]{2})")
_CUT_ESCAPE: Final = re.compile(r"\\(?:u[0-9a-fA-F]{0,3})?\Z")
_CONTROL: Final = re.compile(r"[\x00-\x1f]")
_NOT_JSON_NUMBERS: Final = ("NaN", "Infinity", "-Infinity")


class DuplicateKeyError(ValueError):
    """An object names the same key twice; the first such key."""

    def __init__(self, key: str) -> None:
        super().__init__(f"key {json.dumps(key[:80], ensure_ascii=False)} stands twice in one object")


class _ConstantError(ValueError):
    """A number that JSON does not have (NaN, Infinity)."""


def parse_exactly(raw: bytes) -> Any:
    """The value of valid JSON, integers of any size kept; ValueError for duplicate keys or endless digits."""
    return json.loads(raw, object_pairs_hook=_unique, parse_constant=_constant)


def depth(raw: bytes) -> int:
    """How deep brackets nest outside strings."""
    if raw.count(b"[") + raw.count(b"{") <= MAX_DEPTH:
        return 0  # cannot be too deep, which is all a caller asks
    now = deepest = 0
    for match in _TOKEN.finditer(raw):
        kind = match.group()[:1]
        if kind in b"[{":
            now += 1
            deepest = max(deepest, now)
        elif kind in b"]}":
            now -= 1
    return deepest


def diagnose(raw: bytes) -> tuple[str, str]:
    """(reason, detail) of bytes that orjson refused, or whose keys repeat."""
    if not raw:
        return "missing_value", "a comma with no value beside it"
    if b"\0" in raw:
        return "nul_byte", f"NUL at byte {raw.index(0) + 1}"
    try:
        text = raw.decode()
    except UnicodeDecodeError as error:
        return "bad_utf8", f"not UTF-8 at byte {error.start + 1} (0x{raw[error.start]:02x})"
    if raw.startswith(b"\xef\xbb\xbf"):
        return "stray_bom", "a byte order mark inside the file; were two files joined?"
    if depth(raw) > MAX_DEPTH:
        return "too_deep", f"nested deeper than {MAX_DEPTH} levels"
    try:
        parse_exactly(raw)
    except json.JSONDecodeError as error:
        return _syntax(text, error)
    except DuplicateKeyError as error:
        return "duplicate_key", str(error)
    except _ConstantError as error:
        return "nan", f"{error} is not a JSON number"
    except ValueError:
        return "number_out_of_range", "a number with too many digits"
    return _meaning(text)


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    value = dict(pairs)
    if len(value) != len(pairs):
        counts = Counter(key for key, _ in pairs)
        raise DuplicateKeyError(next(key for key, _ in pairs if counts[key] > 1))
    return value


def _constant(name: str) -> Any:
    raise _ConstantError(name)


def _meaning(text: str) -> tuple[str, str]:
    """What Python's parser lets pass and JSON (or a 64-bit float) cannot hold."""
    place = _lone_surrogate(text)
    if place >= 0:
        return "lone_surrogate", f"half a surrogate pair ({text[place : place + 6]}) at byte {_byte(text, place)}"
    return "number_out_of_range", "a number too large for a 64-bit float"


def _lone_surrogate(text: str) -> int:
    expect = -1  # where the low half of a pair must begin
    high = -1
    for match in _SURROGATE.finditer(text):
        if match.group(1) is None:
            continue
        low = match.group(1)[1] in "cdefCDEF"
        if low and match.start() == expect:
            expect = high = -1
        elif low or high >= 0:
            return high if high >= 0 else match.start()
        else:
            high, expect = match.start(), match.end()
    return high


def _syntax(text: str, error: json.JSONDecodeError) -> tuple[str, str]:
    place = error.pos
    where = f"at byte {_byte(text, place)}"
    if error.msg == "Extra data":
        return _extra(text, place, where)
    if _illegal_number(text, place):
        return "nan", f"{where} stands a word that is not a JSON number"
    if _is_cut(text, place, error.msg):
        return "truncated_json", f"ends in the middle of a value that begins {where}"
    if "control character" in error.msg:
        return "control_character", f"raw control character 0x{ord(text[place]):02x} in a string {where}"
    if _trailing_comma(text, place):
        return "trailing_comma", f"a comma with nothing after it {where}"
    return "not_json", f"{error.msg[:1].lower()}{error.msg[1:]} {where}"


def _extra(text: str, place: int, where: str) -> tuple[str, str]:
    rest = text[place:].lstrip(" \t\r\n,")
    try:
        json.JSONDecoder(strict=False).raw_decode(rest)
    except (ValueError, RecursionError):
        return "not_json", f"something follows the value {where}"
    return "two_values", f"a second value begins {where}"


def _illegal_number(text: str, place: int) -> bool:
    """NaN and its kin where Python's parser has no name for them (-NaN, inf, nan)."""
    return re.match(r"[+-]?(?:nan|inf(?:inity)?)\b", text[place:], re.IGNORECASE) is not None


def _is_cut(text: str, place: int, message: str) -> bool:
    end = len(text.rstrip(" \t\r\n"))
    if message.startswith("Unterminated string") or place >= end:
        return end > 0 and not _CONTROL.search(text[place:end])
    rest = text[place:end]
    word = any(name.startswith(rest) for name in ("true", "false", "null", "-", "NaN"))
    return (word and rest != "N") or _CUT_ESCAPE.search(text[max(0, place - 2) : end]) is not None


def _trailing_comma(text: str, place: int) -> bool:
    # Python 3.13 points at the comma, earlier ones behind it.
    if text[place] == ",":
        return text[place + 1 :].lstrip()[:1] in ("}", "]")
    return text[place] in "}]" and text[:place].rstrip()[-1:] == ","


def _byte(text: str, place: int) -> int:
    """1-based byte of a character position."""
    return len(text[:place].encode("utf-8", "surrogatepass")) + 1
