"""Text of models and data on the page: only through st.code and st.text, never as Markdown, what hides made visible."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

import pandas as pd
import streamlit as st

from reports.visible import visible

_LONGEST: Final = 20_000  # characters; what is longer is cut, and said so
_CELL: Final = 2_000
_FORMULA: Final = ("=", "+", "-", "@", "\t", "\r", "\n", "\uff1d", "\uff0b", "\uff0d", "\uff20")


def plain(text: object, label: str = "") -> None:
    """Show a text letter by letter; what is none (None, or NaN out of a table) is said to be none."""
    if label:
        st.text(visible(label))
    if not isinstance(text, str):
        st.code("(none)", language=None)
        return
    st.code(visible(text[:_LONGEST]) or "(empty)", language=None, wrap_lines=True)
    if len(text) > _LONGEST:
        st.caption(f"{len(text) - _LONGEST:,} more characters are not shown")


def asked(messages: Sequence[Mapping[str, Any]]) -> None:
    """What the model was asked, turn by turn."""
    plain("\n\n".join(f"{message['role']}: {message.get('content') or ''}" for message in messages), "prompt")


def refused(error: Exception | str) -> None:
    """Say that something cannot be done, and why; the reason may hold text of data."""
    st.error("This cannot be done:")
    plain(str(error))


def shown(table: pd.DataFrame) -> pd.DataFrame:
    """The table with texts as they may be shown in cells: what hides spelt out, what is endless cut."""
    texts = [name for name in table.columns if table[name].dtype == object or pd.api.types.is_string_dtype(table[name])]
    return table.assign(**{name: _column(table[name]) for name in texts}) if texts else table


def _column(column: pd.Series[Any]) -> pd.Series[Any]:
    """Where all that is there is text, what is not there is an empty cell, and not the word None."""
    found = column.map(_cell)
    return found.where(column.notna(), "") if all(isinstance(value, str) for value in column.dropna()) else found


def _cell(value: Any) -> Any:
    return visible(value[:_CELL]) if isinstance(value, str) else value


def guarded(value: object) -> object:
    """A cell for a CSV download: a text that a spreadsheet would take for a formula gets an apostrophe in front."""
    return f"'{value}" if isinstance(value, str) and value.lstrip(" ").startswith(_FORMULA) else value
