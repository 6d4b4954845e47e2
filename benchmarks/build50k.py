"""CPU seconds of a whole build, stage by stage, on one core.

    python -m benchmarks.build50k CORPUS.jsonl[.gz] [--runs 3] [--out benchmarks/results/build50k.json]

Each run is a process of its own, pinned to one core, JIT cache warm (one run before is not counted).
CPU seconds are user + system of the whole process, start-up and imports included. The split-edge join (shingles of
all prompts, pairs of Jaccard >= .5) is part of the stage `split` and of the whole, and is reported on its own too.
"""

from __future__ import annotations

import argparse
import gzip
import json
import os
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

RECIPE = Path(__file__).with_suffix(".yaml")


class Clock:
    """A Progress that notes the CPU time at which each stage begins."""

    def __init__(self) -> None:
        self.marks: list[tuple[str, float]] = [("start-up and imports", 0.0)]

    def stage(self, name: str, total: int | None = None, unit: str = "rows") -> None:
        self.marks.append((name, time.process_time()))

    def advance(self, done: int) -> None:
        pass

    def note(self, text: str) -> None:
        pass

    def finish(self) -> None:
        self.marks.append(("export", time.process_time()))


def run_once(folder: Path) -> dict[str, Any]:
    """One build and export in this process; CPU seconds per stage."""
    from curation.process_start import leave_pandas_out

    leave_pandas_out()  # as `curate build` does
    from curation.export import export
    from curation.pipeline import build
    from curation.store import open_store
    from curation.workspace import open_workspace

    joined = _timed_edge_join()
    clock = Clock()
    workspace = open_workspace(folder)
    result = build(workspace, progress=clock)
    export(open_store(workspace.store_path), result.version, workspace.splits_path)
    usage = resource.getrusage(resource.RUSAGE_SELF)
    ends = [*[at for _, at in clock.marks[1:]], time.process_time()]
    stages = {name: round(end - at, 3) for (name, at), end in zip(clock.marks, ends, strict=True)}
    whole, join = usage.ru_utime + usage.ru_stime, sum(joined)
    return {
        "cpu_seconds": round(whole, 2),
        "split_edge_join": round(join, 2),
        "without_split_edge_join": round(whole - join, 2),
        "of_these_system": round(usage.ru_stime, 2),
        "stages": stages,
        "peak_mb": usage.ru_maxrss // 1024,
        "rows": result.report["rows"],
        "id": result.version.id[:16],
    }


def _timed_edge_join() -> list[float]:
    """CPU seconds of each call that the split makes to shingle, collapse and join prompts; filled while it runs."""
    from curation.splits import questions, ties

    spent: list[float] = []

    def timed(function: Any) -> Any:
        def call(*args: Any) -> Any:
            before = time.process_time()
            try:
                return function(*args)
            finally:
                spent.append(time.process_time() - before)

        return call

    for module, name in ((questions, "shingle"), (questions, "unique_sets"), (ties, "_pairs")):
        setattr(module, name, timed(getattr(module, name)))
    return spent


def workspace_for(corpus: Path, folder: Path) -> None:
    folder.mkdir()
    (folder / "curate.yaml").write_text("curate: 1\n")
    shutil.copy(RECIPE, folder / "recipe.yaml")
    target = folder / "instructions_50k.jsonl"
    if corpus.suffix == ".gz":
        with gzip.open(corpus) as packed, target.open("wb") as plain:
            shutil.copyfileobj(packed, plain)
    else:
        shutil.copy(corpus, target)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("corpus", type=Path)
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--out", type=Path)
    parser.add_argument("--child", action="store_true", help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.child:
        print(json.dumps(run_once(args.corpus)))
        return
    runs = []
    with tempfile.TemporaryDirectory() as temporary:
        for i in range(args.runs + 1):
            folder = Path(temporary) / f"run{i}"
            workspace_for(args.corpus, folder)
            command = [sys.executable, "-m", "benchmarks.build50k", str(folder), "--child"]
            output = subprocess.run(command, check=True, capture_output=True, text=True, preexec_fn=pin_to_one_core)
            if i:
                runs.append(json.loads(output.stdout))
    best = min(runs, key=lambda run: run["cpu_seconds"])
    text = json.dumps({"benchmark": "build50k", "best": best, "all": [run["cpu_seconds"] for run in runs]}, indent=2)
    print(text)
    if args.out:
        args.out.write_text(text + "\n")


def pin_to_one_core() -> None:
    os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})


if __name__ == "__main__":
    main()
