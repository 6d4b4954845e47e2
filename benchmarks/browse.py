"""A version of a million rows looked through: a page by each filter, a search, and the first page in a real browser.

python -m benchmarks.browse [--rows 1000000] [--repeat 3] [--no-browser] [--out FILE]

The rows are made up and published as a build would publish them. Wall seconds: the best and the median of the repeats.
"""

from __future__ import annotations

import hashlib
import json
import os
import statistics
import sys
import tempfile
import time
from argparse import ArgumentParser
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np
import pyarrow as pa

from benchmarks.installed import compile_modules
from curation.store import Store, VersionInfo, open_store
from curation.store.browse import Asked, choices, page, search
from curation.tables import STORED
from curation.workspace import init_workspace

SOURCES: Final = 20
FILTERS: Final = {
    "none": Asked(),
    "split": Asked(split="test"),
    "reason": Asked(reason="near_duplicate"),
    "source": Asked(source="data/raw/source_07.jsonl"),
    "language": Asked(language="ro"),
    "length": Asked(shortest=300, longest=320),
    "id prefix": Asked(row="ab"),
    "split, language and length": Asked(split="train", language="de", shortest=200),
}


def publish(path: Path, rows: int) -> VersionInfo:
    """A version with that many units, an eighth of them dropped, 5 languages, 20 sources."""
    rng = np.random.default_rng(0)
    vocabulary = np.array([f"word{n}" for n in range(5000)], object)
    phrases = [" ".join(vocabulary[rng.integers(0, 5000, 10 + n % 40)]) for n in range(4999)]
    records, ids = [], []
    for number in range(rows):
        asked, said = phrases[number * 7 % 4999][:80], phrases[number % 4999]
        told = (
            f'{{"content":"Question {number}: {asked}?","role":"user"}}',
            f'{{"content":"{said}","role":"assistant"}}',
        )
        record = f'{{"messages":[{",".join(told)}],"meta":{{}}}}'
        records.append(record)
        ids.append(hashlib.sha256(record.encode()).digest()[:16])
    row_id = pa.array(ids, pa.binary(16))
    order = pa.array(sorted(range(rows), key=ids.__getitem__))
    lengths = np.array([len(record) for record in records])
    stored = {
        "row_id": row_id.take(order),
        "record": pa.array(records, pa.large_string()).take(order),
        "converted": pa.nulls(rows, pa.large_string()),
        "content_hash": row_id.take(order),
    }
    store = Store.create(path)
    return store.publish(
        hashlib.sha256(str(rows).encode()).hexdigest(),
        {"rows": pa.table(stored, STORED["rows"]), "ledger": _ledger(rows, row_id, lengths, rng)},
        parent=None,
        message="",
        recipe={},
        stats={"split": {"rows": {"train": rows}, "clusters": {}}, "stages": [], "sources": []},
        created="2026-01-01T00:00:00Z",
    )


def _ledger(rows: int, row_id: Any, lengths: Any, rng: Any) -> Any:
    def drawn(values: Sequence[str], shares: Sequence[float]) -> Any:
        return np.array(values, object)[rng.choice(len(values), rows, p=shares)]

    kept = rng.random(rows) < 0.875
    each = -(-rows // SOURCES)
    reasons = drawn(["near_duplicate", "exact_duplicate", "placeholder", "empty_answer"], [0.6, 0.3, 0.05, 0.05])
    languages = drawn(["en", "de", "es", "ro", "fr"], [0.7, 0.1, 0.1, 0.05, 0.05])
    columns: dict[str, Any] = {field.name: pa.nulls(rows, field.type) for field in STORED["ledger"]}
    columns |= {
        "source": np.array([f"data/raw/source_{n:02}.jsonl" for n in range(SOURCES)], object)[np.arange(rows) // each],
        "unit": np.arange(rows) % each,
        "line": np.arange(rows) % each + 1,
        "byte_offset": np.cumsum(lengths) - lengths,
        "byte_length": lengths,
        "row_id": row_id,
        "verdict": np.where(kept, "kept", "dropped").astype(object),
        "stage": np.where(kept, None, "near"),
        "reason": np.where(kept, None, reasons),
        "value": pa.array(rng.random(rows), mask=kept),
        "threshold": pa.array(np.full(rows, 0.8), mask=kept),
        "cluster": pa.array(np.arange(rows), mask=~kept),
        "split": np.where(kept, drawn(["train", "validation", "test"], [0.9, 0.05, 0.05]), None),
        "prompt_language": languages,
        "answer_language": languages,
    }
    arrays = [pa.array(columns[field.name], field.type) for field in STORED["ledger"]]
    return pa.Table.from_arrays(arrays, schema=STORED["ledger"])


def pages(path: Path, repeat: int) -> dict[str, Any]:
    """Milliseconds of page 1 and of page 200 by each filter, as the screen asks for them: a store opened anew."""
    found: dict[str, Any] = {}
    for name, asked in FILTERS.items():
        for number in (1, 200):
            found[f"{name}, page {number}"] = _timed(lambda a=asked, n=number: _page(path, a, n), repeat)  # type: ignore[misc]
    return found


def _page(path: Path, asked: Asked, number: int) -> int:
    store = open_store(path)
    version = store.resolve("latest")
    choices(store, version)
    return page(store, version, asked, number).total


def _timed(what: Callable[[], Any], repeat: int) -> dict[str, Any]:
    took, cpu, result = [], [], None
    for _ in range(repeat):
        began, used = time.perf_counter(), time.process_time()
        result = what()
        took.append(1000 * (time.perf_counter() - began))
        cpu.append(1000 * (time.process_time() - used))
    best, median = round(min(took)), round(statistics.median(took))
    return {"best_ms": best, "median_ms": median, "cpu_ms": round(min(cpu)), "units": result}


def searched(path: Path, rows: int) -> dict[str, Any]:
    store = open_store(path)
    began = time.perf_counter()
    steps = [time.perf_counter() - began for _ in search(store, store.resolve("latest"), f"question {rows - 1}:")]
    return {"first_progress_s": round(steps[0], 2), "words_of_progress": len(steps), "whole_s": round(steps[-1], 2)}


def first_page(root: Path) -> dict[str, Any]:
    """Seconds from the command to an answering server, and from a cold server to rows on the screen."""
    from tests.browser import browsing, serving

    with browsing() as browser:
        began = time.monotonic()
        with serving(root) as address:
            ready = time.monotonic() - began
            view = browser.new_page(viewport={"width": 1280, "height": 900})
            asked = time.monotonic()
            view.goto(f"{address}/rows")
            view.wait_for_selector("[data-testid='stDataFrame'] canvas", timeout=120_000)
            shown = time.monotonic() - asked
            asked = time.monotonic()
            view.goto(f"{address}/rows?split=test")
            view.wait_for_selector("[data-testid='stDataFrame'] canvas", timeout=120_000)
            warm = time.monotonic() - asked
    return {"server_ready_s": round(ready, 2), "first_page_s": round(shown, 2), "next_visit_s": round(warm, 2)}


def main(argv: Sequence[str] | None = None) -> int:
    parser = ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--repeat", type=int, default=3)
    parser.add_argument("--no-browser", action="store_true")
    parser.add_argument("--out", type=Path)
    args = parser.parse_args(argv)
    compile_modules()
    before = os.getloadavg()[0]
    with tempfile.TemporaryDirectory() as folder:
        here = init_workspace(Path(folder) / "w")
        publish(here.store_path, args.rows)
        found: dict[str, Any] = {"rows": args.rows}
        if not args.no_browser:
            found["browser"] = first_page(here.root)
        began = time.perf_counter()
        _page(here.store_path, Asked(), 1)
        found["first_page_of_a_process_s"] = round(time.perf_counter() - began, 2)
        found["pages"] = pages(here.store_path, args.repeat)
        found["search"] = searched(here.store_path, args.rows)
    found["load_average"] = [round(before, 1), round(os.getloadavg()[0], 1)]
    text = json.dumps(found, indent=2)
    print(text)
    if args.out:
        args.out.write_text(text + "\n", "utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
