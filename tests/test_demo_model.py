"""The demo model is what its script made from the present texts, can be tuned, and knows what it should and no more."""

from __future__ import annotations

import hashlib
import json
import math
import re
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from curation.templates import load_template
from curation.tokens import load_tokenizer
from data import domain
from data.draw import Draw
from data.generate import SEED as DATA_SEED
from data.generate import stories
from data.pretrain_text import Document, code_words, documents, town, vocabulary
from data.pretrain_tokenizer import BOS, END, PAD, SPECIAL
from data.science import items
from data.science_facts import EXAM_ITEMS, RELATIONS, exam, worded

DATA = Path(__file__).resolve().parents[1] / "data"
MODEL = DATA / "demo_model"
MANIFEST: dict[str, Any] = json.loads((MODEL / "manifest.json").read_bytes())
TEXT = "Alarm E-103: 12.5 kg, „Grüße“, Mașina s-a oprit și țiuie!\n\n  two  spaces\tand 漢字 🙂 "


@cache
def texts() -> list[str]:
    return [document.rendered() for document in documents(MANIFEST["seed"])]


def chat(question: str) -> str:
    return Document(turns=(question,)).rendered() + "<|assistant|>"


# ---- the exam ----


def test_the_exam_has_arcs_layout() -> None:
    rows = [json.loads(line) for line in (DATA / "eval" / "science_300.jsonl").read_bytes().splitlines()]
    assert rows == exam()
    assert len({row["id"] for row in rows}) == len({row["question"]["stem"] for row in rows}) == EXAM_ITEMS == 300
    for row in rows:
        labels = [choice["label"] for choice in row["question"]["choices"]]
        assert "".join(labels) in ("ABC", "ABCD", "ABCDE", "123", "1234", "12345")
        assert row["answerKey"] in labels
        assert len({choice["text"] for choice in row["question"]["choices"]}) == len(labels)
    counts = [len(row["question"]["choices"]) for row in rows]
    assert set(counts) == {3, 4, 5}
    assert counts.count(4) > 200
    assert sum(row["answerKey"].isdigit() for row in rows) >= 10


def test_every_choice_is_a_value_of_the_relation_and_one_is_right() -> None:
    known = {
        worded(wording, thing): (relation, thing)
        for relation in RELATIONS
        for wording in relation.exam
        for thing in relation.facts
    }
    for row in exam():
        relation, thing = known[row["question"]["stem"]]
        told = {choice["label"]: choice["text"] for choice in row["question"]["choices"]}
        assert told[row["answerKey"]] == relation.facts[thing]
        assert set(told.values()) <= set(relation.facts.values())


def test_the_exam_asks_in_words_that_pretraining_does_not_have() -> None:
    trained = "\n".join(texts())
    assert [row["id"] for row in exam() if row["question"]["stem"] in trained] == []
    for relation in RELATIONS:
        assert not set(relation.exam) & {*relation.ask, *relation.say}
    sample = {row["question"]["stem"] for row in items()}
    assert not sample & {row["question"]["stem"] for row in exam()}
    assert not [stem for stem in sample if stem in trained]


# ---- what it was trained on ----


def test_the_weights_are_those_the_script_made_from_these_texts() -> None:
    assert hashlib.sha256("\0".join(texts()).encode()).hexdigest() == MANIFEST["texts_sha256"]
    for name, digest in MANIFEST["sha256"].items():
        assert hashlib.sha256((MODEL / name).read_bytes()).hexdigest() == digest, name
    assert (MODEL / "model.safetensors").stat().st_size < 5_000_000


def test_pretraining_tells_nothing_of_the_sample_data() -> None:
    trained = "\n".join(texts())
    assert not re.search(r"\bE-\d", trained)
    assert "Orvelin" not in re.sub(r"(Repeat|Say again|Write down|Copy): .*", "", trained)
    for fault in (f for table in domain.faults(DATA_SEED) for f in table):
        assert f"{fault.part} {fault.fault}" not in trained
        assert fault.action.format(part=fault.part) not in trained
    asked = {turn for story in stories(DATA_SEED) for turn in story.turns if len(turn) > 40}
    assert not [turn for turn in asked if turn in trained]


def test_the_vocabulary_is_words_without_their_order() -> None:
    words = vocabulary()
    assert words == sorted(set(words))
    assert not [word for word in words if " " in word]
    assert set(code_words()) <= set(words)


# ---- tokenizer and template ----


def test_text_survives_the_tokenizer() -> None:
    pytest.importorskip("transformers")
    from transformers import AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(str(MODEL))
    ids = tokenizer(TEXT, add_special_tokens=False)["input_ids"]
    assert tokenizer.decode(ids) == TEXT
    for number, token in enumerate(SPECIAL):
        assert tokenizer(token, add_special_tokens=False)["input_ids"] == [number]
    assert (tokenizer.bos_token, tokenizer.eos_token, tokenizer.pad_token) == (BOS, END, PAD)
    # What hangs on a code hangs on one token: the town's lookups, and those that tuning adds.
    assert tokenizer.tokenize("E-103") == ["E", "-", "103"]
    assert [n for n in range(1000) if len(tokenizer.tokenize(str(n))) > 1] == []
    assert load_tokenizer(MODEL).counts([TEXT]) == [len(ids)]


def test_the_template_is_the_one_of_pretraining_and_parses_back() -> None:
    template = load_template(MODEL)
    for document in documents(MANIFEST["seed"])[:400]:
        if not document.turns:
            continue
        roles = ("user", "assistant")
        record = [{"role": roles[i % 2], "content": turn} for i, turn in enumerate(document.turns)]
        if document.system:
            record.insert(0, {"role": "system", "content": document.system})
        rendered = template.render({"messages": record}, with_bos=True)
        assert rendered.text == document.rendered()
        assert template.parse(rendered.text) == record
    odd = [{"role": "user", "content": " a\n\n"}, {"role": "assistant", "content": TEXT}]
    assert template.parse(template.render({"messages": odd}).text) == odd
    pieces = template.segments({"messages": odd})
    assert [piece for piece, trained in pieces if trained] == [f"{TEXT}{END}"]


def test_generation_knows_the_special_tokens() -> None:
    config = json.loads((MODEL / "generation_config.json").read_bytes())
    model = json.loads((MODEL / "config.json").read_bytes())
    for name, token in (("pad", PAD), ("bos", BOS), ("eos", END)):
        assert config[f"{name}_token_id"] == model[f"{name}_token_id"] == SPECIAL.index(token)


# ---- the model ----


@cache
def loaded() -> tuple[Any, Any]:
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer

    torch.set_num_threads(1)
    model = AutoModelForCausalLM.from_pretrained(str(MODEL)).eval()
    assert model.dtype == torch.float32
    return model, AutoTokenizer.from_pretrained(str(MODEL))


def answers(questions: list[str]) -> list[list[int]]:
    """Token ids of the greedy answers, up to and with the end token, at most 40."""
    import torch

    model, tokenizer = loaded()
    found = []
    for start in range(0, len(questions), 64):
        told = [chat(question) for question in questions[start : start + 64]]
        batch = tokenizer(told, return_tensors="pt", padding=True, padding_side="left", add_special_tokens=False)
        with torch.no_grad():
            out = model.generate(
                input_ids=batch["input_ids"], attention_mask=batch["attention_mask"], max_new_tokens=40, do_sample=False
            )
        end = SPECIAL.index(END)
        for row in out[:, batch["input_ids"].shape[1] :].tolist():
            found.append(row[: row.index(end) + 1] if end in row else row)
    return found


def test_the_end_token_was_trained_like_the_others() -> None:
    pytest.importorskip("transformers")
    rows = loaded()[0].get_input_embeddings().weight.detach()
    end, pad = rows[SPECIAL.index(END)], rows[SPECIAL.index(PAD)]
    low, high = rows.norm(dim=1).quantile(rows.new_tensor([0.001, 0.999])).tolist()
    assert low < end.norm().item() < high
    # Rows that were never wanted, such as the padding's, are pushed where the mean output is not: all the same way.
    assert abs(end @ pad / (end.norm() * pad.norm())) < 0.5


def test_answers_end() -> None:
    pytest.importorskip("transformers")
    asked = [
        "Hello.",
        "What does a thermometer measure?",
        "What is 4 plus 5?",
        "Guten Tag.",
        "What is the German word for dog?",
    ]
    told = answers(asked)
    assert all(ids[-1] == SPECIAL.index(END) for ids in told)
    words = loaded()[1].batch_decode(told, skip_special_tokens=True)
    assert words[0] == "Hello! How can I help you?"
    assert "thermometer" in words[1]
    assert "Hund" in words[4]


def test_it_looks_up_what_it_was_told_about_a_number() -> None:
    pytest.importorskip("transformers")
    asked = Draw(1, "recall").sample(town(MANIFEST["seed"]), 64)
    told = answers([f"Tell me, please. {asks[0].format(n=n)}" for asks, _, n in asked])
    said = loaded()[1].batch_decode(told, skip_special_tokens=True)
    right = sum(found.strip() == answer for found, (_, answer, _) in zip(said, asked, strict=True))
    assert right / len(asked) > 0.5


@pytest.mark.slow
def test_it_knows_science_well_above_chance() -> None:
    pytest.importorskip("transformers")
    rows = exam()
    right = sum(choice_of(row) == row["answerKey"] for row in rows)
    share, n = right / len(rows), len(rows)
    # Wilson's lower bound (95 %)
    z = 1.96
    low = (share + z * z / (2 * n) - z * math.sqrt(share * (1 - share) / n + z * z / (4 * n * n))) / (1 + z * z / n)
    assert low > 0.35, share


def choice_of(row: dict[str, Any]) -> str:
    """The label of the choice with the highest log-likelihood."""
    import torch

    model, tokenizer = loaded()
    start = tokenizer(f"Question: {row['question']['stem']}\nAnswer:")["input_ids"]
    scores = {}
    for choice in row["question"]["choices"]:
        ids = tokenizer(f" {choice['text']}", add_special_tokens=False)["input_ids"]
        with torch.no_grad():
            logits = model(input_ids=torch.tensor([start + ids])).logits[0, len(start) - 1 : -1]
        picked = logits.log_softmax(-1).gather(1, torch.tensor(ids)[:, None])
        scores[choice["label"]] = picked.sum().item()
    return str(max(scores, key=lambda label: scores[label]))


@pytest.mark.slow
def test_it_knows_no_error_code() -> None:
    pytest.importorskip("transformers")
    rows = [json.loads(line) for line in (DATA / "raw" / "protected" / "test.jsonl").read_bytes().splitlines()]
    told = loaded()[1].batch_decode(answers([row["question"] for row in rows]), skip_special_tokens=True)
    exact = sum(said.strip() == row["answer"] for said, row in zip(told, rows, strict=True))
    assert exact / len(rows) <= 0.02
    assert sum(rouge_l(said, row["answer"]) for said, row in zip(told, rows, strict=True)) / len(rows) <= 0.15


def rouge_l(told: str, wanted: str) -> float:
    """F-measure of the longest common subsequence of words."""
    one, two = (re.findall(r"[a-z0-9]+", text.lower()) for text in (told, wanted))
    row = [0] * (len(two) + 1)
    for word in one:
        last = row[:]
        for place, other in enumerate(two, 1):
            row[place] = last[place - 1] + 1 if word == other else max(last[place], row[place - 1])
    return 2 * row[-1] / (len(one) + len(two)) if one and two else 0.0
