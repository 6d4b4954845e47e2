"""What all metrics of text and 1,000 bootstrap resamples of each cost on real predictions.

    python -m benchmarks.metrics DATA [DATA ...] [--rows 10000] [--runs 3] [--out benchmarks/results/metrics.json]

DATA is a .jsonl file (or .gz of one) with instruction, text (the reference) and decoded (the output); the first ROWS
rows of all files together are measured. CPU seconds are user + system of this process, compiled code from the cache
(one run before is not counted), the best of the runs. With two or more files the second is compared with the first on
their common number of rows.
"""

from __future__ import annotations

import argparse
import gzip
import json
import time
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

import orjson

from eval.metrics import measure
from eval.metrics.metric import Items
from eval.stats.compare import compare_paired
from eval.stats.value import estimate

RESAMPLES = 1_000
METRICS: tuple[tuple[str, dict[str, Any]], ...] = (
    ("bleu", {}),
    ("chrf", {}),
    *((f"rouge{variant}", {"stemmer": stemmer}) for variant in ("1", "2", "L", "Lsum") for stemmer in (False, True)),
    ("exact_match", {}),
    ("token_f1", {}),
    ("json_valid", {}),
    ("regex_match", {"pattern": "[A-Z].*[.]"}),
    ("python_parses", {}),
    ("length_ratio", {}),
    ("refusal_rate", {}),
    ("repetition_rate", {}),
    ("number_support", {}),
    ("name_support", {}),
)


def rows_of(path: Path) -> list[dict[str, str]]:
    content = path.read_bytes()
    content = gzip.decompress(content) if path.suffix == ".gz" else content
    return [orjson.loads(line) for line in content.splitlines()]


def items_of(rows: list[dict[str, str]]) -> Items:
    return Items(
        outputs=[row["decoded"] for row in rows],
        references=[[row["text"]] for row in rows],
        contexts=[row["instruction"] for row in rows],
        languages=["en"] * len(rows),
    )


def best(work: Callable[[], Any], runs: int) -> tuple[float, Any]:
    """(CPU seconds of the fastest run, what the last one made)."""
    work()
    taken, made = [], None
    for _ in range(runs):
        start = time.process_time()
        made = work()
        taken.append(time.process_time() - start)
    return round(min(taken), 3), made


def measured(items: Items, runs: int) -> dict[str, Any]:
    result: dict[str, Any] = {}
    for name, options in METRICS:
        seconds, values = best(lambda n=name, o=options: measure(n, items, o), runs)  # type: ignore[misc]  # bound per loop
        resampling, value = best(lambda v=values: estimate(v, resamples=RESAMPLES), runs)  # type: ignore[misc]
        result[values.signature] = {
            "value": round(value.value, 6),
            "interval": [round(value.low, 6), round(value.high, 6)],
            "missing": value.missing,
            "cpu_seconds": seconds,
            "cpu_seconds_resampling": resampling,
        }
    return result


def compared(first: Items, second: Items) -> dict[str, Any]:
    """Second against first, each metric with its default options."""
    named = dict(METRICS)
    found = {}
    for name, options in named.items():
        difference = asdict(compare_paired(measure(name, first, options), measure(name, second, options)))
        kept = ("value_a", "value_b", "diff", "low", "high", "p", "detectable", "n", "verdict")
        found[difference["signature"]] = {
            key: round(value, 6) if isinstance(value := difference[key], float) else value for key in kept
        }
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", nargs="+", type=Path)
    parser.add_argument("--rows", type=int, default=10_000)
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--out", type=Path)
    args = parser.parse_args()
    files = [rows_of(path) for path in args.data]
    metrics = measured(items_of([row for rows in files for row in rows][: args.rows]), args.runs)
    result: dict[str, Any] = {
        "rows": min(args.rows, sum(map(len, files))),
        "resamples": RESAMPLES,
        "cpu_seconds_all": round(sum(m["cpu_seconds"] + m["cpu_seconds_resampling"] for m in metrics.values()), 2),
        "metrics": metrics,
    }
    if len(files) > 1:
        shared = min(map(len, files))
        result["second_against_first"] = {
            "files": [path.name for path in args.data[:2]],
            **compared(items_of(files[0][:shared]), items_of(files[1][:shared])),
        }
    text = json.dumps(result, indent=2)
    if args.out:
        args.out.write_text(f"{text}\n", "utf-8")
    print(text)


if __name__ == "__main__":
    main()
