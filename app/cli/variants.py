"""`curate variants RUN --config FILE`: every combination of prompt factors over the same items, and what each does."""

from __future__ import annotations

from argparse import Namespace
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

from app.cli.arguments import Parser, whole_number
from app.cli.extras import MODEL, require
from app.cli.output import emit
from app.cli.place import evaluation_place, folder
from app.cli.render import Cell, next_commands, page, visible
from curation.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from eval.exam import Opened
    from eval.generation import Generated
    from eval.generation import Item as Question
    from eval.subject import Subject
    from eval.variants.config import Variants
    from eval.variants.effects import Effect
    from eval.variants.run import Asked, Outcome


def add_parser(parser: Parser) -> None:
    command = parser.add_command(
        "variants",
        "try ways of asking: all combinations of prompt factors, with paired effects",
        examples=[
            "curate variants --config configs/romanian-variants.yaml",
            "curate variants 003 --config variants.yaml --limit 100",
            "curate variants base --config variants.yaml",
        ],
        description="Asks every combination of the factors in FILE (schemas/variants.schema.json) over the same items, "
        "and says what each factor does, alone and with another: paired by item, 95 % intervals by cluster, verdicts "
        "under Holm over all that was asked. Answers are kept; the same command goes on where it was stopped.",
    )
    command.add_argument(
        "run", metavar="RUN", nargs="?", help="003, experiment_003, a folder, latest (default), or base"
    )
    command.add_argument("--config", metavar="FILE", required=True, help="the factors and their levels")
    command.add_argument("--limit", metavar="N", type=whole_number, help="only N items, always the same ones")
    command.add_argument("--trust-metrics", action="store_true", help="run your own metrics' code without asking")


def run(args: Namespace) -> int:
    require(MODEL, "eval")
    from app.cli.progress import progress
    from eval.prepare import Wanted, prepare
    from eval.variants.config import load_variants
    from eval.variants.run import run_variants
    from train.watch import TrainLog

    where = evaluation_place(args)
    variants = load_variants(folder(args) / Path(args.config), where.near)
    limit = args.limit or variants.limit
    wanted = Wanted(args.run, limit=limit, base_too=False, trust=args.trust_metrics)
    told = progress()
    try:
        with TrainLog():
            prepared = prepare(wanted, variants.suite, where, _no_base)
            (subject,), job = prepared.subjects, prepared.job
            told.note(_cost(variants, job.exam))
            found = run_variants(_asked(subject, variants), variants, job.exam, told, job.trust)
    except KeyboardInterrupt:
        raise KeyboardInterrupt("stopped; the answers so far are kept, the same command again goes on") from None
    finally:
        told.stop()
    return _report(args, subject, variants, job.exam, found)


def _no_base() -> NoReturn:
    raise ConfigError("no run was trained yet, so there is no model to ask; train one with curate train")


def _asked(subject: Subject, variants: Variants) -> Asked:
    from dataclasses import replace

    from eval.generation import generate_batches
    from eval.variants.run import Asked

    def ask(questions: Iterable[Question]) -> Iterator[list[Generated]]:
        # Nothing to ask: no model is loaded. The run's own system text is put where a level leaves it in place.
        first = next(source := iter(questions), None)
        if first is not None:
            loaded = replace(subject.load(), system_prompt=None)
            yield from generate_batches(loaded, _chained(first, source), variants.suite.generation)

    system = (subject.files.run.config or {}).get("system_prompt")
    return Asked(subject.folder, subject.identity(), system, ask)


def _chained(first: Question, rest: Iterator[Question]) -> Iterator[Question]:
    yield first
    yield from rest


def _cost(variants: Variants, opened: Opened) -> str:
    cells, exam = len(variants.cells), opened.exam
    answers = f"up to {cells * exam.items:,} answers"
    return f"{cells} combinations of {len(variants.factors)} factors on {exam.told()}: {answers}"


def _report(args: Namespace, subject: Subject, variants: Variants, opened: Opened, found: Outcome) -> int:
    from eval.variants.run import as_json

    exam = opened.exam
    data = {
        "run": subject.label,
        "folder": str(found.folder),
        "exam": exam.as_json(),
        "cells": [cell.label(variants.factors) for cell in found.cells],
        "prompts": found.prompts,
        "missing": found.missing,
        "left_out": dict(found.left_out),
        "effects": [as_json(effect) for effect in found.effects],
    }
    asked = f"{len(found.cells)} combinations on {visible(exam.told())}, {found.prompts:,} prompts"
    head = [f"{visible(subject.label)}: {asked}"]
    primary = variants.suite.primary.metric
    ordered = sorted(found.effects, key=lambda one: (one.metric != primary, one.kind != "main"))
    after = [f"{len(found.effects)} questions were asked, p under Holm over all of them; level against first level"]
    if exam.limit is not None:
        after.append(f"partial: {exam.items:,} of {exam.whole:,} items")
    if found.missing:
        after.append(f"{found.missing:,} answers are missing; their items count in no combination")
    if found.left_out:
        after.append(f"not measured here: {', '.join(found.left_out)}")
    after.append(next_commands(f"{visible(str(found.folder))}/variants.json", "curate runs"))
    headers = ("effect", "metric", "first", "level", "difference", "95 % interval", "p", "verdict")
    emit(args, data, [*head, *page(headers, [_row(one) for one in ordered], after, reserved=1)])
    return 0


def _row(effect: Effect) -> list[Cell]:
    told = effect.difference
    interval = f"[{told.low:+.3f}, {told.high:+.3f}]" if told.low == told.low else "-"
    against, value = (f"{one:.3f}" if one == one else "-" for one in (effect.against, effect.value))
    p = f"{told.p_adjusted:.3f}"
    return [effect.name, effect.metric, against, value, f"{told.diff:+.3f}", interval, p, told.verdict]
