"""The end of every command: its lines for people, or one JSON object for machines, on stdout."""

from __future__ import annotations

import json
import math
import os
import sys
from argparse import Namespace
from collections.abc import Mapping, Sequence
from typing import Any
from uuid import UUID


def emit(args: Namespace, data: Mapping[str, Any], lines: Sequence[str]) -> None:
    """Print `lines`, or with --json `data`. A reader that went away (`| head`) does not change the exit code."""
    text = _json(data) if args.json else "\n".join(lines)
    try:
        print(text, flush=True)
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _json(data: Mapping[str, Any]) -> str:
    try:
        return json.dumps(data, default=plain, allow_nan=False)
    except ValueError:  # NaN or infinity, for which JSON has no word
        return json.dumps(_finite(json.loads(json.dumps(data, default=plain))))


def _finite(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _finite(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_finite(item) for item in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


def plain(value: Any) -> Any:
    """What JSON has no word for: 16 bytes are a row id; other bytes, times and the like become text."""
    if isinstance(value, bytes):
        return str(UUID(bytes=value)) if len(value) == 16 else value.decode("utf-8", "backslashreplace")
    return str(value)
