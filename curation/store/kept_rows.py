"""The kept rows of a version that meet a condition of the user's, in build order of their sources."""

from __future__ import annotations

from typing import Any, Final

import duckdb

from curation.errors import ConfigError
from curation.store.database import Store
from curation.store.sql import query
from curation.store.versions import VersionInfo

# What a condition may speak of. `meta` is JSON: meta->>'topic' = 'pins'. The line break before the bracket that
# closes the condition keeps a comment in it from swallowing the bracket.
_SELECT: Final = """\
with kept as (
  select l.row_id, {source} as source, l.source as file, l.unit, l.line, l.split, l.cluster,
    coalesce(r.converted, r.record) as converted, r.record, r.record::json -> 'meta' as meta,
    r.record::json ->> '$.messages[#-1].content' as answer
  from ledger l join rows r using (row_id) where l.verdict = 'kept'
)
select file as source, line, split, row_id, converted, answer from kept where (
{condition}
) order by file, unit"""
# `source = 'old_export'` for data/raw/old_export.jsonl.gz: tried where the whole path finds nothing.
_STEM: Final = "regexp_extract(l.source, '([^/.]+)[^/]*$', 1)"


def kept_rows(store: Store, condition: str, version: VersionInfo) -> Any:
    """source, line, split, row_id, converted (JSON), answer of each; ConfigError if the condition is no SQL.

    `source` is a file's path in the workspace; where no row matches, its name without folder and endings counts too.
    """
    try:
        _one_expression(condition)
        found = query(store, _SELECT.format(source="l.source", condition=condition), version.name)
        if not found.num_rows:
            found = query(store, _SELECT.format(source=_STEM, condition=condition), version.name)
    except ConfigError as error:
        said = str(error).removeprefix("sql: ")
        raise ConfigError(f"--where: {said}; a condition reads like source = 'raw/a.jsonl' and line > 10") from None
    return found


def _one_expression(condition: str) -> None:
    """ConfigError unless the condition stands by itself: brackets that close ours would select other rows."""
    try:
        duckdb.SQLExpression(condition)
    except duckdb.Error as error:
        raise ConfigError(str(error).splitlines()[0]) from None
