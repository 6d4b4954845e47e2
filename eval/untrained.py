"""What stands beside every run: its base, quantised and as stored, the base shown examples, and copied answers."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Final

from curation.errors import ConfigError
from curation.progress import Progress
from eval.baselines import Examples, Shots, few_shot, find_baselines, nearest_answers
from eval.evaluate import evaluate
from eval.prepare import WHOLE_PRECISION, Prepared, Where
from eval.recorded import Sat
from eval.subject import Subject, base_of

_KINDS: Final = ("nearest", "few-shot")
_SPARE: Final = 1.3  # of the weights' size: what a forward pass takes beside them
_WEIGHTS: Final = ("*.safetensors", "*.bin")


def sit_baselines(prepared: Prepared, where: Where, told: Progress) -> tuple[list[Sat], list[str]]:
    """The baselines of the run that was evaluated, on its exam, and why one of them is not there."""
    run, job = prepared.subjects[0], prepared.job
    version = run.files.run.version
    if not version:
        return [], [f"no baselines: {run.label} was trained on no version that is known"]
    config = run.files.run.config or {}
    ref = config.get("version", version["id"]) if version.get("source") == "pack" else version["id"]
    told.stage("baselines")
    examples = Examples(where.source(ref))
    touched = job.touched_items
    found = [nearest_answers(where.place, examples, job.exam, job.suite, job.trust, touched)]
    base = base_of(run, where.place, where.near) if run.adapter else run
    notes = []
    try:
        suite = job.suite
        found.append(
            few_shot(where.place, base, examples, job.exam, suite, Shots(), base.load, told, job.trust, touched)
        )
    except ConfigError as error:
        notes.append(str(error))
    return found, notes


def sit_missing(
    prepared: Prepared, where: Where, told: Progress, asked: Callable[[Path], object]
) -> tuple[list[str], list[str]]:
    """Have sit the exam what did not yet: the baselines and the base as stored; (who sat it, who could not and why).

    `asked` is told of each folder of experiments that has a new evaluation.
    """
    run, job = prepared.subjects[0], prepared.job
    sat, notes = list[str](), list[str]()
    version = run.files.run.version
    known = {
        (told_of.run.settings["baseline"], (told_of.run.version or {}).get("id"))
        for told_of in find_baselines(where.place.experiments, job.exam.exam.sha256)
    }
    if not version or any((kind, version["id"]) not in known for kind in _KINDS):
        found, notes = sit_baselines(prepared, where, told)
        fresh = [one.folder for one in found if not one.known]
        for folder in fresh:
            asked(folder.of)
        sat += [str(folder.run.settings.get("name") or folder.run.base) for folder in fresh]
    if run.files.quantization != WHOLE_PRECISION:
        whole = base_of(run, where.place, where.near, WHOLE_PRECISION)
        for subject in (base_of(run, where.place, where.near), whole):
            if subject is whole and (lack := lacking_room(subject)):
                notes.append(f"{subject.label} was not asked: {lack}; curate eval --unquantised asks it all the same")
                continue
            alone = replace(job, suite=replace(job.suite, benchmarks=()), benchmarks=(), touched={}, touched_items=None)
            for one in evaluate([subject], alone, told, told.note):
                if not one.known:
                    asked(one.folder.of)
                    sat.append(subject.label)
    return sat, notes


def lacking_room(subject: Subject) -> str:
    """Why the weights as stored do not fit into this machine's memory; "" where they do, or nobody can tell."""
    weights = sum(path.stat().st_size for kind in _WEIGHTS for path in subject.files.base.glob(kind))
    free = _free_bytes()
    if free is None or weights * _SPARE <= free:
        return ""
    return f"it takes {weights * _SPARE / 2**30:,.1f} GiB, {free / 2**30:,.1f} are free"


def _free_bytes() -> int | None:
    import torch

    if torch.cuda.is_available():
        return int(torch.cuda.mem_get_info()[0])
    try:
        lines = Path("/proc/meminfo").read_text().splitlines()
    except OSError:
        return None
    return next((int(line.split()[1]) * 1024 for line in lines if line.startswith("MemAvailable:")), None)
