"""A few science questions of our own in the ARC layout, and the training rows that some of them leaked into."""

from __future__ import annotations

from typing import Any, Final

from data.prose import prose

# stem, choices (the right one first)
_TEXTS: Final = prose("science")
ITEMS: Final[list[tuple[str, list[str]]]] = _TEXTS["items"]
LEAKED: Final[list[int]] = _TEXTS["leaked"]


def items() -> list[dict[str, Any]]:
    """The items in the official ARC layout; the right choice moves from A to D and round again."""
    out = []
    for number, (stem, choices) in enumerate(ITEMS):
        place = number % 4
        texts = [*choices[1 : place + 1], choices[0], *choices[place + 1 :]]
        listed = [{"text": text, "label": label} for text, label in zip(texts, "ABCD", strict=True)]
        question = {"stem": stem, "choices": listed}
        out.append({"id": f"orvelin-science-{number:02d}", "question": question, "answerKey": "ABCD"[place]})
    return out


def leaked() -> list[tuple[str, str, str]]:
    """(id, prompt, answer) of training rows that hold an item: as a plain question, or with its choices."""
    rows = []
    for number in LEAKED:
        item, (stem, choices) = items()[number], ITEMS[number]
        listed = "\n".join(f"{c['label']}) {c['text']}" for c in item["question"]["choices"])
        with_choices = number % 2 == 0
        prompt = f"{stem}\n{listed}" if with_choices else stem
        answer = f"{item['answerKey']}) {choices[0]}" if with_choices else f"{choices[0]}."
        rows.append((item["id"], prompt, answer))
    return rows
