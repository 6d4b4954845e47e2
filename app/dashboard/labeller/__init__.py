"""The keyboard labeller: a small Streamlit component that holds outputs ahead, so that a key needs no round trip."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import streamlit as st

from eval.neighbours import Neighbour
from eval.review.frame import Shown
from eval.review.judgement import Judgement
from eval.review.proposals import OPS, Proposal, added
from eval.taxonomy import VERDICT_KEYS, Taxonomy
from reports.visible import visible

_HERE: Final = Path(__file__).resolve().parent
_LONGEST: Final = 20_000  # characters of a text that are sent to the page
_ROW: Final = 600  # characters of a training row that are
_CHANGES: Final = {
    "D": ("drop row", "drop the marked training row; arrows mark another"),
    "S": ("drop source", "drop every row of its source"),
    "E": ("edit", "give the marked training row another answer"),
    "A": ("add", "add a row: question => answer"),
}


@dataclass(frozen=True, slots=True)
class Event:
    """What the page sent: a judgement with its number, perhaps with a change of the data, an undo, or a skip."""

    sequence: int
    undo: bool
    judgement: Judgement
    proposal: Proposal | None = None
    skip: bool = False


def labeller(
    items: Sequence[Shown],
    taxonomy: Taxonomy,
    acknowledged: int,
    progress: str,
    rules: Mapping[str, Sequence[str]],
    near: Mapping[str, Sequence[Neighbour]],
    on_events: Any,
    on_asked: Any,
) -> None:
    """Show the first item and hold the others; `on_events` is called when events have come (see `events`).

    `acknowledged` is the number of the last event that is on disk; the page sends again what came after it.
    `rules` are the automatic tags of predictions; the page shows them once the person has chosen a tag. Then it also
    asks for the training rows nearest to the output, unless they are in `near`: `on_asked`, with its id in `asked`.
    """
    mounted = st.components.v2.component(
        "curate_labeller",
        html=(_HERE / "labeller.html").read_text(encoding="utf-8"),
        css=(_HERE / "labeller.css").read_text(encoding="utf-8"),
        js=(_HERE / "labeller.js").read_text(encoding="utf-8"),
    )
    data = {
        "items": [_sent(item, rules.get(item.prediction_id, ()), near.get(item.prediction_id)) for item in items],
        "acknowledged": acknowledged,
        "tags": [[key, name, taxonomy.tags[name].definition] for key, name in taxonomy.hotkeys().items()],
        "verdicts": [[key, name] for key, name in VERDICT_KEYS.items()],
        "rubrics": [[k, name, list(taxonomy.rubrics[name].levels)] for k, name in taxonomy.rubric_keys().items()],
        "changes": [[key, name, title] for key, (name, title) in _CHANGES.items()],
        "progress": progress,
    }
    mounted(key="labeller", data=data, on_events_change=on_events, on_asked_change=on_asked)


def events(sent: Any, acknowledged: int) -> list[Event]:
    """The events of the page that are not stored yet, in order; what is not of their form is left out."""
    found = []
    for told in sent if isinstance(sent, list) else []:
        if isinstance(told, dict) and isinstance(told.get("seq"), int) and told["seq"] > acknowledged:
            tags = told.get("tags")
            said = Judgement(
                _text(told.get("id")),
                tuple(_text(tag) for tag in tags) if isinstance(tags, list) else (),
                _text(told.get("verdict")),
                _text(told.get("note")),
                rubrics=_rubrics(told.get("rubrics")),
                event=_text(told.get("event")),
            )
            skip = bool(told.get("skip"))
            found.append(Event(told["seq"], bool(told.get("undo")), said, _proposal(told.get("change")), skip))
    return sorted(found, key=lambda event: event.sequence)


def _rubrics(told: Any) -> tuple[tuple[str, str], ...]:
    pairs = told if isinstance(told, list) else []
    return tuple((_text(one[0]), _text(one[1])) for one in pairs if isinstance(one, list) and len(one) == 2)


def _proposal(told: Any) -> Proposal | None:
    op = OPS.get(str(told.get("op"))) if isinstance(told, dict) else None
    if op is None:
        return None
    text = _text(told.get("text"))
    return added(text) if op == "add" else Proposal(op, _text(told.get("row")), text)


def _text(told: Any) -> str:
    """Halves of a pair, which a script can hold and no file can, become question marks: nothing else of it is lost."""
    return str("" if told is None else told).encode("utf-8", "replace").decode()


def _row(near: Neighbour) -> dict[str, str]:
    """edit: what an edit starts from; nothing where showing it has changed it."""
    row = near.row
    loss = [f"loss {row.loss:.2f}"] if row.loss is not None else []
    about = ", ".join([row.place, near.alike, *loss, *row.notes])
    shown = {"about": visible(about), "prompt": visible(row.prompt[:_ROW]), "answer": visible(row.answer[:_ROW])}
    return {"row": row.row_id, **shown, "edit": row.answer if visible(row.answer) == row.answer else ""}


def _sent(item: Shown, rules: Sequence[str], near: Sequence[Neighbour] | None) -> dict[str, Any]:
    turns = [[str(m["role"]), _short(str(m.get("content") or ""))] for m in item.messages]
    reference = None if item.reference is None else _short(item.reference)
    return {
        "id": item.prediction_id,
        "turns": turns,
        "output": _short(item.output),
        "reference": reference,
        "rules": list(rules),
        "near": None if near is None else [_row(one) for one in near],
        "add": _start(item),
    }


def _short(text: str) -> str:
    shown = visible(text[:_LONGEST])
    return shown if len(text) <= _LONGEST else f"{shown}\n({len(text) - _LONGEST:,} more characters are not shown)"


def _start(item: Shown) -> str:
    """What a new row starts from: the question on screen and its reference, to be written anew."""
    asked = next((str(m.get("content") or "") for m in reversed(item.messages) if m["role"] == "user"), "")
    text = f"{asked} => {item.reference or ''}"
    return text if visible(text) == text and "=>" not in asked else ""
