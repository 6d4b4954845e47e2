"""CPU seconds, pairs, recall and precision of the exact joins on the 50,000-row corpus, as JSON.

usage: python benchmarks/join.py [FOLDER]     the folder that holds mixed/ (default: $CURATE_SHARED_DATA)

a: word 5-grams of prompt and answer at .8, against the true pairs.
b: character 5-grams of the distinct prompts at .5, as the split needs them.
Each runs twice and reports the second time: the first may compile.
"""

from __future__ import annotations

import gzip
import json
import os
import resource
import sys
import time
from pathlib import Path
from typing import Any

import pyarrow as pa

from curation.join import Pairs, jaccard_pairs, unique_sets
from curation.shingles import Unit, shingle


def timed(texts: Any, unit: Unit, threshold: float, *, collapse: bool) -> tuple[dict[str, float], Pairs]:
    for _ in range(2):
        times = [time.process_time()]
        sets = shingle(texts, unit, 5)
        times.append(time.process_time())
        if collapse:
            sets, _ = unique_sets(sets)
        times.append(time.process_time())
        pairs = jaccard_pairs(sets, threshold)
        times.append(time.process_time())
    parts = {
        name: round(b - a, 3) for name, a, b in zip(("shingle", "collapse", "join"), times, times[1:], strict=False)
    }
    return parts | {"cpu_seconds": round(times[-1] - times[0], 3), "sets": len(sets), "pairs": len(pairs)}, pairs


def main() -> None:
    folder = Path(sys.argv[1] if len(sys.argv) > 1 else os.environ["CURATE_SHARED_DATA"])
    with gzip.open(folder / "mixed/instructions_50k.jsonl.gz", "rt", encoding="utf-8") as lines:
        rows = [json.loads(line) for line in lines]
    with gzip.open(folder / "mixed/instructions_50k_pairs.json.gz") as file:
        truth = {(min(a, b), max(a, b)) for a, b, _ in json.load(file)["pairs"]}
    prompts = ["\n".join(filter(None, (row["instruction"], row["input"]))) for row in rows]
    both = [f"{prompt}\n{row['output']}" for prompt, row in zip(prompts, rows, strict=True)]
    near, pairs = timed(pa.array(both, pa.large_string()), "word", 0.8, collapse=False)
    found = set(zip(pairs.left.tolist(), pairs.right.tolist(), strict=True))
    near |= {"recall": len(found & truth) / len(truth), "precision": len(found & truth) / len(found)}
    split, _ = timed(pa.array(prompts, pa.large_string()).unique(), "char", 0.5, collapse=True)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
    print(json.dumps({"a_word_5_at_0.8": near, "b_char_5_at_0.5": split, "peak_rss_mb": peak}))


if __name__ == "__main__":
    main()
