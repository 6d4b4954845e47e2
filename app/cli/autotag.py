"""`curate autotag`: judge a run's outputs by rules, and say which training data the most frequent fault points to."""

from __future__ import annotations

import sys
from argparse import Namespace
from dataclasses import asdict
from typing import TYPE_CHECKING, Any, Final

from app.cli.arguments import Parser
from app.cli.output import emit
from app.cli.place import workspace
from app.cli.render import Cell, next_commands, page, percent, visible
from curation.errors import ConfigError, CurateError

if TYPE_CHECKING:
    from curation.store.journal import Journal
    from curation.workspace import Workspace
    from eval.blame import Blame
    from eval.folder import EvalFolder
    from eval.neighbours import Neighbours
    from eval.tags import Prediction
    from eval.tags.runner import Tagged

_SURE: Final = 0.05


def add_parser(parser: Parser) -> None:
    command = parser.add_command(
        "autotag",
        "tag a run's outputs by rules, and trace the main fault to its source",
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
    from eval.blame import blame
    from eval.neighbours import copies
    from eval.tags import RULES
    from eval.tags.runner import predictions_of, rules_named, tag_automatically

    if args.all and args.rule:
        raise ConfigError("--all and --rule contradict each other; give one")
    here = workspace(args)
    place = run_place(here)
    folder = _evaluation(place.experiments, args.run)
    rules = RULES if args.all else rules_named([*args.rule, *([args.events] if args.events else [])])
    predictions = predictions_of(folder.predictions(), test_too=args.final)
    if not predictions:
        where = "no output outside the test split; judge that with --final" if not args.final else "no output"
        raise ConfigError(f"{folder.name}: holds {where}")
    near = _neighbours(here, folder, predictions)
    with open_journal(place.journal) as journal:
        alike = copies(predictions, near.rows) if near else {}
        tagged = tag_automatically(folder, journal, rules=rules, copies=alike, test_too=args.final)
        reviewed = _reviewed(here, journal, folder, predictions)
    if args.events:
        ids = [event for (tag, _), event in tagged.events.items() if tag == args.events]
        emit(args, {"tag": args.events, "events": ids}, [",".join(ids)])
        return 0
    _tell(args, folder, tagged, near, {tag: (ids, blame(ids, near) if near else []) for tag, ids in reviewed.items()})
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


def _tell(
    args: Namespace,
    folder: EvalFolder,
    tagged: Tagged,
    near: Neighbours | None,
    reviewed: dict[str, tuple[set[str], list[Blame]]],
) -> None:
    from eval.blame import blame
    from eval.review.rates import rates_of_all

    names = sorted((tag for tag, found in tagged.found.items() if found), key=lambda tag: -len(tagged.found[tag]))
    having: dict[str, set[str]] = {}
    for tag in names:
        for prediction in tagged.found[tag]:
            having.setdefault(prediction, set()).add(tag)
    rates = rates_of_all(having, tagged.predictions, names)
    blamed = {tag: blame(tagged.found[tag], near) for tag in names} if near else {}
    rows: list[list[Cell]] = [
        [visible(rate.tag), rate.hits, percent(rate.share), f"{percent(rate.low)} to {percent(rate.high)}"]
        for rate in rates
    ]
    clean = len(tagged.predictions) - len(having)
    stored = f"{tagged.added:,} tags stored" + (f", {tagged.taken_back:,} taken back" if tagged.taken_back else "")
    said = [f"{visible(folder.name)}: {len(tagged.predictions):,} outputs, {clean:,} without a tag · {stored}"]
    said += _reviewed_lines(reviewed)
    said += _blame_lines(folder, names[0], blamed.get(names[0], [])) if names else []
    data: dict[str, Any] = {
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
                "sources": [asdict(row) for row in blamed.get(rate.tag, ())],
                "events": [event for (tag, _), event in tagged.events.items() if tag == rate.tag],
            }
            for rate in rates
        },
        "reviewed": {
            tag: {"found": len(ids), "sources": [asdict(row) for row in sources]}
            for tag, (ids, sources) in reviewed.items()
        },
    }
    emit(args, data, page(("tag", "outputs", "share", "95 %"), rows, said))


def _reviewed_lines(reviewed: dict[str, tuple[set[str], list[Blame]]]) -> list[str]:
    """What people said most often, and the source that it points at."""
    if not reviewed:
        return []
    tag, (ids, sources) = next(iter(reviewed.items()))
    told = f"reviewed: {visible(tag)} {len(ids):,}"
    if sources and sources[0].p_adjusted <= _SURE:
        first = sources[0]
        told += f", {first.near} of {first.n} near {visible(first.source)} ({first.rest_near} of {first.rest_n} others)"
    return [told]


def _blame_lines(folder: EvalFolder, tag: str, sources: list[Blame]) -> list[str]:
    if not sources:
        return [next_commands("curate tag --as NAME")]
    first = sources[0]
    if first.p_adjusted > _SURE:
        return [f"{tag}: no source stands out among its training neighbours", next_commands("curate tag --as NAME")]
    counts = f"{first.near} of {first.n} '{tag}' near this source ({first.rest_near} of {first.rest_n} of the others)"
    condition = f"source = '{first.source.replace(chr(39), chr(39) * 2)}'"
    number = folder.of.name.removeprefix("experiment_")
    command = (
        f'curate patch add --drop --where "{visible(condition)}" --reason "{counts}" '
        f"--tags \"$(curate autotag {number} --events '{tag}')\""
    )
    told = f"{visible(first.source)}, {first.rows:,} rows: {counts}, p {first.p_adjusted:.1g}"
    return [told, next_commands(command)]


def _neighbours(here: Workspace, folder: EvalFolder, predictions: list[Prediction]) -> Neighbours | None:
    """None where the run was not trained on a version that the store has."""
    from curation.runs import read_run
    from curation.store import open_store
    from eval.neighbours import neighbours, training_rows

    version = read_run(folder.of).version
    if version is None or not here.store_path.exists():
        return None
    try:
        store = open_store(here.store_path)
        rows = training_rows(store, store.resolve(str(version["id"])), folder.of)
    except CurateError as error:
        print(f"curate autotag: without training neighbours: {visible(str(error))}", file=sys.stderr)
        return None
    return neighbours(predictions, rows)


def _evaluation(experiments: Any, ref: str | None) -> EvalFolder:
    from curation.runs import resolve_run
    from eval.folder import last_evaluation, latest_eval

    if ref is not None:
        folder = resolve_run(experiments, ref)
        found = latest_eval(folder)
        if found is None:
            raise ConfigError(f"{folder.name}: has no finished evaluation; make one with curate eval {folder.name}")
        return found
    if (found := last_evaluation(experiments)) is not None:
        return found
    raise ConfigError("no evaluation yet; make one with curate eval")
