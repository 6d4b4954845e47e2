"""CPU seconds that decontamination adds, whole processes on one core, and what it finds.

    python -m benchmarks.decontaminate ROWS.jsonl[.gz] SET [SET ...] [--runs 3] [--out FILE]

Each run is two processes, one that reads the rows and one that also compares them with the sets; JIT cache warm.
ROWS are in Alpaca's layout. CPU seconds are user + system, start-up and imports included.
"""

from __future__ import annotations

import argparse
import json
import resource
import subprocess
import sys
from pathlib import Path
from typing import Any

from benchmarks.build50k import pin_to_one_core


def run_once(rows_path: Path, sets: list[str]) -> dict[str, Any]:
    """Read the rows and, if there are sets, compare; in this process."""
    from curation.ingest import IngestOptions, ingest
    from curation.reading.sources import SourceSpec, expand

    rows = ingest(expand([SourceSpec(str(rows_path), format="alpaca")], Path())[0], IngestOptions()).rows
    measured: dict[str, Any] = {"rows": rows.num_rows}
    if sets:
        from curation.stages.decontaminate import DecontaminateConfig, find_contamination

        found = find_contamination(rows, DecontaminateConfig(against=tuple(sets)), Path())
        measured["items"] = sum(len(one.items) for one in found.sets)
        measured["matches"] = found.matches.select(["pos", "set", "item", "how", "coverage"]).to_pylist()
    usage = resource.getrusage(resource.RUSAGE_SELF)
    return {**measured, "cpu_seconds": round(usage.ru_utime + usage.ru_stime, 2), "peak_mb": usage.ru_maxrss // 1024}


def child(rows: Path, sets: list[str]) -> dict[str, Any]:
    command = [sys.executable, "-m", "benchmarks.decontaminate", str(rows), *sets, "--child"]
    output = subprocess.run(command, check=True, capture_output=True, text=True, preexec_fn=pin_to_one_core)
    measured: dict[str, Any] = json.loads(output.stdout)
    return measured


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("rows", type=Path)
    parser.add_argument("sets", nargs="*")
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--out", type=Path)
    parser.add_argument("--child", action="store_true", help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.child:
        print(json.dumps(run_once(args.rows, args.sets)))
        return
    child(args.rows, args.sets)
    plain = [child(args.rows, [])["cpu_seconds"] for _ in range(args.runs)]
    full = [child(args.rows, args.sets) for _ in range(args.runs)]
    best = min(full, key=lambda run: run["cpu_seconds"])
    result = {
        "benchmark": "decontaminate",
        "rows": best["rows"],
        "items": best["items"],
        "added_cpu_seconds": round(best["cpu_seconds"] - min(plain), 2),
        "read_only": plain,
        "with_decontamination": [run["cpu_seconds"] for run in full],
        "peak_mb": best["peak_mb"],
        "rows_matched": len({match["pos"] for match in best["matches"]}),
        "matches": best["matches"][:20],
    }
    print(json.dumps(result, indent=2))
    if args.out:
        args.out.write_text(json.dumps(result, indent=2) + "\n")


if __name__ == "__main__":
    main()
