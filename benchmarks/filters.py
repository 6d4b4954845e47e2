"""What the filters cost and what they keep and flag, data set by data set.

    python -m benchmarks.filters DATA [DATA ...] [--runs 5] [--out benchmarks/results/filters.json]

DATA is a .json or .jsonl file (or .gz of one) with instruction, input, output; FILE:PREFIX takes only rows whose id
begins so. CPU seconds are user + system, JIT cache warm (one run before is not counted), the best of the runs: other
work on the machine only ever adds. `scan` is the one pass over all characters that the other filters read from.
"""

from __future__ import annotations

import argparse
import gzip
import json
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import orjson
import pyarrow as pa

from curation.records import canonical, row_id, sides
from curation.stages.filters import CHECKS, FiltersConfig, filters
from curation.stages.filters.answers import Answers
from curation.tables import ROWS


def rows_of(data: str) -> Any:
    """tables.ROWS of an Alpaca file."""
    name, _, prefix = data.partition(":")
    content = Path(name).read_bytes()
    content = gzip.decompress(content) if name.endswith(".gz") else content
    rows = [orjson.loads(line) for line in content.splitlines()] if ".jsonl" in name else orjson.loads(content)
    chosen = [row for row in rows if str(row.get("id", "")).startswith(prefix)]
    return pa.Table.from_pylist([_row(pos, row) for pos, row in enumerate(chosen)], schema=ROWS).combine_chunks()


def _row(pos: int, row: dict[str, Any]) -> dict[str, Any]:
    prompt = "\n".join(text for text in (row["instruction"], row.get("input")) if text)
    messages = [{"role": "user", "content": prompt}, {"role": "assistant", "content": row["output"]}]
    record = canonical({"messages": messages, "meta": {"id": row.get("id")}})
    roles, system, prompt, answer = sides(messages)
    texts = {"roles": roles, "system": system, "prompt": prompt, "answer": answer}
    return {"pos": pos, "source": 0, "row_id": row_id(record), "record": record, **texts}


def best(work: Callable[[], Any], runs: int) -> float:
    """CPU seconds of the fastest run."""
    taken = []
    for _ in range(runs):
        start = time.process_time()
        work()
        taken.append(time.process_time() - start)
    return round(min(taken), 4)


def measured(rows: Any, runs: int) -> dict[str, Any]:
    config = FiltersConfig()
    verdict = filters(rows, config)
    answers = Answers.of(rows)
    seconds = {"all": best(lambda: filters(rows, config), runs), "scan": best(lambda: Answers.of(rows), runs)}
    for key, check in CHECKS:
        seconds[check.__name__] = best(lambda c=check, k=key: c(answers, getattr(config, k)), runs)  # type: ignore[misc]  # bound per loop
    n = rows.num_rows
    return {
        "rows": n,
        "kept": round(verdict.kept.num_rows / n, 5),
        "flagged": round(len(set(verdict.flagged["pos"].to_pylist())) / n, 5),
        "dropped_by": dict(Counter(verdict.dropped["reason"].to_pylist()).most_common()),
        "flagged_by": dict(Counter(verdict.flagged["reason"].to_pylist()).most_common()),
        "cpu_seconds": seconds,
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", nargs="+")
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--out", type=Path)
    args = parser.parse_args()
    result = {data: measured(rows_of(data), args.runs) for data in args.data}
    named = {
        f"{Path(data.partition(':')[0]).name}:{data.partition(':')[2]}".rstrip(":"): v for data, v in result.items()
    }
    text = json.dumps(named, indent=2)
    if args.out:
        args.out.write_text(f"{text}\n", "utf-8")
    print(text)


if __name__ == "__main__":
    main()
