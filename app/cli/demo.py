"""`curate demo`: the sample data as a workspace, built; what to look at first."""

from __future__ import annotations

import shutil
from argparse import Namespace
from pathlib import Path
from typing import Any, Final

from app.cli.arguments import Parser
from app.cli.output import emit
from app.cli.place import folder
from app.cli.render import visible
from curation.compiling import announcing
from curation.errors import ConfigError, DiskError

SAMPLE: Final = Path(__file__).resolve().parent.parent.parent / "data"
# What the sample's workspace holds, and from where in the sample it comes.
_LAID: Final = {
    "data/raw": "raw",
    "data/eval": "eval",
    "data/demo_model": "demo_model",
    "data/benchmarks/science.jsonl": "eval/science_300.jsonl",
    "configs/training.yaml": "training.yaml",
    "suites": "suites",
    "data/reviews.jsonl": "reviews.jsonl",
    "recipe.yaml": "recipe.yaml",
}
# Rows of the sample worth asking about: a near-duplicate, a conversation cut apart, a line that is not JSON.
_ASK: Final = ("near_duplicate", "cut_conversation", "broken_json")


def add_parser(parser: Parser) -> None:
    command = parser.add_command(
        "demo",
        "build the sample data in a folder of its own and say what to try next",
        examples=["curate demo", "curate demo /tmp/orvelin"],
    )
    command.add_argument("folder", metavar="DIR", nargs="?", default="demo", help="the folder to make (default: demo)")


def run(args: Namespace) -> int:
    from app.cli.build import lines
    from app.cli.progress import progress
    from curation.pipeline import build
    from curation.workspace import MARKER, open_workspace

    root = folder(args) / args.folder
    if not (root / MARKER).exists():
        copy_sample(root)
    shown = progress()
    try:
        with announcing(shown.note):
            result = build(open_workspace(root.resolve()), progress=shown)
    finally:
        shown.stop()
    report = [line for line in lines(result, made=False) if not line.startswith("next:")]
    data = {"workspace": str(root.resolve()), "version": result.version.name, "id": result.version.id}
    emit(args, data, [*report, *_next(args.folder)])
    return 0


def copy_sample(root: Path) -> None:
    """The sample as a workspace, not built yet.

    ConfigError where something else is in its place, DiskError where it cannot be copied.
    """
    if root.exists() and (not root.is_dir() or any(root.iterdir())):
        raise ConfigError(f"{root}: is there already and is no workspace; name another folder")
    there = root.exists()
    try:
        for place, origin in _LAID.items():
            (root / place).parent.mkdir(parents=True, exist_ok=True)
            copy = shutil.copytree if (SAMPLE / origin).is_dir() else shutil.copy
            copy(SAMPLE / origin, root / place)
        (root / "curate.yaml").write_text("curate: 1\n", "utf-8")
    except OSError as error:  # copytree gathers its errors: (from, to, reason) each
        for path in list(root.iterdir()) if there else [root]:  # it was empty, or was not there
            path.unlink() if path.is_file() else shutil.rmtree(path, ignore_errors=True)
        text = error.args[0][0][2] if isinstance(error, shutil.Error) else str(error)
        reason = text.partition("] ")[2].partition(":")[0] or text
        raise DiskError(
            f"{root}: the sample cannot be copied there ({reason}); free some space, or name another folder"
        ) from None


def _next(name: str) -> list[str]:
    asked = " · ".join(f"curate why {place}" for place in _planted())
    return [f"next: cd {visible(name)} · {asked} · curate verify · curate train --check"]


def _planted() -> list[str]:
    """file:line of one planted defect of each kind that is worth a look."""
    import orjson

    defects: list[dict[str, Any]] = orjson.loads((SAMPLE / "manifest.json").read_bytes())["defects"]
    first = {kind: next((d for d in defects if d["kind"] == kind), None) for kind in _ASK}
    return [f"data/{defect['file']}:{defect['line']}" for defect in first.values() if defect]
