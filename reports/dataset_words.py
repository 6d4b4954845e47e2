"""What a dataset card says in sentences: what the rows are, what a field of a row is, how a row looks."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Final

from curation.export.manifest import Manifest
from curation.library import Version
from reports.document import Block, Code, Table, Text
from reports.tables import data as tables

_LONGEST: Final = 1_500  # characters of the row that is shown
_FOR: Final = {"train": "to train on", "validation": "to choose settings by", "test": "for the end"}
_COMMON: Final = {
    "system": "what is said to the model before the conversation",
    "history": "the turns before the question, as pairs of question and answer",
    "tools": "the tools that the model may call",
    "meta": "what else the source said of the row",
    "row_id": "its name in Curate, the same in every version while its content is",
}
_FIELDS: Final[Mapping[str, Mapping[str, str]]] = MappingProxyType(
    {
        "messages": {"messages": "the turns of a conversation, each with its role and its content; an answer ends it"},
        "sharegpt": {"conversations": "the turns of a conversation, each with from and value; an answer ends it"},
        "alpaca": {
            "instruction": "what is asked",
            "input": "what it is asked of, empty where there is nothing",
            "output": "the answer",
        },
        "prompt_completion": {"prompt": "what is asked", "completion": "the answer"},
        "text": {"text": "question and answer in one text, with the marks of a chat template"},
    }
)


def about(version: Version, manifest: Manifest) -> str:
    """The first sentences: what it holds, for what, from where."""
    splits = [(file.split, file.rows) for file in manifest.files if file.rows]
    counts = ", ".join(f"{rows:,} {_FOR.get(split, f'in {split}')}" for split, rows in splits)
    sources = tables.sources(version)
    gave = int((sources["kept"] > 0).sum())
    known = tables.main_languages(version)
    spoken = f" in {', '.join(known)}" if known else ""
    built = f"It was built by Curate from {gave:,} source{'' if gave == 1 else 's'}, as version {version.name}"
    built += f" ({version.id[:12]})" + (f": {version.info.message}" if version.info.message else "") + "."
    return f"{sum(rows for _, rows in splits):,} rows of instruction data{spoken}: {counts}. {built}"


def fields(manifest: Manifest, folder: Path) -> list[Block]:
    """The fields of the first row, and the row; the text alone where it cannot be shown."""
    known = {**_FIELDS.get(manifest.format, {}), **_COMMON}
    first = _first(manifest, folder)
    if first is None:
        return [Text(f"Layout {manifest.format}, written as {manifest.container}.")]
    rows = [[name, known.get(name, "of the source")] for name in first]
    shown = json.dumps(first, ensure_ascii=False, indent=2)
    shown = shown if len(shown) <= _LONGEST else f"{shown[:_LONGEST]}..."
    return [Table(("field", "what it holds"), rows), Code(shown, "The first row of it:")]


def _first(manifest: Manifest, folder: Path) -> dict[str, object] | None:
    """Of the first split with rows. None of what is no JSONL."""
    file = next((file for file in manifest.files if file.rows), None)
    if file is None or not file.path.endswith(".jsonl"):
        return None
    try:
        with (folder / file.path).open("rb") as lines:
            told = json.loads(next(lines))
    except (OSError, ValueError, StopIteration):
        return None
    return told if isinstance(told, dict) else None
