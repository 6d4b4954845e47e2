"""Folds: child versions of one version, each with another part of its rows in validation. Test is the same in all."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from typing import Any, Final

import numpy as np
import orjson
import pyarrow as pa
import pyarrow.compute as pc

from curation import tables
from curation.errors import ConfigError
from curation.recipe import recipe_from
from curation.records import sides
from curation.rerun import changed_recipe, source_item
from curation.splits.config import SPLITS, TEST, TRAIN, VALIDATION, SplitConfig
from curation.splits.evidence import edge_table, fact_notes
from curation.splits.fields import Fields
from curation.splits.measure import mixed
from curation.splits.questions import Ints
from curation.splits.report import Placement, report
from curation.splits.ties import Ties, ties
from curation.store import Store, VersionInfo
from curation.store.versions import fold_name
from curation.version_id import version_id

_NEVER: Final = -1  # in validation of no fold


@dataclass(frozen=True, slots=True)
class _Parent:
    """A version with its kept rows in build order; `pos` is the line of the ledger."""

    version: VersionInfo
    config: SplitConfig
    stored: Mapping[str, Any]  # tables.STORED
    rows: Any  # tables.ROWS with source_name and fixed_split
    cluster: Ints
    split: Ints


def make_folds(store: Store, version: str | VersionInfo, folds: int) -> list[VersionInfo]:
    """Publish `folds` children of a version: v3-fold1of5 and so on.

    Clusters are indivisible. Every row is in validation of exactly one fold and in train of the others, except rows
    of test and rows whose split the recipe fixes: these, and what is tied to them, stay where they are. Making the
    same folds again publishes nothing.
    """
    with store.writer():
        chosen = store.resolve(version) if isinstance(version, str) else version
        if chosen.is_fold:
            raise ConfigError(f"--folds: {chosen.name} is a fold itself; make folds of the version it comes from")
        parent = _parent(store, chosen)
        fields = Fields(parent.rows, parent.config)
        tied = ties(parent.rows, fields.group(), parent.config)
        fold = assign_folds(_free(parent, fields.fixed()), _drawn(parent, fields, tied), folds, chosen.name)
        return [_publish(store, parent, tied, fold, number, folds) for number in range(1, folds + 1)]


def _parent(store: Store, version: VersionInfo) -> _Parent:
    recipe = recipe_from(changed_recipe(version.recipe, {}))
    stored = {name: store.table(version, name) for name in version.segments}
    ledger = stored["ledger"]
    kept = pc.indices_nonzero(pc.equal(ledger["verdict"], "kept"))
    lines = ledger.take(kept)
    at = pc.index_in(lines["row_id"], value_set=stored["rows"]["row_id"].combine_chunks())
    record = stored["rows"]["record"].take(at).combine_chunks()
    parsed = [sides(orjson.loads(text)["messages"]) for text in record.to_pylist()]
    source = lines["source"].combine_chunks().dictionary_encode()
    names = source.dictionary.to_pylist()
    columns = [
        kept.cast(pa.int64()),
        source.indices.cast(pa.int32()),
        lines["row_id"].combine_chunks(),
        *(pa.array([side[i] for side in parsed], tables.ROWS.field(3 + i).type) for i in range(4)),
        record.cast(pa.large_binary()),
    ]
    fixed = pa.array([_fixed_split(name, version.recipe["sources"]) for name in names], pa.string())
    rows = pa.Table.from_arrays(columns, schema=tables.ROWS)
    rows = rows.append_column("source_name", lines["source"].combine_chunks())
    rows = rows.append_column("fixed_split", fixed.take(source.indices))
    split = pc.index_in(lines["split"], value_set=pa.array(SPLITS)).to_numpy().astype(np.int64)
    return _Parent(version, recipe.split, stored, rows, lines["cluster"].to_numpy(), split)


def _fixed_split(source: str, specs: Any) -> str | None:
    item = source_item(source, specs)
    return None if item is None else specs[item]["split"]


def _free(parent: _Parent, fixed: Ints) -> Ints:
    """For each row the cluster to place, -1 where the cluster stays."""
    stays = np.zeros(int(parent.cluster.max(initial=-1)) + 1, np.bool_)
    stays[parent.cluster[(parent.split == TEST) | (fixed >= 0)]] = True
    return np.where(stays[parent.cluster], _NEVER, parent.cluster)


@dataclass(frozen=True, slots=True)
class Drawn:
    stratum: Ints  # of each row
    order: Any  # uint64 of each row: a hash of seed and row_id


def _drawn(parent: _Parent, fields: Fields, tied: Ties) -> Drawn:
    return Drawn(fields.stratum(), mixed(tied.ids, parent.config.seed)[tied.rank])


def assign_folds(cluster: Ints, drawn: Drawn, folds: int, name: str) -> Ints:
    """The fold (1 to `folds`) in whose validation each row is, -1 for rows without a cluster to place.

    The largest clusters first, each into the fold that has the fewest rows of its stratum, then the fewest in all.
    """
    free = np.flatnonzero(cluster >= 0)
    number = len(np.unique(cluster[free]))
    if folds < 2:
        raise ConfigError(f"--folds {folds}: needs at least 2")
    if folds > number:
        raise ConfigError(
            f"--folds {folds}: {name} has {number:,} clusters outside of test, and a cluster is indivisible; "
            f"ask for {number:,} folds or fewer"
            if number > 1
            else f"--folds {folds}: {name} has {number} cluster outside of test, which cannot be divided into folds"
        )
    names, first, place, size = np.unique(cluster[free], return_index=True, return_inverse=True, return_counts=True)
    smallest = np.full(len(names), np.iinfo(np.uint64).max, np.uint64)
    np.minimum.at(smallest, place, drawn.order[free])
    stratum = drawn.stratum[free][first]
    of_stratum = np.zeros((int(stratum.max()) + 1, folds), np.int64)
    in_all = np.zeros(folds, np.int64)
    chosen = np.zeros(len(names), np.int64)
    for at in np.lexsort((smallest, -size, stratum)).tolist():
        fewest = min(range(folds), key=lambda f: (of_stratum[stratum[at], f], in_all[f], f))
        chosen[at] = fewest
        of_stratum[stratum[at], fewest] += size[at]
        in_all[fewest] += size[at]
    fold = np.full(len(cluster), _NEVER)
    fold[free] = chosen[place] + 1
    return fold


def _publish(store: Store, parent: _Parent, tied: Ties, fold: Ints, number: int, folds: int) -> VersionInfo:
    version = parent.version
    split = np.where(fold < 0, parent.split, np.where(fold == number, VALIDATION, TRAIN))
    stored, account = _stored(parent, tied, split)
    return store.publish(
        version_id(stored["members"], dict(version.recipe), version.stats),
        stored,
        parent=version.id,
        message=f"fold {number} of {folds} of {version.name}",
        recipe=version.recipe,
        stats={**version.stats, "split": account, "fold": {"of": version.id, "number": number, "folds": folds}},
        created=datetime.now(UTC).isoformat(timespec="seconds"),
        name=fold_name(version, number, folds),
    )


def _stored(parent: _Parent, tied: Ties, split: Ints) -> tuple[dict[str, Any], dict[str, Any]]:
    """The parent's tables with rows in other splits, and the account of these splits."""
    pos = parent.rows["pos"].to_numpy()
    edges = edge_table(tied, pos, split)
    share = np.bincount(split, minlength=3) / max(len(split), 1)
    config = replace(parent.config, counts=None, ratios=dict(zip(SPLITS, share.tolist(), strict=True)))
    account = report(parent.rows, config, tied, Placement(pos, split, parent.cluster, [], split >= 0), edges)
    changed = {
        "members": _members(parent, split),
        "ledger": _ledger(parent, split),
        "edges": _edges(parent, edges),
        "flags": _flags(parent, fact_notes(tied, pos, split, parent.config.threshold)),
    }
    return {**parent.stored, **changed}, asdict(account)


def _names(split: Ints) -> Any:
    return pa.array(SPLITS).take(pa.array(split))


def _members(parent: _Parent, split: Ints) -> Any:
    order = np.argsort(split, kind="stable")  # build order in each split
    place = np.concatenate([np.arange(n) for n in np.bincount(split, minlength=len(SPLITS))])
    row_id = parent.rows["row_id"].take(pa.array(order))
    stored = parent.stored["rows"]
    at = pc.index_in(row_id, value_set=stored["row_id"].combine_chunks())
    return pa.table(
        {
            "split": _names(split[order]),
            "place": place,
            "row_id": row_id,
            "content_hash": stored["content_hash"].take(at),
            "cluster": parent.cluster[order],
        },
        schema=tables.STORED["members"],
    )


def _ledger(parent: _Parent, split: Ints) -> Any:
    ledger = parent.stored["ledger"]
    number = np.full(ledger.num_rows, _NEVER)
    number[parent.rows["pos"].to_numpy()] = split
    names = pa.array(SPLITS).take(pa.array(number, mask=number < 0))
    return ledger.set_column(ledger.schema.get_field_index("split"), "split", names)


def _edges(parent: _Parent, edges: Any) -> Any:
    row_id = parent.stored["ledger"]["row_id"]
    columns = [
        row_id.take(edges["left"]),
        row_id.take(edges["right"]),
        edges["similarity"],
        edges["kind"],
        edges["fact"],
    ]
    return pa.table(columns, schema=tables.STORED["edges"])


def _flags(parent: _Parent, notes: Any) -> Any:
    """The parent's notes, with those about rows near train (they depend on the split) made anew; in build order."""
    ledger, flags = parent.stored["ledger"], parent.stored["flags"]
    flags = flags.filter(pc.not_equal(flags["stage"], "split"))
    pos, matched = notes["pos"], notes["matched"]
    new = pa.table(
        {
            "source": ledger["source"].take(pos),
            "unit": ledger["unit"].take(pos),
            "row_id": ledger["row_id"].take(pos),
            "stage": pa.array(["split"] * notes.num_rows, pa.string()),
            "reason": notes["reason"],
            "value": notes["value"],
            "threshold": notes["threshold"],
            "matched_row_id": ledger["row_id"].take(matched),
            "detail": notes["detail"],
        },
        schema=tables.STORED["flags"],
    )
    order = np.argsort(np.concatenate((_lines(ledger, flags), pos.to_numpy())), kind="stable")
    return pa.concat_tables([flags, new]).take(pa.array(order)).combine_chunks()


def _lines(ledger: Any, flags: Any) -> Ints:
    """The ledger line of each note."""
    line = {
        unit: at for at, unit in enumerate(zip(ledger["source"].to_pylist(), ledger["unit"].to_pylist(), strict=True))
    }
    units = zip(flags["source"].to_pylist(), flags["unit"].to_pylist(), strict=True)
    return np.array([line[unit] for unit in units], np.int64)
