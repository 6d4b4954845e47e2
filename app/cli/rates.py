"""`curate rates`: how often each tag is deserved, where more often than elsewhere, and whether it shrank."""

from __future__ import annotations

from argparse import Namespace
from dataclasses import asdict
from math import isnan
from typing import TYPE_CHECKING, Any, Final

from app.cli.arguments import Parser
from app.cli.output import emit
from app.cli.place import workspace
from app.cli.render import Cell, next_commands, page, percent, visible
from curation.errors import ConfigError, did_you_mean

if TYPE_CHECKING:
    from curation.store.journal import Journal
    from eval.folder import EvalFolder
    from eval.review.changes import TagChange
    from eval.taxonomy import Taxonomy

_SURE: Final = 0.05
_MOST: Final = 4  # slices that are told


def add_parser(parser: Parser) -> None:
    command = parser.add_command(
        "rates",
        "how often each tag is deserved, in which slices, and whether it shrank",
        examples=[
            "curate rates",
            "curate rates 3 --slice topic",
            "curate rates 2 3 --control 'bad form'",
            "curate rates 2 3 --by rules --control 'cut off'",
        ],
        description="One run: rates with 95 % intervals, of people from random draws alone, and slices that have a tag "
        "more often than the rest (Benjamini-Hochberg). Two runs: what changed, on items judged under both; a control "
        "is a tag that the change of the data should not touch.",
    )
    command.add_argument("runs", metavar="RUN", nargs="*", help="one run (default: the last), or two: before, after")
    command.add_argument("--by", metavar="WHO", default="people", help="two runs, slices: people (default) or rules")
    command.add_argument("--control", metavar="TAG", help="two runs: the tag that should not have moved")
    command.add_argument("--slice", metavar="FIELD", action="append", default=[], help="also slices by this field")
    command.add_argument("--final", action="store_true", help="outputs of the test split too")


def run(args: Namespace) -> int:
    from curation.runs import run_place
    from curation.store.journal import open_journal
    from eval.review.changes import BY
    from eval.review.frame import newest_to_review
    from eval.taxonomy import load_taxonomy

    if args.by not in BY:
        raise ConfigError(f'--by "{args.by}" is not known{did_you_mean(args.by, BY)}')
    if len(args.runs) > 2 or (args.control and len(args.runs) != 2):
        raise ConfigError(
            "name one run, or two: before and after" + (" (--control is for two)" if args.control else "")
        )
    here = workspace(args)
    place = run_place(here)
    folders = [newest_to_review(place.experiments, ref, test_too=args.final) for ref in args.runs or [None]]
    taxonomy = load_taxonomy(here.root)
    with open_journal(place.journal) as journal:
        if len(folders) == 2:
            return _changes(args, folders, journal, taxonomy)
        return _rates(args, folders[0], journal, taxonomy)


def _rates(args: Namespace, folder: EvalFolder, journal: Journal, taxonomy: Taxonomy) -> int:
    from eval.review.frame import nothing_to_review
    from reports.tables.tags import judges, random_draws, tag_rates, verdicts

    predictions = _predictions(folder, args.final)
    if not predictions:
        raise ConfigError(
            f"{nothing_to_review([folder])}" + ("" if args.final else ", or see those of test with --final")
        )
    of = folder.of.name
    table = tag_rates(journal, of, list(predictions), taxonomy).to_dict("records")
    scales = verdicts(journal, of, taxonomy, predictions).to_dict("records")
    drawn = random_draws(journal, of, taxonomy, predictions)
    found = _slices(args, folder, journal, taxonomy, predictions)
    models = judges(journal, taxonomy, of).to_dict("records")
    rows: list[list[Cell]] = [
        [visible(r["tag"]), r["kind"], percent(r["share"]) if r["n"] else "-", _between(r), r["n"], r["counted"]]
        for r in table
    ]
    rows += [
        [visible(r["what"]), "mean", f"{r['value']:.2f}" if r["n"] else "-", _level(r), r["n"], r["counted"]]
        for r in scales
    ]
    sure = [row for row in found if row["p_adjusted"] < _SURE]
    said = [f"{visible(folder.name)}: {len(predictions):,} outputs; {len(found):,} slices and tags compared, {args.by}"]
    said += [
        visible(
            f"  {r['field']}={r['value']}: {r['tag']} in {r['hits']:,} of {r['n']:,}, elsewhere {r['rest_hits']:,} of "
            f"{r['rest_n']:,}, p {r['p_adjusted']:.2g}"
        )
        for r in sure[:_MOST]
    ]
    said += [] if sure else ["  no slice has a tag surely more often than the rest"]
    if not rows:
        what = "nobody gave a tag" if drawn.told else "no tags yet"
        said = [f"{visible(folder.name)}: {what}", next_commands("curate tag --as NAME", "curate autotag")]
    said[1:1] = [drawn.told] if drawn.told else []
    data = {"evaluation": folder.name, "rates": table, "draws": asdict(drawn)}
    data |= {"scales": scales, "slices": found, "models": models}
    emit(args, _finite(data), page(("tag", "by", "share", "95 %", "n", "counted"), rows, said))
    return 0


def _changes(args: Namespace, folders: list[EvalFolder], journal: Journal, taxonomy: Taxonomy) -> int:
    from eval.review.changes import tag_changes

    before, after = folders
    found = tag_changes(journal, before, after, taxonomy, args.by, args.control, test_too=args.final)
    rows: list[list[Cell]] = [
        [
            visible(row.tag) + " (control)" * row.control,
            f"{row.before:,} -> {row.after:,}",
            row.lost,
            row.gained,
            f"{_signed(row.low)} to {_signed(row.high)}",
            f"{row.p_adjusted:.3g}",
            "-"
            if isnan(row.beyond)
            else f"{_signed(row.beyond)} [{_signed(row.beyond_low)}, {_signed(row.beyond_high)}]",
        ]
        for row in found
    ]
    items = f"{found[0].n:,} items in {found[0].clusters:,} clusters" if found else "no tag"
    said = [f"{visible(before.name)} -> {visible(after.name)}, {args.by}: {items}, judged under both"]
    said += _verdict(found, args.control)
    data = {"before": before.name, "after": after.name, "by": args.by, "changes": [asdict(row) for row in found]}
    headers = ("tag", "items", "lost", "gained", "change, 95 %", "p", "beyond the control")
    emit(args, _finite(data), page(headers, rows, said))
    return 0


def _verdict(found: list[TagChange], control: str | None) -> list[str]:
    """Which tags surely moved, and whether the control did too."""
    sure = [row for row in found if row.p_adjusted < _SURE and not row.control]
    moved = [f"{visible(row.tag)} {'shrank' if row.lost > row.gained else 'grew'}" for row in sure]
    told = [", ".join(moved) if moved else "no tag surely moved"]
    last = next((row for row in found if row.control), None)
    if last is None:
        return [*told, "no control: name a tag that the change should not touch with --control"] if moved else told
    if last.p < _SURE:
        way = "shrank" if last.lost > last.gained else "grew"
        return [*told, f"the control {way} too: believe only what goes beyond it; those who judged may have changed"]
    return [*told, f"the control {visible(control or '')} did not surely move (p {last.p:.2g})"]


def _slices(
    args: Namespace, folder: EvalFolder, journal: Journal, taxonomy: Taxonomy, predictions: dict[str, str]
) -> list[dict[str, Any]]:
    from curation.store.tags import OK, tags
    from eval.folder import SUITE
    from eval.measuring import slice_values
    from eval.review.rates import deserved, excesses, judged
    from reports.tables.tags import drawn_judgements

    asked = folder.suite.slices if (folder.path / SUITE).is_file() else ()
    of_item = slice_values(folder, [*dict.fromkeys([*asked, *args.slice])])
    values = {prediction: of_item.get(item, {}) for prediction, item in predictions.items()}
    run = folder.of.name
    if args.by == "rules":
        by_rules = deserved(judged(tags(journal, run, kinds=("rule",))))
        given = {prediction: by_rules.get(prediction, set()) for prediction in predictions}
    else:
        given = drawn_judgements(journal, run, taxonomy, predictions)
    names = sorted({name for held in given.values() for name in held} - {OK})
    return [asdict(row) for row in excesses(given, values, names)]


def _predictions(folder: EvalFolder, test_too: bool) -> dict[str, str]:
    """prediction -> item, of those with an output."""
    rows = folder.predictions(["prediction_id", "item_id", "split", "output"]).to_pylist()
    return {
        row["prediction_id"]: row["item_id"]
        for row in rows
        if row["output"] is not None and (test_too or row["split"] != "test")
    }


def _between(row: dict[str, Any]) -> str:
    if row["n"]:
        return f"{percent(row['low'])} to {percent(row['high'])}"
    return "no random draw was judged" if row["kind"] == "person" else "no output"


def _level(row: dict[str, Any]) -> str:
    return f"{row['low']:.2f} to {row['high']:.2f}" if row["n"] else "no random draw was judged"


def _signed(value: float) -> str:
    return "-" if isnan(value) else f"{value:+.3f}"


def _finite(value: Any) -> Any:
    """For JSON, which has no NaN."""
    if isinstance(value, dict):
        return {key: _finite(one) for key, one in value.items()}
    if isinstance(value, list):
        return [_finite(one) for one in value]
    return None if isinstance(value, float) and isnan(value) else value
