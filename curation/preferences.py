"""What the recipe says about a row's worth and place: priority, reviewed, fixed split. Columns for the later stages."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from curation.meta_fields import metas_of, no_such_field
from curation.reading.sources import Source


def with_preferences(rows: Any, sources: Sequence[Source], reviewed_field: str | None, edited: Any = None) -> Any:
    """tables.ROWS with `priority` (int32), `reviewed` (bool), `fixed_split` and `source_name` (text) appended.

    Rows whose pos is in `edited` (somebody patched them) count as reviewed.
    """

    def per_source(values: list[Any], kind: Any) -> Any:
        return pc.take(pa.array(values, kind), rows["source"]) if sources else pa.array([], kind)

    reviewed = per_source([source.spec.reviewed for source in sources], pa.bool_())
    if edited is not None and len(edited):
        reviewed = pc.or_(reviewed, pc.is_in(rows["pos"], value_set=edited))
    if reviewed_field:
        reviewed = pc.or_(reviewed, _truthy(rows["record"], reviewed_field))
    return (
        rows.append_column("priority", per_source([source.spec.priority for source in sources], pa.int32()))
        .append_column("reviewed", reviewed)
        .append_column("fixed_split", per_source([source.spec.split for source in sources], pa.string()))
        .append_column("source_name", per_source([source.name for source in sources], pa.string()))
    )


def _truthy(records: Any, field: str) -> Any:
    """Whether meta.<field> is true, 1, or the word true or yes."""
    metas = metas_of(records)
    if metas and not any(field in meta for meta in metas):
        raise no_such_field("reviewed_field", field, metas)
    values = (meta.get(field) for meta in metas)
    return pa.array([value is True or str(value).lower() in ("1", "true", "yes") for value in values], pa.bool_())
