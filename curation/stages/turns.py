"""Finds conversations that cannot be trained on as they stand: cut in the wrong place, out of order, or with holes."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, fields
from typing import Any, Final, Literal

import orjson
import pyarrow as pa
import pyarrow.compute as pc

from curation.errors import ConfigError
from curation.stages.cuts import cut_evidence
from curation.tables import Verdict, dropped_table, flagged_table

Action = Literal["drop", "flag", "off"]

# What a chat template can render: one system text, then user and assistant in turn, tool results after a call.
# A trailing user turn renders, but it is the sign of a lost answer; see cuts.py.
_ORDER: Final = r"^s?(?:u(?:at+)*a)+u?$"
_SINGLE: Final = ("ua", "sua")


@dataclass(frozen=True, slots=True)
class TurnsConfig:
    cut: Action = "drop"
    order: Action = "drop"
    empty: Action = "drop"

    def __post_init__(self) -> None:
        for field in fields(self):
            value = getattr(self, field.name)
            if value not in ("drop", "flag", "off"):
                raise ConfigError(f"turns.{field.name}: {value!r} is not known; use drop, flag, or off")


@dataclass(frozen=True, slots=True)
class _Finding:
    check: str  # the setting that decides what happens
    reason: str
    detail: str | None


def turns(table: Any, config: TurnsConfig) -> Verdict:
    """Drop or flag broken conversations. A row is dropped for its first finding: order, then cut, then empty.

    Rows of one question and one answer are judged column-wise; only longer ones are looked at one by one. An
    empty last answer is left to the filter `empty`.
    """
    verdicts = dict(_findings(table))
    pos = table["pos"].to_pylist() if verdicts else []
    dropped: list[tuple[int, _Finding]] = []
    flagged: list[tuple[int, _Finding]] = []
    gone = []
    for i, found in sorted(verdicts.items()):
        active = [finding for finding in found if getattr(config, finding.check) != "off"]
        drop = next((finding for finding in active if getattr(config, finding.check) == "drop"), None)
        if drop is not None:
            dropped.append((pos[i], drop))
            gone.append(i)
        flagged += [(pos[i], finding) for finding in active if getattr(config, finding.check) == "flag"]
    return Verdict(_without(table, gone), _as_table(dropped, dropped_table), _as_table(flagged, flagged_table))


def _findings(table: Any) -> Iterator[tuple[int, list[_Finding]]]:
    single = pc.is_in(table["roles"], value_set=pa.array(_SINGLE))
    blank = pc.equal(pc.binary_length(pc.utf8_trim_whitespace(table["prompt"])), 0)
    for i in _where(pc.and_(single, blank)):
        yield i, [_Finding("empty", "empty_turn", "the question is empty")]
    longer = _where(pc.invert(single))
    some = table.select(["roles", "record"]).take(pa.array(longer, pa.int64()))
    ordered = pc.match_substring_regex(some["roles"], _ORDER).to_pylist()
    for i, roles, record, fine in zip(
        longer, some["roles"].to_pylist(), some["record"].to_pylist(), ordered, strict=True
    ):
        messages = orjson.loads(record)["messages"]
        if found := [*_order(roles, messages, fine), *_cut(messages), *_empty(messages)]:
            yield i, found


def _order(roles: str, messages: Sequence[dict[str, Any]], fine: bool) -> Iterator[_Finding]:
    if "a" not in roles:
        yield _Finding("order", "no_assistant", f"roles {_named(messages)}; no answer to learn from")
    elif not fine:
        yield _Finding("order", "bad_role_order", _disorder(roles, messages))
    elif "t" in roles and (i := _uncalled(messages)) is not None:
        yield _Finding("order", "bad_role_order", f"turn {i + 1} is a tool result, but no tool was called")


def _disorder(roles: str, messages: Sequence[dict[str, Any]]) -> str:
    """The first turn that is out of place, in words."""
    bare = roles.lstrip("s") if roles.startswith("s") else roles
    if roles.startswith("ss"):
        return "turn 2 is a second system text; join them"
    if "s" in bare:
        return f"turn {roles.index('s', 1) + 1} is a system text; it must come first"
    if not bare.startswith("u"):
        return f"begins with {messages[len(roles) - len(bare)]['role']}; it must begin with user"
    for i in range(1, len(roles)):
        if roles[i - 1 : i + 1] in ("uu", "aa", "ut", "tu"):
            return f"turn {i + 1} is {messages[i]['role']} after {messages[i - 1]['role']}"
    return f"ends with {messages[-1]['role']}; an answer must come last"


def _uncalled(messages: Sequence[dict[str, Any]]) -> int | None:
    """Index of the first tool result whose assistant turn called nothing."""
    called = False
    for i, message in enumerate(messages):
        if message["role"] == "assistant":
            called = bool(message.get("tool_calls"))
        elif message["role"] == "tool" and not called:
            return i
    return None


def _cut(messages: Sequence[dict[str, Any]]) -> Iterator[_Finding]:
    if evidence := cut_evidence(messages):
        yield _Finding("cut", "cut_conversation", evidence)


def _empty(messages: Sequence[dict[str, Any]]) -> Iterator[_Finding]:
    last = len(messages) - 1
    for i, message in enumerate(messages):
        expected = message["role"] == "user" or (message["role"] == "assistant" and i < last)
        if expected and not (message["content"] or "").strip() and not message.get("tool_calls"):
            yield _Finding("empty", "empty_turn", f"turn {i + 1} ({message['role']}) is empty")
            return


def _named(messages: Sequence[dict[str, Any]]) -> str:
    return " ".join(message["role"] for message in messages[:8])


def _where(mask: Any) -> list[int]:
    indices: list[int] = pc.indices_nonzero(mask).to_pylist()
    return indices


def _without(table: Any, gone: Sequence[int]) -> Any:
    if not gone:
        return table
    keep = [True] * table.num_rows
    for i in gone:
        keep[i] = False
    return table.filter(pa.array(keep))


def _as_table(found: Sequence[tuple[int, _Finding]], make: Any) -> Any:
    pos = [p for p, _ in found]
    return make(pos, [f.reason for _, f in found], detail=[f.detail for _, f in found])
