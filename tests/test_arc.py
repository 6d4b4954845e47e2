"""Multiple choice by likelihood: equal to one pass a choice and to the harness; its layouts and limits."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from curation.errors import ConfigError, DataError
from curation.templates import load_template
from eval.arc import ChoiceSettings, Question, load_benchmark, score
from eval.arc.prompts import asked, branches, contexts
from tests.tiny_model import tiny_model

torch = pytest.importorskip("torch")

STEMS = ("Which of these is hot", "What do cows eat in summer on a green field far away", "Where is the manual")
CHOICES = (("fire", "ice", "snow"), ("grass", "stones", "iron keys", "the old pump"), ("drawer", "1", "22", "333", "4"))
QUESTIONS = [
    Question(
        f"q{i}",
        STEMS[i % 3] + "?" * (1 + i // 3),
        CHOICES[i % 3],
        tuple("ABCDE" if i % 2 else "12345")[: len(CHOICES[i % 3])],
        i % 3,
    )
    for i in range(9)
]


@pytest.fixture(scope="module")
def model_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny_model(tmp_path_factory.mktemp("model") / "tiny")


@pytest.fixture(scope="module")
def loaded(model_folder: Path) -> tuple[Any, Any]:
    from transformers import AutoModelForCausalLM, AutoTokenizer

    model = AutoModelForCausalLM.from_pretrained(model_folder, dtype=torch.float32).eval()
    return model, AutoTokenizer.from_pretrained(model_folder)


def one_pass_a_choice(model: Any, tokenizer: Any, question: Question, settings: ChoiceSettings) -> list[float]:
    """The plain way: the whole text of each choice through the whole model."""
    values = []
    for entry in branches([question], settings, tokenizer):
        for tokens in entry.continuations:
            ids = torch.tensor([entry.context + tokens])
            with torch.no_grad():
                logs = torch.log_softmax(model(input_ids=ids).logits[0, :-1].double(), -1)
            at = range(len(entry.context) - 1, ids.shape[1] - 1)
            values.append(sum(logs[i, ids[0, i + 1]].item() for i in at))
    return values


@pytest.mark.parametrize("regime", ["separate", "letters"])
@pytest.mark.parametrize("batch_tokens", [1, 200, 4096])
def test_shared_contexts_give_the_values_of_separate_passes(
    loaded: tuple[Any, Any], regime: Any, batch_tokens: int
) -> None:
    settings = ChoiceSettings(regime=regime, batch_tokens=batch_tokens)
    found = score(*loaded, QUESTIONS, settings)
    for question, values in zip(QUESTIONS, found.log_likelihoods, strict=True):
        assert values == pytest.approx(one_pass_a_choice(*loaded, question, settings), abs=1e-4)


def test_what_a_model_does_behind_its_head_is_done(model_folder: Path, loaded: tuple[Any, Any]) -> None:
    from transformers import Gemma2Config, Gemma2ForCausalLM

    torch.manual_seed(0)
    size = {"hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 2, "num_attention_heads": 2}
    config = Gemma2Config(
        vocab_size=512, num_key_value_heads=1, head_dim=16, final_logit_softcapping=0.5, pad_token_id=0, **size
    )
    model = Gemma2ForCausalLM(config).eval()
    found = score(model, loaded[1], QUESTIONS[:3])
    for question, values in zip(QUESTIONS, found.log_likelihoods, strict=False):
        assert values == pytest.approx(one_pass_a_choice(model, loaded[1], question, ChoiceSettings()), abs=1e-4)


def test_accuracy_is_of_the_likeliest_choice_and_by_character(loaded: tuple[Any, Any]) -> None:
    found = score(*loaded, QUESTIONS)
    for i, question in enumerate(QUESTIONS):
        values = np.array(found.log_likelihoods[i])
        assert found.acc[i] == (values.argmax() == question.right)
        assert found.acc_norm[i] == ((values / [len(c) for c in question.choices]).argmax() == question.right)
    assert found.chance == pytest.approx(np.mean([1 / 3, 1 / 4, 1 / 5]))
    assert ((found.confidence > 0.2) & (found.confidence <= 1)).all()


def test_what_is_no_number_is_missing_and_not_wrong(model_folder: Path, loaded: tuple[Any, Any]) -> None:
    from transformers import AutoModelForCausalLM

    broken = AutoModelForCausalLM.from_pretrained(model_folder, dtype=torch.float32).eval()
    broken.lm_head.weight.data[3, 0] = float("nan")
    found = score(broken, loaded[1], QUESTIONS[:2])
    assert np.isnan(found.acc).all()
    assert np.isnan(found.acc_norm).all()


def test_letters_list_every_choice_with_the_labels_of_the_file() -> None:
    text = asked(QUESTIONS[0], ChoiceSettings(regime="letters"))
    assert text == "Question: Which of these is hot?\n1. fire\n2. ice\n3. snow\nAnswer:"
    assert asked(QUESTIONS[0], ChoiceSettings()) == "Question: Which of these is hot?\nAnswer:"


def test_a_chat_prompt_has_one_bos_and_a_plain_one_what_the_policy_says(
    loaded: tuple[Any, Any], model_folder: Path
) -> None:
    tokenizer = loaded[1]
    bos = tokenizer.bos_token_id

    def count(settings: ChoiceSettings) -> int:
        template = load_template(model_folder)
        return branches(QUESTIONS[:1], settings, tokenizer, template=template)[0].context.count(bos)

    assert count(ChoiceSettings(chat=True)) == 1
    assert count(ChoiceSettings(chat=True, bos="always")) == 1
    assert count(ChoiceSettings(bos="always")) == 1
    assert count(ChoiceSettings(bos="never")) == 0
    with pytest.raises(ConfigError, match="chat template"):
        branches(QUESTIONS[:1], ChoiceSettings(chat=True), tokenizer)


def test_examples_are_drawn_again_for_each_question_and_the_same_every_time() -> None:
    settings = ChoiceSettings(shots=2)
    first, again = (list(contexts(QUESTIONS[:4], settings, QUESTIONS[4:])) for _ in range(2))
    assert first == again
    assert all(text.count("Question: ") == 3 and text.endswith("Answer:") for text in first)
    assert len({text.rsplit("\n\n", 1)[0] for text in first}) > 1
    with pytest.raises(ConfigError, match="2 examples are asked for and 1 are there"):
        list(contexts(QUESTIONS[:1], settings, QUESTIONS[:1]))


def test_too_long_a_prompt_is_refused_with_examples_and_cut_left_without(loaded: tuple[Any, Any]) -> None:
    long = Question("long", "word " * 600, ("fire", "ice and more"), ("A", "B"), 0)
    with pytest.raises(ConfigError, match=r"prompts of up to [\d,]+ tokens, the model reads 512"):
        score(*loaded, [QUESTIONS[0]], ChoiceSettings(shots=1), examples=[long])
    found = score(*loaded, [long, QUESTIONS[0]])
    assert found.cut == ("long",)
    assert found.log_likelihoods[1] == pytest.approx(score(*loaded, [QUESTIONS[0]]).log_likelihoods[0], abs=1e-4)


OFFICIAL = {
    "id": "a",
    "question": {"stem": "Hot?", "choices": [{"text": "fire", "label": "1"}, {"text": "ice", "label": "2"}]},
    "answerKey": "1",
}
HUB = {"id": "a", "question": "Hot?", "choices": {"text": ["fire", "ice"], "label": ["1", "2"]}, "answerKey": "1"}


@pytest.mark.parametrize("row", [OFFICIAL, HUB], ids=["official", "hub"])
def test_both_layouts_read_as_the_same_question(tmp_path: Path, row: dict[str, Any]) -> None:
    path = tmp_path / "set.jsonl"
    path.write_text(json.dumps(row) + "\n")
    benchmark = load_benchmark(path)
    assert benchmark.name == "set"
    assert benchmark.questions == (Question("a", "Hot?", ("fire", "ice"), ("1", "2"), 0),)


@pytest.mark.parametrize(
    "row",
    [
        {"question": "Hot?", "answer": "fire"},
        HUB | {"answerKey": "Z"},
        {"text": "nothing"},
        HUB | {"choices": {"text": ["fire", "ice"], "label": ["1", "1"]}},
        HUB | {"choices": {"text": ["fire", " "], "label": ["1", "2"]}},
    ],
    ids=["no choices", "no such choice", "other", "two of one label", "an empty choice"],
)
def test_a_file_of_another_layout_is_one_clear_line(tmp_path: Path, row: dict[str, Any]) -> None:
    path = tmp_path / "set.jsonl"
    path.write_text(json.dumps(row) + "\n")
    with pytest.raises(DataError, match=r"set\.jsonl"):
        load_benchmark(path)


def test_two_questions_of_one_id_are_refused(tmp_path: Path) -> None:
    """Scores of two models are paired by it."""
    path = tmp_path / "set.jsonl"
    path.write_text(2 * (json.dumps(HUB) + "\n"))
    with pytest.raises(DataError, match='item 2 has the id "a" of one before'):
        load_benchmark(path)


@pytest.mark.slow
@pytest.mark.parametrize(("shots", "chat"), [(0, False), (3, False), (0, True)])
@pytest.mark.filterwarnings("ignore")  # the harness and what it imports warn of their own
def test_the_harness_says_the_same(
    loaded: tuple[Any, Any], model_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, shots: int, chat: bool
) -> None:
    pytest.importorskip("lm_eval")
    monkeypatch.setitem(os.environ, "HF_DATASETS_CACHE", str(tmp_path / "cache"))
    from benchmarks import arc

    for part in ("Test", "Train"):
        rows = [
            {
                "id": q.id + part,
                "question": q.stem,
                "choices": {"text": q.choices, "label": q.labels},
                "answerKey": q.labels[q.right],
            }
            for q in QUESTIONS
        ]
        (tmp_path / f"ARC-Easy-{part}.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    args = arc.arguments(
        ["--model", str(model_folder), "--data", str(tmp_path), "--shots", str(shots), *["--chat"] * chat]
    )
    ours, _ = arc.scored(*loaded, str(model_folder), args, "ARC-Easy", 0)
    theirs, _ = arc.harness(*loaded, args, "arc_easy", ours)
    found = arc.compared(ours, theirs)
    assert found["questions"] == len(QUESTIONS)
    assert found["furthest_log_likelihood"] < 1e-3
    assert found["differing"] == []
