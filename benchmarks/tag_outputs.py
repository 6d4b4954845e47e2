"""Outputs of real models as predictions: Flan-T5 on Dolly, AlpacaEval, self-instruct, MT-bench, PandaLM, and answers
that GPT-3 gave to make training data. All are read by place in the public files; nothing of them is kept."""

from __future__ import annotations

import gzip
import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import orjson

from eval.nearest import nearest
from eval.tags import Copy, Prediction

FLAN = [f"dolly_flan_t5/google_flan-t5-{size}_decode_output.jsonl.gz" for size in ("small", "large")]
ALPACA_EVAL = [
    f"alpaca_eval/{model}/model_outputs.json.gz"
    for model in ("alpaca-7b", "llama-2-7b-chat-hf", "text_davinci_003", "vicuna-7b")
]
SELF_INSTRUCT = [
    f"self_instruct/{model}_predictions.jsonl.gz" for model in ("davinci-self-instruct", "text-davinci-001")
]
MT_BENCH = [
    f"mt_bench/model_answer/{model}.jsonl.gz"
    for model in ("alpaca-13b", "llama-13b", "vicuna-13b-v1.3", "gpt-3.5-turbo")
]
PANDALM = "pandalm/testset-v1.json.gz"
TRAINED_ON = "alpaca/alpaca_data.json.gz"  # of alpaca-7b
MIXED = "mixed/instructions_50k.jsonl.gz"  # holds outputs of some 140 other models to 110 questions of AlpacaEval
_OF_MIXED = ("alpacaeval-", "alpacafarm-", "lf_demo-")
ANSWERS = [TRAINED_ON, "codealpaca/new_codealpaca.json.gz"]  # text-davinci-003's


@dataclass(frozen=True, slots=True)
class Output:
    file: str
    row: int  # from 0
    sha: str  # 16 hex digits of sha256 of the output
    prediction: Prediction


def outputs(data: Path) -> Iterator[Output]:
    """All of them, in order of file and row."""
    copies = _copies(data)
    for file in (*FLAN, *ALPACA_EVAL, *SELF_INSTRUCT):
        for row, value in enumerate(read(data / file)):
            asked, context, output, reference = _parts(file, value)
            copy = copies.get(row) if file == ALPACA_EVAL[0] else None
            prediction = Prediction(f"{file}:{row}", asked, output, reference, context, copy=copy)
            yield Output(file, row, _sha(output), prediction)
    yield from _dialogues(data)
    yield from _pairs(data)
    for file in (MIXED, *ANSWERS):
        yield from _answers(data, file)


def _dialogues(data: Path) -> Iterator[Output]:
    """MT-bench, whose row 2 i + t is turn t of answer i."""
    asked = {q["question_id"]: q["turns"] for q in read(data / "mt_bench/question.jsonl.gz")}
    for file in MT_BENCH:
        for i, value in enumerate(read(data / file)):
            questions, answers = asked[value["question_id"]], value["choices"][0]["turns"]
            for turn, output in enumerate(answers):
                before = [text for pair in zip(questions[:turn], answers[:turn], strict=True) for text in pair]
                context = "\n".join([*before, questions[turn]])
                row = 2 * i + turn
                prediction = Prediction(f"{file}:{row}", questions[turn], output, None, context)
                yield Output(file, row, _sha(output), prediction)


def _pairs(data: Path) -> Iterator[Output]:
    """PandaLM, whose row 2 i + k is response k + 1 of pair i."""
    for i, value in enumerate(read(data / PANDALM)):
        asked = "\n".join(text for text in (value["instruction"], value["input"]) if text)
        for k in range(2):
            output, row = value[f"response{k + 1}"], 2 * i + k
            if isinstance(output, str):  # one is the number or the truth value that a loader made of it
                yield Output(PANDALM, row, _sha(output), Prediction(f"{PANDALM}:{row}", asked, output, None, asked))


def _answers(data: Path, file: str) -> Iterator[Output]:
    """Without a reference."""
    for row, value in enumerate(read(data / file)):
        if file == MIXED and not value["id"].startswith(_OF_MIXED):
            continue
        asked = "\n".join(text for text in (value["instruction"], value["input"]) if text)
        output = value["output"] or ""
        yield Output(file, row, _sha(output), Prediction(f"{file}:{row}", asked, output, None, asked))


def _sha(output: str) -> str:
    return hashlib.sha256(output.encode("utf-8", "replace")).hexdigest()[:16]


def read(path: Path) -> list[dict[str, Any]]:
    content = gzip.decompress(path.read_bytes())
    if ".jsonl" in path.name:
        return [orjson.loads(line) for line in content.splitlines()]
    rows: list[dict[str, Any]] = orjson.loads(content)
    return rows


def _parts(file: str, value: dict[str, Any]) -> tuple[str, str, str, str | None]:
    """Question, context, output, reference. Dolly's contexts are not in the files."""
    if file in FLAN:
        return value["instruction"], "", value["decoded"] or "", value["text"]
    if file in ALPACA_EVAL:
        return value["instruction"], "", value["output"], None
    asked = "\n".join(text for text in (value["instruction"], value["input"]) if text)
    return asked, asked, value["response"], value["target"]


def _copies(data: Path) -> dict[int, Copy]:
    """For outputs of alpaca-7b the answer in its training data that each is most like."""
    answers = [row["output"] for row in read(data / TRAINED_ON)]
    found = nearest([row["output"] for row in read(data / ALPACA_EVAL[0])], answers, "auto", 5)
    places = {i: near for i, near in enumerate(found) if near is not None}
    return {i: Copy(str(n.text), f"{TRAINED_ON}:{n.text + 1}", n.similarity) for i, n in places.items()}
