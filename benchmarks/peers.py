"""Near-duplicates of the 50,000-row corpus, by Curate and by other tools: CPU seconds, and what was lost.

usage: python -m benchmarks.peers [FOLDER] [--python PATH] [--out benchmarks/results/peers.json]

FOLDER holds mixed/ (default: $CURATE_SHARED_DATA). The others run in the interpreter PATH, where
`pip install rensa==0.5.0 datasketch==2.0.0 orjson` was done; one that is not there is named as not run. Each reads the
same JSONL, cuts the same word 5-grams, and writes the numbers of the rows it keeps, at a Jaccard of .8; each has the
settings its documentation recommends (128 permutations). One core, in turns, the best of two.
"""

from __future__ import annotations

import argparse
import gzip
import json
import os
import resource
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any, Final

_OTHERS: Final = """
import json, re, sys
import orjson
name, source, out = sys.argv[1:]
word = re.compile(r"\\w+")
sets = []
for line in open(source, "rb"):
    words = word.findall(orjson.loads(line)["text"].lower())
    sets.append({" ".join(words[i : i + 5]) for i in range(max(1, len(words) - 4))})
kept = []
if name == "rensa":
    from rensa import RMinHashDeduplicator
    index = RMinHashDeduplicator(threshold=0.8, num_perm=128, use_lsh=True, num_bands=16, seed=42)
    flags = index.add_pairs((str(i), list(one)) for i, one in enumerate(sets))
    kept = [i for i, added in enumerate(flags) if added]
else:
    from datasketch import MinHash, MinHashLSH
    index = MinHashLSH(threshold=0.8, num_perm=128)
    for i, made in enumerate(MinHash.bulk([[one.encode() for one in some] for some in sets], num_perm=128, seed=1)):
        if not index.query(made):
            index.insert(i, made)
            kept.append(i)
json.dump(kept, open(out, "w"))
"""
_OURS: Final = """
import json, sys
import orjson
import pyarrow as pa
from curation.join import jaccard_pairs
from curation.shingles import shingle
name, source, out = sys.argv[1:]
texts = pa.array([orjson.loads(line)["text"] for line in open(source, "rb")], pa.large_string())
pairs = jaccard_pairs(shingle(texts, "word", 5), 0.8)
twins = {}
for a, b in zip(pairs.left.tolist(), pairs.right.tolist()):
    twins.setdefault(max(a, b), []).append(min(a, b))
kept = []
alive = set()
for i in range(len(texts)):
    if not any(twin in alive for twin in twins.get(i, ())):
        alive.add(i)
        kept.append(i)
json.dump(kept, open(out, "w"))
"""


def measured(python: str, code: str, name: str, source: Path, out: Path) -> dict[str, Any]:
    """CPU seconds and peak memory of the better of two runs, and the rows that were kept."""
    found = None
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "RAYON_NUM_THREADS": "1", "NUMBA_NUM_THREADS": "1"}
    for _ in range(2):
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        done = subprocess.run(
            [python, "-c", code, name, str(source), str(out)], env=environment, capture_output=True, text=True
        )
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        if done.returncode:
            return {"not_run": done.stderr.strip().splitlines()[-1]}
        seconds = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
        found = min(found or seconds, seconds)
    return {"cpu_seconds": round(found or 0.0, 2), "kept": json.loads(out.read_bytes())}


def judged(found: dict[str, Any], pairs: list[list[float]], rows: int) -> dict[str, Any]:
    """Beside the time: true pairs of which both rows were left, rows taken out that no kept row is like."""
    if "not_run" in found:
        return found
    kept = set(found.pop("kept"))
    near: dict[int, list[int]] = {}
    for a, b, *_ in pairs:
        near.setdefault(int(a), []).append(int(b))
        near.setdefault(int(b), []).append(int(a))
    gone = [i for i in range(rows) if i not in kept]
    return found | {
        "kept": len(kept),
        "removed": len(gone),
        "pairs_left": sum(int(a) in kept and int(b) in kept for a, b, *_ in pairs),
        "removed_without_a_twin_kept": sum(not any(twin in kept for twin in near.get(i, ())) for i in gone),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", nargs="?", default=os.environ.get("CURATE_SHARED_DATA"))
    parser.add_argument("--python", default=sys.executable)
    parser.add_argument("--out", type=Path, default=Path("benchmarks/results/peers.json"))
    args = parser.parse_args()
    mixed = Path(args.folder) / "mixed"
    with gzip.open(mixed / "instructions_50k_pairs.json.gz") as file:
        truth = json.load(file)
    with gzip.open(mixed / "instructions_50k.jsonl.gz") as lines:
        rows = [json.loads(line) for line in lines]
    with tempfile.TemporaryDirectory() as folder:
        source, out = Path(folder) / "in.jsonl", Path(folder) / "kept.json"
        texts = ["\n".join(filter(None, [r["instruction"], r["input"], r["output"]])) for r in rows]
        source.write_text("".join(json.dumps({"text": text}) + "\n" for text in texts))
        told = {"curate": judged(measured(sys.executable, _OURS, "curate", source, out), truth["pairs"], len(rows))}
        for name in ("rensa", "datasketch"):
            found = measured(args.python, _OTHERS, name, source, out)
            told[name] = judged(found, truth["pairs"], len(rows))
    args.out.write_text(json.dumps({"rows": len(rows), "true_pairs": len(truth["pairs"]), **told}, indent=2) + "\n")
    print(args.out.read_text())


if __name__ == "__main__":
    main()
