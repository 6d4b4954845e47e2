"""`curate sql`: ask the store anything, read-only."""

from __future__ import annotations

from argparse import Namespace
from typing import Any

from app.cli.arguments import Parser
from app.cli.output import emit
from app.cli.place import add_ref, stored
from app.cli.render import LINES, clip, table, visible

_TEXT = 60


def add_parser(parser: Parser) -> None:
    command = parser.add_command(
        "sql",
        "run a read-only SQL query over the store",
        examples=[
            'curate sql "SELECT verdict, reason, count(*) FROM ledger GROUP BY ALL ORDER BY 3 DESC"',
            'curate sql "SELECT * FROM members LIMIT 5" --version v1 --json',
        ],
        description="Tables of one version (the latest unless said): rows, members, ledger, flags, edges, quarantine, "
        "sources; of all versions: versions, all_members.",
    )
    command.add_argument("query", metavar="QUERY", help="one SELECT statement")
    add_ref(command, "--version")


def run(args: Namespace) -> int:
    from curation.store.sql import query

    _, store = stored(args)
    found = query(store, args.query, args.ref)
    names = list(found.column_names)
    records = [list(record) for record in zip(*(column.to_pylist() for column in found.columns), strict=True)]
    rows = [[_cell(value) for value in record] for record in records]
    count = f"{len(rows):,} row{'s' if len(rows) != 1 else ''}"
    data = {"columns": names, "rows": records}
    emit(args, data, [*table(names, rows, limit=LINES - 1), count])
    return 0


def _cell(value: Any) -> Any:
    """Numbers stay numbers; everything else is one short line."""
    if value is None or (isinstance(value, (int, float)) and not isinstance(value, bool)):
        return value
    from app.cli.output import plain

    return clip(visible(value if isinstance(value, str) else plain(value)), _TEXT)
