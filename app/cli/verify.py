"""`curate verify`: check every promise about a version again, with code of its own."""

from __future__ import annotations

from argparse import Namespace
from pathlib import Path

from app.cli.arguments import Parser
from app.cli.output import emit
from app.cli.place import add_ref, folder, version
from app.cli.render import Screen, page, visible


def add_parser(parser: Parser) -> None:
    command = parser.add_command(
        "verify",
        "check a version's invariants and look for leaks, by brute force",
        examples=["curate verify", "curate verify v2 --export out"],
        description="Check a version's invariants and look for leaks. Exit code 4 if a leak is found.",
    )
    add_ref(command)
    command.add_argument(
        "--export", metavar="DIR", help="also check an exported folder (default: data/splits, if it holds the version)"
    )


def run(args: Namespace) -> int:
    here, store, chosen = version(args)
    from curation.verify import verify

    exported = folder(args) / args.export if args.export else _exported(here.splits_path, chosen.id)
    checks = verify(store, chosen, exported)
    failed = [check for check in checks if not check.ok]
    screen = Screen.here()
    rows = [["ok" if check.ok else "FAILED", check.name, check.detail] for check in sorted(checks, key=lambda c: c.ok)]
    sentence = (
        f"{chosen.name}: {len(failed)} of {len(checks)} checks failed: {', '.join(check.name for check in failed)}"
        if failed
        else f"{chosen.name}: all {len(checks)} checks hold"
    )
    data = {
        "version": chosen.name,
        "id": chosen.id,
        "ok": not failed,
        "checks": [{"name": check.name, "ok": check.ok, "detail": check.detail} for check in checks],
    }
    lines = page(("", "check", "found"), rows, [screen.paint(visible(sentence), "bad" if failed else "good")])
    emit(args, data, lines)
    # A leak outweighs the rest: it is what gates look for.
    codes = [check.exit_code for check in failed]
    return 4 if 4 in codes else max(codes, default=0)


def _exported(splits: Path, version_id: str) -> Path | None:
    """The workspace's own export, unless it is one of another version."""
    from curation.export.manifest import read_manifest

    manifest = read_manifest(splits)
    return splits if manifest is not None and manifest.version_id == version_id else None
