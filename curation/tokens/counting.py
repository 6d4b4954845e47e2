"""The tokens of a build's kept rows: counts that are stored, a summary, and what people are told."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

import pyarrow as pa
import pyarrow.compute as pc

from curation.accounts import counts
from curation.tables import STORED, empty, flagged_table
from curation.templates.bulk import render_table
from curation.templates.chosen import ChosenTemplate
from curation.tokens.stats import COUNTS, TokenStats, token_stats

_LONGEST: Final = 10  # rows over the context that statistics name; the table `tokens` has them all


@dataclass(frozen=True, slots=True)
class Counted:
    """What is known of the kept rows under a template."""

    stored: Any  # tables.STORED["tokens"]
    flagged: Any  # tables.FLAGGED: rows over the context, rows the template refuses
    summary: dict[str, Any] | None  # None: no tokenizer was named, nothing was counted
    notes: list[str]


def count_rows(rows: Any, chosen: ChosenTemplate, context: int | None, place: Callable[[int], str]) -> Counted:
    """Count, or where there is no tokenizer only see which rows the template refuses; no row is ever cut.

    `place` tells people where the row at a pos comes from: raw/a.jsonl:17.
    """
    if chosen.tokenizer is None:
        refused = render_table(rows, chosen.template).refused
        return Counted(empty(STORED["tokens"]), _refused(refused), None, _refusal_note(refused, chosen, place))
    stats = token_stats(rows, chosen.template, chosen.tokenizer.tokenizer, context=context)
    longer = stats.longer()
    flagged = pa.concat_tables([_over(longer, context), _refused(stats.refused)]).sort_by("pos")
    notes = [*_context_note(longer, chosen, context, place), *_refusal_note(stats.refused, chosen, place)]
    return Counted(_stored(stats.counts), flagged, _summary(stats, longer, chosen, place), notes)


def _stored(found: Any) -> Any:
    table = found.select([name for name in COUNTS.names if name != "pos"])
    return table.rename_columns(STORED["tokens"].names).cast(STORED["tokens"])


def _summary(
    stats: TokenStats, longer: list[dict[str, Any]], chosen: ChosenTemplate, place: Callable[[int], str]
) -> dict[str, Any]:
    assert chosen.tokenizer is not None
    told = stats.summary()
    named = [
        {"where": place(row["pos"]), "row_id": row["row_id"], "tokens": row["tokens"]} for row in longer[:_LONGEST]
    ]
    reasons = counts(stats.refused["reason"])
    return {**told, "tokenizer": chosen.tokenizer.name, "refused": reasons, "longer": named}


def _over(longer: list[dict[str, Any]], context: int | None) -> Any:
    pos, tokens = [row["pos"] for row in longer], [row["tokens"] for row in longer]
    return flagged_table(pos, "over_context", value=tokens, threshold=context)


def _refused(refused: Any) -> Any:
    reasons = pc.binary_join_element_wise(refused["reason"], refused["detail"], ": ")
    return flagged_table(refused["pos"].combine_chunks(), "template_refuses", detail=reasons.combine_chunks())


def _context_note(
    longer: list[dict[str, Any]], chosen: ChosenTemplate, context: int | None, place: Callable[[int], str]
) -> list[str]:
    if not longer:
        return []
    first = longer[0]
    return [
        f"{_rows(len(longer))} over {context:,} tokens under {chosen.name}, and none was cut; "
        f"longest {place(first['pos'])} with {first['tokens']:,}; "
        f'see curate sql "FROM tokens WHERE total > {context} ORDER BY total DESC"'
    ]


def _refusal_note(refused: Any, chosen: ChosenTemplate, place: Callable[[int], str]) -> list[str]:
    if not refused.num_rows:
        return []
    reasons = sorted(counts(refused["reason"]).items(), key=lambda pair: (-pair[1], pair[0]))
    said = ", ".join(f"{reason} {n:,}" for reason, n in reasons)
    first = refused.slice(0, 1).to_pylist()[0]
    return [
        f"{_rows(refused.num_rows)} that template {chosen.name} refuses ({said}); first {place(first['pos'])}: "
        f"{first['detail']}; an export as text needs another template, or these rows changed or dropped by a patch"
    ]


def _rows(n: int) -> str:
    return f"{n:,} {'row' if n == 1 else 'rows'}"
