"""`curate autotag`: judge a run's outputs by rules, and say which training data teach their faults."""

from __future__ import annotations

import sys
from argparse import Namespace
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from app.cli.arguments import Parser
from app.cli.autotag_origins import Origins, origin_lines, origins, reviewed_lines
from app.cli.output import emit
from app.cli.place import workspace
from app.cli.render import Cell, page, percent, visible
from curation.errors import ConfigError, CurateError

if TYPE_CHECKING:
    from curation.store.journal import Journal
    from curation.workspace import Workspace
    from eval.folder import EvalFolder
    from eval.lessons import Lessons
    from eval.neighbours import Neighbours
    from eval.tags import Prediction
    from eval.tags.runner import Tagged


def add_parser(parser: Parser) -> None:
    command = parser.add_command(
        "autotag",
        "tag a run's outputs by rules, and trace their faults to the source that teaches them",
        examples=[
            "curate autotag",
            "curate autotag 3 --rule 'wrong language' --rule refusal",
            "curate autotag 3 --events 'contradicts reference'",
        ],
        description="Without RUN: the last run that has an evaluation. Said twice, it stores nothing the second time; "
        "a newer rule takes back what the older one said. Rules measured below .8 precision run only by --rule.",
    )
    command.add_argument("run", metavar="RUN", nargs="?", help="a run whose newest evaluation is judged")
    command.add_argument("--rule", metavar="TAG", action="append", default=[], help="only this rule; repeatable")
    command.add_argument("--all", action="store_true", help="also the rules that are off by default")
    command.add_argument("--final", action="store_true", help="judge outputs of the test split too")
    command.add_argument("--events", metavar="TAG", help="print the ids of a tag's events, for curate patch add --tags")


def run(args: Namespace) -> int:
    from curation.runs import run_place
    from curation.store.journal import open_journal
    from eval.neighbours import copies
    from eval.review.frame import newest_to_review
    from eval.tags import RULES
    from eval.tags.runner import predictions_of, rules_named, tag_automatically

    if args.all and args.rule:
        raise ConfigError("--all and --rule contradict each other; give one")
    here = workspace(args)
    place = run_place(here)
    folder = newest_to_review(place.experiments, args.run, test_too=args.final)
    rules = RULES if args.all else rules_named([*args.rule, *([args.events] if args.events else [])])
    predictions = predictions_of(folder.predictions(), test_too=args.final)
    if not predictions:
        where = "no output outside the test split; judge that with --final" if not args.final else "no output"
        raise ConfigError(f"{folder.name}: holds {where}")
    near, lessons = _known(here, folder, predictions)
    with open_journal(place.journal) as journal:
        alike = copies(predictions, near.rows) if near else {}
        tagged = tag_automatically(folder, journal, rules=rules, copies=alike, test_too=args.final)
        reviewed = _reviewed(here, journal, folder, predictions)
    if args.events:
        ids = [event for (tag, _), event in tagged.events.items() if tag == args.events]
        emit(args, {"tag": args.events, "events": ids}, [",".join(ids)])
        return 0
    found = {tag: origins(tagged.found[tag], near, lessons) for tag in _commonest(tagged)}
    said = {tag: (len(ids), origins(ids, near, lessons)) for tag, ids in reviewed.items()}
    emit(args, _data(folder, tagged, found, said), _page(folder, tagged, found, said))
    return 0


def _reviewed(
    here: Workspace, journal: Journal, folder: EvalFolder, predictions: list[Prediction]
) -> dict[str, set[str]]:
    """Tag -> the outputs that people hold it deserves, commonest first."""
    from eval.review.people import people
    from eval.taxonomy import load_taxonomy

    taxonomy = load_taxonomy(here.root)
    asked = {prediction.id for prediction in predictions}
    found: dict[str, set[str]] = {}
    for prediction, names in people(journal, taxonomy, folder.of.name).deserved().items():
        for name in names & set(taxonomy.tags) if prediction in asked else ():
            found.setdefault(name, set()).add(prediction)
    return dict(sorted(found.items(), key=lambda item: (-len(item[1]), item[0])))


def _commonest(tagged: Tagged) -> list[str]:
    """The tags that were found, the most frequent first."""
    return sorted((tag for tag, found in tagged.found.items() if found), key=lambda tag: -len(tagged.found[tag]))


def _having(tagged: Tagged) -> dict[str, set[str]]:
    """Output -> its tags; of those that have one."""
    having: dict[str, set[str]] = {}
    for tag, found in tagged.found.items():
        for prediction in found:
            having.setdefault(prediction, set()).add(tag)
    return having


def _data(
    folder: EvalFolder, tagged: Tagged, found: Mapping[str, Origins], said: Mapping[str, tuple[int, Origins]]
) -> dict[str, Any]:
    from eval.review.rates import rates_of_all

    return {
        "evaluation": folder.name,
        "outputs": len(tagged.predictions),
        "added": tagged.added,
        "taken_back": tagged.taken_back,
        "tags": {
            rate.tag: {
                "found": rate.hits,
                "share": rate.share,
                "low": rate.low,
                "high": rate.high,
                **found[rate.tag].as_data(),
                "events": [event for (tag, _), event in tagged.events.items() if tag == rate.tag],
            }
            for rate in rates_of_all(_having(tagged), tagged.predictions, list(found))
        },
        "reviewed": {tag: {"found": count, **of.as_data()} for tag, (count, of) in said.items()},
    }


def _page(
    folder: EvalFolder, tagged: Tagged, found: Mapping[str, Origins], said: Mapping[str, tuple[int, Origins]]
) -> list[str]:
    from eval.review.rates import rates_of_all

    having = _having(tagged)
    rows: list[list[Cell]] = [
        [visible(rate.tag), rate.hits, percent(rate.share), f"{percent(rate.low)} to {percent(rate.high)}"]
        for rate in rates_of_all(having, tagged.predictions, list(found))
    ]
    clean = len(tagged.predictions) - len(having)
    stored = f"{tagged.added:,} tags stored" + (f", {tagged.taken_back:,} taken back" if tagged.taken_back else "")
    told = [f"{visible(folder.name)}: {len(tagged.predictions):,} outputs, {clean:,} without a tag · {stored}"]
    told += reviewed_lines(said) + origin_lines(folder.of.name.removeprefix("experiment_"), found)
    return page(("tag", "outputs", "share", "95 %"), rows, told)


def _known(
    here: Workspace, folder: EvalFolder, predictions: list[Prediction]
) -> tuple[Neighbours, Lessons] | tuple[None, None]:
    """The training rows beside the outputs; (None, None) where the store does not have the version that they are of."""
    from curation.runs import read_run
    from curation.store import open_store
    from eval.lessons import Lessons
    from eval.neighbours import neighbours, training_rows

    version = read_run(folder.of).version
    if version is None or not here.has_store:
        return None, None
    try:
        store = open_store(here.store_path)
        rows = training_rows(store, store.resolve(str(version["id"])), folder.of)
    except CurateError as error:
        print(f"curate autotag: without training neighbours: {visible(str(error))}", file=sys.stderr)
        return None, None
    return neighbours(predictions, rows), Lessons(predictions, rows)
