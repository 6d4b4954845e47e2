"""Many rows at once: texts in row order, and the rows that a template refused."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import orjson
import pyarrow as pa
import pyarrow.compute as pc

from curation.tables import dropped_table
from curation.templates.refusal import TemplateRefusal
from curation.templates.template import Template

# Keys that make a message more than a role and a content; in canonical JSON a content cannot hold them unescaped.
_MORE = ('"tool_calls":', '"tool_call_id":', '"name":')


@dataclass(frozen=True, slots=True)
class RenderedTable:
    rows: Any  # the rows that were rendered, in order
    texts: list[str]  # their texts
    refused: Any  # tables.DROPPED: the rest, with the reason


def render_table(rows: Any, template: Template, *, with_bos: bool = False) -> RenderedTable:
    """Render every row of a table like tables.ROWS; rendered + refused == rows."""
    bos = template.bos if with_bos else ""
    texts: list[str] = []
    refused: list[tuple[int, TemplateRefusal]] = []
    for i, text in enumerate(_outcomes(rows, template)):
        if isinstance(text, TemplateRefusal):
            refused.append((i, text))
        else:
            texts.append(bos + text)
    if not refused:
        return RenderedTable(rows, texts, dropped_table([], []))
    pos, gone = rows["pos"].to_numpy(), [i for i, _ in refused]
    kept = rows.take(pa.array(sorted(set(range(rows.num_rows)) - set(gone)), pa.int64()))
    reasons, details = [r.reason for _, r in refused], [r.detail for _, r in refused]
    return RenderedTable(kept, texts, dropped_table(pos[gone], reasons, detail=details))


def render_lines(rows: Any, template: Template, *, with_bos: bool = True) -> Iterator[bytes]:
    """JSON lines {"text": ...} of the rows that the template accepts, in row order, for a rendered export."""
    for text in render_table(rows, template, with_bos=with_bos).texts:
        yield orjson.dumps({"text": text}, option=orjson.OPT_APPEND_NEWLINE)


def _outcomes(rows: Any, template: Template) -> Iterator[str | TemplateRefusal]:
    columns = (rows[name].to_pylist() for name in ("roles", "system", "prompt", "answer"))
    for i, (simple, roles, system, prompt, answer) in enumerate(zip(_simple(rows), *columns, strict=True)):
        try:
            if simple:
                contents = (prompt, answer) if roles == "ua" else (system, prompt, answer)
                yield template.text(roles, contents, False)
            else:
                yield template.render(orjson.loads(rows["record"][i].as_py())).text
        except TemplateRefusal as refusal:
            yield refusal


def _simple(rows: Any) -> list[bool]:
    """Whether the columns say all of the row: one question, one answer, all with contents, no tools or names.

    An empty column may stand for a null content. Canonical JSON sorts its keys, so that `tools`, an array,
    would come last.
    """
    record = rows["record"].cast(pa.large_string())
    sizes = [pc.binary_length(rows[name]) for name in ("system", "prompt", "answer")]
    filled = pc.and_(pc.greater(sizes[1], 0), pc.greater(sizes[2], 0))
    with_system = pc.and_(pc.equal(rows["roles"], "sua"), pc.greater(sizes[0], 0))
    simple = pc.and_(filled, pc.or_(pc.equal(rows["roles"], "ua"), with_system))
    simple = pc.and_(simple, pc.ends_with(record, "}}"))
    for key in _MORE:
        simple = pc.and_(simple, pc.invert(pc.match_substring(record, key)))
    flags: list[bool] = simple.to_pylist()
    return flags
