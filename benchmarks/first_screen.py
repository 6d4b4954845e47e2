"""What the first screen of the dashboard costs before anything is on it: CPU-seconds of its imports, in new processes.

python -m benchmarks.first_screen [--repeat 5]

Overview, the Data screen, and what each brings along that it could do without (charts, compiled metrics, torch).
"""

from __future__ import annotations

import json
import subprocess
import sys
from argparse import ArgumentParser
from collections.abc import Sequence
from typing import Any, Final

from benchmarks.installed import compile_modules

HEAVY: Final = (
    *("altair", "numba", "scipy", "torch", "transformers", "evaluate", "datasets", "eval.compare.comparison"),
    *("eval.suite", "eval.arc", "eval.generation", "curation.why", "curation.diff", "curation.export"),
)
PROBE: Final = """
import json, sys, time
began = time.process_time()
import streamlit
streamlit_s = time.process_time() - began
import app.dashboard.screens.overview
overview_s = time.process_time() - began - streamlit_s
import app.dashboard.screens.rows
rows_s = time.process_time() - began - streamlit_s - overview_s
heavy = [name for name in json.loads(sys.argv[1]) if name in sys.modules]
print(json.dumps({"streamlit_s": streamlit_s, "overview_s": overview_s, "data_s": rows_s, "heavy": heavy}))
"""


def measure(repeat: int) -> dict[str, Any]:
    """The least of the repeats: what else the machine does can only add."""
    found = []
    for _ in range(repeat):
        words = [sys.executable, "-c", PROBE, json.dumps(HEAVY)]
        found.append(json.loads(subprocess.run(words, check=True, capture_output=True, text=True).stdout))
    times = {name: round(min(one[name] for one in found), 2) for name in ("streamlit_s", "overview_s", "data_s")}
    return {**times, "heavy": found[0]["heavy"]}


def main(argv: Sequence[str] | None = None) -> int:
    parser = ArgumentParser(description=__doc__)
    parser.add_argument("--repeat", type=int, default=5)
    compile_modules()
    print(json.dumps(measure(parser.parse_args(argv).repeat), indent=2))
    return 0


if __name__ == "__main__":
    sys.exit(main())
