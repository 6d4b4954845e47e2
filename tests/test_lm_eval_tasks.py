"""Tasks of lm-evaluation-harness as benchmarks: `--benchmark lm_eval:TASK`, offline, on the model that is loaded."""

from __future__ import annotations

import csv
import json
import os
import socket
import sys
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("torch")
pytest.importorskip("peft")
pytest.importorskip("lm_eval")

from app.cli import main
from tests.eval_workspace import SUITE, eval_workspace, with_run, write_jsonl

pytestmark = pytest.mark.filterwarnings("ignore")  # the harness and what it imports warn of their own
Shown = pytest.CaptureFixture[str]

DESK = """\
task: desk_facts
dataset_path: json
dataset_kwargs: {data_files: {train: train.jsonl, test: test.jsonl}}
output_type: multiple_choice
training_split: train
test_split: test
doc_to_text: "Question: {{question}}\\nAnswer:"
doc_to_target: right
doc_to_choice: "{{choices}}"
metric_list:
  - {metric: acc, aggregation: mean, higher_is_better: true}
  - {metric: acc_norm, aggregation: mean, higher_is_better: true}
metadata: {version: 2.5}
"""
SAID = """\
task: desk_said
dataset_path: json
dataset_kwargs: {data_files: {test: test.jsonl}}
output_type: generate_until
test_split: test
doc_to_text: "{{question}}"
doc_to_target: "{{choices[right]}}"
generation_kwargs: {until: ["\\n"], max_gen_toks: 4}
metric_list:
  - {metric: exact_match, aggregation: mean, higher_is_better: true}
  - {metric: bleu, aggregation: bleu, higher_is_better: true}
metadata: {version: 1.0}
"""
TEXTS = """\
task: desk_texts
dataset_path: json
dataset_kwargs: {data_files: {test: test.jsonl}}
output_type: loglikelihood_rolling
test_split: test
doc_to_text: ""
doc_to_target: "{{question}}"
metric_list:
  - {metric: word_perplexity, aggregation: weighted_perplexity, higher_is_better: false}
  - {metric: bits_per_byte, aggregation: bits_per_byte, higher_is_better: false}
metadata: {version: 1.0}
"""
DOCS = [
    {
        "id": f"d{i}",
        "question": f"Where is key {i * 31} of the old pump?",
        "choices": ["drawer", "hall", "1"][: 2 + i % 2],
    }
    | {"right": i % 2}
    for i in range(10)
]


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("tasks")
    import datasets

    datasets.config.HF_DATASETS_CACHE = folder / "cache"
    root = eval_workspace(folder / "ws")
    for name, text in {"facts": DESK, "said": SAID, "texts": TEXTS}.items():
        (root / "tasks").mkdir(exist_ok=True)
        (root / "tasks" / f"{name}.yaml").write_text(text)
    write_jsonl(root / "tasks" / "test.jsonl", DOCS[:7])
    write_jsonl(root / "tasks" / "train.jsonl", DOCS[7:])
    with_run(root)
    return root


@pytest.fixture(autouse=True)
def no_network(monkeypatch: pytest.MonkeyPatch) -> None:
    def refused(*_: Any) -> None:
        raise AssertionError("a network call")

    monkeypatch.setattr(socket.socket, "connect", refused)
    monkeypatch.delenv("HF_HUB_OFFLINE", raising=False)


def told(root: Path, shown: Shown, *words: str, suite: str = "small") -> dict[str, Any]:
    shown.readouterr()
    assert main(["-C", str(root), "eval", "--suite", suite, *words, "--json"]) == 0
    found: dict[str, Any] = json.loads(shown.readouterr().out)
    return found


def scores(found: dict[str, Any], label: str, side: int = 0) -> dict[str, dict[str, Any]]:
    rows = found["evaluations"][side]["metrics"]
    return {row["metric"]: row for row in rows if row["split"] == label and row["slice"] == "all"}


def by_hand(root: Path, task: str, shots: int) -> list[dict[str, Any]]:
    """The harness asked by itself, with the run's base loaded by itself."""
    import torch
    from lm_eval import simple_evaluate
    from lm_eval.models.huggingface import HFLM
    from lm_eval.tasks import TaskManager
    from transformers import AutoModelForCausalLM, AutoTokenizer

    from curation.runs import read_run

    base = root / str(read_run(root / "experiments" / "experiment_001").base)
    model = AutoModelForCausalLM.from_pretrained(base, dtype=torch.float32).eval()
    here = os.getcwd()
    os.chdir(root / "tasks")
    try:
        found = simple_evaluate(
            model=HFLM(pretrained=model, tokenizer=AutoTokenizer.from_pretrained(base), batch_size=3),
            tasks=[task],
            num_fewshot=shots,
            task_manager=TaskManager(include_path=str(root / "tasks"), include_defaults=False),
            bootstrap_iters=0,
        )
    finally:
        os.chdir(here)
    samples: list[dict[str, Any]] = found["samples"][task]
    return sorted(samples, key=lambda sample: sample["doc_id"])


def test_the_same_as_the_harness_by_itself_item_by_item(root: Path, capsys: Shown) -> None:
    found = told(root, capsys, "--benchmark", "lm_eval:tasks/desk_facts")
    base = Path(found["evaluations"][1]["folder"])
    import pyarrow.parquet as pq

    lines = pq.read_table(base / "benchmarks.parquet").to_pylist()
    samples = by_hand(root, "desk_facts", 0)
    assert [line["item_id"] for line in lines] == [doc["id"] for doc in DOCS[:7]]
    for line, sample in zip(lines, samples, strict=True):
        assert line["logliks"] == pytest.approx([answer[0] for answer in sample["filtered_resps"]], abs=1e-3)
        assert (line["acc"], line["acc_norm"], line["gold"]) == (sample["acc"], sample["acc_norm"], sample["target"])
    label = "lm_eval:tasks/desk_facts"
    numbers = scores(found, label)
    assert numbers.keys() == {"acc", "acc_norm", "ece", "brier"}
    assert "lm_eval 0.4." in numbers["acc"]["signature"]
    assert "desk_facts, version 2.5, num_fewshot 0, plain, bos tokenizer" in numbers["acc"]["signature"]
    assert scores(found, label, 1)["acc"]["value"] == pytest.approx(sum(s["acc"] for s in samples) / 7)


def test_cost_results_csv_recompute_and_compare_have_it(root: Path, capsys: Shown) -> None:
    capsys.readouterr()
    label = "lm_eval:tasks/desk_facts"
    assert main(["-C", str(root), "eval", "--suite", "small", "--benchmark", label]) == 0
    said = capsys.readouterr()
    assert "nothing was computed" in said.out or f"{label} 7 items" in said.err
    table = list(csv.DictReader((root / "experiments" / "experiment_001" / "results.csv").open()))
    assert {row["metric"] for row in table if row["split"] == label} >= {"acc", "acc_norm"}
    assert all("num_fewshot 0" in row["signature"] for row in table if row["split"] == label)
    assert main(["-C", str(root), "eval", "--recompute", "001"]) == 0
    assert main(["-C", str(root), "compare", "--stored", "--json"]) == 0
    capsys.readouterr()
    assert main(["-C", str(root), "compare", "--stored", "--json"]) == 0
    (one,) = json.loads(capsys.readouterr().out)["benchmarks"]
    assert (one["name"], one["metric"], one["diff"]["n"]) == (label, "acc_norm", 7)


def test_few_shot_of_a_suite_is_the_harnesss(root: Path, capsys: Shown) -> None:
    asked = SUITE.replace("benchmarks: []", "benchmarks: [{name: 'lm_eval:tasks/desk_facts', shots: 2}]")
    (root / "suites" / "shots.yaml").write_text(asked)
    found = told(root, capsys, suite="shots")
    import pyarrow.parquet as pq

    lines = pq.read_table(Path(found["evaluations"][1]["folder"]) / "benchmarks.parquet").to_pylist()
    for line, sample in zip(lines, by_hand(root, "desk_facts", 2), strict=True):
        assert line["logliks"] == pytest.approx([answer[0] for answer in sample["filtered_resps"]], abs=1e-3)
    assert "num_fewshot 2, seed 1234" in scores(found, "lm_eval:tasks/desk_facts (2-shot)")["acc"]["signature"]


def test_what_models_write_and_how_likely_texts_are(root: Path, capsys: Shown) -> None:
    found = told(root, capsys, "--benchmark", "lm_eval:tasks/desk_said", "--benchmark", "lm_eval:tasks/desk_texts")
    assert scores(found, "lm_eval:tasks/desk_said").keys() == {"exact_match"}
    texts = scores(found, "lm_eval:tasks/desk_texts", 1)
    samples = by_hand(root, "desk_texts", 0)
    bits = -sum(s["bits_per_byte"][0] for s in samples) / sum(s["bits_per_byte"][1] for s in samples)
    assert texts["bits_per_byte"]["value"] == pytest.approx(bits / 0.6931471805599453, abs=1e-4)
    assert texts["word_perplexity"]["value"] > 1
    capsys.readouterr()
    assert main(["-C", str(root), "eval", "--suite", "small", "--benchmark", "lm_eval:tasks/desk_said"]) == 0
    assert "not kept, for they need all items at once: bleu (bleu)" in capsys.readouterr().out


def test_the_chat_template_and_the_limit_are_part_of_what_is_asked(root: Path, capsys: Shown) -> None:
    asked = "benchmarks: [{name: 'lm_eval:tasks/desk_facts', chat: true}]"
    (root / "suites" / "chat.yaml").write_text(SUITE.replace("benchmarks: []", asked))
    found = told(root, capsys, "--limit", "3", "--no-base", suite="chat")
    acc = scores(found, "lm_eval:tasks/desk_facts (chat)")["acc"]
    assert acc["n"] == 3
    assert acc["signature"].endswith("num_fewshot 0, chat|partial:3/7")


def test_data_that_is_not_here_is_a_line_and_no_network_call(root: Path, capsys: Shown) -> None:
    (root / "away").mkdir(exist_ok=True)
    (root / "away" / "t.yaml").write_text(DESK.replace("test: test.jsonl", "test: gone.jsonl"))
    hub = DESK.replace("dataset_path: json", "dataset_path: nobody/nothing").replace("task: desk_facts", "task: hubbed")
    (root / "away" / "h.yaml").write_text("\n".join(x for x in hub.splitlines() if "dataset_kwargs" not in x))
    write_jsonl(root / "away" / "train.jsonl", DOCS[7:])
    words = ("--benchmark", "lm_eval:away/desk_facts", "--benchmark", "lm_eval:away/hubbed", "--no-base")
    assert told(root, capsys, *words)["not_run"] == [
        "lm_eval:away/desk_facts: not run, put the file at away/gone.jsonl",
        "lm_eval:away/hubbed: not run, put the file at data/benchmarks/hubbed/test.jsonl",
    ]
    for part, rows in {"train": DOCS[7:], "test": DOCS[:7]}.items():
        write_jsonl(root / "data" / "benchmarks" / "hubbed" / f"{part}.jsonl", rows)
    found = told(root, capsys, "--benchmark", "lm_eval:away/hubbed", "--no-base")
    assert scores(found, "lm_eval:away/hubbed")["acc"]["n"] == 7


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("lm_eval:tasks/desk_fact", 'tasks has no such task; did you mean "desk_facts"'),
        ("lm_eval:nowhere/desk_facts", "the folder nowhere is not there"),
        ("arc-eesy", 'benchmarks: "arc-eesy" is not known; did you mean "arc-easy"'),
    ],
)
def test_a_name_that_is_not_known_is_one_line(root: Path, capsys: Shown, name: str, said: str) -> None:
    capsys.readouterr()
    assert main(["-C", str(root), "eval", "--suite", "small", "--benchmark", name]) == 2
    assert said in capsys.readouterr().err.splitlines()[-1]


def test_a_task_with_a_program_runs_with_consent_alone(root: Path, capsys: Shown) -> None:
    (root / "coded").mkdir(exist_ok=True)
    (root / "coded" / "t.yaml").write_text(
        DESK.replace('doc_to_text: "Question: {{question}}\\nAnswer:"', "doc_to_text: !function own.text")
    )
    (root / "coded" / "own.py").write_text("def text(doc):\n    return doc['question']\n")
    for part, rows in {"train": DOCS[7:], "test": DOCS[:7]}.items():
        write_jsonl(root / "coded" / f"{part}.jsonl", rows)
    words = ("-C", str(root), "eval", "--suite", "small", "--no-base", "--benchmark", "lm_eval:coded/desk_facts")
    assert main([*words]) == 2
    assert "own.py); read it, and give --trust-metrics" in capsys.readouterr().err
    assert main([*words, "--trust-metrics"]) == 0


def test_too_long_examples_name_the_length(root: Path, capsys: Shown) -> None:
    (root / "long").mkdir(exist_ok=True)
    (root / "long" / "t.yaml").write_text(DESK)
    write_jsonl(root / "long" / "test.jsonl", DOCS[:2])
    write_jsonl(root / "long" / "train.jsonl", [{**DOCS[7], "question": "word " * 700}])
    asked = SUITE.replace("benchmarks: []", "benchmarks: [{name: 'lm_eval:long/desk_facts', shots: 1}]")
    (root / "suites" / "long.yaml").write_text(asked)
    assert main(["-C", str(root), "eval", "--suite", "long", "--no-base"]) == 2
    error = capsys.readouterr().err.splitlines()[-1]
    assert "1 examples make prompts of up to" in error
    assert "the model reads 512; ask with fewer" in error


def test_without_the_extra_its_install_line_is_named(
    root: Path, capsys: Shown, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "lm_eval", None)
    assert main(["-C", str(root), "eval", "--suite", "small", "--benchmark", "lm_eval:tasks/desk_facts"]) == 2
    assert 'pip install "curate[lm-eval]"' in capsys.readouterr().err


@pytest.mark.slow
def test_a_task_of_the_harness_by_its_name(root: Path, capsys: Shown) -> None:
    capsys.readouterr()
    assert main(["-C", str(root), "eval", "--suite", "small", "--benchmark", "lm_eval:piqqa"]) == 2
    assert 'the harness knows no such task; did you mean "piqa"' in capsys.readouterr().err
    words = ("--benchmark", "lm_eval:arc_easy", "--no-base")
    assert told(root, capsys, *words)["not_run"] == [
        "lm_eval:arc_easy: not run, put the file at data/benchmarks/arc_easy/test.jsonl"
    ]
