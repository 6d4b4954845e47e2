"""The keyboard labeller: a small Streamlit component that holds outputs ahead, so that a key needs no round trip."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import streamlit as st

from eval.review.frame import Shown
from eval.review.judgement import Judgement
from eval.taxonomy import VERDICT_KEYS, Taxonomy
from reports.visible import visible

_HERE: Final = Path(__file__).resolve().parent
_LONGEST: Final = 20_000  # characters of a text that are sent to the page


@dataclass(frozen=True, slots=True)
class Event:
    """What the page sent: a judgement with its number, or an undo."""

    sequence: int
    undo: bool
    judgement: Judgement


def labeller(
    items: Sequence[Shown],
    taxonomy: Taxonomy,
    acknowledged: int,
    progress: str,
    rules: Mapping[str, Sequence[str]],
    on_events: Any,
) -> None:
    """Show the first item and hold the others; `on_events` is called when events have come (see `events`).

    `acknowledged` is the number of the last event that is on disk; the page sends again what came after it.
    `rules` are the automatic tags of predictions; the page shows them once the person has chosen a tag.
    """
    mounted = st.components.v2.component(
        "curate_labeller",
        html=(_HERE / "labeller.html").read_text(encoding="utf-8"),
        css=(_HERE / "labeller.css").read_text(encoding="utf-8"),
        js=(_HERE / "labeller.js").read_text(encoding="utf-8"),
    )
    data = {
        "items": [_sent(item, rules.get(item.prediction_id, ())) for item in items],
        "acknowledged": acknowledged,
        "tags": [[key, name, taxonomy.tags[name].definition] for key, name in taxonomy.hotkeys().items()],
        "verdicts": [[key, name] for key, name in VERDICT_KEYS.items()],
        "progress": progress,
    }
    mounted(key="labeller", data=data, on_events_change=on_events)


def events(sent: Any, acknowledged: int) -> list[Event]:
    """The events of the page that are not stored yet, in order; what is not of their form is left out."""
    found = []
    for told in sent if isinstance(sent, list) else []:
        if isinstance(told, dict) and isinstance(told.get("seq"), int) and told["seq"] > acknowledged:
            tags = tuple(str(tag) for tag in told.get("tags") or ())
            said = Judgement(
                str(told.get("id", "")),
                tags,
                str(told.get("verdict") or ""),
                str(told.get("note") or ""),
                event=str(told.get("event", "")),
            )
            found.append(Event(told["seq"], bool(told.get("undo")), said))
    return sorted(found, key=lambda event: event.sequence)


def _sent(item: Shown, rules: Sequence[str]) -> dict[str, Any]:
    turns = [[str(m["role"]), _short(str(m.get("content") or ""))] for m in item.messages]
    reference = None if item.reference is None else _short(item.reference)
    return {
        "id": item.prediction_id,
        "turns": turns,
        "output": _short(item.output),
        "reference": reference,
        "rules": list(rules),
    }


def _short(text: str) -> str:
    shown = visible(text[:_LONGEST])
    return shown if len(text) <= _LONGEST else f"{shown}\n({len(text) - _LONGEST:,} more characters are not shown)"
