"""Test items that a patch was made from: they have taught the data something and no longer say how good a model is."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final
from uuid import UUID

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


def spent_as_now(root: Path, patches: Any) -> frozenset[str]:
    """The same, and what patches made of them in a version (its table `patches`): a mended row stays its old self."""
    spent = spent_items(root)
    if not spent or not patches.num_rows:
        return spent
    became: dict[str, set[str]] = {}
    for line in patches.select(["row_id", "result_row_id"]).to_pylist():
        if line["row_id"] and line["result_row_id"]:
            before, after = (str(UUID(bytes=line[name])) for name in ("row_id", "result_row_id"))
            became.setdefault(before, set()).add(after)
    return spent | frozenset(_followed(spent, became))


def _followed(spent: Iterable[str], became: dict[str, set[str]]) -> Iterable[str]:
    todo, seen = list(spent), set(spent)
    while todo:
        row, _, turn = todo.pop().partition(":")
        for after in became.get(row, ()):
            if (item := f"{after}:{turn}") not in seen:
                seen.add(item)
                todo.append(item)
                yield item
