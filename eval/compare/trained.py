"""Which items of an exam a model has learned from: their rows, rows of their clusters, or rows near to them."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any, Final
from uuid import UUID

import numpy as np
import numpy.typing as npt
import orjson
import pyarrow as pa
import pyarrow.compute as pc

from curation import tables
from curation.diff import diff
from curation.errors import ConfigError
from curation.patches.spent import spent_as_now, spent_items
from curation.records import sides
from curation.splits.config import SPLITS, TRAIN, SplitConfig
from curation.store import Store, VersionInfo

_TRAIN = SPLITS[TRAIN]
_LONG: Final = 16  # bytes of a row id
Bools = npt.NDArray[np.bool_]
Read = Callable[[Sequence[str]], Any]


class Exposure:
    """What the versions of a store say on who learned from what; each table is read once."""

    def __init__(self, store: Store | None) -> None:
        self._store = store
        self._members: dict[str, Any] = {}

    @cached_property
    def _versions(self) -> Mapping[str, VersionInfo]:
        return {info.id: info for info in self._store.versions()} if self._store else {}

    def knows(self, version: str | None) -> bool:
        return version in self._versions

    def order(self, version: str | None) -> int:
        """How new a version is; -1 for one that is not in the store."""
        known = list(self._versions)
        return known.index(version) if version is not None and version in known else -1

    def info(self, version: str) -> VersionInfo:
        return self._versions[version]

    def touched(self, row_ids: Any, trained: str, exam: str | None, read: Read) -> Bools:
        """For each item, by its row, whether training on the version `trained` held that row, a row of its cluster in
        the version `exam`, or a row that is now edited, moved or gone and would be in its cluster. `read` gives columns
        of the items, where they are needed.

        ConfigError if the store does not hold `trained`.
        """
        if not self.knows(trained):
            raise ConfigError(f"version {trained[:8]} is not in this store; what it trained on is not known")
        ids = _ids(row_ids)
        rows = pa.array(ids, pa.binary(16))
        learned = self._train(trained)
        if exam is None or not self.knows(exam):
            return _bools(pc.is_in(rows, value_set=learned)) | self._near(ids, read, trained, learned, SplitConfig())
        members = self._of(exam)
        if trained != exam:
            learned = pa.concat_arrays([learned, self._edited(trained, exam)])
        known = pc.is_in(members["row_id"], value_set=learned)
        held = pc.unique(members["cluster"].filter(known))
        place = pc.index_in(rows, value_set=members["row_id"])
        direct = pc.or_(
            pc.is_in(rows, value_set=learned),
            pc.fill_null(pc.is_in(members["cluster"].take(place), value_set=held), False),
        )
        found = _bools(direct)
        if trained == exam:
            return found
        gone = learned.filter(pc.invert(pc.is_in(learned, value_set=members["row_id"])))
        return found | self._near(ids, read, trained, gone, _split_of(self.info(exam)))

    def spent(self, root: Path, exam: str | None) -> frozenset[str]:
        """Ids of items, as the version `exam` has them, that a patch was made from."""
        if self._store is None or exam is None or not self.knows(exam):
            return spent_items(root)
        return spent_as_now(root, self._store.table(self.info(exam), "patches"))

    def training_rows(self, version: str) -> Any:
        """row_id and record of the rows of train."""
        assert self._store is not None
        rows = self._store.table(self.info(version), "rows", ["row_id", "record"]).combine_chunks()
        return rows.filter(pc.is_in(rows["row_id"], value_set=self._train(version)))

    def _of(self, version: str) -> Any:
        if version not in self._members:
            assert self._store is not None
            columns = ["split", "row_id", "cluster"]
            self._members[version] = self._store.table(self.info(version), "members", columns).combine_chunks()
        return self._members[version]

    def _train(self, version: str) -> Any:
        members = self._of(version)
        return members["row_id"].filter(pc.equal(members["split"], _TRAIN)).combine_chunks()

    def _edited(self, trained: str, exam: str) -> Any:
        """Rows of `exam` that stood in train of `trained` under another text."""
        assert self._store is not None
        changes = diff(self._store, self.info(trained), self.info(exam)).changes
        was = pc.and_(pc.equal(changes["change"], "edited"), pc.equal(changes["split_before"], _TRAIN))
        return pc.unique(changes["row_id"].filter(pc.fill_null(was, False)))

    def _near(self, asked: list[bytes], read: Read, trained: str, row_ids: Any, config: SplitConfig) -> Bools:
        """Items that the build would have tied to one of these rows of `trained`."""
        rows = self.training_rows(trained)
        rows = rows.filter(pc.is_in(rows["row_id"], value_set=row_ids))
        if not rows.num_rows:
            return np.zeros(len(asked), np.bool_)
        ids = rows["row_id"].to_pylist() + asked
        records = [orjson.loads(text) for text in rows["record"].to_pylist()] + [
            _record(row) for row in read(["messages", "answer", "meta"]).to_pylist()
        ]
        from curation.splits.fields import Fields
        from curation.splits.ties import clusters, ties

        table = _rows(ids, records)
        tied = clusters(ties(table, Fields(table, config).group(), config), np.ones(len(ids), np.bool_))
        return np.isin(tied[rows.num_rows :], tied[: rows.num_rows])


def _split_of(version: VersionInfo) -> SplitConfig:
    from curation.recipe import recipe_from  # with every stage, which most comparisons need not
    from curation.rerun import changed_recipe

    return recipe_from(changed_recipe(version.recipe, {})).split


def _ids(row_ids: Any) -> list[bytes]:
    """Row ids as versions store them; items of recorded outputs may have others, which are in no version."""
    return [_id(text) for text in row_ids.to_pylist()]


def _id(text: str) -> bytes:
    try:
        found = bytes.fromhex(text.replace("-", ""))  # a UUID takes ten times as long to make
        return found if len(found) == _LONG else UUID(text).bytes
    except ValueError:
        return hashlib.sha256(text.encode()).digest()[:16]


def _bools(column: Any) -> Bools:
    return np.asarray(column.to_numpy(zero_copy_only=False), np.bool_)


def _record(item: Mapping[str, Any]) -> dict[str, Any]:
    messages = [*orjson.loads(item["messages"]), orjson.loads(item["answer"])]
    return {"messages": messages, "meta": orjson.loads(item["meta"])}


def _rows(ids: list[bytes], records: list[dict[str, Any]]) -> Any:
    """As tables.ROWS."""
    parsed = [sides(record["messages"]) for record in records]
    columns = [
        pa.array(range(len(ids)), pa.int64()),
        pa.array([0] * len(ids), pa.int32()),
        pa.array(ids, pa.binary(16)),
        *(pa.array([side[i] for side in parsed], tables.ROWS.field(3 + i).type) for i in range(4)),
        pa.array([orjson.dumps(record) for record in records], pa.large_binary()),
    ]
    return pa.Table.from_arrays(columns, schema=tables.ROWS)
