"""All combinations asked of one model over one exam, kept as they come, measured, and told as effects."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any, Final

import numpy as np
import orjson

from curation.errors import DataError
from curation.progress import Progress
from curation.records import canonical
from curation.runs import utc_now, working_on
from curation.store.files import disk_errors, replace_file
from eval.answers import prediction
from eval.exam import Opened
from eval.folder import EvalFolder
from eval.generation import Generated
from eval.generation import Item as Question
from eval.items import Item
from eval.measuring import Trust, item_rows, measured
from eval.recorded import NO_TRUST, NOT_ASKED, kept_answers, measurable
from eval.subject import short_hash
from eval.variants.config import Cell, Variants
from eval.variants.effects import Effect, effects
from eval.variants.prompts import prompt_of, require_replaced
from train.model.template import with_system

FILE: Final = "variants.json"
_NUMBERED: Final = re.compile(r"variants-([1-9][0-9]*)")


@dataclass(frozen=True, slots=True)
class Asked:
    """The model: its folder of experiments, what decides about its answers, its own system text, how it is asked."""

    folder: Path
    identity: Mapping[str, Any]
    system: str | None
    ask: Callable[[Iterable[Question]], Iterator[list[Generated]]]


@dataclass(frozen=True, slots=True)
class Outcome:
    """folder: variants-K, with an evaluation's tables in cell-N. prompts: how many different ones were asked.

    left_out: metrics of the suite that these answers cannot give, and why.
    """

    folder: Path
    cells: tuple[Cell, ...]
    effects: tuple[Effect, ...]
    items: int
    prompts: int
    missing: int
    left_out: Mapping[str, str]


def run_variants(
    model: Asked, variants: Variants, opened: Opened, progress: Progress, trust: Trust = NO_TRUST
) -> Outcome:
    """Ask, keep, measure and compare. Prompts that combinations share are asked once; the same command goes on."""
    items = list(opened.read())
    cells = variants.cells
    records = {item.item_id: with_system(item.prompt, model.system) for item in items}
    require_replaced(variants.factors, records.values(), cells)
    prompts = {(cell.number, item.item_id): prompt_of(cell, records[item.item_id]) for cell in cells for item in items}
    keys = {at: f"{at[1]}#{sha256(canonical(prompt)).hexdigest()[:16]}" for at, prompt in prompts.items()}
    questions = {key: Question(key, prompts[at]) for at, key in keys.items()}
    made_with = {"model": dict(model.identity), "generation": variants.suite.generation.as_json()}
    progress.stage("answers to variants", len(questions), "prompts")
    answers = kept_answers(
        model.folder / "outputs" / f"variants-{short_hash(made_with)}.jsonl",
        made_with,
        questions.items(),
        model.ask,
        progress.advance,
    )
    progress.stage("measuring")
    folder = _folder(model.folder, _key(model, variants, opened))
    with working_on(folder):
        for cell in cells:
            told = {item.item_id: answers.get(keys[cell.number, item.item_id], NOT_ASKED) for item in items}
            _write_cell(folder, cell, items, prompts, told, model)
        found, left_out = measured_effects(folder, variants, trust)
        missing = sum(answers.get(key, NOT_ASKED).get("text") is None for key in keys.values())
        outcome = Outcome(folder, cells, tuple(found), len(items), len(questions), missing, left_out)
        _write(outcome, variants, opened, _key(model, variants, opened))
    progress.finish()
    return outcome


def measured_effects(folder: Path, variants: Variants, trust: Trust = NO_TRUST) -> tuple[list[Effect], dict[str, str]]:
    """The effects from what a folder stores, without a model, and the metrics left out. DataError where nothing can be
    measured."""
    held = [_cell(folder, cell) for cell in variants.cells]
    for cell, one in zip(variants.cells, held, strict=True):
        told = one.predictions(["output", "detail"])
        if told["output"].null_count == told.num_rows:
            why = next((text for text in told["detail"].to_pylist() if text), "no reason is known")
            raise DataError(f"{cell.label(variants.factors)}: no item was answered: {why}")
    suite, left_out = measurable(held[0], variants.suite, trust, held[0].name)
    measures = [measured(one, suite, trust) for one in held]
    for one, found in zip(held, measures, strict=True):
        one.write("item_metrics", item_rows(found, one.predictions(["item_id"])["item_id"].to_pylist()))
    clusters = held[0].items(["cluster"])["cluster"].to_numpy()
    margins = {variants.suite.primary.metric: variants.suite.primary.margin}
    return effects(variants.factors, measures, clusters, margins, variants.interactions), left_out


def _cell(folder: Path, cell: Cell) -> EvalFolder:
    return EvalFolder(folder / f"cell-{cell.number + 1}")


def _write_cell(
    folder: Path,
    cell: Cell,
    items: Iterable[Item],
    prompts: Mapping[tuple[int, str], Mapping[str, Any]],
    answers: Mapping[str, Mapping[str, Any]],
    model: Asked,
) -> None:
    held = _cell(folder, cell)
    held.path.mkdir(exist_ok=True)
    rows = [item.as_row() for item in items]
    held.write("items", rows)
    run = f"{short_hash(dict(model.identity))}:{cell.number}"
    lines = (prediction(row, run, answers[row["item_id"]], {}) for row in rows)
    asked = (canonical(prompts[cell.number, row["item_id"]]["messages"]).decode() for row in rows)
    held.write("predictions", ({**line, "prompt": text} for line, text in zip(lines, asked, strict=True)))


def _key(model: Asked, variants: Variants, opened: Opened) -> str:
    told = [asdict(factor) for factor in variants.factors]
    return short_hash([dict(model.identity), told, variants.suite.as_json(), variants.interactions, opened.exam.sha256])


def _folder(run: Path, key: str) -> Path:
    """variants-K of the very same question, or a new one."""
    with disk_errors(run, "nothing was stored"):
        numbers = {int(found[1]): path for path in run.iterdir() if (found := _NUMBERED.fullmatch(path.name))}
        for number in sorted(numbers, reverse=True):
            told = numbers[number] / FILE
            if told.is_file() and orjson.loads(told.read_bytes()).get("key") == key:
                return numbers[number]
        while True:
            made = run / f"variants-{max(numbers, default=0) + 1}"
            try:
                made.mkdir()
            except FileExistsError:
                numbers[max(numbers, default=0) + 1] = made
                continue
            return made


def _write(outcome: Outcome, variants: Variants, opened: Opened, key: str) -> None:
    told = {
        "key": key,
        "made": utc_now(),
        "exam": opened.exam.as_json(),
        "suite": variants.suite.as_json(),
        "factors": {factor.name: [asdict(level) for level in factor.levels] for factor in variants.factors},
        "cells": [cell.label(variants.factors) for cell in outcome.cells],
        "effects": [as_json(effect) for effect in outcome.effects],
    }
    with disk_errors(outcome.folder / FILE, "nothing was stored"):
        replace_file(outcome.folder / FILE, orjson.dumps(told, option=orjson.OPT_INDENT_2) + b"\n")


def as_json(effect: Effect) -> dict[str, Any]:
    """For machines; what is no number is null."""
    difference = asdict(effect.difference)
    told = {
        "effect": effect.name,
        "kind": effect.kind,
        "factors": effect.factors,
        "levels": effect.levels,
        "metric": effect.metric,
        **{key: difference[key] for key in ("value_a", "value_b", "diff", "low", "high", "p", "p_adjusted", "n")},
        **{key: difference[key] for key in ("clusters", "left_out", "detectable", "verdict", "signature", "test")},
        "undetectable": effect.difference.undetectable or None,
    }
    return {key: None if isinstance(value, float) and not np.isfinite(value) else value for key, value in told.items()}
