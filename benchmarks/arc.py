"""ARC beside lm-evaluation-harness: the same log-likelihoods, and the CPU time of both, in one run.

    python -m benchmarks.arc --model FOLDER... --data FOLDER [--limit N] [--shots K] [--chat] [--out FILE]

FOLDER of --data holds ARC-Easy-Test.jsonl and ARC-Challenge-Test.jsonl, packed with gzip or not, and the train
files. Ours is asked once with each of --batch-tokens, the first of which is what the CPU time is told of (0: the
default), each compared with the harness. Needs the extra lm-eval.
"""

from __future__ import annotations

import argparse
import json
import os
import tempfile
import time
from pathlib import Path
from typing import Any

os.environ.setdefault("HF_HUB_OFFLINE", "1")
SETS = {"arc_easy": "ARC-Easy", "arc_challenge": "ARC-Challenge"}
MARGIN = 1e-4  # of the two best choices: below it, rounding may decide


def main() -> None:
    args = arguments()
    result = measure(args)
    print(json.dumps(result))
    if args.out:
        args.out.write_text(json.dumps(result, indent=2) + "\n")


def arguments(words: list[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--model", required=True, nargs="+")
    parser.add_argument("--data", required=True, type=Path)
    parser.add_argument("--limit", type=int)
    parser.add_argument("--shots", type=int, default=0)
    parser.add_argument("--chat", action="store_true")
    parser.add_argument("--batch", type=int, default=8, help="of the harness; faster than 32 here")
    parser.add_argument("--batch-tokens", type=int, nargs="+", default=[0, 300], help="of ours; 0: the default")
    parser.add_argument("--out", type=Path)
    return parser.parse_args(words)


def measure(args: argparse.Namespace) -> dict[str, Any]:
    import lm_eval
    import torch
    import transformers

    torch.set_num_threads(1)
    told = ("limit", "shots", "chat", "batch", "batch_tokens")
    versions = {one.__name__: one.__version__ for one in (torch, transformers, lm_eval)}
    result: dict[str, Any] = {**{name: getattr(args, name) for name in told}, "versions": versions, "models": {}}
    for model in args.model:
        result["models"][Path(model).name] = {name: beside(model, args, task) for task, name in SETS.items()}
    return result


def beside(folder: str, args: argparse.Namespace, task: str) -> dict[str, Any]:
    """One set on one model: ours at every batch size, then the harness."""
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(folder)
    model = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32).eval()
    few = argparse.Namespace(**{**vars(args), "limit": 8})  # what is loaded at first use is no part of the times
    harness(model, tokenizer, few, task, scored(model, tokenizer, folder, few, SETS[task], 0)[0])
    each = [scored(model, tokenizer, folder, args, SETS[task], size) for size in args.batch_tokens]
    theirs, harness_seconds = harness(model, tokenizer, args, task, each[0][0])
    return {
        **compared(each[0][0], theirs),
        "cpu_s": round(each[0][1], 2),
        "harness_cpu_s": round(harness_seconds, 2),
        "ratio": round(harness_seconds / each[0][1], 2),
        "other_batches": [
            {"batch_tokens": size, **compared(ours, theirs), "cpu_s": round(seconds, 2)}
            for size, (ours, seconds) in list(zip(args.batch_tokens, each, strict=True))[1:]
        ],
    }


def questions(folder: Path, name: str, part: str) -> Any:
    from eval.arc import load_benchmark

    found = sorted(folder.glob(f"{name}-{part}.jsonl*"))
    return load_benchmark(found[0]).questions


def scored(
    model: Any, tokenizer: Any, folder: str, args: argparse.Namespace, name: str, batch_tokens: int
) -> tuple[Any, float]:
    from curation.templates import load_template
    from eval.arc import ChoiceSettings, score

    began = time.process_time()
    asked = questions(args.data, name, "Test")[: args.limit]
    examples = questions(args.data, name, "Train") if args.shots else ()
    template = load_template(Path(folder)) if args.chat else None
    settings = ChoiceSettings(shots=args.shots, chat=args.chat, batch_tokens=batch_tokens or None)
    found = score(model, tokenizer, asked, settings, template=template, examples=examples)
    return found, time.process_time() - began


def harness(model: Any, tokenizer: Any, args: argparse.Namespace, task: str, ours: Any) -> tuple[list[Any], float]:
    """(log-likelihoods, acc, acc_norm) of each question by the harness, and its CPU seconds."""
    from lm_eval import simple_evaluate
    from lm_eval.models.huggingface import HFLM
    from lm_eval.tasks import TaskManager

    with tempfile.TemporaryDirectory() as folder:
        write_task(Path(folder), task, ours.questions, questions(args.data, SETS[task], "Train"))
        manager = TaskManager(include_path=folder, include_defaults=False)
        began = time.process_time()
        found = simple_evaluate(
            model=HFLM(pretrained=model, tokenizer=tokenizer, batch_size=args.batch),
            tasks=[f"{task}_local"],
            num_fewshot=args.shots,
            task_manager=manager,
            bootstrap_iters=0,
            apply_chat_template=args.chat,
        )
        seconds = time.process_time() - began
    samples = sorted(found["samples"][f"{task}_local"], key=lambda s: s["doc_id"])
    return [([r[0] for r in s["filtered_resps"]], s["acc"], s["acc_norm"]) for s in samples], seconds


def write_task(folder: Path, task: str, asked: Any, train: Any) -> None:
    """The harness's own ARC task over local files in the hub's layout."""
    files = {"train": train, "test": asked}
    for part, rows in files.items():
        lines = [
            json.dumps(
                {
                    "id": q.id,
                    "question": q.stem,
                    "choices": {"text": list(q.choices), "label": list(q.labels)},
                    "answerKey": q.labels[q.right],
                }
            )
            for q in rows
        ]
        (folder / f"{part}.jsonl").write_text("\n".join(lines) + "\n")
    (folder / f"{task}.yaml").write_text(
        f"""task: {task}_local
dataset_path: json
dataset_kwargs:
  data_files:
    train: {folder}/train.jsonl
    test: {folder}/test.jsonl
output_type: multiple_choice
training_split: train
test_split: test
doc_to_text: "Question: {{{{question}}}}\\nAnswer:"
doc_to_target: "{{{{choices.label.index(answerKey)}}}}"
doc_to_choice: "{{{{choices.text}}}}"
metric_list:
  - {{metric: acc, aggregation: mean, higher_is_better: true}}
  - {{metric: acc_norm, aggregation: mean, higher_is_better: true}}
metadata:
  version: 1.0
"""
    )


def compared(ours: Any, theirs: list[Any]) -> dict[str, Any]:
    import numpy as np

    furthest, close, differing, rounded = 0.0, [], [], []
    for i, (values, acc, acc_norm) in enumerate(theirs):
        mine = np.array(ours.log_likelihoods[i])
        furthest = max(furthest, float(np.abs(mine - np.array(values)).max()))
        best = np.sort(mine)[::-1]
        best_norm = np.sort(mine / [len(c) for c in ours.questions[i].choices])[::-1]
        differs = (ours.acc[i], ours.acc_norm[i]) != (acc, acc_norm)
        if min(best[0] - best[1], best_norm[0] - best_norm[1]) <= MARGIN:
            close.append(ours.questions[i].id)
            rounded += [ours.questions[i].id] * differs
        elif differs:
            differing.append(ours.questions[i].id)
    return {
        "questions": len(theirs),
        "acc": round(float(ours.acc.mean()), 4),
        "acc_norm": round(float(ours.acc_norm.mean()), 4),
        "harness_acc": round(float(np.mean([t[1] for t in theirs])), 4),
        "harness_acc_norm": round(float(np.mean([t[2] for t in theirs])), 4),
        "furthest_log_likelihood": furthest,
        "differing": differing,
        "closer_than_margin": close,
        "closer_and_differing": rounded,
    }


if __name__ == "__main__":
    main()
