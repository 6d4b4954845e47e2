"""`curate compare`: which side is better, by how much, can it be believed, and what did it cost elsewhere."""

from __future__ import annotations

from argparse import Namespace
from typing import TYPE_CHECKING, Any, Final

from app.cli.arguments import Parser, whole_number
from app.cli.compare_text import data_lines, full, screen
from app.cli.output import emit
from app.cli.place import evaluation_place
from app.cli.render import Screen
from curation.errors import ConfigError, CurateError, RegressionError

if TYPE_CHECKING:
    from curation.progress import Progress
    from eval.compare.comparison import Ask, Comparison, Sit
    from eval.measuring import Trust
    from eval.prepare import Where

_FLIPS: Final = 5


def add_parser(parser: Parser) -> None:
    command = parser.add_command(
        "compare",
        "say which of two models is better, and whether the difference is one",
        description="Compare two sides item by item on one exam: held-out items that neither learned from. Without "
        "names: the base model against the last run. Seeds of one training are taken together.",
        examples=[
            "curate compare",
            "curate compare 003 005",
            "curate compare 003,004 005,006 --full",
            "curate compare base latest --gate",
            "curate compare v1 v2 --pooled",
        ],
    )
    command.add_argument(
        "sides", metavar="A B", nargs="*", help="a run, several with commas, or base (default: base and the last run)"
    )
    command.add_argument("--suite", metavar="S", help="compare on the evaluation with this suite (default: the newest)")
    command.add_argument("--gate", action="store_true", help="exit with code 5 unless no loss is shown (docs)")
    command.add_argument("--pooled", action="store_true", help="out-of-fold answers: A and B are versions with folds")
    command.add_argument("--alone", action="store_true", help="only the runs named, not their other seeds")
    command.add_argument("--stored", action="store_true", help="stored answers only: ask no model for missing ones")
    command.add_argument("--flips", metavar="N", type=whole_number, help=f"so many changed items (default: {_FLIPS})")
    command.add_argument("--seed", metavar="N", type=_seed, help="of the resampling (default: 0)")
    command.add_argument("--full", action="store_true", help="all metrics, slices, flips, and the trade-off by run")
    command.add_argument("--trust-metrics", action="store_true", help="run your own metrics' code without asking")


def run(args: Namespace) -> int:
    from app.cli.progress import progress

    told = progress()
    try:
        found, looks = _compared(args, told)
    finally:
        told.stop()
    gated = args.gate or found.exam.suite.gates.primary is not None
    data = {**data_lines(found), "looks": looks or None, "gated": gated}
    shown = full(found, Screen.here(), gated, looks) if args.full else screen(found, Screen.here(), gated, looks)
    emit(args, data, shown)
    failed = gated and not all(check.passed for check in found.checks)
    return RegressionError.exit_code if failed else 0


def _seed(text: str) -> int:
    return whole_number(text, 0)


def _compared(args: Namespace, told: Progress) -> tuple[Comparison, str]:
    from curation.store import open_store
    from eval.compare.comparison import Settings, compare
    from eval.compare.measures import Draws
    from eval.compare.sides import chosen
    from eval.measuring import Trust
    from eval.review.scores import scores_of

    where = evaluation_place(args)
    here = where.workspace
    trust = Trust(here.root if here else None, args.trust_metrics)
    store = open_store(here.store_path) if here and here.has_store else None
    sides = chosen(where.place.experiments, args.sides, alone=args.alone, pooled=args.pooled)
    settings = Settings(
        args.suite, Draws(args.seed or 0), trust, args.flips or _FLIPS, scores_of(where.place, where.near)
    )
    notes: list[str] = []
    ask = None if args.stored else _asker(where, trust, told, notes)
    told.stage("comparing")
    sit = None if args.stored else _sitter(where, trust, told, notes)
    try:
        found = compare(where.place.experiments, sides, store, settings, ask, sit)
    except CurateError as error:  # which may be because of what the notes say
        raise type(error)("; ".join([str(error), *dict.fromkeys(notes)])) from None
    found.notes.extend(notes)
    return found, _count_looks(found, where)


def _asker(where: Where, trust: Trust, told: Progress, notes: list[str]) -> Ask:
    """Made when it is first needed: asking models takes torch."""

    def ask(part: Any, sources: Any) -> bool:
        try:
            from eval.compare.asking import asker
            from train.watch import TrainLog
        except ImportError as error:
            notes.append(f'{part.name} could not be asked ({error.name} is missing; pip install "curate[eval]")')
            return False
        with TrainLog():
            return asker(where, trust, told, notes)(part, sources)

    return ask


def _sitter(where: Where, trust: Trust, told: Progress, notes: list[str]) -> Sit:
    def sit(exam: Any, part: Any) -> None:
        from reports.results import write_results

        try:
            from eval.compare.asking import sitter
            from train.watch import TrainLog
        except ImportError as error:
            notes.append(f'no baseline could be asked ({error.name} is missing; pip install "curate[eval]")')
            return
        with TrainLog():
            sitter(where, trust, told, notes, write_results)(exam, part)

    return sit


def _count_looks(found: Comparison, where: Where) -> str:
    """To compare on test is to look at it."""
    if not found.exam.suite.is_test:
        return ""
    from eval.exam import Exam
    from eval.odometer import count_looks, told

    (first, *_) = found.exam.sources
    asked = first.folder.run.settings.get("exam")
    if first.version is None or not asked:
        return ""
    try:
        source = where.source(first.version)
    except ConfigError:  # the version is gone, and with it the lineage that looks are counted for
        return ""
    return told(count_looks(where.place.journal, source, Exam(**asked), first.folder.name))
