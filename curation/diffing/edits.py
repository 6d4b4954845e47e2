"""How an edited row reads now: turn by turn, and in each turn word by word."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from difflib import SequenceMatcher
from typing import Any, Final, Literal

from curation.records import canonical

# A character of a script without spaces, a word, a run of white space, or one other character.
_TOKEN: Final = re.compile(
    r"[\u0e00-\u0eff\u3040-\u30ff\u3400-\u9fff]|[^\W\u0e00-\u0eff\u3040-\u9fff]+|\s+|.", re.DOTALL
)
_COMPARED: Final = 2000  # tokens on either side, beginnings and ends that agree aside; the matcher is quadratic


@dataclass(frozen=True, slots=True)
class Piece:
    """A stretch of text that both have (=), that was taken out (-), or put in (+)."""

    kind: Literal["=", "-", "+"]
    text: str


@dataclass(frozen=True, slots=True)
class Turn:
    """A message that differs; `before` or `after` is None where there was none."""

    number: int  # from 1, of the message now (of the message before where it is gone)
    role: str
    before: str | None
    after: str | None

    def pieces(self) -> list[Piece]:
        return word_changes(self.before or "", self.after or "")


@dataclass(frozen=True, slots=True)
class FieldChange:
    """A field of meta, or `tools`, that differs; values as canonical JSON."""

    name: str
    before: str | None
    after: str | None


def changed_turns(before: Mapping[str, Any], after: Mapping[str, Any]) -> list[Turn]:
    """Messages that differ. Where turns were put in or taken out, the others still meet their own."""
    old, new = before["messages"], after["messages"]
    steps = SequenceMatcher(None, _keys(old), _keys(new), autojunk=False).get_opcodes()
    return [turn for kind, *span in steps if kind != "equal" for turn in _turns(old, new, span)]


def _keys(messages: Sequence[Mapping[str, Any]]) -> list[bytes]:
    return [canonical(message) for message in messages]


def _turns(old: Sequence[Any], new: Sequence[Any], span: Sequence[int]) -> Iterator[Turn]:
    start, end, to, until = span
    for step in range(max(end - start, until - to)):
        before: Any = old[start + step] if start + step < end else None
        after = new[to + step] if to + step < until else None
        if before and after and before["role"] != after["role"]:
            yield Turn(start + step + 1, before["role"], _said(before), None)
            before = None
        number = (to if after else start) + step + 1
        yield Turn(number, (after or before)["role"], before and _said(before), after and _said(after))


def _said(message: Mapping[str, Any]) -> str:
    """A message's text; with tool calls or a name, its JSON."""
    if message.keys() == {"role", "content"} and message["content"] is not None:
        return str(message["content"])
    return canonical({key: value for key, value in message.items() if key != "role"}).decode()


def changed_fields(before: Mapping[str, Any], after: Mapping[str, Any]) -> list[FieldChange]:
    """Fields of meta and the tools that differ."""
    old = {**before["meta"], **({"tools": before["tools"]} if "tools" in before else {})}
    new = {**after["meta"], **({"tools": after["tools"]} if "tools" in after else {})}
    changes = (FieldChange(name, _json(old, name), _json(new, name)) for name in sorted(old.keys() | new.keys()))
    return [change for change in changes if change.before != change.after]


def _json(fields: Mapping[str, Any], name: str) -> str | None:
    return canonical(fields[name]).decode() if name in fields else None


def word_changes(before: str, after: str) -> list[Piece]:
    """Both texts as pieces: those that are not `+` make up `before`, those that are not `-` make up `after`."""
    left, right = _TOKEN.findall(before), _TOKEN.findall(after)
    head = _shared(left, right)
    tail = _shared(left[head:][::-1], right[head:][::-1])
    middle_left, middle_right = left[head : len(left) - tail], right[head : len(right) - tail]
    steps = [("=", left[:head]), *_compared(middle_left, middle_right), ("=", left[len(left) - tail :])]
    return _joined([Piece(kind, "".join(tokens)) for kind, tokens in steps if tokens])  # type: ignore[arg-type]  # kinds are =, -, +


def _shared(left: Sequence[str], right: Sequence[str]) -> int:
    shorter = min(len(left), len(right))
    return next((i for i in range(shorter) if left[i] != right[i]), shorter)


def _compared(left: list[str], right: list[str]) -> Iterator[tuple[str, list[str]]]:
    if max(len(left), len(right)) > _COMPARED:
        yield from (("-", left), ("+", right))
        return
    for kind, a, b, c, d in SequenceMatcher(None, left, right, autojunk=False).get_opcodes():
        if kind == "equal":
            yield "=", left[a:b]
        else:
            yield from (("-", left[a:b]), ("+", right[c:d]))


def _joined(pieces: Sequence[Piece]) -> list[Piece]:
    joined: list[Piece] = []
    for piece in pieces:
        if joined and joined[-1].kind == piece.kind:
            joined[-1] = Piece(piece.kind, joined[-1].text + piece.text)
        else:
            joined.append(piece)
    return joined
