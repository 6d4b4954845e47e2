"""Small versions for the tests of store and export, and a program that publishes them for ever."""

from __future__ import annotations

import hashlib
import sys
from pathlib import Path
from typing import Any

import pyarrow as pa

from curation.records import canonical, row_id
from curation.store import Store, VersionInfo
from curation.tables import STORED

SPLITS = ("train", "validation", "test")


def record(number: int, **more: Any) -> dict[str, Any]:
    messages = [
        {"role": "user", "content": f"question {number} é"},
        {"role": "assistant", "content": f"answer {number}"},
    ]
    return {"messages": messages, "meta": {"n": number}, **more}


def tables(records: list[dict[str, Any]], splits: list[str] | None = None) -> dict[str, Any]:
    """What a build hands to publish: every record kept, one quarantined unit beside them."""
    splits = splits or [SPLITS[0 if i < len(records) - 2 else i - len(records) + 3] for i in range(len(records))]
    texts = [canonical(r) for r in records]
    ids = [row_id(text) for text in texts]
    rows = [
        {"row_id": i, "record": text.decode(), "converted": None, "content_hash": i}
        for i, text in zip(ids, texts, strict=True)
    ]
    members = [
        {"split": split, "place": splits[:at].count(split), "row_id": ids[at], "content_hash": ids[at], "cluster": at}
        for at, split in enumerate(splits)
    ]
    ledger = [
        {"source": "raw/a.jsonl", "unit": at, "line": at + 1, "row_id": i, "verdict": "kept", "split": splits[at]}
        for at, i in enumerate(ids)
    ]
    bad = {"source": "raw/a.jsonl", "unit": len(ids), "line": len(ids) + 1}
    ledger.append({**bad, "verdict": "quarantined", "stage": "read", "reason": "bad_json"})
    return {
        "rows": _table("rows", sorted(rows, key=lambda row: bytes(row["row_id"] or b""))),
        "members": _table("members", sorted(members, key=lambda m: (SPLITS.index(str(m["split"])), m["place"]))),
        "ledger": _table("ledger", ledger),
        "quarantine": _table("quarantine", [{**bad, "reason": "bad_json", "raw": b"{\xff"}]),
    }


def _table(name: str, lines: list[dict[str, Any]]) -> Any:
    names = STORED[name].names
    return pa.Table.from_pylist([{key: line.get(key) for key in names} for line in lines], schema=STORED[name])


def publish(store: Store, content: dict[str, Any], version_id: str = "", **changes: Any) -> VersionInfo:
    details: dict[str, Any] = {
        "parent": None,
        "message": "a message",
        "recipe": {"sources": [{"path": "raw"}]},
        "stats": {"kept": content["members"].num_rows},
        "created": "2030-01-02T03:04:05+00:00",
    }
    digest = hashlib.sha256(content["members"]["row_id"].combine_chunks().buffers()[1] or b"").hexdigest()
    return store.publish(version_id or digest, content, **{**details, **changes})


def publish_number(store: Store, number: int, row_count: int = 40) -> VersionInfo:
    """Version `number`, its content made of the number alone, so that a reader can tell a torn one."""
    digest = hashlib.sha256(str(number).encode()).hexdigest()
    return publish(store, tables([record(number * 1000 + k) for k in range(row_count)]), digest)


def whole(store: Store, version: VersionInfo) -> bool:
    """Whether a version made by publish_number reads back complete and right."""
    number = int(version.name[1:])
    expected = tables([record(number * 1000 + k) for k in range(40)])
    return all(store.table(version, name).equals(table) for name, table in expected.items())


def publish_for_ever(path: Path) -> None:
    """Publish version after version; a line on stdout acknowledges each."""
    store = Store.create(path)
    number = len(store.versions())
    while True:
        number += 1
        version = publish_number(store, number)
        print(version.name, flush=True)


if __name__ == "__main__":
    publish_for_ever(Path(sys.argv[1]))
