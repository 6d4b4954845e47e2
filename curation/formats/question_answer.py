"""Question and answer, under the names that published sets use."""

from __future__ import annotations

import re
from typing import Any, Final

SCHEMA: Final = "formats/question_answer.schema.json"
PAIRS: Final = (
    ("question", "answer"),
    ("question", "response"),
    ("query", "response"),
    ("query", "answer"),
)
FIELDS: Final = ("question", "query", "answer", "response")
# lamini_docs and sets made after it ship the prompt template inside the question.
_WRAPPER: Final = re.compile(r"### Question:\n(.*)\n\n### Answer:", re.DOTALL)


def convert(obj: dict[str, Any]) -> dict[str, Any]:
    question, answer = next((q, a) for q, a in PAIRS if q in obj and a in obj)
    messages = []
    if system := obj.get("system"):
        messages.append({"role": "system", "content": system})
    messages.append({"role": "user", "content": _unwrapped(obj[question])})
    messages.append({"role": "assistant", "content": obj[answer] or ""})
    used = (question, answer, "system") if system else (question, answer)
    return {"messages": messages, "meta": {k: v for k, v in obj.items() if k not in used}}


def _unwrapped(question: str) -> str:
    match = _WRAPPER.fullmatch(question) if question.startswith("###") else None
    return match[1] if match else question


def note(samples: list[dict[str, Any]]) -> str:
    """What conversion takes away, for the evidence line; "" if nothing."""
    wrapped = sum(bool(_WRAPPER.fullmatch(str(obj.get("question")))) for obj in samples)
    return f'wrapper "### Question: ... ### Answer:" taken off {wrapped} of {len(samples)}' if wrapped else ""
