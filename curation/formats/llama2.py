"""Llama-2 text: `<s>[INST] <<SYS>>...<</SYS>> question [/INST] answer </s><s>[INST] ...`."""

from __future__ import annotations

import re
from typing import Any, Final

from curation.formats.errors import FormatError

SCHEMA: Final = "formats/llama2.schema.json"
FIELDS: Final = ("text",)
_FIRST: Final = re.compile(r"\s*(?:<s>)?\s*\[INST\] ?")
# A turn ends at </s>, or at <s> where the converter left </s> out; a lone [INST] inside an answer is text.
_NEXT: Final = re.compile(r" ?(?:</s>\s*(?:<s>)?|<s>)\s*\[INST\] ?")
_ANSWER: Final = re.compile(r" ?\[/INST\] ?")
_END: Final = re.compile(r" ?</s>\s*\Z")
_SYSTEM: Final = re.compile(r"\s*<<SYS>>\n?(.*?)\n?<</SYS>>\n{0,2}", re.DOTALL)


def convert(obj: dict[str, Any]) -> dict[str, Any]:
    return {"messages": _turns(obj["text"]), "meta": {k: v for k, v in obj.items() if k != "text"}}


def _turns(text: str) -> list[dict[str, Any]]:
    opening = _FIRST.match(text)
    if opening is None:
        raise FormatError("bad_layout", "/text does not begin with [INST]; repair it, or leave it out")
    messages: list[dict[str, Any]] = []
    start = opening.end()
    if system := _SYSTEM.match(text, start):
        messages.append({"role": "system", "content": system[1]})
        start = system.end()
    ending = _END.search(text)
    stop = ending.start() if ending else len(text)
    while True:
        answer = _ANSWER.search(text, start, stop)
        messages.append({"role": "user", "content": text[start : answer.start() if answer else stop]})
        if answer is None:
            return messages
        following = _NEXT.search(text, answer.end(), stop)
        messages.append({"role": "assistant", "content": text[answer.end() : following.start() if following else stop]})
        if following is None:
            return messages
        start = following.end()
