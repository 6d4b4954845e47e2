"""`curate versions`: every version of the workspace."""

from __future__ import annotations

from argparse import Namespace
from typing import TYPE_CHECKING, Any

from app.cli.arguments import Parser
from app.cli.output import emit
from app.cli.place import stored
from app.cli.render import next_commands, page

if TYPE_CHECKING:
    from curation.store import VersionInfo


def add_parser(parser: Parser) -> None:
    parser.add_command("versions", "list the versions, newest first", examples=["curate versions"])


def run(args: Namespace) -> int:
    _, store = stored(args)
    found = store.versions()[::-1]
    names = {version.id: version.name for version in found}
    rows = [_row(version, names) for version in found]
    headers = ("version", "id", "parent", "train", "validation", "test", "built", "message")
    latest = store.latest()
    data = {"latest": latest.name if latest else None, "versions": [described(version) for version in found]}
    after = []
    if latest and latest != store.newest():
        after.append(f"latest is {latest.name}: the last build came back to it")
    if latest:
        after.append(next_commands(f"curate show {latest.name}", f"curate stats {latest.name}"))
    emit(args, data, page(headers, rows, after))
    return 0


def described(version: VersionInfo) -> dict[str, Any]:
    """A version as JSON values, without its recipe and statistics."""
    return {
        "name": version.name,
        "id": version.id,
        "parent": version.parent,
        "message": version.message,
        "created": version.created,
        "rows": version.stats["split"]["rows"],
    }


def _row(version: VersionInfo, names: dict[str, str]) -> list[Any]:
    counts = version.stats["split"]["rows"]
    parent = names.get(version.parent, version.parent[:8]) if version.parent else None
    sizes = [counts.get(split, 0) for split in ("train", "validation", "test")]
    return [version.name, version.id[:8], parent, *sizes, version.created[:16], version.message]
