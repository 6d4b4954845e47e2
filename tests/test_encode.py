"""Rows as tokens: the answers are trained and nothing else, prompts have the tokens they have in use, one BOS."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("torch")
pytest.importorskip("transformers")

from curation.errors import ConfigError
from curation.source import OfferedTemplate, Row
from tests.shared_data import shared
from tests.tiny_model import CHAT_TEMPLATE, TEXT, tiny_model
from train.config import TrainingConfig
from train.encode import IGNORED, Encoded, Refused, encode, encode_all
from train.model.template import (
    ModelTemplate,
    choose_training_template,
    continued_ids,
    stored_template,
)

# Answers that begin where a token might reach over from the prompt, and other odd ones.
ANSWERS = (
    "The code is 17.",
    "\n\nThe code",
    "\n",
    " led by a space",
    "17",
    "",
    "știu țână 🕒",
    "\tindented\n",
    "```\nx\n```",
)
NO_BOS = CHAT_TEMPLATE.removeprefix("{{ bos_token }}")
# Its generation prompt ends in a space, which joins with the first word of the answer to one token.
SPACED = (
    "{{ bos_token }}{% for m in messages %}{{ m.role }}: {{ m.content }}{{ eos_token }}{% endfor %}"
    "{% if add_generation_prompt %}assistant: {% endif %}"
)


class NoRecipe:
    def template(self) -> OfferedTemplate | None:
        return None


Made = tuple[ModelTemplate, Any]


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Made]:
    """A template and the tokenizer of a tiny model with this chat template and these settings."""
    folder = tiny_model(tmp_path_factory.mktemp("model") / "tiny")

    def make(source: str | None = CHAT_TEMPLATE, settings: dict[str, Any] | None = None, **config: Any) -> Made:
        from transformers import AutoTokenizer

        (folder / "chat_template.jinja").unlink(missing_ok=True)
        if source:
            (folder / "chat_template.jinja").write_text(source)
        path = folder / "tokenizer_config.json"
        kept = path.read_text()
        path.write_text(json.dumps(json.loads(kept) | (settings or {})))
        try:
            chosen = choose_training_template(TrainingConfig(str(folder), **config), NoRecipe(), folder)
        finally:
            path.write_text(kept)
        return chosen, AutoTokenizer.from_pretrained(folder)

    return make


def chat(*contents: str, system: str | None = None, row_id: str = "r") -> Row:
    roles = ["user", "assistant"] * (len(contents) // 2 + 1)
    messages = [{"role": role, "content": content} for role, content in zip(roles, contents, strict=False)]
    first = [{"role": "system", "content": system}] if system else []
    return Row(row_id, {"messages": [*first, *messages], "meta": {}})


def encoded(row: Row, made: Made, **config: Any) -> Encoded:
    result = encode(row, *made, TrainingConfig("m", **config))
    assert isinstance(result, Encoded), result
    return result


def trained_text(row: Encoded, tokenizer: Any) -> str:
    return str(tokenizer.decode([label for label in row.labels if label != IGNORED]))


def test_only_answers_and_their_ends_are_trained(made: Callable[..., Made]) -> None:
    """The template marks no assistant turn ({% generation %}), as those of real models do not."""
    template, tokenizer = made()
    row = encoded(
        chat("Where is it?", "In the drawer.", "Which?", "The upper.", system="Be brief."), (template, tokenizer)
    )
    assert "generation %" not in CHAT_TEMPLATE
    assert trained_text(row, tokenizer) == "In the drawer.<|end|>The upper.<|end|>"
    assert tokenizer.decode(row.input_ids).count("<|end|>") == 5
    assert all(label in (IGNORED, token) for label, token in zip(row.labels, row.input_ids, strict=True))
    assert row.trained == sum(label != IGNORED for label in row.labels)


@pytest.mark.parametrize("answer", ANSWERS)
@pytest.mark.parametrize("named", [CHAT_TEMPLATE, SPACED, "chatml", "llama2", "guanaco", "alpaca", "plain"])
def test_a_prompt_has_the_tokens_it_has_in_use(named: str, answer: str, made: Callable[..., Made]) -> None:
    own = "{" in named
    template, tokenizer = made(named) if own else made(template=named, end_token="<|end|>")
    for row in (chat("Where is it?", answer), chat("Where?", "Here.", "Here?", answer)):
        result = encode(row, template, tokenizer, TrainingConfig("m"))
        if isinstance(result, Refused):
            assert answer == "", result
            continue
        prompt = template.prompt_ids(tokenizer, {"messages": row.record["messages"][:-1]})
        last = max(i for i in range(len(result.labels)) if result.labels[i] != IGNORED)
        first = next(i for i in range(last, -1, -1) if i == 0 or result.labels[i - 1] == IGNORED)
        assert result.input_ids[:first] == prompt
        said = tokenizer.decode(result.input_ids[first : last + 1])
        assert answer in said
        assert said.replace(answer, "", 1).strip() == "<|end|>"


def test_an_answer_keeps_its_first_word_apart_from_the_prompts_last_space(made: Callable[..., Made]) -> None:
    template, tokenizer = made(SPACED)
    row = encoded(chat("Where is it?", "The manual"), (template, tokenizer))
    whole = tokenizer("assistant: The manual", add_special_tokens=False)["input_ids"]
    assert tokenizer.decode(whole[-2:-1]).startswith(" The")  # what would not be seen in use
    assert trained_text(row, tokenizer) == "The manual<|end|>"


@pytest.mark.parametrize(
    ("source", "settings"),
    [(CHAT_TEMPLATE, {}), (CHAT_TEMPLATE, {"add_bos_token": True}), (NO_BOS, {"add_bos_token": True}), (None, {})],
)
def test_exactly_one_bos(source: str | None, settings: dict[str, Any], made: Callable[..., Made]) -> None:
    """From the template, from the tokenizer, from both, or from a built-in layout."""
    template, tokenizer = made(source, settings, **({} if source else {"template": "llama2", "end_token": "<|end|>"}))
    row = encoded(chat("Where is it?", "Here."), (template, tokenizer))
    assert row.input_ids[0] == tokenizer.bos_token_id
    assert row.input_ids.count(tokenizer.bos_token_id) == 1
    prompt = template.prompt_ids(tokenizer, chat("Where is it?").record)
    assert prompt.count(tokenizer.bos_token_id) == 1


def test_a_model_without_bos_gets_none(made: Callable[..., Made]) -> None:
    template, tokenizer = made(NO_BOS)
    assert tokenizer.bos_token_id not in encoded(chat("Where is it?", "Here."), (template, tokenizer)).input_ids


def test_bos_twice_or_in_pieces_is_refused(made: Callable[..., Made]) -> None:
    with pytest.raises(ConfigError, match=r"begins a text with 2 times the model's token <s>, not once"):
        encoded(chat("Where is it?", "Here."), made("{{ bos_token }}" + CHAT_TEMPLATE))
    with pytest.raises(ConfigError, match=r"begins a text with 0 times the model's token <\|begin_of_text\|>"):
        encoded(chat("Where is it?", "Here."), made(template="llama3", end_token="<|end|>"))


@pytest.mark.parametrize("named", ["chatml", "llama2", "plain", None])
def test_an_end_token_takes_the_place_of_the_templates_end(named: str | None, made: Callable[..., Made]) -> None:
    plain, tokenizer = made(template=named)
    template, _ = made(template=named, end_token="</s>")
    row = encoded(chat("Where is it?", "Here.", "Here?", "There."), (template, tokenizer))
    assert trained_text(row, tokenizer).count("</s>") == 2
    assert "<|end|>" not in trained_text(row, tokenizer)
    assert template.template.end_of_turn == "</s>"
    assert (template.sha256 == plain.sha256) is (named == "llama2")  # whose own end it is


def test_an_end_token_must_be_one_token(made: Callable[..., Made]) -> None:
    with pytest.raises(ConfigError, match='end_token: "<finish>" is not one token of'):
        made(template="chatml", end_token="<finish>")


@pytest.mark.parametrize("named", [None, "chatml", "no-bos.jinja"])
@pytest.mark.parametrize("end", [None, "</s>"])
def test_a_stored_template_comes_back(
    named: str | None, end: str | None, made: Callable[..., Made], tmp_path: Path
) -> None:
    """From what run.json says, and the files beside it; those load as the template anywhere."""
    from curation.templates import load_template, template_hash

    (tmp_path / "no-bos.jinja").write_text(NO_BOS)
    source = CHAT_TEMPLATE if named is None else None
    template, tokenizer = made(
        source, template=str(tmp_path / named) if named == "no-bos.jinja" else named, end_token=end
    )
    folder = tmp_path / "template"
    for name, content in template.files.items():
        folder.mkdir(exist_ok=True)
        (folder / name).write_bytes(content)
    again = stored_template(json.loads(json.dumps(template.as_json())), folder, Path(tokenizer.name_or_path))
    assert (again.sha256, again.files, again.as_json()) == (template.sha256, template.files, template.as_json())
    assert again.template.markers == template.template.markers
    assert folder.is_dir() is (named != "chatml")
    if folder.is_dir():
        assert template_hash(load_template(folder), template.tokenizer_sha256) == template.sha256


def test_a_system_prompt_goes_before_rows_without_one(made: Callable[..., Made]) -> None:
    own, none = chat("Hi", "Hello", system="Shout."), chat("Hi", "Hello")
    template, tokenizer = made()
    texts = [
        tokenizer.decode(encoded(row, (template, tokenizer), system_prompt="Whisper.").input_ids) for row in (own, none)
    ]
    assert ["Shout." in text for text in texts] == [True, False]
    assert ["Whisper." in text for text in texts] == [False, True]


def test_every_row_is_accounted_for(made: Callable[..., Made]) -> None:
    rows = [
        chat("Hi", "Hello", row_id="good"),
        chat("Hi", row_id="no answer"),
        chat("Hi", "I say <|end|> now", row_id="marker"),
        chat("Hi " * 200, "Hello", row_id="long"),
    ]
    for policy, kept in (("drop", 0), ("error", 0), ("truncate-prompt-left", 40)):
        split = encode_all(rows, *made(), TrainingConfig("m", max_length=40, overlong=policy))  # type: ignore[arg-type]
        assert list(split.rows["row_id"]) == ["good", *(["long"] if kept else [])]
        assert split.untrained == ["no answer"]
        assert [(row.row_id, row.reason) for row in split.refused] == [("marker", "contains_marker")]
        assert '"<|end|>" is a marker' in split.refused[0].detail
        assert [row.row_id for row in split.overlong] == ["long"]
        assert split.overlong[0].tokens > 200
        assert 40 - 2 <= split.overlong[0].kept <= 40 if kept else split.overlong[0].kept == 0


@pytest.mark.parametrize("room", range(33, 120, 7))
def test_cutting_keeps_bos_system_text_answer_and_the_questions_end(room: int, made: Callable[..., Made]) -> None:
    template, tokenizer = made()
    question = "What is the code of the red machine? " * 12 + "And of the pump?"
    row = chat("First?", "An early answer.", question, "It has code 17.", system="Be brief.")
    config = TrainingConfig("m", max_length=room, overlong="truncate-prompt-left")
    cut = Encoded(**encode_all([row], template, tokenizer, config).rows[0])
    text = tokenizer.decode(cut.input_ids)
    assert len(cut.input_ids) <= room
    assert text.startswith("<s><|system|>\nBe brief.<|end|>\n<|user|>\n")
    assert text.endswith("?<|end|>\n<|assistant|>\nIt has code 17.<|end|>\n")
    assert trained_text(cut, tokenizer) == "It has code 17.<|end|>"
    messages = template.template.parse(text)
    assert question.endswith(messages[1]["content"])
    assert len(cut.input_ids) >= room - 8  # no more is taken than must be


def test_whole_turns_go_before_the_question_is_cut(made: Callable[..., Made]) -> None:
    template, tokenizer = made()
    row = chat("First? " * 30, "One.", "Second?", "Two.", "Third?", "Three.")
    config = TrainingConfig("m", max_length=60, overlong="truncate-prompt-left")
    cut = Encoded(**encode_all([row], template, tokenizer, config).rows[0])
    assert [m["content"] for m in template.template.parse(tokenizer.decode(cut.input_ids))] == [
        *("Second?", "Two.", "Third?", "Three.")
    ]
    assert trained_text(cut, tokenizer) == "Two.<|end|>Three.<|end|>"


def test_an_answer_that_does_not_fit_is_never_cut(made: Callable[..., Made]) -> None:
    config = TrainingConfig("m", max_length=30, overlong="truncate-prompt-left")
    split = encode_all([chat("Where?", "Here. " * 30)], *made(), config)
    assert len(split.rows) == 0
    assert [row.kept for row in split.overlong] == [0]


def test_no_warning_about_the_models_length(made: Callable[..., Made], caplog: pytest.LogCaptureFixture) -> None:
    logging.getLogger("transformers").propagate = True
    encoded(chat("Where is it? " * 400, "Here."), made())
    assert caplog.records == []


def test_a_sentencepiece_tokenizer_puts_no_space_into_an_answer() -> None:
    from transformers import AutoTokenizer

    folder = shared("tinyllama/stories260K_hf")
    tokenizer = AutoTokenizer.from_pretrained(folder)
    assert tokenizer.convert_ids_to_tokens(continued_ids(tokenizer, "The end"))[0] == "T"
    config = TrainingConfig(str(folder), template="llama2")
    template = choose_training_template(config, NoRecipe(), folder)
    row = encoded(chat("Tell me", "Once upon"), (template, tokenizer))
    answer = tokenizer.convert_ids_to_tokens([label for label in row.labels if label != IGNORED])
    assert answer == ["▁Once", "▁upon", "▁", "</s>"]  # as the model read it in pretraining: one space, not two
    assert row.input_ids.count(1) == 1


@pytest.fixture(scope="module")
def with_prefix(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tokenizer as SentencePiece models become: a space before every text, and BOS before every text it is given."""
    from tokenizers import Tokenizer, decoders, models, normalizers, processors, trainers

    folder = tmp_path_factory.mktemp("prefix")
    tokenizer = Tokenizer(models.BPE(unk_token="<unk>", byte_fallback=True))
    tokenizer.normalizer = normalizers.Sequence([normalizers.Prepend("▁"), normalizers.Replace(" ", "▁")])
    tokenizer.decoder = decoders.Sequence([decoders.Replace("▁", " "), decoders.ByteFallback(), decoders.Fuse()])
    alphabet = [f"<0x{byte:02X}>" for byte in range(256)]
    trainer = trainers.BpeTrainer(
        vocab_size=600, special_tokens=["<unk>", "<s>", "</s>", *alphabet], show_progress=False
    )
    tokenizer.train_from_iterator([f"{text} " for text in TEXT.split()] * 4, trainer)
    tokenizer.post_processor = processors.TemplateProcessing(single="<s> $A", special_tokens=[("<s>", 1)])
    tokenizer.save(str(folder / "tokenizer.json"))
    told = {"tokenizer_class": "PreTrainedTokenizerFast", "bos_token": "<s>", "eos_token": "</s>", "unk_token": "<unk>"}
    (folder / "tokenizer_config.json").write_text(json.dumps(told))
    return folder


@pytest.mark.parametrize("name", ["llama2", "plain", "chatml"])
def test_neither_bos_nor_a_space_twice(name: str, with_prefix: Path) -> None:
    from transformers import AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(with_prefix)
    assert tokenizer("The pump")["input_ids"][0] == tokenizer.bos_token_id  # it adds one by itself
    assert tokenizer.convert_ids_to_tokens(tokenizer("The", add_special_tokens=False)["input_ids"])[0][0] == "▁"
    config = TrainingConfig("m", template=name, end_token="</s>")
    template = choose_training_template(config, NoRecipe(), with_prefix)
    row = encoded(chat("Where is it?", "The pump"), (template, tokenizer))
    assert row.input_ids.count(tokenizer.bos_token_id) == 1
    answer = "".join(tokenizer.convert_ids_to_tokens([label for label in row.labels if label != IGNORED]))
    assert answer == {"llama2": "▁The▁pump▁</s>", "plain": "▁The▁pump</s>", "chatml": "The▁pump</s>"}[name]
    assert tokenizer.convert_ids_to_tokens(continued_ids(tokenizer, "The pump"))[0][0] == "T"
