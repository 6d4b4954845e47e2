"""`curate tag`: review outputs in the terminal, blind to the run, one key an answer."""

from __future__ import annotations

import getpass
import sys
from argparse import Namespace
from time import monotonic
from typing import TYPE_CHECKING

from app.cli.arguments import Parser
from app.cli.output import emit
from app.cli.place import workspace
from app.cli.render import Screen, visible
from curation.errors import ConfigError

if TYPE_CHECKING:
    from eval.folder import EvalFolder
    from eval.review.frame import Shown
    from eval.review.session import Judgement, Review
    from eval.taxonomy import Taxonomy


def add_parser(parser: Parser) -> None:
    command = parser.add_command(
        "tag",
        "review outputs in the terminal: tags, verdicts, notes, undo",
        examples=[
            "curate tag --as ana",
            "curate tag 3 2 --as ana --queue flips",
            "curate tag --queue slice --slice topic=pins",
        ],
        description="Without RUN: the last run's newest evaluation. Several runs are shown mixed, and never named.",
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
    command.add_argument("--alone", action="store_true", help="nobody else reviews: a tenth comes again, unsaid")
    command.add_argument("--final", action="store_true", help="review outputs of the test split too")


def run(args: Namespace) -> int:
    from curation.runs import run_place
    from curation.store.journal import open_journal
    from eval.review.flips import flips
    from eval.review.frame import review_frame
    from eval.review.queues import QUEUES, QueueSettings
    from eval.review.session import Review
    from eval.taxonomy import load_taxonomy

    here = workspace(args)
    if args.queue not in QUEUES:
        from curation.errors import did_you_mean

        raise ConfigError(f'queue "{args.queue}" is not known{did_you_mean(args.queue, QUEUES)}')
    part = tuple(args.slice.split("=", 1)) if args.slice else None
    if part is not None and len(part) != 2:
        raise ConfigError(f'--slice "{args.slice}": write it as FIELD=VALUE')
    settings = QueueSettings(args.queue, args.one_in, args.calibration, 10 if args.alone else 0, 0, part)
    place = run_place(here)
    folders = _evaluations(place.experiments, args.runs)
    frame = review_frame(folders, test_too=args.final)
    taxonomy = load_taxonomy(here.root)
    author = args.author or getpass.getuser()
    with open_journal(place.journal) as journal:
        review = Review(frame, journal, taxonomy, author, settings, flips=flips(folders))
        began, before = monotonic(), review.done
        _ask(review, taxonomy)
        judged = review.done - before
        rate = judged / max(1e-9, (monotonic() - began) / 3600)
    told = f"{judged:,} judged now, {review.done:,} of {len(frame):,} in all, {rate:,.0f} an hour"
    emit(args, {"judged": judged, "done": review.done, "of": len(frame)}, [told])
    return 0


def _ask(review: Review, taxonomy: Taxonomy) -> None:
    """One output after the other, until q or the end of the input."""
    keys = taxonomy.hotkeys()
    print(f"tags: {' '.join(f'{key}={name}' for key, name in keys.items())}", file=sys.stderr)
    print(
        "1 correct · 2 partly · 3 wrong · 4 cannot judge · o OK · n TEXT note · u undo · s skip · q end",
        file=sys.stderr,
    )
    skipped: set[str] = set()
    while True:
        shown = next((s for s in review.ahead(len(skipped) + 1) if s.prediction_id not in skipped), None)
        if shown is None:
            print("nothing more to review here", file=sys.stderr)
            return
        _show(shown)
        line = _read()
        if line is None or line == "q":
            return
        if line == "s":
            skipped.add(shown.prediction_id)
        elif line == "u":
            print("taken back" if review.undo() else "nothing to take back", file=sys.stderr)
        else:
            try:
                review.judge(judgement(shown.prediction_id, line, keys))
            except ConfigError as error:
                print(visible(str(error)), file=sys.stderr)


def judgement(prediction_id: str, line: str, keys: dict[str, str]) -> Judgement:
    """What a line of keys says: "f3 n said 15 instead of 14" is a tag, a verdict and a note."""
    from eval.review.session import Judgement
    from eval.taxonomy import VERDICT_KEYS

    pressed, _, note = (line + " ").partition("n ")
    pressed = pressed.replace(" ", "")
    unknown = [key for key in pressed if key not in keys and key not in VERDICT_KEYS and key != "o"]
    if unknown or not (pressed or note.strip()):
        raise ConfigError(f'"{unknown[0]}" is no key here' if unknown else "press a key, then Enter")
    verdicts = [VERDICT_KEYS[key] for key in pressed if key in VERDICT_KEYS]
    if len(verdicts) > 1:
        raise ConfigError(f"one verdict, not {len(verdicts)}")
    tags = tuple(keys[key] for key in pressed if key in keys)
    if "o" in pressed and tags:
        raise ConfigError("OK and a tag contradict each other")
    return Judgement(prediction_id, tags, verdicts[0] if verdicts else "", note.strip())


def _show(shown: Shown) -> None:
    screen = Screen.of(sys.stderr)
    print("", file=sys.stderr)
    for message in shown.messages:
        print(
            f"{screen.paint(str(message['role']), 'dim')}: {visible(str(message.get('content') or ''))}",
            file=sys.stderr,
        )
    if shown.reference is not None:
        print(f"{screen.paint('reference', 'dim')}: {visible(shown.reference)}", file=sys.stderr)
    print(f"{screen.paint('output', 'bold')}: {visible(shown.output) or '(empty)'}", file=sys.stderr)


def _read() -> str | None:
    print("> ", end="", file=sys.stderr, flush=True)
    line = sys.stdin.readline()
    return line.strip() if line else None


def _evaluations(experiments: object, refs: list[str]) -> list[EvalFolder]:
    from pathlib import Path

    from curation.runs import list_runs, resolve_run
    from eval.folder import latest_eval

    assert isinstance(experiments, Path)
    chosen = [resolve_run(experiments, ref) for ref in refs]
    if not chosen:
        chosen = [f for f in list_runs(experiments) if latest_eval(f) is not None][-1:]
    found = [(folder, latest_eval(folder)) for folder in chosen]
    bare = [folder.name for folder, one in found if one is None]
    if bare or not found:
        what = f"{bare[0]} has no finished evaluation" if bare else "no evaluation yet"
        raise ConfigError(f"{what}; make one with curate eval{' ' + bare[0] if bare else ''}")
    return [one for _, one in found if one is not None]
