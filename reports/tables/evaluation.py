"""Tables about evaluations: metrics beside benchmarks, confidence, single outputs."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import Final

import numpy as np
import pandas as pd

from eval.folder import SUITE, EvalFolder
from eval.suite import Suite

ALL: Final = "all"
RIGHT: Final = "exact_match"  # by which an output counts as right where nobody judged it
_BINS: Final = 10


def metrics(folders: Sequence[EvalFolder], part: str | None = ALL) -> pd.DataFrame:
    """evaluation, split, slice, metric, value, ci_low, ci_high, n, signature; part None: every slice."""
    tables = []
    for folder in folders:
        table = folder.metrics().to_pandas()
        table.insert(0, "evaluation", folder.name)
        tables.append(table)
    joined = pd.concat(tables, ignore_index=True) if tables else pd.DataFrame()
    return joined if part is None or joined.empty else joined[joined["slice"] == part].reset_index(drop=True)


def outputs(folder: EvalFolder, metric: str | None = None) -> pd.DataFrame:
    """prediction_id, item_id, prompt (JSON), output, reference, finish_reason, confidence, and `value` of a metric.

    confidence: mean log-probability of the output's tokens, NaN where it is not known.
    """
    columns = ["prediction_id", "item_id", "prompt", "output", "reference", "finish_reason", "logprob_mean"]
    table = folder.predictions(columns).to_pandas().rename(columns={"logprob_mean": "confidence"})
    return table if metric is None else table.merge(item_values(folder, metric), on="item_id", how="left")


def item_values(folder: EvalFolder, metric: str) -> pd.DataFrame:
    """item_id, value of one metric; NaN where an item has none."""
    table = folder.item_metrics(["item_id", "metric", "value"]).to_pandas()
    return table.loc[table["metric"] == metric, ["item_id", "value"]].reset_index(drop=True)


def suite_of(folder: EvalFolder) -> Suite:
    """The evaluation's; the default one where none lies beside it, as of predictions from elsewhere."""
    return folder.suite if (folder.path / SUITE).is_file() else Suite()


def right_by(folder: EvalFolder) -> list[str]:
    """The metrics that say which outputs are right (from .5 on): of 0 to 1, more is better. Exact match first, then
    the one that decides.
    """
    suite = suite_of(folder)
    span = folder.item_metrics(["metric", "value"]).to_pandas().groupby("metric")["value"].agg(["min", "max"])
    unit = span.index[(span["min"] >= 0) & (span["max"] <= 1)]
    known = [name for name in unit if suite.higher_is_better(name)]
    return sorted(known, key=lambda name: (name != RIGHT, name != suite.primary.metric, name))


def worst_first(folder: EvalFolder, metric: str) -> pd.DataFrame:
    """`outputs` with their value, the worst first; where neither way is better the least; those without one last."""
    least = suite_of(folder).higher_is_better(metric) is not False
    return outputs(folder, metric).sort_values("value", ascending=least, kind="stable")


def confidence(folder: EvalFolder, metric: str = RIGHT) -> pd.DataFrame:
    """item_id, confidence (geometric mean probability of a token, 0 to 1), right (0 or 1); judged items alone.

    People say what is right where they judged any output of this evaluation, else the metric from .5 on.
    """
    table = folder.predictions(["prediction_id", "item_id", "logprob_mean"]).to_pandas()
    if said := folder.verdicts():
        table["value"] = table["prediction_id"].map(said)
    else:
        table = table.merge(item_values(folder, metric), on="item_id", how="left")
    table = table.dropna(subset=["logprob_mean", "value"])
    values = {"item_id": table["item_id"], "confidence": np.exp(table["logprob_mean"]), "right": table["value"] >= 0.5}
    return pd.DataFrame(values).astype({"right": int}).reset_index(drop=True)


def reliability(sure: pd.DataFrame) -> pd.DataFrame:
    """Of a table of `confidence`, tenths, the least sure first: confidence (mean), right (share), n.

    Bins of equal size: with bins of equal width nearly all outputs of a sure model lie in one.
    """
    table = sure.sort_values("confidence", kind="stable")
    edges = np.linspace(0, len(table), min(_BINS, max(1, len(table))) + 1).astype(int)
    parts = [table.iloc[low:high] for low, high in pairwise(edges) if high > low]
    rows = [(part["confidence"].mean(), part["right"].mean(), len(part)) for part in parts]
    return pd.DataFrame(rows, columns=["confidence", "right", "n"])


def risk_coverage(sure: pd.DataFrame) -> pd.DataFrame:
    """Of a table of `confidence`: coverage, and risk, the share wrong among the surest as more of them are answered."""
    table = sure.sort_values("confidence", ascending=False, kind="stable")
    answered = np.arange(1, len(table) + 1)
    risk = (1 - table["right"]).cumsum().to_numpy() / answered if len(table) else np.array([])
    return pd.DataFrame({"coverage": answered / max(1, len(table)), "risk": risk})


def trade_off(folders: Sequence[EvalFolder], metric: str, benchmark_metric: str = "acc_norm") -> pd.DataFrame:
    """evaluation, domain and benchmark score with their intervals: one row an evaluation and benchmark."""
    table = metrics(folders)
    if table.empty:
        return pd.DataFrame()
    is_domain = table["metric"] == metric
    domain = table[is_domain].drop_duplicates("evaluation").set_index("evaluation")
    scores = table[(table["metric"] == benchmark_metric) & table["evaluation"].isin(domain.index)]
    interval = ["value", "ci_low", "ci_high"]
    rows = [
        (row["evaluation"], *domain.loc[row["evaluation"], interval], row["split"], *row[interval])
        for _, row in scores.iterrows()
    ]
    names = ["evaluation", "domain", "domain_low", "domain_high", "benchmark", "score", "score_low", "score_high"]
    return pd.DataFrame(rows, columns=names)
