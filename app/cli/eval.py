"""`curate eval`: a run and its base on an exam and on benchmarks; every answer is stored, every number has bounds."""

from __future__ import annotations

import math
from argparse import Namespace
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from app.cli.arguments import Parser, whole_number
from app.cli.extras import MODEL, require
from app.cli.output import emit
from app.cli.place import evaluation_place
from app.cli.render import Cell, clip, next_commands, page, visible
from curation.errors import ConfigError

if TYPE_CHECKING:
    from curation.source import OfferedTemplate
    from eval.evaluate import Evaluated
    from eval.prepare import Prepared, Where
    from eval.subject import Subject
    from eval.suite import Suite

_SHOWN_IDS: Final = 3


def add_parser(parser: Parser) -> None:
    command = parser.add_command(
        "eval",
        "evaluate a run beside its base, on held-out items and benchmarks",
        examples=[
            "curate eval",
            "curate eval 003 --suite suites/support.yaml --limit 50",
            "curate eval base",
            "curate eval 003 --suite final --final",
            "curate eval --benchmark lm_eval:piqa",
            "curate eval --recompute",
            "curate eval --endpoint http://localhost:8000/v1 --model llama-3.1-8b",
        ],
    )
    command.add_argument(
        "run", metavar="RUN", nargs="?", help="003, experiment_003, a folder, latest (default), or base"
    )
    command.add_argument("--suite", metavar="S", help="suites/S.yaml of the workspace, or a file")
    command.add_argument(
        "--benchmark",
        metavar="B",
        action="append",
        help="also arc-easy, arc-challenge or lm_eval:TASK of lm-evaluation-harness; may be repeated",
    )
    command.add_argument("--final", action="store_true", help="ask the test split; each look at it is counted")
    command.add_argument("--limit", metavar="N", type=whole_number, help="only N items of each, marked as partial")
    command.add_argument("--recompute", action="store_true", help="every number anew from the stored answers, no model")
    command.add_argument("--no-base", action="store_true", help="the run alone")
    command.add_argument("--unquantised", action="store_true", help="also the base as stored: what quantisation costs")
    command.add_argument("--baselines", action="store_true", help="also what needs no training: copies, examples shown")
    command.add_argument(
        "--endpoint", metavar="URL", help="ask a model there (OpenAI-compatible); its key: CURATE_ENDPOINT_KEY"
    )
    command.add_argument("--model", metavar="NAME", help="what the model is called at --endpoint")
    command.add_argument("--trust-metrics", action="store_true", help="run your own metrics' code without asking")


def run(args: Namespace) -> int:
    where = evaluation_place(args)
    if args.recompute:
        from app.cli.eval_recompute import recompute_latest

        return recompute_latest(args, where)
    if args.endpoint is not None or args.model is not None:
        from app.cli.eval_beside import ask_endpoint
        from eval.suite import load_suite

        return ask_endpoint(args, where, _final(args, load_suite(args.suite, where.near)))
    require(MODEL, "eval")
    from app.cli.eval_beside import run_baselines, told_baseline
    from app.cli.progress import progress
    from eval.evaluate import evaluate
    from eval.prepare import Wanted, prepare
    from eval.suite import load_suite, with_benchmarks
    from reports.results import write_results
    from train.watch import TrainLog

    suite = _final(args, with_benchmarks(load_suite(args.suite, where.near), args.benchmark or ()))
    wanted = Wanted(args.run, args.final, args.limit, args.unquantised, not args.no_base, args.trust_metrics)
    told = progress()
    try:
        with TrainLog():
            told.stage("reading the exam")
            prepared = prepare(wanted, suite, where, lambda: _configured_base(args, where))
            found = evaluate(prepared.subjects, prepared.job, told, told.note)
            looks = _count_looks(prepared, where, found)  # before what may be stopped: the numbers are there
            for one in found:
                write_results(one.subject.folder)
            baselines, left_out = run_baselines(prepared, where, told) if args.baselines else ([], [])
    finally:
        told.stop()
    primary = suite.primary.metric
    beside = [*(told_baseline(one, primary) for one in baselines), *map(visible, left_out)]
    return _report(args, prepared, found, looks, beside)


def _final(args: Namespace, suite: Suite) -> Suite:
    """With --final a suite that asks validation asks test."""
    from dataclasses import replace

    if not args.final or suite.is_test:
        return suite
    if suite.split is None:
        raise ConfigError("--final is for the test split, and the suite asks a file; leave --final out")
    return replace(suite, split="test" + suite.split[suite.split.find("@") :] if "@" in suite.split else "test")


@dataclass(frozen=True, slots=True)
class _Built:
    """A version that is opened only where its template is wanted: to ask a file, nothing needs to have been built."""

    where: Where
    version: str

    def template(self) -> OfferedTemplate | None:
        """None where nothing was built."""
        here = self.where.workspace
        built = here is None or here.has_store or (self.where.near / self.version).is_file()
        return self.where.source(self.version).template() if built else None


def _configured_base(args: Namespace, where: Where) -> Subject:
    """The base model of the training config, where nothing was trained yet."""
    from app.cli.train_check import chosen_config
    from eval.subject import base_subject
    from train.model.folder import model_folder
    from train.model.template import choose_training_template

    args.config, args.set = None, []
    config, near = chosen_config(args)
    model = model_folder(config.base_model, near, config.revision)
    template = choose_training_template(config, _Built(where, config.version), model, near)
    kept = ("quantization", "double_quant", "system_prompt")
    told = {name: getattr(config, name) for name in kept}
    return base_subject(where.place, where.near, config.base_model, model, template, told)


def _count_looks(prepared: Prepared, where: Where, found: list[Evaluated]) -> str:
    from eval.odometer import count_looks, told

    if not prepared.job.suite.is_test or prepared.exam_source is None:
        return ""
    return told(count_looks(where.place.journal, prepared.exam_source, prepared.job.exam.exam, found[0].folder.name))


def _report(args: Namespace, prepared: Prepared, found: list[Evaluated], looks: str, beside: list[str]) -> int:
    from eval.benchmarks import at_chance

    tables = [one.folder.metrics().to_pylist() for one in found]
    data = {
        "exam": prepared.job.exam.exam.as_json(),
        "partial": prepared.job.exam.exam.limit is not None,
        "looks": looks or None,
        "evaluations": [
            {"run": one.subject.label, "folder": str(one.folder.path), "known": one.known, "metrics": table}
            for one, table in zip(found, tables, strict=True)
        ],
        "at_chance": {one.subject.label: at_chance(one.folder) for one in found},
        "not_run": [one.told() for one in prepared.absent],
        "touched": {name: sorted(ids) for name, ids in prepared.job.touched.items()},
        "touched_items": sorted(prepared.job.touched_items or ()),
        "baselines": beside,
    }
    headers = ("exam", "metric", found[0].subject.label, "95 % interval", "n", *(o.subject.label for o in found[1:]))
    after = [*beside, *_after(prepared, found, looks)]
    emit(args, data, page(headers, _rows(tables, prepared.job.suite.primary.metric), after))
    return 0


def _rows(tables: list[list[dict[str, Any]]], primary: str) -> list[list[Cell]]:
    """Over all items, what decides first; clean scores where they differ. Slices are in metrics.parquet."""
    others = [{_named(row): row["value"] for row in table} for table in tables[1:]]
    whole = {(row["split"], row["metric"]): row["n"] for row in tables[0] if row["slice"] == "all"}
    rows: list[list[Cell]] = []
    for row in sorted(tables[0], key=lambda row: _place(row, primary)):
        clean = row["slice"] == "clean" and row["n"] < whole[row["split"], row["metric"]]
        if row["slice"] != "all" and not clean:
            continue
        values = [_number(other.get(_named(row))) for other in others]
        shown = f"[{_number(row['ci_low'])}, {_number(row['ci_high'])}]"
        name = row["metric"] if row["slice"] == "all" else f"{row['metric']}, {row['slice']}"
        rows.append([row["split"], name, _number(row["value"]), shown, row["n"], *values])
    return rows


def _place(row: dict[str, Any], primary: str) -> int:
    return 0 if row["metric"] == primary else 1 if row["metric"] in ("acc", "acc_norm") else 2


def _named(row: dict[str, Any]) -> tuple[str, str, str]:
    return row["split"], row["slice"], row["metric"]


def _number(value: float | None) -> str:
    if value is None or not math.isfinite(value):
        return "-"
    return (
        f"{value:.3f}".replace("0.", ".", 1) if abs(value) < 1 else f"{value:.2f}" if value < 1000 else f"{value:,.0f}"
    )


def _after(prepared: Prepared, found: list[Evaluated], looks: str) -> list[str]:
    from eval.benchmarks import at_chance, beginnings_cut, without_numbers
    from eval.lacking import lacking
    from eval.measuring import fields_of_no_item

    lines = [visible(note) for note in prepared.notes]
    lines += [visible(line) for one in found for line in without_numbers(one.folder)]
    lines += [visible(f"{one.subject.label}: {line}") for one in found for line in beginnings_cut(one.folder)]
    for name in fields_of_no_item(found[0].folder, prepared.job.suite.slices):
        lines.append(visible(f"slices: no item has the field {name}; its scores are those of all"))
    lines += [visible(f"{one.subject.label}: {line}") for one in found for line in lacking(one.folder)]
    exam = prepared.job.exam.exam
    if exam.limit is not None:
        lines.append(f"partial: {exam.items:,} of {exam.whole:,} items; without --limit all are asked")
    if exam.spent:
        lines.append(f"{exam.spent:,} items left out, spent: a patch was made from them")
    lines += [visible(one.told()) for one in prepared.absent]
    if guessed := at_chance(found[0].folder):
        lines.append(f"at chance level: {', '.join(guessed)}")
    touched = {name: ids for name, ids in prepared.job.touched.items() if ids}
    for name, ids in touched.items():
        shown = ", ".join(sorted(ids)[:_SHOWN_IDS])
        lines.append(clip(f"{name}: training held {len(ids):,} of its items ({shown}); see its clean scores", 160))
    lines += [f"{looks}; results that are looked at while choosing wear test out"] if looks else []
    if all(one.known for one in found):
        lines.append("nothing was computed: all of it was known")
    following = ["curate compare"] if len(found) > 1 else [f"curate eval {found[0].subject.name}"]
    return [*lines, next_commands(*following, "curate runs")]
