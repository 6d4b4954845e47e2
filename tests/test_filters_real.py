"""On real data the default filters keep honest rows and find what is known to be broken."""

from __future__ import annotations

import gzip
import json
from collections import Counter
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from curation.stages.filters import FiltersConfig, filters
from tests.shared_data import shared
from tests.test_filters import table


@cache
def rows_of(path: Path) -> list[dict[str, str]]:
    with gzip.open(path, "rt", encoding="utf-8") as file:
        return [json.loads(line) for line in file] if ".jsonl" in path.name else json.load(file)


def judged(name: str, prefix: str = "") -> tuple[int, Any]:
    rows = [row for row in rows_of(shared(name)) if row.get("id", "").startswith(prefix)]
    pairs = [(f"{row['instruction']}\n{row['input']}".rstrip("\n"), row["output"]) for row in rows]
    return len(pairs), filters(table(pairs), FiltersConfig())


@pytest.mark.parametrize(
    ("name", "prefix"),
    [
        ("mixed/instructions_50k.jsonl.gz", "gsm8k-"),
        ("mixed/instructions_50k.jsonl.gz", "carbonz0-"),
        ("llamafactory_demo/alpaca_zh_demo.json.gz", ""),
        ("codealpaca/code_alpaca_2k.json.gz", ""),
    ],
)
def test_honest_maths_chinese_and_code_stay(name: str, prefix: str) -> None:
    rows, verdict = judged(name, prefix)
    assert rows >= 1000
    assert verdict.kept.num_rows >= 0.99 * rows
    assert len(set(verdict.flagged["pos"].to_pylist())) <= 0.10 * rows


@pytest.mark.slow
def test_what_is_known_to_be_broken_in_alpaca() -> None:
    rows, verdict = judged("alpaca/alpaca_data.json.gz")
    reasons = Counter(verdict.dropped["reason"].to_pylist())
    assert rows == 52_002
    assert reasons["empty_answer"] == 28
    assert reasons["placeholder"] >= 80  # <nooutput>, <noinput>, [Insert ...]
    assert reasons["undecodable"] == 1
    assert verdict.dropped.num_rows < 150
