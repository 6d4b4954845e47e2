"""What is in a pack and how it is called: a zip of Parquet and JSON, members stored as they are."""

from __future__ import annotations

from typing import Final

LAYOUT: Final = 1
MANIFEST: Final = "manifest.json"
RECIPE: Final = "recipe.json"
ITEMS: Final = "items.parquet"
TEMPLATES: Final = "templates/"  # the files of the template, where the pack names one
SCHEMA: Final = "pack.schema.json"
HELD_OUT: Final = ("validation", "test")


def split_file(split: str) -> str:
    return f"splits/{split}.parquet"


def item_id(row_id: str, turn: int) -> str:
    """An item is one answer of one row: the row's id and the place of the answer among the messages, from 0."""
    return f"{row_id}:{turn}"
