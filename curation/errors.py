"""Errors a user can act on; everything else is a bug and keeps its traceback.

CurateError            1  could not finish
├── ConfigError        2  a command, recipe, or setting is wrong
├── DataError          3  the data is over its error budget, or a source cannot be read
├── LeakError          4  a leak or contamination gate failed
├── RegressionError    5  a regression gate failed
└── StoreError         1  the store cannot be read or written (a damaged file)
    ├── DiskError           3  the disk is full, or may not be written; what was there before stays
    └── StoreBusyError      6  another process holds the store

A message says where, what, and what to do: `raw.jsonl:17: role "gpt4" is not known; use "assistant"`.
They are caught once, in app/cli, which prints `curate COMMAND: MESSAGE` and exits with `exit_code`.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from typing import Final


class CurateError(Exception):
    exit_code = 1


class ConfigError(CurateError):
    exit_code = 2


class DataError(CurateError):
    exit_code = 3


class LeakError(CurateError):
    exit_code = 4


class RegressionError(CurateError):
    exit_code = 5


class StoreError(CurateError):
    exit_code = 1


class DiskError(StoreError):
    exit_code = 3


class StoreBusyError(StoreError):
    exit_code = 6


_SHOWN: Final = 40  # known words in one line


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """`; did you mean "x"?` for the closest known word, else `; known: a, b, c`."""
    names = sorted(known)
    close = difflib.get_close_matches(word, names, n=1)
    if close:
        return f'; did you mean "{close[0]}"?'
    more = f" and {len(names) - _SHOWN:,} more" if len(names) > _SHOWN else ""
    return f"; known: {', '.join(names[:_SHOWN])}{more}"
