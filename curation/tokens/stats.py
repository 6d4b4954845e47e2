"""Token counts of rows under a template, their distribution, and the rows that are longer than a context."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final
from uuid import UUID

import numpy as np
import orjson
import pyarrow as pa

from curation.tables import dropped_table
from curation.templates.refusal import TemplateRefusal
from curation.templates.template import Template
from curation.tokens.load import TextTokenizer

_BATCH: Final = 2000  # rows tokenised at a time
_QUANTILES: Final = (50, 90, 95, 99)

COUNTS: Final = pa.schema(
    [
        ("pos", pa.int64()),
        ("row_id", pa.binary(16)),
        ("prompt", pa.int32()),  # tokens that are read: BOS, prompts, headings
        ("answer", pa.int32()),  # tokens that are trained: answers and their ends of turn
        ("total", pa.int32()),
    ]
)


@dataclass(frozen=True, slots=True)
class TokenStats:
    counts: Any  # COUNTS, a line for every row that the template accepts; nothing is ever cut
    refused: Any  # tables.DROPPED: rows that the template cannot express
    context: int | None

    def longer(self) -> list[dict[str, Any]]:
        """The rows over the context length, longest first."""
        if self.context is None:
            return []
        over = self.counts.filter(pa.array(self.counts["total"].to_numpy() > self.context))
        rows = [
            {"row_id": str(UUID(bytes=row["row_id"])), "pos": row["pos"], "tokens": row["total"]}
            for row in over.to_pylist()
        ]
        return sorted(rows, key=lambda row: (-row["tokens"], row["pos"]))

    def summary(self) -> dict[str, Any]:
        """Plain values: rows, refusals, the distribution of prompt, answer and total, and the rows too long."""
        sides = {name: _distribution(self.counts[name].to_numpy()) for name in ("prompt", "answer", "total")}
        longer = self.longer()
        told = {"rows": self.counts.num_rows, "refused": self.refused.num_rows, **sides}
        return told | {"context": self.context, "over_context": len(longer), "longer": longer}


def token_stats(rows: Any, template: Template, tokenizer: TextTokenizer, *, context: int | None = None) -> TokenStats:
    """Count the tokens of rows like tables.ROWS as training sees them: piece by piece, with one BOS a row."""
    template.require_end_of_turn()
    bos = 1 if template.bos or tokenizer.bos else 0
    lines: list[tuple[int, bytes, int, int, int]] = []
    refused: list[tuple[int, TemplateRefusal]] = []
    columns = rows.select(["pos", "row_id", "record"])
    for start in range(0, rows.num_rows, _BATCH):
        kept, pieces = [], []
        for row in columns.slice(start, _BATCH).to_pylist():
            try:
                pieces.append(template.segments(orjson.loads(row["record"])))
                kept.append(row)
            except TemplateRefusal as refusal:
                refused.append((row["pos"], refusal))
        for row, (prompt, answer) in zip(kept, _sides(pieces, tokenizer), strict=True):
            lines.append((row["pos"], row["row_id"], prompt + bos, answer, prompt + answer + bos))
    counts = pa.Table.from_arrays(
        [pa.array([line[i] for line in lines], field.type) for i, field in enumerate(COUNTS)], schema=COUNTS
    )
    reasons, details = [r.reason for _, r in refused], [r.detail for _, r in refused]
    return TokenStats(counts, dropped_table([pos for pos, _ in refused], reasons, detail=details), context)


def _sides(rows: Sequence[Sequence[tuple[str, bool]]], tokenizer: TextTokenizer) -> list[tuple[int, int]]:
    """(tokens read, tokens trained) of each row."""
    counts = iter(tokenizer.counts([text for row in rows for text, _ in row]))
    sides = []
    for row in rows:
        by = [0, 0]
        for _, trained in row:
            by[trained] += next(counts)
        sides.append((by[0], by[1]))
    return sides


def _distribution(values: Any) -> dict[str, float | int]:
    """Sum, mean, least, most, and quantiles that are values of the data; zeros where there is no row."""
    if not len(values):
        values = np.zeros(1, np.int32)
    quantiles = np.percentile(values, _QUANTILES, method="inverted_cdf")
    named = {f"p{q}": int(value) for q, value in zip(_QUANTILES, quantiles, strict=True)}
    spread = {"min": int(values.min()), "max": int(values.max()), **named}
    return {"sum": int(values.sum()), "mean": round(float(values.mean()), 1), **spread}
