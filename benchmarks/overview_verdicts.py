"""What the verdicts on Overview cost: CPU-seconds of the headline, beside the whole comparison that says the same.

python -m benchmarks.overview_verdicts WORKSPACE RUN RUN [--repeat 3]

The first time of each is told apart: it compiles and imports.
"""

from __future__ import annotations

import json
import sys
from argparse import ArgumentParser
from collections.abc import Callable, Sequence
from pathlib import Path
from time import process_time
from typing import Any

from curation.runs import run_place
from curation.store import open_store
from curation.workspace import open_workspace
from eval.compare.comparison import Comparison, Headline, Settings, compare, headline
from eval.compare.sides import chosen
from eval.review.scores import scores_of


def measure(root: Path, refs: Sequence[str], repeat: int) -> dict[str, Any]:
    """The least of the repeats after the first."""
    here = open_workspace(root)
    place = run_place(here)
    store = open_store(here.store_path) if here.has_store else None
    sides = chosen(place.experiments, refs)
    settings = Settings(people=scores_of(place, here.root))
    said: dict[str, Comparison | Headline] = {}

    def timed(name: str, ask: Callable[[], Comparison | Headline]) -> list[float]:
        times = []
        for _ in range(repeat + 1):
            began = process_time()
            said[name] = ask()
            times.append(round(process_time() - began, 2))
        return [times[0], min(times[1:])]

    found = {
        "headline_s": timed("headline", lambda: headline(place.experiments, sides, store, settings)),
        "compare_s": timed("compare", lambda: compare(place.experiments, sides, store, settings)),
    }
    one, other = said["headline"], said["compare"]
    same = (one.primary, one.claim, one.labels) == (other.primary, other.claim, other.labels)
    return {**found, "items": one.exam.items.num_rows, "same": same}


def main(argv: Sequence[str] | None = None) -> int:
    parser = ArgumentParser(description=__doc__)
    parser.add_argument("workspace", type=Path)
    parser.add_argument("runs", nargs=2)
    parser.add_argument("--repeat", type=int, default=3)
    args = parser.parse_args(argv)
    print(json.dumps(measure(args.workspace, args.runs, args.repeat)))
    return 0


if __name__ == "__main__":
    sys.exit(main())
