"""A notebook that asks base model and adapter the same questions, with the prompt layout of the training."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any, Final

import orjson

from eval.folder import EvalFolder

_PROMPTS: Final = 5
_LONGEST: Final = 600  # characters of a prompt worth showing
_ABOUT: Final = """\
# {run}: example prompts

The same questions put to the base model ({base}) and to it with the adapter of {run}, with the prompt layout of the
training ({template}), greedy. Needs an environment with Curate in it (`pip install "curate[eval]"`); nothing is
downloaded or sent. The questions are held-out items of {exam}."""
_LOAD: Final = """\
import os
import warnings
from pathlib import Path

os.environ.setdefault("HF_HUB_OFFLINE", "1")  # what is not on this machine is not fetched
warnings.filterwarnings("ignore", message="IProgress not found")

from eval.generation import GenerationSettings, Item, generate
from train.model.of_run import load_run, run_files
from train.watch import TrainLog  # keeps what libraries log, and their progress bars, off the page

# The notebook may be run from its own folder or from the project's.
project = next(folder for folder in (Path.cwd(), *Path.cwd().parents) if (folder / {run!r}).is_dir())
near = (project / {near!r}).resolve()  # what the base model's path is relative to
files = run_files(project / {run!r}, near)
with TrainLog():
    model = load_run(files)
print(files.run.name, "on", files.run.base, "·", files.template.name, "·", files.quantization)"""
_ASK: Final = """\
settings = GenerationSettings(max_new_tokens={tokens})
items = [Item(str(number), {{"messages": one["messages"]}}) for number, one in enumerate(prompts)]
with TrainLog():
    with model.without_adapter():
        base = {{found.item_id: found.text for found in generate(model, items, settings)}}
    tuned = {{found.item_id: found.text for found in generate(model, items, settings)}}

for number, one in enumerate(prompts):
    print("question: ", one["messages"][-1]["content"])
    print("base:     ", base[str(number)])
    print("adapter:  ", tuned[str(number)])
    print("reference:", one["reference"], end="\\n\\n")"""


def prompts_of(folder: EvalFolder, count: int = _PROMPTS) -> list[dict[str, Any]]:
    """messages and reference of the evaluation's first items, long ones left out where others are there."""
    found: list[dict[str, Any]] = []
    for batch in folder.batches("predictions", ["prompt", "reference"]):
        for line in batch.to_pylist():
            if len(line["prompt"]) <= _LONGEST:
                found.append({"messages": orjson.loads(line["prompt"]), "reference": line["reference"]})
            if len(found) == count:
                return found
    return found


def notebook(
    told: Mapping[str, str], prompts: Sequence[Mapping[str, Any]], near: str, tokens: int = 128
) -> dict[str, Any]:
    """The notebook as its JSON. told: run (a folder in the project), name, base, template, exam; near: what a base
    model's relative path is relative to, from the project's folder."""
    about = _ABOUT.format(**{**told, "run": told["name"]})
    shown = json.dumps(list(prompts), indent=1, ensure_ascii=False)
    cells = [
        _markdown("about", about),
        _code("load", _LOAD.format(run=told["run"], near=near)),
        _code("prompts", f"import json\n\n# Change these, or add your own.\nprompts = json.loads({shown!r})"),
        _code("ask", _ASK.format(tokens=tokens)),
    ]
    return {
        "cells": cells,
        "metadata": {
            "kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"},
            "language_info": {"name": "python"},
        },
        "nbformat": 4,
        "nbformat_minor": 5,
    }


def _markdown(name: str, text: str) -> dict[str, Any]:
    return {"cell_type": "markdown", "id": name, "metadata": {}, "source": text}


def _code(name: str, text: str) -> dict[str, Any]:
    return {
        "cell_type": "code",
        "id": name,
        "metadata": {},
        "execution_count": None,
        "outputs": [],
        "source": text,
    }
