"""`curate import-predictions FILE`: outputs recorded elsewhere, measured and compared like those of any run."""

from __future__ import annotations

from argparse import Namespace
from pathlib import Path
from typing import TYPE_CHECKING, Final

from app.cli.arguments import Parser
from app.cli.output import emit
from app.cli.place import add_ref, evaluation_place, folder
from app.cli.render import Cell, next_commands, page, quote, visible
from curation.errors import ConfigError

if TYPE_CHECKING:
    from eval.imported_pairs import ImportedPairs
    from eval.imported_predictions import Imported
    from eval.suite import Suite

_SHOWN: Final = 3


def add_parser(parser: Parser) -> None:
    command = parser.add_command(
        "import-predictions",
        "take in outputs that were recorded elsewhere, and measure them",
        examples=[
            "curate import-predictions outputs.jsonl --split validation --name gpt-4",
            "curate import-predictions model_outputs.json.gz --references answers.jsonl",
            "curate import-predictions flan-t5-large_decode_output.jsonl.gz",
            "curate import-predictions ours.csv --field prompt=question --field output=answer --field reference=gold",
        ],
        description="One object a line (or of a JSON list, or a CSV row) with output, and item_id or prompt, perhaps "
        "reference and logprobs; the layouts of AlpacaEval, MT-bench, Flan-T5 and self-instruct are read as well, "
        "and PandaLM's pairs, which make two runs and their raters' preferences. "
        "Without --split or --references the file's own prompts and references are the exam.",
    )
    command.add_argument("file", metavar="FILE", help=".jsonl, .json, .csv, .tsv (each also .gz or .zst), .parquet")
    command.add_argument("--name", metavar="N", help="what to call the model (default: as the file says, or is called)")
    command.add_argument("--split", metavar="S", help="they answer this split of a version: train, validation, test")
    add_ref(command, "--version")
    command.add_argument(
        "--references", metavar="FILE", nargs="+", help="they answer this file, in any layout that a build reads"
    )
    command.add_argument(
        "--field",
        metavar="NAME=FIELD",
        action="append",
        default=[],
        help="what output, prompt, item_id, reference ... is called in the file; repeatable",
    )
    command.add_argument("--suite", metavar="S", help="suites/S.yaml of the workspace, or a file: which metrics")
    command.add_argument("--final", action="store_true", help="with --split test; each look at it is counted")
    command.add_argument("--trust-metrics", action="store_true", help="run your own metrics' code without asking")


def run(args: Namespace) -> int:
    from eval.imported_pairs import import_pairs, is_pairs
    from eval.imported_predictions import Wanted, import_predictions
    from eval.measuring import Trust
    from eval.suite import load_suite
    from reports.results import write_results

    where = evaluation_place(args)
    suite = _suite(args, load_suite(args.suite, where.near))
    version = None
    if args.split is not None or args.ref is not None:
        version = where.source(args.ref or "latest")
    start = folder(args).resolve()
    references = tuple(start / path for path in args.references or ())
    wanted = Wanted(start / Path(args.file), args.name, version, references, _fields(args.field))
    trust = Trust(where.workspace.root if where.workspace else None, args.trust_metrics)
    if not wanted.fields and is_pairs(wanted.file, where.near):
        return _pairs(args, import_pairs(wanted, suite, where.place, where.near, trust))
    made = import_predictions(wanted, suite, where.place, where.near, trust)
    write_results(made.sat.folder.of)
    looks = ""
    if version is not None and suite.is_test:
        from eval.odometer import count_looks, told

        looks = told(count_looks(where.place.journal, version, made.opened.exam, made.sat.folder.name))
    return _report(args, made, looks)


def _pairs(args: Namespace, made: ImportedPairs) -> int:
    """Two runs, and what raters preferred."""
    from reports.results import write_results

    sides = [one.sat.folder for one in (made.first, made.second)]
    for one in sides:
        write_results(one.of)
    raters = ", ".join(map(visible, made.raters)) or "nobody"
    lines = [
        f"{one.name}  {visible(imported.name)}: {imported.matched:,} outputs"
        for one, imported in zip(sides, (made.first, made.second), strict=True)
    ]
    lines.append(f"{made.judgements:,} new judgements by {raters}; the order they saw is not in the file")
    lines.append(next_commands(f"curate tag {sides[0].of.name} {sides[1].of.name} --pairs --as NAME"))
    data = {
        "runs": [one.of.name for one in sides],
        "outputs": made.first.matched,
        "raters": list(made.raters),
        "judgements": made.judgements,
    }
    emit(args, data, lines)
    return 0


def _fields(told: list[str]) -> dict[str, str]:
    from curation.errors import did_you_mean
    from eval.prediction_layouts import NAMES

    found: dict[str, str] = {}
    for one in told:
        ours, equals, theirs = one.partition("=")
        if not equals or not theirs:
            raise ConfigError(f"--field {one}: say NAME=FIELD, such as output=answer")
        if ours not in NAMES:
            raise ConfigError(f"--field {one}: {ours} is no field of a prediction{did_you_mean(ours, NAMES)}")
        if found.get(ours, theirs) != theirs:
            raise ConfigError(f"--field {one}: {ours} is {found[ours]} already; name one of the two")
        found[ours] = theirs
    return found


def _suite(args: Namespace, suite: Suite) -> Suite:
    from dataclasses import replace

    from curation.errors import did_you_mean

    if args.references and (args.split or args.ref):
        raise ConfigError("--references and --split say two different exams; leave one out")
    if args.split is not None:
        splits = ("train", "validation", "test")
        if args.split not in splits:
            raise ConfigError(f"--split {args.split}: is no split{did_you_mean(args.split, splits)}")
        suite = replace(suite, split=args.split, file=None)
    elif args.ref is not None and suite.file is not None:
        raise ConfigError(f"suite {suite.name} asks a file, and --version a version; name a --split")
    if suite.is_test and not args.final and (args.split or args.ref):
        raise ConfigError("--split test: test is for the end; add --final, and this look at it is counted")
    return suite


def _report(args: Namespace, made: Imported, looks: str) -> int:
    exam, at = made.opened.exam, made.sat.folder
    table = at.metrics().to_pylist()
    data = {
        "run": at.of.name,
        "folder": str(at.path),
        "name": made.name,
        "layout": made.layout,
        "known": made.sat.known,
        "exam": exam.as_json(),
        "matched": made.matched,
        "missing": exam.items - made.matched,
        "unmatched": [{"where": one.where, "id": one.key, "prompt": one.prompt} for one in made.unmatched],
        "references_overruled": [one.where for one in made.overruled],
        "left_out": dict(made.sat.left_out),
        "looks": looks or None,
        "metrics": table,
    }
    head = [f"{at.name}  {visible(made.name)} ({made.layout}) on {visible(exam.told())}"]
    after = _notes(made) + ([looks] if looks else [])
    after.append(next_commands(f"curate compare {_other(at.of)}", f"curate autotag {at.of.name}"))
    rows: list[list[Cell]] = [
        [row["metric"], _number(row["value"]), f"[{_number(row['ci_low'])}, {_number(row['ci_high'])}]", row["n"]]
        for row in table
        if row["slice"] == "all"
    ]
    emit(args, data, [*head, *page(("metric", "value", "95 % interval", "n"), rows, after, reserved=len(head))])
    return 0


def _other(folder: Path) -> str:
    """This run and another to compare it with: the newest that is no base model."""
    from curation.runs import readable_runs

    others = [path.name for path, run in readable_runs(folder.parent) if path != folder and run.kind != "base"]
    return f"{others[-1]} {folder.name}" if others else f"{folder.name} OTHER"


def _number(value: float | None) -> str:
    return "-" if value is None else f"{value:.3f}"


def _notes(made: Imported) -> list[str]:
    lines = ["it was taken in before; nothing was stored"] if made.sat.known else []
    if made.unmatched:
        shown = ", ".join(
            f"{visible(one.where)} {quote(one.prompt or one.key or '', 40)}" for one in made.unmatched[:_SHOWN]
        )
        lines.append(f"{len(made.unmatched):,} predictions are for no item of it: {shown}")
    missing = made.opened.exam.items - made.matched
    if missing:
        lines.append(f"{missing:,} items have no prediction; they are missing, not wrong")
    if made.overruled:
        lines.append(f"{len(made.overruled):,} bring another reference than the exam's, which counts")
    if made.sat.left_out:
        lines.append(f"not measured, for the file does not hold what it takes: {', '.join(made.sat.left_out)}")
    return lines
