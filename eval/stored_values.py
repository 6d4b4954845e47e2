"""Values of items that an evaluation stored, taken up instead of measured anew where nothing they rest on has changed.

Beside its values ITEM_METRICS says what they were measured of: the bytes of items and predictions, the code, each
metric's options and languages, and a hash of the values themselves. Where one of these is another now, the metric is
measured from the predictions.
"""

from __future__ import annotations

import hashlib
import unicodedata
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, Final

import numpy as np
import orjson
import pyarrow.compute as pc

from curation.store.files import file_sha256
from eval.folder import EvalFolder
from eval.measuring import TOGETHER
from eval.metrics import METRICS
from eval.metrics.likelihood import perplexity_of_sums
from eval.metrics.machine_translation import bleu_of_sums, chrf_of_sums
from eval.metrics.metric import Floats, Formula, Measured, ratio
from eval.suite import MetricChoice, Suite

_FORMULAS: Final[Mapping[str, Formula]] = {
    formula.__name__: formula for formula in (ratio, perplexity_of_sums, bleu_of_sums, chrf_of_sums)
}
_ROWS: Final = 16_384  # of all metrics, read at a time
_ROOT: Final = Path(__file__).resolve().parent.parent
# What metrics are computed with, beside libraries that a signature names.
_CODE: Final = (
    "eval/metrics/*.py",
    "eval/measuring.py",
    "curation/facts*.py",
    "curation/shingles.py",
    "curation/language/cedilla.py",
    "curation/stages/filters/*.py",
)


@dataclass(frozen=True, slots=True, eq=False)
class Stored:
    """One metric as it was stored, an entry an item of its evaluation, in order; `told`: what must still be so."""

    measured: Measured
    told: Mapping[str, Any]


def stamp(folder: EvalFolder, suite: Suite, found: Mapping[str, Measured]) -> bytes:
    """What values that were just measured of `folder` rest on, to be written beside them."""
    known = {choice.name: choice for choice in suite.metrics}
    table = folder.items(["language", "reference"])
    languages = languages_of(table["language"], pc.is_valid(table["reference"]))
    metrics = {
        name: {**_asked(suite, known[name], languages), **_kind(metric), "values": _digest(metric.stats, metric.item)}
        for name, metric in found.items()
        if _can_be_stored(name, metric)
    }
    return orjson.dumps({**_inputs(folder), "code": code(), "metrics": metrics})


def stored_values(folder: EvalFolder) -> dict[str, Stored]:
    """By metric; without those that rest on what is another now, or are not what was written."""
    try:
        told = orjson.loads(folder.told("item_metrics") or b"{}")
    except orjson.JSONDecodeError:
        return {}
    if told.get("code") != code() or any(told.get(name) != value for name, value in _inputs(folder).items()):
        return {}
    ids = folder.predictions(["item_id"])["item_id"].combine_chunks()
    found = {}
    for name, (stats, item) in _by_metric(folder, ids, {name: said["width"] for name, said in told["metrics"].items()}):
        said = told["metrics"][name]
        if _digest(stats, item) == said["values"]:
            formula = _FORMULAS[said["formula"]]
            measured = Measured(name, said["signature"], stats, item, formula, said["higher_is_better"])
            found[name] = Stored(measured, {key: said[key] for key in ("options", "labels", "languages")})
    return found


def _by_metric(folder: EvalFolder, ids: Any, widths: Mapping[str, int]) -> Iterator[tuple[str, tuple[Floats, Floats]]]:
    """(metric, statistics and values of items in their order), of each metric that was stored of all of them."""
    held: dict[str, list[tuple[Floats, Floats]]] = {name: [] for name in widths}
    lengths = dict.fromkeys(widths, 0)
    for batch in folder.batches("item_metrics", rows=_ROWS):
        for name in set(pc.unique(batch["metric"]).to_pylist()) & set(held):
            here = batch.filter(pc.equal(batch["metric"], name))
            stats = _stats(here["stats"], widths[name])
            if stats is None or not here["item_id"].equals(ids.slice(lengths[name], here.num_rows)):
                del held[name]
                continue
            held[name].append((stats, np.asarray(here["value"].to_numpy(zero_copy_only=False), np.float64)))
            lengths[name] += here.num_rows
    for name, parts in held.items():
        if parts and lengths[name] == len(ids):
            stats, item = (np.concatenate([part[at] for part in parts]) for at in range(2))
            yield name, (stats, item)


def fits(stored: Stored, suite: Suite, choice: MetricChoice, languages: Sequence[str | None]) -> bool:
    """Whether a metric was measured as this suite asks for it, of items in these languages."""
    return dict(stored.told) == _asked(suite, choice, languages)


def languages_of(languages: Any, has_reference: Any) -> list[str]:
    """Of items with a reference: what a signature may depend on."""
    return sorted(str(one) for one in pc.unique(languages.filter(has_reference)).to_pylist())


@cache
def code() -> str:
    """A hash of what metrics are computed with."""
    found = hashlib.sha256(unicodedata.unidata_version.encode())
    for pattern in _CODE:
        for path in sorted(_ROOT.glob(pattern)):
            found.update(path.name.encode() + path.read_bytes())
    return found.hexdigest()


def _inputs(folder: EvalFolder) -> dict[str, str]:
    return {name: file_sha256(folder.path / f"{name}.parquet") for name in ("items", "predictions")}


def _asked(suite: Suite, choice: MetricChoice, languages: Sequence[str | None]) -> dict[str, Any]:
    labels = list(suite.labels) if suite.labels else None
    return {"options": dict(choice.options), "labels": labels, "languages": list(languages)}


def _kind(metric: Measured) -> dict[str, Any]:
    assert metric.formula is not None
    return {
        "signature": metric.signature,
        "formula": metric.formula.__name__,
        "higher_is_better": metric.higher_is_better,
        "width": metric.stats.shape[1],
    }


def _can_be_stored(name: str, metric: Measured) -> bool:
    """Not what compares items with each other, is the user's own, or does not come back from the file as it was."""
    apart = name in METRICS and name not in TOGETHER and metric.formula in _FORMULAS.values()
    return apart and bool(metric.present.any()) and not np.isinf(metric.item).any()


def _digest(stats: Floats, item: Floats) -> str:
    missing = np.asarray(np.isnan(stats).any(axis=1))
    whole = np.where(missing[:, None], np.nan, stats)
    found = hashlib.sha256(np.ascontiguousarray(whole, np.float64).tobytes())
    found.update(np.where(np.isnan(item), np.nan, item).tobytes())
    return found.hexdigest()


def _stats(column: Any, width: int) -> Floats | None:
    """Rows of NaN where there are none; None where they are not of this width."""
    there = np.asarray(pc.is_valid(column).to_numpy(zero_copy_only=False), np.bool_)
    lengths = pc.drop_null(pc.list_value_length(column))
    if not pc.all(pc.equal(lengths, width)).as_py():
        return None
    found: Floats = np.full((len(column), width), np.nan)
    found[there] = pc.list_flatten(column).to_numpy(zero_copy_only=False).reshape(-1, width)
    return found
