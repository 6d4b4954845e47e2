"""`curate trace X`: where a row, version, run, output, tag, patch or number came from, and what came of it."""

from __future__ import annotations

from argparse import Namespace
from dataclasses import asdict
from typing import TYPE_CHECKING, Final

from app.cli.arguments import Parser
from app.cli.output import emit
from app.cli.place import folder
from app.cli.render import LINES, clip, next_commands, visible

if TYPE_CHECKING:
    from collections.abc import Sequence

    from reports.trace import Link, Trace

_WIDTH: Final = 150
_LEAST: Final = 3  # lines that each direction may have, however long the other is


def add_parser(parser: Parser) -> None:
    command = parser.add_command(
        "trace",
        "where a row, version, run, output, tag, patch or number came from, and what came of it",
        description="X is FILE:LINE, a version, a run, RUN/eval-K, a patch, an item, the beginning of an id (of a row, "
        "version, output or tag), or a number: RUN:METRIC[:SLICE], A..B:METRIC for a difference, VERSION:SPLIT for "
        "a count, or REPORT.html#ANCHOR, which every number of a report links to. Numbers are computed again.",
        examples=[
            "curate trace data/raw/manual.jsonl:6",
            "curate trace v2",
            "curate trace 003",
            "curate trace experiment_003:token_f1:topic=a",
            "curate trace base..003:token_f1 --json",
        ],
    )
    command.add_argument("name", metavar="X", help="what to trace")
    command.add_argument("--full", action="store_true", help="every step, however many")


def run(args: Namespace) -> int:
    from curation.workspace import find_workspace
    from reports.trace import trace

    here = find_workspace(folder(args))
    found = trace(here, here.root if here else folder(args), args.name)
    emit(args, asdict(found), lines(found, None if args.full else LINES))
    return 0 if found.facts.get("same", True) else 3


def lines(found: Trace, most: int | None) -> list[str]:
    """At most `most` lines; what is left out is counted."""
    head = [clip(visible(line), _WIDTH) for line in found.told]
    after = _next(found)
    sides = (("came from", found.came_from), ("came of it", found.came_of_it))
    if most is None:
        return [*head, *(line for title, links in sides for line in _side(title, links, len(links))), after]
    room = most - len(head) - 1
    first = min(len(found.came_from), max(_LEAST, room - len(found.came_of_it)))
    rooms = (first, max(_LEAST, room - first))
    told = [line for (title, links), fits in zip(sides, rooms, strict=True) for line in _side(title, links, fits)]
    return [*head[: max(most - len(told) - 1, 1)], *told, after][-most:]


def _side(title: str, links: Sequence[Link], room: int) -> list[str]:
    if not links:
        return [f"{title}: nothing that is known here"]
    fits = len(links) if len(links) <= room else max(room - 1, 1)
    told = [clip(visible(f"{title}: {_link(link)}"), _WIDTH) for link in links[:fits]]
    return [*told, *[f"{title}: {len(links) - fits:,} more; see --full"] * (len(links) > fits)]


def _link(link: Link) -> str:
    return f"{link.kind}{f' {link.name}' if link.name else ''}, {link.told}"


def _next(found: Trace) -> str:
    names = dict.fromkeys(link.name for link in (*found.came_from, *found.came_of_it) if link.name)
    commands = [f"curate trace {_quoted(name)}" for name in list(names)[:2]]
    return next_commands(*(commands or ["curate status"]))


def _quoted(name: str) -> str:
    import shlex

    return shlex.quote(name)
