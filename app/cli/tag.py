"""`curate tag`: review outputs in the terminal, blind to the run, one key an answer."""

from __future__ import annotations

from argparse import Namespace
from collections.abc import Iterator
from contextlib import contextmanager
from time import monotonic
from typing import TYPE_CHECKING, Final

from app.cli.arguments import Parser, whole_number
from app.cli.output import emit
from app.cli.person import person
from app.cli.place import workspace
from app.cli.tag_adjudicate import adjudicate, check
from app.cli.tag_endpoint import judge_by_endpoint
from app.cli.tag_file import export_reviews, import_reviews
from app.cli.tag_lines import review_all
from app.cli.tag_pairs import judge_pairs
from curation.errors import ConfigError

if TYPE_CHECKING:
    from curation.store.journal import Journal
    from curation.workspace import Workspace
    from eval.folder import EvalFolder
    from eval.review.frame import Frame
    from eval.review.queues import QueueSettings
    from eval.taxonomy import Taxonomy

_SHORT: Final = 1 / 60  # hours; of a shorter session, such as lines from a file, a pace says nothing


def add_parser(parser: Parser) -> None:
    command = parser.add_command(
        "tag",
        "review outputs in the terminal: tags, verdicts, notes, pairs, decisions, patches",
        examples=[
            "curate tag --as ana",
            "curate tag 3 2 --as ana --queue flips",
            "curate tag --queue slice --slice topic=pins",
            "curate tag 3 --adjudicate --as eva",
            "curate tag 2 3 --pairs --as ana",
            "curate tag 3 --endpoint http://localhost:8000/v1 --model judge",
            "curate tag 3 --export reviews.jsonl --as ana",
            "curate tag 5 6 --import reviews.jsonl --as ana",
        ],
        description="Without RUN: the last run's newest evaluation. Several runs are shown mixed, and never named. "
        "While nobody else has judged anything, a tenth of what you saw comes again, unsaid.",
    )
    command.add_argument("runs", metavar="RUN", nargs="*", help="runs whose newest evaluation is reviewed")
    command.add_argument("--as", dest="author", metavar="NAME", help="who (default: the user's login name)")
    command.add_argument(
        "--queue", metavar="QUEUE", default="unseen", help="unseen, flips, low confidence, disagreement, slice"
    )
    command.add_argument("--slice", metavar="FIELD=VALUE", help="for the queue slice")
    command.add_argument(
        "--calibration", metavar="N", type=int, default=0, help="so many outputs first, the same for all"
    )
    command.add_argument("--one-in", metavar="N", type=int, default=5, help="one in N is drawn at random (default 5)")
    command.add_argument("--alone", action="store_true", help="a tenth comes again, unsaid, though others review too")
    command.add_argument("--pairs", action="store_true", help="two runs: which of two outputs is better, blind")
    command.add_argument("--adjudicate", action="store_true", help="decide where people differ; it holds from then on")
    command.add_argument("--outputs", metavar="ID,ID", help="--adjudicate: these outputs")
    command.add_argument("--endpoint", metavar="URL", help="let the model behind it judge; seen only beside people")
    command.add_argument("--model", metavar="NAME", help="--endpoint: what the model is called there")
    command.add_argument(
        "--limit", metavar="N", type=whole_number, help="--endpoint: so many outputs, those people judged first (100)"
    )
    command.add_argument("--final", action="store_true", help="review outputs of the test split too")
    command.add_argument("--spend", action="store_true", help="allow patches from test items; they are spent by it")
    command.add_argument("--export", metavar="FILE", help="write what you said of these outputs, by item and output")
    command.add_argument("--import", metavar="FILE", help="say it again of the outputs here that are the same")


def run(args: Namespace) -> int:
    from curation.runs import run_place
    from curation.store.journal import open_journal
    from eval.review.frame import newest_to_review, nothing_to_review, review_frame
    from eval.taxonomy import load_taxonomy

    check(args)
    author = person(args)
    here = workspace(args)
    settings = _settings(args)
    place = run_place(here)
    folders = [newest_to_review(place.experiments, ref, test_too=args.final) for ref in args.runs or [None]]
    with open_journal(place.journal) as journal, _judged_is_kept():
        if args.pairs:
            return judge_pairs(args, folders, journal, author)
        frame = review_frame(folders, test_too=args.final, fields=[settings.slice[0]] if settings.slice else ())
        if not len(frame):
            raise ConfigError(f"{nothing_to_review(folders)}, or see those of test with --final")
        taxonomy = load_taxonomy(here.root)
        if args.export:
            return export_reviews(args, frame, journal, taxonomy, author)
        if getattr(args, "import"):
            return import_reviews(args, frame, journal, taxonomy, author)
        if args.endpoint:
            return judge_by_endpoint(args, frame, journal, taxonomy)
        if args.adjudicate:
            return adjudicate(args, frame, journal, taxonomy, author)
        return _review(args, here, folders, frame, journal, taxonomy, author, settings)


@contextmanager
def _judged_is_kept() -> Iterator[None]:
    """Within, Ctrl-C says so: each judgement is stored as it is said."""
    try:
        yield
    except KeyboardInterrupt as stopped:
        raise KeyboardInterrupt(str(stopped) or "interrupted; what was judged before is kept") from None


def _settings(args: Namespace) -> QueueSettings:
    from eval.review.queues import QUEUES, QueueSettings

    if args.queue not in QUEUES:
        from curation.errors import did_you_mean

        raise ConfigError(f'queue "{args.queue}" is not known{did_you_mean(args.queue, QUEUES)}')
    part = tuple(args.slice.split("=", 1)) if args.slice else None
    if part is not None and len(part) != 2:
        raise ConfigError(f'--slice "{args.slice}": write it as FIELD=VALUE')
    return QueueSettings(args.queue, args.one_in, args.calibration, 10 if args.alone else None, 0, part)


def _review(
    args: Namespace,
    here: Workspace,
    folders: list[EvalFolder],
    frame: Frame,
    journal: Journal,
    taxonomy: Taxonomy,
    author: str,
    settings: QueueSettings,
) -> int:
    from eval.review.flips import flips
    from eval.review.proposals import TrainingData
    from eval.review.session import Review

    data = TrainingData(here, taxonomy)
    flipped = flips(folders) if settings.queue == "flips" else None
    review = Review(frame, journal, taxonomy, author, settings, flips=flipped, data=data)
    rules = _by_rules(journal, frame)
    began, before = monotonic(), review.done
    review_all(review, lambda prediction: rules.get(prediction, []), allow_test=args.spend)
    judged = review.done - before
    hours = (monotonic() - began) / 3600
    told = f"{judged:,} judged now, {review.done:,} of {len(frame):,} in all"
    told += f", {judged / hours:,.0f} an hour" if hours > _SHORT else ""
    told += f"; {review.skipped:,} skipped, to come again" if review.skipped else ""
    emit(args, {"judged": judged, "skipped": review.skipped, "done": review.done, "of": len(frame)}, [told])
    return 0


def _by_rules(journal: Journal, frame: Frame) -> dict[str, list[str]]:
    """What rules said of each output: shown once the person has judged it."""
    from curation.store.tags import tags

    found: dict[str, list[str]] = {}
    for run in sorted(set(frame.runs)):
        for tag in tags(journal, run, kinds=("rule",)):
            found.setdefault(tag.prediction_id, []).append(tag.tag)
    return found
