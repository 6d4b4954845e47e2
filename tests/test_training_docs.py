"""docs/training.md names every setting with its default, and tests that there are."""

from __future__ import annotations

import json
import re
from dataclasses import MISSING, fields
from pathlib import Path

from train.config import TrainingConfig

ROOT = Path(__file__).resolve().parent.parent
TEXT = (ROOT / "docs" / "training.md").read_text("utf-8")


def test_every_setting_stands_there_with_its_default() -> None:
    told = dict(re.findall(r"^\| `(\w+)` \| (.+?) \|", TEXT, re.MULTILINE))
    assert list(told) == [field.name for field in fields(TrainingConfig)]
    for field in fields(TrainingConfig):
        default = list(field.default) if isinstance(field.default, tuple) else field.default
        text = default if isinstance(default, str) else None if default is MISSING else json.dumps(default)
        assert told[field.name] == ("required" if text is None else f"`{text}`"), field.name


def test_every_test_it_names_is_there() -> None:
    named = re.findall(r"`(?:tests/)?(test_\w+\.py)::(test_\w+)`", TEXT)
    assert len(named) >= 15
    missing = [(file, test) for file, test in named if f"def {test}(" not in (ROOT / "tests" / file).read_text("utf-8")]
    assert missing == []


def test_every_file_it_names_is_there() -> None:
    named = re.findall(r"`((?:configs|benchmarks|schemas|data|tests)/[\w./-]+)", TEXT)
    assert [name for name in named if not (ROOT / name).exists()] == []
