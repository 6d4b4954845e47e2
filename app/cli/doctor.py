"""`curate doctor`: whether the environment and the workspace are sound, and what to do where they are not."""

from __future__ import annotations

import time
from argparse import Namespace
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Final

from app.cli.arguments import Parser
from app.cli.output import emit
from app.cli.place import folder
from app.cli.render import LINES, Screen, Style, clip, next_commands, visible

if TYPE_CHECKING:
    from collections.abc import Sequence

    from curation.doctor import Finding

_WIDTH: Final = 150
_LEAST: Final = 60
_STYLES: Final[dict[str, Style]] = {"ok": "good", "note": "dim", "broken": "bad"}
_ORDER: Final = ("broken", "note", "ok")


def add_parser(parser: Parser) -> None:
    command = parser.add_command(
        "doctor",
        "whether the environment and the workspace are sound, and what to do",
        description="Python, packages against the least versions, extras, GPU, threads; in a workspace its settings, "
        "disk, store, journal, locks, runs and evaluations. Changes nothing; exit code 1 where something is broken.",
        examples=["curate doctor", "curate doctor --deep", "curate doctor --json"],
    )
    command.add_argument("--deep", action="store_true", help="hash every segment, and try out torch and bitsandbytes")
    command.add_argument("--full", action="store_true", help="also what is sound, a line each")


def run(args: Namespace) -> int:
    started = time.perf_counter()
    found = [*_system(args.deep), *_workspace(args)]
    seconds = time.perf_counter() - started
    broken = [one for one in found if one.level == "broken"]
    data = {"sound": not broken, "seconds": round(seconds, 2), "findings": [asdict(one) for one in found]}
    emit(args, data, _lines(found, seconds, args.full, Screen.here()))
    return 1 if broken else 0


def _system(deep: bool) -> Sequence[Finding]:
    from curation.doctor import environment_checks

    found = environment_checks()
    if not deep:
        return found
    try:
        from train.trying import tried

        return [*(one for one in found if one.about != "bitsandbytes"), *tried()]
    except ImportError:  # the extra is missing, which was said
        return found


def _workspace(args: Namespace) -> Sequence[Finding]:
    from curation.doctor import Finding, workspace_checks
    from curation.workspace import MARKER

    start = folder(args).resolve()
    root = next((one for one in (start, *start.parents) if (one / MARKER).is_file()), None)
    if root is None:
        return [Finding("workspace", "note", f"{start} is in none", "curate init DIR, or curate demo")]
    return [*workspace_checks(root, args.deep), *_evaluations(root)]


def _evaluations(root: Path) -> Sequence[Finding]:
    from eval.sound import evaluation_checks

    return list(evaluation_checks(root / "experiments"))


def _lines(found: Sequence[Finding], seconds: float, full: bool, screen: Screen) -> list[str]:
    """Faults first; what is sound is named together unless all is asked for."""
    told = [_line(one, screen) for level in _ORDER for one in found if one.level == level and (full or level != "ok")]
    sound = ", ".join(dict.fromkeys(one.about for one in found if one.level == "ok"))
    broken = sum(one.level == "broken" for one in found)
    last = f"{broken:,} broken, {sum(one.level == 'note' for one in found):,} to know; looked in {seconds:.1f} s"
    if full:
        return [*told, last]
    room = LINES - 3
    if len(told) > room:
        told = [*told[: room - 1], f"... {len(told) - room + 1:,} more; curate doctor --full"]
    return [
        *told,
        clip(visible(f"sound: {sound}"), _WIDTH),
        last,
        next_commands("curate doctor --full", "curate status"),
    ]


def _line(one: Finding, screen: Screen) -> str:
    """What to do is what a narrow line keeps."""
    todo = visible(f" -> {one.todo}") if one.todo else ""
    told = clip(visible(f"{one.about}: {one.told}"), max(_WIDTH - len(todo), _LEAST)) + todo
    return f"{screen.paint(f'{one.level:<6}', _STYLES[one.level])} {told}"
