"""A report of 10,000 predictions: CPU seconds of `curate report`, and bytes of the page.

    python -m benchmarks.report [--items 10000]

Two versions, a base and a run of each, made up in a temporary folder; the workspace is made before the clock starts.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import subprocess
import sys
import tempfile
from pathlib import Path

from benchmarks.installed import compile_modules
from tests.reported import reported


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--items", type=int, default=10_000, help="predictions of each run")
    items = parser.parse_args().items
    compile_modules()
    with tempfile.TemporaryDirectory() as root:
        made = reported(Path(root) / "work", rows=2 * items, seeds=1)
        command = [sys.executable, "-m", "app.cli", "-C", str(made.root), "report", "--json"]
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        done = subprocess.run(command, capture_output=True, text=True, check=True, env={**os.environ, "NO_COLOR": "1"})
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        told = json.loads(done.stdout)
        seconds = (after.ru_utime - before.ru_utime) + (after.ru_stime - before.ru_stime)
        figures = sum(Path(path).stat().st_size for path in told["figures"])
        found = {
            "predictions": items,
            "cpu_seconds": round(seconds, 2),
            "html_bytes": Path(told["html"]).stat().st_size,
            "markdown_bytes": Path(told["markdown"]).stat().st_size,
            "figure_bytes": figures,
            "peak_memory_mb": round(after.ru_maxrss / 1024),
        }
    print(json.dumps(found))


if __name__ == "__main__":
    main()
