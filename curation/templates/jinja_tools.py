"""Records with tools, tool calls, tool results, or names, in a Jinja template that writes them."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from curation.templates.jinja import FIND_STAND_IN, STAND_IN, JinjaSource
from curation.templates.refusal import TemplateRefusal
from curation.templates.skeleton import Literals, content_spans, interleave
from curation.templates.template import Span


@dataclass(frozen=True, slots=True)
class Written:
    text: str
    spans: list[Span]


@dataclass(frozen=True, slots=True)
class ToolRecord:
    """A record as templates expect it: a call's arguments are an object, not JSON text."""

    messages: list[dict[str, Any]]
    tools: list[Any] | None

    @classmethod
    def of(cls, record: Mapping[str, Any]) -> ToolRecord:
        return cls([_with_objects(message) for message in record["messages"]], record.get("tools") or None)

    def with_stand_ins(self) -> list[dict[str, Any]]:
        """The messages, each content replaced by a stand-in; null stays."""
        return [
            message if message["content"] is None else {**message, "content": STAND_IN.format(i)}
            for i, message in enumerate(self.messages)
        ]

    def answer(self, source: JinjaSource, text: str, i: int) -> tuple[int, int]:
        """Where assistant message i stands in the text, from the end of its generation prompt to its end of turn."""
        before = source.write(self.messages[:i], self.tools, True)
        upto = source.write(self.messages[: i + 1], self.tools, False)
        if not (text.startswith(before) and text.startswith(upto) and len(before) < len(upto)):
            detail = f"message {i + 1}: what {source.name} writes of it depends on what follows; it cannot be labelled"
            raise TemplateRefusal("spans_unknown", detail)
        end = upto.rfind(source.end, len(before))
        return len(before), end + len(source.end) if end >= 0 else len(upto)


def expressed(source: JinjaSource, marker: re.Pattern[str], record: ToolRecord, generate: bool) -> Written:
    """The record's text, checked: every content, tool, call, and name is in it, and nothing poses as a marker."""
    _refuse_markers(marker, record)
    literals, present = _literals(source, record, generate)
    contents = [record.messages[i]["content"] for i in present]
    text = source.write(record.messages, record.tools, generate)
    quoted = [_quoted(c) if record.messages[i]["role"] == "tool" else c for i, c in zip(present, contents, strict=True)]
    if text == interleave(literals, contents):
        shown = contents
    elif text == interleave(literals, quoted):
        shown = quoted  # some templates write a tool's result as JSON text
    else:
        raise TemplateRefusal("spans_unknown", f"{source.name} changes what the messages say")
    _refuse_left_out(record, "\0".join(literals))
    spans = []
    for i, content, piece, (a, b) in zip(present, contents, shown, content_spans(literals, shown), strict=True):
        if content == piece:
            spans.append(Span(a, b, record.messages[i]["role"]))
    return Written(text, spans)


def _literals(source: JinjaSource, record: ToolRecord, generate: bool) -> tuple[Literals, list[int]]:
    """What stands around the contents that are not null, and which messages they belong to."""
    expected = [i for i, message in enumerate(record.messages) if message["content"] is not None]
    try:
        text = source.write(record.with_stand_ins(), record.tools, generate)
    except TemplateRefusal as refusal:
        if any(message["role"] == "tool" or message.get("tool_calls") for message in record.messages):
            raise TemplateRefusal("tools_not_supported", refusal.detail) from None
        raise
    found = [int(number) for number in FIND_STAND_IN.findall(text)]
    if found != expected:
        missing = next((i for i in expected if i not in found), None)
        if missing is None:
            raise TemplateRefusal("spans_unknown", f"{source.name} writes a message twice, or out of order")
        if record.messages[missing]["content"]:
            reason = "tools_not_supported" if record.messages[missing]["role"] == "tool" else "spans_unknown"
            raise TemplateRefusal(reason, f"{source.name} leaves out the text of message {missing + 1}")
        raise TemplateRefusal("empty_content", f"{source.name} leaves out message {missing + 1}, which is empty")
    for i, message in enumerate(record.messages):
        if message["content"] is None and not message.get("tool_calls"):
            raise TemplateRefusal("empty_content", f"message {i + 1} ({message['role']}) has no content")
    return tuple(FIND_STAND_IN.split(text)[::2]), expected


def _refuse_markers(marker: re.Pattern[str], record: ToolRecord) -> None:
    for i, message in enumerate(record.messages):
        for text in (message["content"] or "", *_strings(message.get("tool_calls")), message.get("name", "")):
            if found := marker.search(text):
                raise TemplateRefusal("contains_marker", f'message {i + 1}: "{found[0]}" is a marker of the template')
    for text in _strings(record.tools):
        if found := marker.search(text):
            raise TemplateRefusal("contains_marker", f'tools: "{found[0]}" is a marker of the template')


def _refuse_left_out(record: ToolRecord, written: str) -> None:
    """Refuse a record of which the template drops a tool, a call, an argument, or a name in silence."""
    for tool in record.tools or ():
        name = _function(tool).get("name")
        if isinstance(name, str) and not _in(name, written):
            raise TemplateRefusal("tools_not_supported", f'the template does not write the tool "{name}"')
    for i, message in enumerate(record.messages):
        for call in message.get("tool_calls") or ():
            function = _function(call)
            said = [function.get("name", ""), *_strings(function.get("arguments"))]
            left = [text for text in said if not _in(text, written)]
            if left:
                raise TemplateRefusal("tools_not_supported", f'message {i + 1}: "{left[0][:40]}" of a call is left out')
        if message["role"] != "tool" and not _in(message.get("name", ""), written):
            raise TemplateRefusal("field_not_supported", f"message {i + 1} has a name, which is left out")


def _in(text: str, written: str) -> bool:
    return text in written or _quoted(text) in written or json.dumps(text)[1:-1] in written


def _function(entry: Any) -> Mapping[str, Any]:
    """The function of a tool or call, wrapped as OpenAI does or bare."""
    if not isinstance(entry, dict):
        return {}
    function = entry.get("function", entry)
    return function if isinstance(function, dict) else {}


def _with_objects(message: Mapping[str, Any]) -> dict[str, Any]:
    calls = message.get("tool_calls")
    return {**message, "tool_calls": [_with_object(call) for call in calls]} if calls else dict(message)


def _with_object(call: Any) -> Any:
    function = _function(call)
    arguments = function.get("arguments")
    if not isinstance(arguments, str):
        return call
    try:
        parsed = json.loads(arguments)
    except ValueError:
        return call
    if not isinstance(parsed, dict):
        return call
    whole = {**function, "arguments": parsed}
    return {**call, "function": whole} if "function" in call else whole


def _strings(value: Any) -> Iterator[str]:
    """Every text and key of nested plain values, other than the word that says what kind of tool it is."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        for key, inner in value.items():
            yield str(key)
            if key != "type":
                yield from _strings(inner)
    elif isinstance(value, Sequence):
        for inner in value:
            yield from _strings(inner)


def _quoted(text: str) -> str:
    return json.dumps(text, ensure_ascii=False)[1:-1]
