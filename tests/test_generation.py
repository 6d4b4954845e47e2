"""Answers in batches: the same as one by one, ended where the template ends them, never cut without a word."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from itertools import islice
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("torch")

import torch

from curation.errors import ConfigError, DataError, StoreBusyError
from curation.source import Row
from eval.generation import (
    Generated,
    GenerationSettings,
    Item,
    answer_all,
    generate,
    generate_batches,
    generate_response,
    open_responses,
)
from eval.generation.stops import stops_of
from tests.small_run import PAIRS, config_of, conversation, learn, template_of
from tests.tiny_model import CHAT_TEMPLATE, tiny_model
from train.encode import Encoded, encode
from train.model.load import load_base
from train.model.of_run import Loaded
from train.model.tokenizer import load_tokenizer

TEXT_END = CHAT_TEMPLATE.replace("<|end|>\n", "{% if m.role == 'assistant' %}\n### Done.{% endif %}\n")
SHORT = GenerationSettings(max_new_tokens=24)


def loaded(base: Path, **config: Any) -> Loaded:
    model = load_base(base, quantization="none", precision="fp32")
    return Loaded(model, load_tokenizer(base), template_of(base, config_of(base, **config)))


def eos_of(folder: Path, token: str) -> None:
    path = folder / "tokenizer_config.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), "eos_token": token}))


@pytest.fixture(scope="module")
def random_model(tmp_path_factory: pytest.TempPathFactory) -> Loaded:
    return loaded(tiny_model(tmp_path_factory.mktemp("random") / "tiny", context=256))


@pytest.fixture(scope="module")
def knowing(tmp_path_factory: pytest.TempPathFactory) -> Loaded:
    base = tiny_model(tmp_path_factory.mktemp("knowing") / "tiny")
    learn(base, template_of(base, config_of(base)))
    return loaded(base)


def questions(count: int = 20) -> list[Item]:
    """Of many lengths, in no order."""
    texts = ["Where is the manual? " * (1 + 7 * i % 9) + f"Machine {i}." for i in range(count)]
    return [Item(f"q{i}", conversation(text)) for i, text in enumerate(texts)]


def by_id(found: Iterator[Generated]) -> dict[str, Generated]:
    return {one.item_id: one for one in found}


# Where an answer ends


def nothing(folder: Path) -> None:
    pass


@pytest.mark.parametrize(
    ("chat_template", "config", "change"),
    [
        pytest.param(CHAT_TEMPLATE, {}, nothing, id="its own token"),
        pytest.param(CHAT_TEMPLATE, {}, lambda folder: eos_of(folder, "</s>"), id="a token that is not eos"),
        pytest.param(CHAT_TEMPLATE, {"end_token": "</s>"}, nothing, id="a token of the config"),
        pytest.param(TEXT_END, {}, nothing, id="text of several tokens"),
        pytest.param(None, {"template": "llama2"}, lambda folder: eos_of(folder, "</s>"), id="a space and a token"),
        pytest.param(None, {"template": "alpaca"}, lambda folder: eos_of(folder, "### Ende"), id="eos is not a token"),
    ],
)
def test_an_answer_that_was_learned_comes_back_whole_and_ends(
    chat_template: str | None, config: dict[str, Any], change: Callable[[Path], None], tmp_path: Path
) -> None:
    base = tiny_model(tmp_path / "tiny", chat_template=chat_template)
    change(base)
    learn(base, template_of(base, config_of(base, **config)))
    model = loaded(base, **config)
    found = by_id(generate(model, [Item(a, conversation(q)) for q, a in PAIRS], GenerationSettings(64, batch_size=3)))
    assert {one.item_id: one.text for one in found.values()} == {a: a for _, a in PAIRS}
    assert {one.finish_reason for one in found.values()} == {"stop"}
    for question, answer in PAIRS:
        row = encode(Row("row", conversation(question, answer)), model.template, model.tokenizer, config_of(base))
        assert isinstance(row, Encoded)
        one = found[answer]
        # Prompt and answer have the tokens of the training, the end of turn among them; it may be more than one token.
        assert len(row.input_ids) - row.trained <= one.prompt_tokens + one.tokens <= len(row.input_ids)
        assert one.prompt_tokens == next(i for i, label in enumerate(row.labels) if label != -100)


@pytest.mark.parametrize(
    ("template", "goes_on"),
    [
        ("guanaco", " ### Human: and then"),
        ("alpaca", "\n\n### Instruction:\nand"),
        ("plain", "\n\nUser: and"),
        ("llama2", " </s><s>[INST] and"),
        ("chatml", "<|im_end|>\n<|im_start|>user\nand"),
    ],
)
def test_a_model_that_goes_on_with_the_next_turn_has_ended_its_own(template: str, goes_on: str, tmp_path: Path) -> None:
    """A base model seldom writes the end of turn, but begins the next question. What it is like comes in pieces."""
    base = tiny_model(tmp_path / "tiny", chat_template=None)
    eos_of(base, "</s>")
    model = loaded(base, template=template)
    stops = stops_of(model.template.template, model.model, model.tokenizer)
    answer = "User: in the # upper ## drawer.\n\n"
    read = stops.lead + answer
    ids = model.tokenizer(read + goes_on, add_special_tokens=False)["input_ids"]
    ended = next(count for count in range(1, len(ids) + 1) if stops.reached(model.tokenizer, ids[:count]))
    assert ended > len(model.tokenizer(read, add_special_tokens=False)["input_ids"])
    assert not model.tokenizer.decode(ids[:ended]).endswith("and")
    assert stops.text(model.tokenizer, ids[:ended]) == answer


def test_log_probabilities_are_the_model_s_own(random_model: Loaded) -> None:
    found = generate_response(random_model, "Where is the pump?", settings=SHORT)
    prompt = random_model.template.prompt_ids(random_model.tokenizer, conversation("Where is the pump?"))
    ids, logprobs = list(prompt), []
    with torch.inference_mode():
        for _ in range(found.tokens):  # no cache, no padding, no batch
            values = random_model.model(input_ids=torch.tensor([ids])).logits[0, -1].log_softmax(-1)
            ids.append(int(values.argmax()))
            logprobs.append(float(values.max()))
    assert found.prompt_tokens == len(prompt)
    assert found.logprob_first == pytest.approx(logprobs[0], abs=1e-5)
    assert found.logprob_min == pytest.approx(min(logprobs), abs=1e-5)
    assert found.logprob_mean == pytest.approx(sum(logprobs) / len(logprobs), abs=1e-5)
    assert found.text == random_model.tokenizer.decode(ids[len(prompt) :])


# Batches


def test_a_batch_of_eight_answers_as_eight_of_one(random_model: Loaded, knowing: Loaded) -> None:
    for model in (random_model, knowing):  # answers that are cut off, and such that end at different steps
        items = [*questions(), *(Item(a, conversation(q)) for q, a in PAIRS)]
        one, eight = (by_id(generate(model, items, replace(SHORT, batch_size=size))) for size in (1, 8))
        assert one.keys() == eight.keys() == {item.item_id for item in items}
        for item_id, alone in one.items():
            other = eight[item_id]
            assert (alone.text, alone.tokens, alone.finish_reason) == (other.text, other.tokens, other.finish_reason)
            for name in ("logprob_mean", "logprob_min", "logprob_first"):
                assert getattr(alone, name) == pytest.approx(getattr(other, name), abs=1e-4)
    assert len({one.tokens for one in eight.values()}) >= 3


def test_padding_does_not_shift_the_positions_that_a_model_has_learned(tmp_path: Path) -> None:
    """A Llama does not care where a text begins; GPT-2 does."""
    from transformers import GPT2Config, GPT2LMHeadModel

    base = tiny_model(tmp_path / "tiny", context=256)
    torch.manual_seed(0)
    config = GPT2Config(vocab_size=512, n_embd=64, n_layer=2, n_head=4, n_positions=256, initializer_range=0.5)
    GPT2LMHeadModel(config).save_pretrained(base)
    model = loaded(base)
    assert model.context == 256
    one, eight = (by_id(generate(model, questions(), GenerationSettings(6, size))) for size in (1, 8))
    assert {name: found.text for name, found in one.items()} == {name: found.text for name, found in eight.items()}


def test_sampling_depends_on_seed_and_item_not_on_the_batch(random_model: Loaded) -> None:
    def sampled(size: int, seed: int) -> dict[str, str | None]:
        settings = GenerationSettings(12, size, temperature=0.7, top_p=0.9, seed=seed)
        return {one.item_id: one.text for one in generate(random_model, questions(), settings)}

    assert sampled(1, 1) == sampled(8, 1)
    assert sampled(8, 2) != sampled(8, 1) != {k: v.text for k, v in by_id(generate(random_model, questions())).items()}


def test_what_a_model_s_folder_says_of_sampling_and_penalties_is_not_taken_over(knowing: Loaded) -> None:
    penalty = knowing.model.generation_config.repetition_penalty
    knowing.model.generation_config.repetition_penalty = 1e6
    try:
        assert generate_response(knowing, PAIRS[1][0]).text == PAIRS[1][1]
    finally:
        knowing.model.generation_config.repetition_penalty = penalty


def test_items_are_read_as_they_are_needed(random_model: Loaded) -> None:
    read = 0

    def endless() -> Iterator[Item]:
        nonlocal read
        while True:
            read += 1
            yield Item(str(read), conversation("Where?"))

    settings = GenerationSettings(1, batch_size=2)
    first = list(islice(generate_batches(random_model, endless(), settings), 3))
    assert [len(batch) for batch in first] == [2, 2, 2]
    assert read <= 64


# What cannot be asked


def test_a_prompt_that_does_not_fit_is_told_and_the_others_answered(random_model: Loaded) -> None:
    context, tokenizer = random_model.context, random_model.tokenizer
    assert context == 256
    frame = len(random_model.template.prompt_ids(tokenizer, conversation("")))
    fits = "?" * (context - 24 - frame)
    items = [Item("long", conversation(fits + "?")), Item("fits", conversation(fits)), Item("short", conversation("?"))]
    found = by_id(generate(random_model, items, SHORT))
    assert found["long"].text is None
    assert found["long"].finish_reason == "error"
    assert found["long"].detail == (
        "the prompt has 233 tokens; with 24 for the answer it does not fit the model's context of 256; shorten it, or "
        "lower max_new_tokens"
    )
    assert [found[name].finish_reason for name in ("fits", "short")] == ["length", "length"]
    assert found["fits"].prompt_tokens == context - 24
    with pytest.raises(DataError, match="does not fit the model's context of 256"):
        generate_response(random_model, fits + "?", settings=SHORT)


def test_what_the_template_cannot_express_is_told(random_model: Loaded) -> None:
    record = {"messages": [{"role": "user", "content": "Say <|end|> twice"}]}
    (found,) = generate(random_model, [Item("a", record)], SHORT)
    assert (found.text, found.finish_reason) == (None, "error")
    assert 'message 1, character 5: "<|end|>" is a marker' in found.detail


def test_a_model_that_gives_no_number_has_not_answered(tmp_path: Path) -> None:
    broken = loaded(tiny_model(tmp_path / "tiny"))
    broken.model.lm_head.weight.data[3, 0] = float("nan")
    for settings in (SHORT, replace(SHORT, temperature=1.0)):
        found = list(generate(broken, questions(3), settings))
        assert [one.finish_reason for one in found] == ["error"] * 3
        assert "is not a number" in found[0].detail


@pytest.mark.parametrize(
    "wrong",
    [{"max_new_tokens": 0}, {"batch_size": 0}, {"temperature": -1.0}, {"temperature": float("nan")}, {"top_p": 0.0}],
)
def test_settings_that_mean_nothing_are_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(ConfigError, match=next(iter(wrong))):
        GenerationSettings(**wrong)


# Answers on disk

MADE_WITH = {"adapter": "abc", "max_new_tokens": 24}


def lines(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text("utf-8").splitlines()]


def answered(model: Loaded, path: Path, items: list[Item], settings: GenerationSettings = SHORT) -> int:
    """How many were answered now."""
    with open_responses(path, MADE_WITH) as responses:
        before = responses.done
        answer_all(model, items, settings, responses)
        return responses.done - before


def test_answers_that_are_there_are_not_made_again_and_a_torn_line_is(random_model: Loaded, tmp_path: Path) -> None:
    path, items = tmp_path / "new" / "out.jsonl", [Item("ä-1", conversation("Where?"), "There."), *questions()]
    assert answered(random_model, path, items[:9]) == 9
    whole = path.read_bytes()
    for cut in (1, 2, 30):  # the line break, and more; a rest that is JSON too counts as torn
        path.write_bytes(whole[:-cut])
        assert answered(random_model, path, items[:9]) == 1
        assert path.read_bytes() == whole or len(lines(path)) == 9
    assert answered(random_model, path, items) == len(items) - 9
    assert answered(random_model, path, items) == 0
    told = lines(path)
    assert sorted(line["item_id"] for line in told) == sorted(item.item_id for item in items)
    first = next(line for line in told if line["item_id"] == "ä-1")
    fresh = generate_response(random_model, "Where?", settings=SHORT)
    assert first["response"] == fresh.text
    assert first["messages"] == items[0].record["messages"]
    assert first["reference"] == "There."
    assert first["logprob_mean"] == pytest.approx(fresh.logprob_mean, abs=1e-4)


def test_a_file_of_other_answers_is_not_gone_on_with(random_model: Loaded, tmp_path: Path) -> None:
    path = tmp_path / "out.jsonl"
    answered(random_model, path, questions(2))
    before = path.read_bytes()
    with (
        pytest.raises(ConfigError, match="was begun with another adapter, seed; use the same, or name another file"),
        open_responses(path, {**MADE_WITH, "adapter": "abd", "seed": 1}),
    ):
        pass
    (tmp_path / "mine.jsonl").write_text('{"item_id": "1"}\n')
    with (
        pytest.raises(ConfigError, match="is there already, and nothing says what made it"),
        open_responses(tmp_path / "mine.jsonl", MADE_WITH),
    ):
        pass
    assert path.read_bytes() == before
    path.write_bytes(b"{}\n" + before)
    with pytest.raises(DataError, match=r"out\.jsonl:1: is not an answer"), open_responses(path, MADE_WITH):
        pass


def test_two_at_once_do_not_write_to_one_file(tmp_path: Path) -> None:
    with (
        open_responses(tmp_path / "out.jsonl", MADE_WITH),
        pytest.raises(StoreBusyError, match="another process is writing to it"),
        open_responses(tmp_path / "out.jsonl", MADE_WITH),
    ):
        pass


def test_an_id_that_comes_twice_is_an_error(random_model: Loaded, tmp_path: Path) -> None:
    with pytest.raises(DataError, match='item id "q0" comes twice'):
        answered(random_model, tmp_path / "out.jsonl", [*questions(3), *questions(2)])


WORK = """
import sys
from pathlib import Path
import torch
torch.set_num_threads(1)
from eval.generation import GenerationSettings
from tests.test_generation import answered, loaded, questions
answered(loaded(Path(sys.argv[1])), Path(sys.argv[2]), questions(300), GenerationSettings(12, batch_size=4))
"""


@pytest.mark.slow
def test_killed_at_any_time_and_run_again_gives_each_answer_once(tmp_path: Path) -> None:
    base, path = tiny_model(tmp_path / "tiny", context=256), tmp_path / "out.jsonl"
    command = [sys.executable, "-c", WORK, str(base), str(path)]
    sizes = []
    for kill in range(4):
        process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        start = path.stat().st_size if path.is_file() else 0
        while process.poll() is None and (path.stat().st_size if path.is_file() else 0) < start + 2000 * (1 + kill):
            time.sleep(0.002)
        process.send_signal(signal.SIGKILL)
        process.wait()
        content = path.read_bytes()
        sizes.append(content.count(b"\n"))
        with path.open("ab") as file:  # as a crash of the machine may leave it: half of a line
            file.write(content[: 40 + kill])
    assert sizes == sorted(sizes)
    assert 0 < sizes[0] < sizes[-1] < 300
    subprocess.run(command, check=True, capture_output=True)
    assert sorted(line["item_id"] for line in lines(path)) == sorted(item.item_id for item in questions(300))
    whole = by_id(generate(loaded(base), questions(300), GenerationSettings(12)))
    assert all(line["response"] == whole[line["item_id"]].text for line in lines(path))
