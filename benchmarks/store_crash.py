"""kill -9 at random moments of publishing: is what was acknowledged still there, and does the next publish work?

python -m benchmarks.store_crash [KILLS] [SEED]
"""

from __future__ import annotations

import random
import sys
import tempfile
from pathlib import Path

from curation.store import open_store
from tests.store_samples import publish_number, whole
from tests.test_store_processes import kill_while_publishing


def main(kills: int, seed: int) -> int:
    moments = random.Random(seed)
    lost = damaged = leftovers = 0
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "store"
        for _ in range(kills):
            acknowledged = kill_while_publishing(path, moments.uniform(0, 0.5))
            leftovers += len(list(path.rglob(".tmp-*"))) > 0
            store = open_store(path)
            versions = store.versions()
            lost += len(versions) < int(acknowledged[1:])
            damaged += bool(store.check()) or not whole(store, versions[-1])
            published = publish_number(store, len(versions) + 1)
            damaged += not whole(store, published) or bool(list(path.rglob(".tmp-*")))
        total = len(open_store(path).versions())
    print(f"{kills} kills, {leftovers} in the middle of a write, {total} versions: {lost} lost, {damaged} damaged")
    return int(lost + damaged > 0)


if __name__ == "__main__":
    arguments = [int(argument) for argument in sys.argv[1:]]
    sys.exit(main(*(arguments + [50, 1][len(arguments) :])))
