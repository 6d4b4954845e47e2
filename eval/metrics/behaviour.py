"""How outputs behave whatever their content: length beside the reference, refusals, loops."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from eval.metrics.metric import (
    Items,
    Measured,
    mean_of,
    referenced,
    references_of,
    share_of,
    spread,
    take,
)
from eval.metrics.tokens import arrow


def length_ratio(items: Items, options: Mapping[str, Any]) -> Measured:
    """Characters of the outputs over characters of the first references; 1 is as long, neither side is better."""
    take(options, "length_ratio")
    rows = referenced(items, "length_ratio")
    out = [len(items.outputs[i] or "") for i in rows.tolist()]
    ref = [len(references_of(items, i)[0]) for i in rows.tolist()]
    part, whole = spread(out, rows, len(items)), spread(ref, rows, len(items))
    return share_of("length_ratio", "length_ratio|chars|refs:first", part, whole, None)


def refusal_rate(items: Items, options: Mapping[str, Any]) -> Measured:
    """Share of outputs that begin by refusing, by the pattern of the build's filter. Some refusals are right."""
    from curation.stages.filters.refusal import PATTERN  # with numba, which reading what is stored needs not

    take(options, "refusal_rate")
    values = pc.match_substring_regex(arrow(items.outputs), PATTERN).to_numpy(zero_copy_only=False)
    return mean_of("refusal_rate", "refusal_rate|opening", np.where(_there(items), values, np.nan), None)


def repetition_rate(items: Items, options: Mapping[str, Any]) -> Measured:
    """Share of five-token runs that stood in the output before. An output with fewer tokens repeats nothing."""
    from curation.stages.filters.scan import NGRAM, REPEATED, TOKENS, scan

    take(options, "repetition_rate")
    counters = scan(pa.chunked_array([arrow(items.outputs)]), pa.chunked_array([arrow([""] * len(items))])).counters
    runs = np.maximum(counters[:, TOKENS] - NGRAM + 1, 0)
    values = np.divide(counters[:, REPEATED], runs, out=np.zeros(len(items)), where=runs > 0)
    return mean_of("repetition_rate", f"repetition_rate|n:{NGRAM}", np.where(_there(items), values, np.nan), False)


def _there(items: Items) -> npt.NDArray[np.bool_]:
    return np.asarray([text is not None for text in items.outputs], bool)
