"""How often an automatic tag is right, by outputs of real models that a person has labelled.

    python -m benchmarks.tag_precision DATA [--out benchmarks/results/tag_precision.json]

DATA is the folder of the public files that benchmarks/tag_outputs.py names. tag_labels.jsonl holds what was judged, by
file, row and hash of the output, and no text: `label` says whether the tag is deserved, `when` whether the rule was
later changed on what such labels had shown ("before"), or the output played no part in a change ("after"). Every label
was given before the version of the rule that it is counted for. A line with rule "*" is an output that no rule on form
had found, read for all of them.

Equal outputs to equal questions count once. `all`: every labelled output that the present rule finds. `fresh`: of
these the ones that no change was made on; for a rule that never changed, all. `labelled`: outputs with a label for the
rule, found or not; `missed`: those that deserve the tag and are not found. A rule is on by default where its
precision on fresh outputs is .8 or more, on all where there are under 10 fresh ones.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Iterable
from pathlib import Path
from typing import Any, Final

import orjson

from benchmarks.tag_outputs import Output, outputs
from eval.stats.distributions import wilson
from eval.tags import RULES, Rule

LABELS: Final = Path(__file__).with_name("tag_labels.jsonl")
_ENOUGH: Final = 10
_FORM: Final = (
    *("empty", "cut off", "repetition loop", "refusal", "wrong language", "template leakage", "unsupported URL"),
    *("copied from training", "format violation"),
)


def measured(data: Path) -> dict[str, Any]:
    judged, read_whole = _labels()
    known = list(outputs(data))
    found = {(output.file, output.row): output for output in known}
    for file, row, sha in {key[:3] for key in judged} | {key[:3] for key in read_whole}:
        if (file, row) not in found or found[file, row].sha != sha:
            raise SystemExit(f"{file}: row {row} is not the output that was labelled; take the file at its revision")
    result = {rule.tag: _of_rule(rule, known, judged) for rule in RULES}
    for tag in _FORM:
        missed = sum(tag in faults for faults in read_whole.values())
        result[tag]["not_found"] = {"outputs": len(read_whole), "should_have": missed}
        result[tag]["labelled"] += len(read_whole)
    return {"outputs": len(known), "rules": result}


def _of_rule(rule: Rule, known: Iterable[Output], judged: dict[tuple[str, int, str, str], tuple[bool, str]]) -> Any:
    start = time.process_time()
    fired = [output for output in known if rule.find(output.prediction)]
    seconds = time.process_time() - start
    seen: dict[tuple[str, str], tuple[bool, bool]] = {}
    missed, labelled = set(), set()
    places = {(output.file, output.row) for output in fired}
    for output in known:
        label = judged.get((output.file, output.row, output.sha, rule.tag))
        if label is None:
            continue
        same = (output.prediction.asked, output.sha)
        labelled.add(same)
        if (output.file, output.row) in places:
            seen.setdefault(same, (label[0], rule.version == 1 or label[1] == "after"))
        elif label[0]:
            missed.add(same)
    every, fresh_only = [right for right, _ in seen.values()], [right for right, fresh in seen.values() if fresh]
    chosen = fresh_only if len(fresh_only) >= _ENOUGH else every
    return {
        "version": rule.version,
        "found": len(fired),
        "labelled": len(labelled),
        "missed": len(missed),
        "questions": len({asked for asked, _ in seen}),
        "all": _share(every),
        "fresh": _share(fresh_only),
        "on": bool(chosen) and sum(chosen) >= 0.8 * len(chosen),
        "cpu_seconds": round(seconds, 2),
    }


def _share(right: list[bool]) -> dict[str, Any]:
    if not right:
        return {"n": 0}
    low, high = wilson(sum(right), len(right))
    share = sum(right) / len(right)
    return {"right": sum(right), "n": len(right), "precision": round(share, 3), "ci": [round(low, 3), round(high, 3)]}


def _labels() -> tuple[dict[tuple[str, int, str, str], tuple[bool, str]], dict[tuple[str, int, str], list[str]]]:
    judged, read_whole = {}, {}
    for line in LABELS.read_bytes().splitlines():
        value = orjson.loads(line)
        place = (value["file"], value["row"], value["sha"])
        if value["rule"] == "*":
            read_whole[place] = value["faults"]
        else:
            judged[(*place, value["rule"])] = (value["label"], value["when"])
    return judged, read_whole


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path)
    parser.add_argument("--out", type=Path)
    args = parser.parse_args()
    text = json.dumps(measured(args.data), indent=2)
    if args.out:
        args.out.write_text(f"{text}\n", "utf-8")
    print(text)


if __name__ == "__main__":
    main()
