"""Peak memory of evaluations by the number of their items, each command a process of its own: `curate eval` and
`--recompute`; of two files of recorded outputs `curate import-predictions`, `--recompute` and `compare --stored`.

    python -m benchmarks.eval_memory [--items 1000 10000 50000] [--out benchmarks/results/eval_memory.json]

A tiny random model answers the last 64 questions of a file; the answers to all others lie where an evaluation that was
stopped leaves them, for to make them takes long and no more memory. Every row carries 1,000 characters that no prompt
has, so that whoever keeps rows in memory is seen to: 50,000 of them are 50 MB as bytes, and more as objects. Recorded
outputs bring 1 kB of texts an item.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import orjson

from eval.answers import open_answers
from eval.exam import open_exam
from eval.items import Item
from eval.recorded import asked_key
from eval.subject import subject_of
from eval.suite import load_suite
from tests.eval_workspace import eval_workspace, with_run
from tests.tiny_model import tiny_model

LEFT = 64
ANSWER = {"text": "It is 17.", "finish_reason": "stop", "tokens": 5, "prompt_tokens": 9, "seconds": 0.01, "detail": ""}
ANSWER |= {"logprob_mean": -1.0, "logprob_min": -2.0, "logprob_first": -0.5}
SUITE = """\
file: {file}
metrics: [rougeL, exact_match, token_f1, chrf, perplexity, bits_per_char, length_ratio, repetition_rate, refusal_rate]
benchmarks: []
generation: {{max_new_tokens: 2, batch_size: 64}}
"""
RECORDED = """\
split: validation
metrics: [rougeL, exact_match, token_f1, chrf, length_ratio]
benchmarks: []
"""


def rows(count: int) -> Iterator[bytes]:
    for i in range(count):
        note = f"{i * 7919 % 1_000_003} " * 200
        yield orjson.dumps({"prompt": f"Key {i}?", "completion": f"It is {i % 97}.", "note": note[:1000]}) + b"\n"


# A process of its own asks: a child's peak begins with that of whoever starts it.
PROBE = """
import json, resource, subprocess, sys
done = subprocess.run(sys.argv[1:], stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
used = resource.getrusage(resource.RUSAGE_CHILDREN)
print(json.dumps([done.returncode, done.stderr[-500:], used.ru_maxrss / 1024, used.ru_utime + used.ru_stime]))
"""


def peak(root: Path, *words: str) -> dict[str, float]:
    """Of one command: megabytes at most, CPU seconds."""
    command = [sys.executable, "-c", PROBE, sys.executable, "-m", "app.cli", "-C", str(root), *words]
    code, said, peak_mb, seconds = json.loads(subprocess.run(command, capture_output=True, check=True).stdout)
    if code:
        raise SystemExit(f"{' '.join(words)} ended with {code}: {said}")
    return {"peak_mb": round(peak_mb), "cpu_seconds": round(seconds, 1)}


def answered(root: Path, name: str) -> None:
    """Answers and likelihoods of all items but the last ones, as `curate eval` keeps them."""
    suite = load_suite(name, root)
    items = open_exam(suite, None, root).read()
    subject = subject_of(root / "experiments" / "experiment_001", root)
    with open_answers(subject, suite.generation) as answers:
        held: list[Item] = []
        for item in items:
            held.append(item)
            if len(held) == 2 * LEFT:
                done, held = held[:LEFT], held[LEFT:]
                answers.generated.append([{"item_id": asked_key(one), **ANSWER} for one in done])
                answers.scored.append([{"item_id": scored_key(one), "nll": 9.0, "tokens": 5} for one in done])


def scored_key(item: Item) -> str:
    return f"{item.item_id}#{item.as_row()['sha256']}"


def measured(root: Path, count: int) -> dict[str, Any]:
    name = f"of{count}"
    with (root / f"{name}.jsonl").open("wb") as file:
        file.writelines(rows(count))
    (root / "suites" / f"{name}.yaml").write_text(SUITE.format(file=f"{name}.jsonl"), "utf-8")
    answered(root, name)
    asked = peak(root, "eval", "001", "--suite", name, "--no-base")
    return {"eval": asked, "recompute": peak(root, "eval", "001", "--recompute")}


def recorded(count: int, words: str) -> Iterator[bytes]:
    for i in range(count):
        asked = f"Key {i}? " + f"{i * 7919 % 1_000_003} " * 45
        said = f"It is {i % 89} {words}. " + f"{i * 104_729 % 1_000_003} " * 45
        line = {"prompt": asked[:350], "output": said[:350], "reference": f"It is {i % 97}. " + asked[30:340]}
        yield orjson.dumps(line) + b"\n"


def of_recorded(root: Path, count: int) -> dict[str, Any]:
    """In a workspace of its own, for sides are named by the runs there are."""
    made = eval_workspace(root)
    (made / "suites" / "recorded.yaml").write_text(RECORDED, "utf-8")
    for name in ("first", "second"):
        with (made / f"{name}.jsonl").open("wb") as file:
            file.writelines(recorded(count, name))
    first, second = (
        peak(made, "import-predictions", str(made / f"{name}.jsonl"), "--suite", "recorded")
        for name in ("first", "second")
    )
    again = peak(made, "eval", "002", "--recompute")
    return {
        "import": max(first, second, key=lambda one: one["peak_mb"]),
        "recompute": again,
        "compare": peak(made, "compare", "001", "002", "--stored"),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--items", type=int, nargs="+", default=[1_000, 10_000, 50_000])
    parser.add_argument("--out", type=Path)
    args = parser.parse_args()
    found = {}
    with tempfile.TemporaryDirectory() as place:
        root = eval_workspace(Path(place) / "work")
        with_run(root, base=tiny_model(root / "models" / "tiny", hidden=16, layers=1, heads=2))
        for count in args.items:
            found[str(count)] = measured(root, count)
            found[str(count)]["recorded"] = of_recorded(Path(place) / f"recorded{count}", count)
            print(count, json.dumps(found[str(count)]), flush=True)
    if args.out:
        args.out.write_text(json.dumps(found, indent=2) + "\n", "utf-8")


if __name__ == "__main__":
    main()
