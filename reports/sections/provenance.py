"""Where everything comes from, and the commands that make it again."""

from __future__ import annotations

import json
import shlex
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

from curation.licences import NOT_STATED, in_words, of_run
from reports.document import Block, Code, Table, Text
from reports.results import changed_settings
from reports.sections.subject import Subject


def provenance(of: Subject) -> list[Block]:
    """run.json of every run concerned; not the machine's name, which is nobody's business."""
    facts = {part.name: _facts(part.run) for part in of.runs}
    names = [name for name in next(iter(facts.values())) if any(told[name] for told in facts.values())]
    alike = [name for name in names if len({told[name] for told in facts.values()}) == 1]
    first_name, first = next(iter(facts.items()))
    rows = [[name, *(told[name] or "-" for told in facts.values())] for name in names if name not in alike]
    same = [[name, first[name]] for name in alike]
    blocks: list[Block] = [Table(("", *facts), rows)] if rows else []
    blocks += [Table(("", "all of them" if len(facts) > 1 else first_name), same)] if same else []
    settings: dict[str, list[str]] = {}  # said once, however many runs share them
    for part in of.runs:
        changed = changed_settings(part.run.config or {}) if part.run.kind == "training" else {}
        if changed:
            text = yaml.safe_dump(changed, sort_keys=False, allow_unicode=True).strip()
            settings.setdefault(text, []).append(part.name)
    blocks += [Code(text, f"settings of {', '.join(names)} off their default") for text, names in settings.items()]
    if of.evaluation is not None:
        blocks.append(Table((of.evaluation.name, ""), _asked(of), caption="The evaluation."))
    return blocks


def _facts(run: Any) -> dict[str, str]:
    base, template = run.base_model, run.template or {}
    version, code = run.version or {}, run.code or {}
    packages = ", ".join(f"{name} {number}" for name, number in sorted(run.packages.items()))
    dirty = " with changes" if code.get("dirty") else ""
    return {
        "kind": f"{run.kind}, {run.state}",
        "started": run.started,
        "base model": _joined(_without_machine(base["name"]), base.get("revision"), base.get("architecture")),
        "base sha256": base.get("sha256") or "",
        "version": _joined(version.get("name"), version.get("id")),
        "template": _joined(template.get("name"), template.get("sha256")),
        "tokenizer sha256": run.tokenizer_sha256 or "",
        "config sha256": run.config_sha256 or "",
        "seeds": ", ".join(map(str, run.seeds)),
        "licences": _licences(run.licences),
        "provenance": _joined(run.provenance, run.origin),
        "code": _joined(f"curate {code.get('version')}" if code else None, code.get("revision")) + dirty,
        "python and packages": _joined(run.python, packages),
        "hardware": ", ".join(f"{key} {value}" for key, value in run.hardware.items() if value is not None),
    }


def _without_machine(name: str) -> str:
    """A folder named by its whole path says where it lies on somebody's machine: its own name is enough."""
    return Path(name).name if Path(name).is_absolute() else name


def _licences(told: Mapping[str, Any]) -> str:
    if not told:
        return ""
    return f"base {told.get('base') or NOT_STATED}, data {in_words(of_run(told.get('data')))}"


def _joined(*parts: Any) -> str:
    return " · ".join(str(part) for part in parts if part)


def _asked(of: Subject) -> list[list[str]]:
    assert of.evaluation is not None
    run = of.evaluation.run
    exam: Mapping[str, Any] = run.settings.get("exam") or {}
    rows = [["suite", str(run.settings.get("suite", "-"))], ["state", f"{run.state}, {run.started}"]]
    if exam:
        told = (
            f"{exam.get('split')} of {exam.get('version') or '-'}, {exam.get('items'):,} of {exam.get('whole'):,} items"
        )
        rows += [["exam", told], ["exam sha256", str(exam.get("sha256"))]]
    generation = run.settings.get("generation") or {}
    if generation:
        rows.append(["generation", ", ".join(f"{key} {value}" for key, value in generation.items())])
    for one in run.settings.get("benchmarks") or ():
        rows.append([str(one["benchmark"]), f"{one['signature']}; file {str(one['sha256'])[:16]}"])
    return rows


def commands(of: Subject) -> list[Block]:
    """In a workspace with the same sources, this gives the same version, and the same numbers but for the machine."""
    lines = []
    if of.version is not None:
        lines += ["curate build", f"curate verify {of.version.name}"]
    for part in of.runs:
        seeds = "".join(f" --set seed={seed}" for seed in part.run.seeds)
        if part.is_trained and part.run.provenance == "curate":
            told = {key: value for key, value in changed_settings(part.run.config or {}).items() if key != "seed"}
            sets = "".join(f" --set {shlex.quote(f'{key}={_value(value)}')}" for key, value in told.items())
            lines.append(
                f"curate train --set {shlex.quote(f'base_model={part.run.base}')} --set version={part.version_name}"
                f"{sets}{seeds}"
            )
    for one in sorted(of.evaluations, key=lambda one: one.name):
        suite = one.run.settings.get("suite")
        lines.append(f"curate eval {one.of.name}" + (f" --suite {suite}" if suite not in (None, "default") else ""))
    if of.evaluation is not None:
        lines.append(f"curate eval {of.folder.name} --recompute")
    if of.comparison is not None:
        lines.append(" ".join(["curate compare", *of.asked]))
    lines.append(" ".join(["curate report", *of.asked]))
    return [
        Text("Every number above is computed from the stored answers; --recompute does it again, without a model."),
        Text("Numbers that are links say where they come from: curate trace with what the link shows."),
        Code("\n".join(dict.fromkeys(lines))),
    ]


def _value(value: Any) -> str:
    told = yaml.safe_dump(value, default_flow_style=True).strip().removesuffix("\n...").removesuffix("...").strip()
    return json.dumps(value) if told.startswith("'") else told  # a single quote would be four in a shell
