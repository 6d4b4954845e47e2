"""`curate gc`: the files of the store that no version needs; versions that are no longer wanted."""

from __future__ import annotations

from argparse import Namespace
from pathlib import Path
from typing import TYPE_CHECKING, Final

from app.cli.arguments import Parser
from app.cli.output import emit
from app.cli.place import stored
from app.cli.render import Cell, next_commands, page

if TYPE_CHECKING:
    from curation.store.collect import Collected

_UNITS: Final = ("bytes", "kB", "MB", "GB", "TB")


def add_parser(parser: Parser) -> None:
    command = parser.add_command(
        "gc",
        "list what no version of the store needs, and remove it with --yes",
        examples=["curate gc", "curate gc --yes", "curate gc --drop v2 --drop v3 --yes"],
    )
    command.add_argument(
        "--drop", metavar="REF", action="append", default=[], help="a version to drop; may be repeated"
    )
    command.add_argument("--yes", action="store_true", help="remove it, instead of listing it")


def run(args: Namespace) -> int:
    from curation.store.collect import collect, plan

    here, store = stored(args)
    done = (collect if args.yes else plan)(store, args.drop, tied_to_runs(here.root / "experiments"))
    files = [
        {"path": file.path.relative_to(store.root).as_posix(), "why": file.why, "bytes": file.bytes}
        for file in done.files
    ]
    dropped = [version.name for version in done.dropped]
    data = {"removed": args.yes, "bytes": done.bytes, "dropped": dropped, "files": files}
    rows: list[list[Cell]] = [
        [file.path.relative_to(store.root).as_posix(), file.why, file.bytes] for file in done.files
    ]
    emit(args, data, page(("file of the store", "why", "bytes"), rows, _verdict(done, args)))
    return 0


def _verdict(done: Collected, args: Namespace) -> list[str]:
    names = ", ".join(version.name for version in done.dropped)
    if not done.files and not names:
        return ["nothing to remove: every file of the store belongs to a version"]
    count = f"{len(done.files):,} file{'s' * (len(done.files) != 1)}, {size(done.bytes)}"
    if args.yes:
        return [*[f"dropped {names}; the name is not given again"] * bool(names), f"removed {count}"]
    again = "".join(f" --drop {ref}" for ref in args.drop)
    return [*[f"would drop {names}"] * bool(names), f"would free {count}", next_commands(f"curate gc{again} --yes")]


def size(count: float) -> str:
    """`18.2 MB`."""
    unit = 0
    while count >= 1000 and unit < len(_UNITS) - 1:
        count, unit = count / 1000, unit + 1
    return f"{count:,.0f} bytes" if unit == 0 else f"{count:,.1f} {_UNITS[unit]}"


def tied_to_runs(experiments: Path) -> dict[str, str]:
    """Version id -> the run that was made with it. A run.json that cannot be read ties nothing it does not name."""
    from curation.errors import ConfigError

    tied: dict[str, str] = {}
    for file in sorted(experiments.glob("*/**/run.json")):
        try:
            text = file.read_text("utf-8", "replace")
        except OSError as error:
            raise ConfigError(
                f"{file}: cannot be read ({error.strerror}), so nobody knows which version it needs"
            ) from None
        for version_id in _ids(text):
            tied.setdefault(version_id, f"run {file.parent.relative_to(experiments).as_posix()}")
    return tied


def _ids(text: str) -> list[str]:
    """Whatever may be a version id: 64 hexadecimal digits."""
    import re

    return re.findall(r"(?<![0-9a-f])[0-9a-f]{64}(?![0-9a-f])", text)
