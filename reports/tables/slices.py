"""Tags by slice and by run: where they are more frequent, and whether they become fewer."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any, Final

import orjson
import pandas as pd

from curation.store.journal import Journal
from curation.store.tags import OK, tags
from eval.folder import SUITE, EvalFolder
from eval.review.rates import deserved, judged
from eval.taxonomy import NOTE, VERDICT, Taxonomy
from reports.tables.tags import drawn_judgements, slices, tag_rates

TREND: Final = ("run", "version", "kind", "tag", "share", "low", "high", "hits", "n")
_FEWEST, _MOST = 2, 12  # values of a field that makes slices


def slice_values(folder: EvalFolder) -> dict[str, dict[str, str]]:
    """prediction -> field -> value: the suite's slices, the language, and own fields of two to twelve values."""
    table = folder.items(["item_id", "language", "meta"])
    told = [
        {**_flat(orjson.loads(meta)), **({"language": language} if language else {})}
        for language, meta in zip(table["language"].to_pylist(), table["meta"].to_pylist(), strict=True)
    ]
    asked = set(folder.suite.slices) if (folder.path / SUITE).is_file() else set()
    counts = Counter((field, value) for one in told for field, value in one.items())
    values = Counter(field for field, _ in counts)
    kept = {field for field, number in values.items() if field in asked or _FEWEST <= number <= _MOST}
    of_item = dict(zip(table["item_id"].to_pylist(), told, strict=True))
    pairs = folder.predictions(["prediction_id", "item_id"]).to_pylist()
    return {
        row["prediction_id"]: {f: v for f, v in of_item.get(row["item_id"], {}).items() if f in kept} for row in pairs
    }


def by_slice(journal: Journal, folder: EvalFolder, taxonomy: Taxonomy, kind: str) -> pd.DataFrame:
    """As reports.tables.tags.slices: by people, of random draws alone, or by rules, which saw every output."""
    values = slice_values(folder)
    run = folder.of.name
    if kind == "person":
        given: Mapping[str, set[str]] = drawn_judgements(journal, run, taxonomy, values)
    else:
        by_rules = deserved(judged(tags(journal, run, kinds=("rule",))))
        given = {prediction: by_rules.get(prediction, set()) for prediction in values}
    names = sorted({name for held in given.values() for name in held} - {OK, NOTE, VERDICT})
    return slices(given, values, names)


def trend(journal: Journal, folders: Sequence[EvalFolder], taxonomy: Taxonomy) -> pd.DataFrame:
    """TREND: the rate of every tag in each of these evaluations, in their order."""
    rows: list[tuple[Any, ...]] = []
    for folder in folders:
        ids = folder.predictions(["prediction_id"])["prediction_id"].to_pylist()
        version = (folder.run.version or {}).get("name", "")
        for rate in tag_rates(journal, folder.of.name, ids, taxonomy).itertuples():
            if rate.n:
                told = (rate.share, rate.low, rate.high, rate.hits, rate.n)
                rows.append((folder.of.name, version, rate.kind, rate.tag, *told))
    return pd.DataFrame(rows, columns=list(TREND))


def _flat(meta: Mapping[str, Any]) -> dict[str, str]:
    return {str(key): value for key, value in meta.items() if isinstance(value, str) and 0 < len(value) <= 60}
