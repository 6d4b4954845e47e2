"""`curate report`: one page that shows what a run is worth, and what its data did; HTML, Markdown, figures."""

from __future__ import annotations

import gc
from argparse import Namespace
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Final

from app.cli.arguments import Parser
from app.cli.extras import DRAWING, require
from app.cli.output import emit
from app.cli.place import folder
from app.cli.render import LINES, next_commands, visible

if TYPE_CHECKING:
    from reports.figures import Drawing
    from reports.sections.subject import Subject

FOLDER: Final = "reports"
_MADE: Final = 200_000  # objects before cycles among them are looked for


def add_parser(parser: Parser) -> None:
    command = parser.add_command(
        "report",
        "write a report of a run: one HTML file, Markdown, and figures",
        description="The verdict first, then data, training, metrics beside benchmarks, errors, confidence, flips, "
        "limitations, provenance. From what is stored: no model is asked. Runs are named as for curate compare; the "
        "last one is reported on.",
        examples=["curate report", "curate report 003", "curate report 001,002 003,004 --to out"],
    )
    command.add_argument(
        "runs", metavar="RUN", nargs="*", help="a run, or the two sides that are compared (default: base and the last)"
    )
    command.add_argument("--to", metavar="DIR", help=f"where to (default: {FOLDER}/ of the workspace)")
    command.add_argument("--suite", metavar="S", help="compare on the evaluation with this suite (default: the newest)")


def run(args: Namespace) -> int:
    require(DRAWING, "app")
    from reports.figures import drawing

    with _rarely_collected(), drawing() as pictures:  # which gets ready while all else is loaded
        return _report(args, pictures)


def _report(args: Namespace, pictures: Drawing) -> int:
    from app.cli.progress import progress
    from curation.workspace import find_workspace
    from eval.compare.comparison import Settings
    from reports.report import Made, sections_alone, write_report
    from reports.sections.subject import subject

    here, told = find_workspace(folder(args)), progress()
    near = here.root if here else folder(args)
    made: Made = {}

    def alone(uncompared: Subject) -> None:
        nonlocal made
        made = sections_alone(uncompared, pictures.add)
        told.stage("comparing")

    try:
        told.stage("reading")
        of = subject(here, near, args.runs, Settings(suite=args.suite), alone)
        told.stage("writing")
        written = write_report(of, folder(args) / args.to if args.to else near / FOLDER, pictures, made)
    finally:
        told.stop()
    data = {
        "run": of.folder.name,
        "version": (of.run.version or {}).get("name"),
        "html": str(written.html),
        "markdown": str(written.markdown),
        "figures": [str(path) for path in written.figures],
        "summary": [text.text for text in _summary(of)],
        "missing": _missing(of),
    }
    emit(args, data, _lines(of, data))
    return 0


@contextmanager
def _rarely_collected() -> Iterator[None]:
    """A report holds nearly all it makes to its end, and to look for cycles in that took a tenth of its time."""
    before = gc.get_threshold()
    gc.set_threshold(_MADE, *before[1:])
    try:
        yield
    finally:
        gc.set_threshold(*before)


def _summary(of: Subject) -> list[Any]:
    from reports.sections.verdict import summary

    return summary(of)


def _missing(of: Subject) -> list[str]:
    return [text for text in dict.fromkeys((of.no_evaluation, of.no_comparison, of.no_version)) if text]


def _lines(of: Subject, data: dict[str, Any]) -> list[str]:
    missing = [visible(text) for text in data["missing"]]
    told = [visible(text.text) for text in _summary(of)] if of.comparison else missing
    pictures = f"{len(data['figures']) // 2} figures in {visible(str(of.name))}"
    after = [f"{visible(data['html'])}", f"{visible(data['markdown'])}, {pictures}"]
    card = [f"curate card {of.folder.name}"] if of.run.kind == "training" else []
    return [*told[: LINES - 3], *after, next_commands(*card, "curate status")]
