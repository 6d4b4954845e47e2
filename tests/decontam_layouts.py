"""Ten ways in which an evaluation item turns up among training rows, laid out anew."""

from __future__ import annotations

import json
import textwrap
from typing import Any

import pyarrow as pa

from curation.records import canonical, row_id, sides
from curation.tables import ROWS

Turns = list[tuple[str, str]]


def arc_item(name: str, stem: str, choices: list[str], key: int = 0) -> dict[str, Any]:
    """An item in ARC's official layout; `key` counts from 0."""
    labelled = [{"text": text, "label": "ABCDE"[i]} for i, text in enumerate(choices)]
    return {"id": name, "question": {"stem": stem, "choices": labelled}, "answerKey": "ABCDE"[key]}


def layouts(item: dict[str, Any]) -> dict[str, Turns]:
    """Name of the way -> turns (role, text), for an item in ARC's official layout."""
    stem = item["question"]["stem"]
    choices = [choice["text"] for choice in item["question"]["choices"]]
    key = [choice["label"] for choice in item["question"]["choices"]].index(item["answerKey"])
    letter, answer = "ABCDE"[key], choices[key]
    bracketed = "\n".join(f"({'ABCDE'[i]}) {text}" for i, text in enumerate(choices))
    dotted = "\n".join(f"{'ABCDE'[i]}. {text}" for i, text in enumerate(choices))
    numbered = " ".join(f"{i + 1}) {text}" for i, text in enumerate(choices))
    return {
        "verbatim": [("user", stem), ("assistant", answer)],
        "brackets": [("user", f"{stem}\n{bracketed}"), ("assistant", f"({letter})")],
        "dots": [("user", f"Answer with one letter.\n\n{stem}\n{dotted}"), ("assistant", f"{letter}. {answer}")],
        "numbers": [("user", f"Question: {stem} {numbered}"), ("assistant", str(key + 1))],
        "inside": [
            ("user", _EXAM.format(stem=stem, choices=dotted)),
            ("assistant", f"I would tick {letter}, because the other three do not fit what the notes say."),
        ],
        "statement": [
            ("user", f"Help me with this one: {stem} Keep it brief."),
            ("assistant", f"The answer is: {answer}"),
        ],
        "capitals": [
            ("user", _bare(f"{stem} {' / '.join(choices)}").upper()),
            ("assistant", _bare(answer).upper()),
        ],
        "typography": [
            ("user", _typeset(f"{stem}\n\n{bracketed}")),
            ("assistant", _typeset(f"{letter} \u2013 {answer}")),
        ],
        "choices_first": [
            ("user", f"Pick the right one of these: {'; '.join(choices)}.\n\nThe question they belong to: {stem}"),
            ("assistant", answer),
        ],
        "quiz": [
            ("user", "Let us play a quiz. Ask me something about nature."),
            ("assistant", json.dumps({"question": stem, "options": choices}, ensure_ascii=False)),
            ("user", f"I say {letter}!"),
            ("assistant", "Well done. Shall we go on with the next one?"),
        ],
    }


_EXAM = (
    "You are a patient teacher who prepares pupils for their finals. Read the sheet below, think about each line, and "
    "do not guess. Sheet 14, part two, to be handed in on Friday.\n\n{stem}\n\n{choices}\n\nWrite down which letter "
    "you would tick and give your reason in a sentence that a ten-year-old can follow."
)


def _bare(text: str) -> str:
    return "".join(c for c in text if c not in ".,;:?!'\"()-") if "-" not in text else text


def _typeset(text: str) -> str:
    """Curly quotes, no-break spaces, lines of 44 characters."""
    curly = text.replace("'", "\u2019").replace(' "', " \u201c").replace('"', "\u201d")
    lines = [line for part in curly.split("\n") for line in (textwrap.wrap(part, 44) or [""])]
    return "\n".join(line.replace(" a ", " a\u00a0") for line in lines).replace(". ", ".  ")


def rows_of(conversations: list[Turns]) -> Any:
    """tables.ROWS of conversations; pos is the place in the list."""
    lines: list[dict[str, Any]] = []
    for pos, turns in enumerate(conversations):
        messages = [{"role": role, "content": text} for role, text in turns]
        record = canonical({"messages": messages, "meta": {}})
        roles, system, prompt, answer = sides(messages)
        texts = {"roles": roles, "system": system, "prompt": prompt, "answer": answer}
        lines.append({"pos": pos, "source": 0, "row_id": row_id(record), **texts, "record": record})
    return pa.Table.from_pylist(lines, schema=ROWS)
