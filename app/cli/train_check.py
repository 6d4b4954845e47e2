"""`curate train --check`: what a training would do and what is wrong with it, before it costs anything."""

from __future__ import annotations

from argparse import Namespace
from pathlib import Path
from typing import TYPE_CHECKING, Final

from app.cli.output import emit
from app.cli.place import folder
from app.cli.render import Cell, Screen, clip, columns, page, visible

if TYPE_CHECKING:
    from train.config import TrainingConfig
    from train.estimate import Estimate
    from train.preflight import Prepared

_GIB: Final = 2**30
_SHOWN: Final = 160  # characters of one part of the sample


def chosen_config(args: Namespace) -> tuple[TrainingConfig, Path]:
    """The config that args.config names (else the workspace's configs/training.yaml, else the defaults) with
    args.set on top, and the folder that its paths are relative to."""
    from curation.workspace import find_workspace
    from train.config import load_training_config

    here = folder(args)
    place = find_workspace(here)
    root = place.root if place else here
    usual = root / "configs" / "training.yaml"
    path = here / args.config if args.config else usual if usual.is_file() else None
    return load_training_config(path, args.set), root


def check(args: Namespace, config: TrainingConfig, prepared: Prepared, name: str) -> int:
    """Print the findings, a row with its mask, and the estimate; 3 where something is wrong, else 0."""
    found = prepared.preflight
    rows: list[list[Cell]] = []
    for split, told in found.as_json()["splits"].items():
        out = len(told["refused"]) + len(told["untrained"]) + sum(not row["kept"] for row in told["overlong"])
        spread = [told[key][part] for key in ("tokens", "trained") for part in ("sum", "median", "max")]
        rows.append([split, told["rows"], out, *spread])
    screen, used = Screen.here(), prepared.template
    after = [
        f"template {visible(used.name)} (the {used.origin}'s) {used.sha256[:8]}, tokenizer {used.tokenizer_sha256[:8]}",
        *_sample(found.sample, screen),
        *_cost(found.estimate),
        *(screen.paint(f"error: {visible(finding.message)}", "bad") for finding in found.errors),
        *(f"warning: {visible(finding.message)}" for finding in found.warnings),
        f"{visible(name)}: {'this training would fail' if found.errors else 'ready to train'}",
    ]
    headers = ("split", "rows", "left out", "tokens", "median", "longest", "trained", "median", "most")
    data = {"version": name, "config": config.as_json(), **found.as_json()}
    emit(args, data, page(headers, rows, after))
    return 3 if found.errors else 0


def _sample(parts: list[tuple[str, bool]], screen: Screen) -> list[str]:
    """One row, what is trained in colour; without colours between brackets."""
    shown = []
    for text, trained in parts:
        text = visible(text)
        if columns(text) > _SHOWN:
            text = f"{clip(text, _SHOWN // 2)}{text[-_SHOWN // 2 :]}"
        shown.append(text if not trained else screen.paint(text, "good") if screen.colour else f"⟦{text}⟧")
    return ["a row, what is trained " + ("in colour:" if screen.colour else "in ⟦ ⟧:"), "".join(shown)] if parts else []


def _cost(cost: Estimate) -> list[str]:
    from train.estimate import measured_flops

    names = ("weights", "adapter", "activations", "logits")
    parts = " + ".join(f"{name} {_size(getattr(cost, name))}" for name in names)
    least = _time(cost.flops / measured_flops())
    both = [_size(cost.total(checkpointing=on)) for on in (False, True)]
    return [
        f"{cost.parameters:,} parameters, {cost.adapter_parameters:,} more of the adapter are trained",
        f"memory, about: {parts} = {both[0]}; {both[1]} with activation checkpointing",
        f"{cost.steps:,} steps, {cost.tokens:,} tokens; about {least} of matrix products at the speed measured here",
    ]


def _size(count: int) -> str:
    return f"{count / _GIB:.1f} GiB" if count >= _GIB / 10 else f"{count / 2**20:.1f} MiB"


def _time(seconds: float) -> str:
    hours, rest = divmod(round(seconds), 3600)
    return f"{hours} h {rest // 60:02d} min" if hours else f"{rest // 60} min {rest % 60:02d} s"
