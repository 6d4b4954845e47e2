"""Test items that a patch was made from: they have taught the data something and no longer say how good a model is."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Final

import orjson

from curation.errors import DataError
from curation.patches.files import FOLDER
from curation.store.files import disk_errors, sync_file

FILE: Final = f"{FOLDER}/spent/items.jsonl"  # not beside the patches: builds read those


@dataclass(frozen=True, slots=True)
class Spent:
    """item_id: row and turn, as evaluations name it. tags: the events the patch was made from."""

    item_id: str
    tags: tuple[str, ...]
    by: str
    time: str


def spend(root: Path, items: Sequence[Spent]) -> None:
    """Write down that these items are spent; on disk when it returns."""
    path = root / FILE
    lines = b"".join(orjson.dumps(asdict(item)) + b"\n" for item in items)
    with disk_errors(path, "the items are not marked"):
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("ab") as file:
            file.write(lines)
        sync_file(path)


def spent_items(root: Path) -> frozenset[str]:
    """Ids of items that no headline score may count any more."""
    path = root / FILE
    if not path.is_file():
        return frozenset()
    found = set()
    for number, line in enumerate(path.read_bytes().splitlines(), 1):
        try:
            found.add(str(orjson.loads(line)["item_id"]))
        except (orjson.JSONDecodeError, KeyError, TypeError):
            raise DataError(f"{FILE}:{number}: is damaged; restore the line, or take it out") from None
    return frozenset(found)
