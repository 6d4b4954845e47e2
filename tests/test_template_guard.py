"""A run is not used with another template or tokenizer than it was trained with; the same in other bytes passes."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final

import pytest

pytest.importorskip("torch")

from curation.errors import ConfigError
from curation.runs import Run
from tests.shared_data import shared
from tests.test_runs import training
from tests.tiny_model import CHAT_TEMPLATE, tiny_model
from train.model.check import check_template, fingerprint
from train.model.template import ModelTemplate, choose_training_template

Change = Callable[[Path], None]


@dataclass(frozen=True)
class Wanted:
    template: str | None = None
    end_token: str | None = None


class NoRecipe:
    def template(self) -> None:
        return None


def chosen(folder: Path, wanted: Wanted = Wanted()) -> ModelTemplate:
    return choose_training_template(wanted, NoRecipe(), folder)


def trained_with(folder: Path, wanted: Wanted = Wanted()) -> Run:
    template = chosen(folder, wanted)
    told = {**template.as_json()}
    return training(
        template=told, tokenizer_sha256=template.tokenizer_sha256, fingerprint=fingerprint(template, folder)
    )


def jinja(old: str, new: str) -> Change:
    def change(folder: Path) -> None:
        assert CHAT_TEMPLATE.count(old) >= 1, old
        (folder / "chat_template.jinja").write_text(CHAT_TEMPLATE.replace(old, new, 1))

    return change


def rewrite(path: Path, edit: Callable[[Any], None], **layout: Any) -> None:
    told = json.loads(path.read_text("utf-8"))
    edit(told)
    path.write_text(json.dumps(told, **layout), "utf-8")


def tokenizer(edit: Callable[[Any], None]) -> Change:
    return lambda folder: rewrite(folder / "tokenizer.json", edit)


def put(*at: str | int, value: Any) -> Change:
    """Set one value of tokenizer.json, which was another before."""

    def edit(told: Any) -> None:
        for key in at[:-1]:
            told = told[key]
        assert not isinstance(told, dict) or told.get(at[-1]) != value, at
        told[at[-1]] = value

    return tokenizer(edit)


def config(**settings: Any) -> Change:
    return lambda folder: rewrite(folder / "tokenizer_config.json", lambda told: told.update(settings))


def merges(edit: Callable[[list[Any]], None]) -> Change:
    return tokenizer(lambda told: edit(told["model"]["merges"]))


def swap_words(told: Any) -> None:
    vocab = told["model"]["vocab"]
    one, two = list(vocab)[300:302]
    vocab[one], vocab[two] = vocab[two], vocab[one]


def drop_word(told: Any) -> None:
    vocab, found = told["model"]["vocab"], told["model"]["merges"]
    vocab.pop("".join(found.pop()))


def add_token(told: Any) -> None:
    more = {**told["added_tokens"][-1], "id": 512, "content": "<|more|>"}
    told["added_tokens"].append(more)


# What each changes, and the part that the refusal has to name.
TEMPLATES: Final[list[tuple[Change, str]]] = [
    (jinja("{{ bos_token }}", ""), "template"),
    (jinja("{{ bos_token }}", "{{ bos_token }}{{ bos_token }}"), "template"),
    (jinja("{{ bos_token }}", "{{ bos_token }}\n"), "template"),
    (jinja("{{ bos_token }}", "{{ bos_token }}<|system|>\nBe helpful.<|end|>\n"), "template"),
    (jinja("<|{{ m.role }}|>", "<|{{ m.role }}|> "), "template"),
    (jinja("<|{{ m.role }}|>\n", "<|{{ m.role }}|>"), "template"),
    (jinja("<|{{ m.role }}|>\n", "<|{{ m.role }}|>\n\n"), "template"),
    (jinja("<|{{ m.role }}|>", "### {{ m.role }}:"), "template"),
    (jinja("{{ m.role }}", "{{ m.role | upper }}"), "template"),
    (jinja("{{ m.role }}", "{{ 'user' if m.role == 'system' else m.role }}"), "template"),
    (jinja("{{ m.content }}", "{{ m.content | trim }}"), "template"),
    (jinja("{{ m.content }}", " {{ m.content }}"), "template"),
    (jinja("{{ m.content }}", "{{ m.content }} "), "template"),
    (jinja("{{ m.content }}", "{{ m.content | upper }}"), "template"),
    (jinja("{{ m.content }}", "{{ m.content | replace('\\n', ' ') }}"), "template"),
    (jinja("{{ m.content }}", "{{ m.content | e }}"), "template"),
    (jinja("{{ m.content }}", "{{ m.content.split('</think>')[-1] }}"), "template"),
    (jinja("<|end|>", "</s>"), "template"),
    (jinja("<|end|>\n", "<|end|>"), "template"),
    (jinja("<|end|>\n", "\n<|end|>\n"), "template"),
    (jinja("<|assistant|>\n{% endif %}", "<|assistant|>{% endif %}"), "template"),
    (jinja("<|assistant|>\n{% endif %}", "<|assistant|>\n<think>\n{% endif %}"), "template"),
    (jinja("{% if add_generation_prompt %}", "{% if false %}"), "template"),
    (jinja("in messages %}", "in messages if m.role != 'system' %}"), "template"),
    (jinja("in messages %}", "in messages[-2:] %}"), "template"),
]
TOKENIZERS: Final[list[tuple[Change, str]]] = [
    (tokenizer(swap_words), "tokenizer.json: vocabulary"),
    (tokenizer(drop_word), "tokenizer.json: vocabulary"),
    (merges(lambda found: found.pop()), "tokenizer.json: merges"),
    (merges(lambda found: found.pop(0)), "tokenizer.json: merges"),
    (merges(lambda found: found.reverse()), "tokenizer.json: merges"),
    (merges(lambda found: found.insert(0, found.pop(7))), "tokenizer.json: merges"),
    (put("normalizer", value={"type": "NFC"}), "tokenizer.json: normalizer"),
    (put("normalizer", value={"type": "Lowercase"}), "tokenizer.json: normalizer"),
    (put("normalizer", value={"type": "Prepend", "prepend": "x"}), "tokenizer.json: normalizer"),
    (put("normalizer", value={"type": "StripAccents"}), "tokenizer.json: normalizer"),
    (put("pre_tokenizer", "add_prefix_space", value=True), "tokenizer.json: pre_tokenizer"),
    (put("pre_tokenizer", "use_regex", value=False), "tokenizer.json: pre_tokenizer"),
    (put("pre_tokenizer", value={"type": "Whitespace"}), "tokenizer.json: pre_tokenizer"),
    (put("decoder", value={"type": "Fuse"}), "tokenizer.json: decoder"),
    (put("model", "byte_fallback", value=True), "tokenizer.json: model"),
    (put("model", "unk_token", value="<pad>"), "tokenizer.json: model"),
    (put("model", "ignore_merges", value=True), "tokenizer.json: model"),
    (put("model", "end_of_word_suffix", value="</w>"), "tokenizer.json: model"),
    (put("added_tokens", 6, "lstrip", value=True), "tokenizer.json: added_tokens"),
    (put("added_tokens", 6, "rstrip", value=True), "tokenizer.json: added_tokens"),
    (put("added_tokens", 6, "special", value=False), "tokenizer.json: added_tokens"),
    (tokenizer(add_token), "tokenizer.json: added_tokens"),
    (config(bos_token="</s>"), "tokenizer_config.json: bos_token"),
    (config(eos_token="</s>"), "tokenizer_config.json: eos_token"),
    (put("model", "dropout", value=0.5), "tokenizer.json: model"),
]


def json_laid_out_anew(folder: Path) -> None:
    for name in ("tokenizer.json", "tokenizer_config.json"):
        rewrite(folder / name, lambda told: None, indent=4, ensure_ascii=True, sort_keys=True)


def merges_as_texts(folder: Path) -> None:
    """As tokenizers before 0.20 wrote them."""

    def edit(told: Any) -> None:
        told["model"]["merges"] = [" ".join(merge) for merge in told["model"]["merges"]]

    rewrite(folder / "tokenizer.json", edit)


def saved_by_transformers(folder: Path) -> None:
    """As a trainer saves it beside an adapter."""
    from transformers import AutoTokenizer

    loaded = AutoTokenizer.from_pretrained(folder)
    loaded(["a", "a b c"], padding=True, truncation=True, max_length=8)  # which it keeps in tokenizer.json
    loaded.save_pretrained(folder)


def template_in_the_config(folder: Path) -> None:
    (folder / "chat_template.jinja").unlink()
    config(chat_template=CHAT_TEMPLATE)(folder)


def another(name: str, text: str) -> Change:
    def change(folder: Path) -> None:
        (folder / name).write_text(text)

    return change


SAME: Final[list[Change]] = [
    json_laid_out_anew,
    merges_as_texts,
    saved_by_transformers,
    template_in_the_config,
    jinja("{{ bos_token }}", "{# ours #}{{ bos_token }}"),
    jinja("{{ bos_token }}", "{{- bos_token -}}"),
    jinja("{% for m in messages %}", "{%- for message in messages -%}{% set m = message %}"),
    jinja("{{ m.content }}", "{{ m['content'] }}"),
    jinja("{% if add_generation_prompt %}", "{% if add_generation_prompt is defined and add_generation_prompt %}"),
    config(model_max_length=4096),
    config(pad_token="<|end|>"),
    config(padding_side="left"),
    config(unk_token="<pad>", add_eos_token=False),
    put("truncation", value={"direction": "Right", "max_length": 8, "strategy": "LongestFirst", "stride": 0}),
    another("README.md", "notes"),
    another("special_tokens_map.json", '{"bos_token": "<s>", "eos_token": "<|end|>"}'),
    another("generation_config.json", "{}"),
]


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny_model(tmp_path_factory.mktemp("guard") / "base")


def changed(model: Path, to: Path, change: Change) -> Path:
    shutil.copytree(model, to, ignore=shutil.ignore_patterns("*.safetensors"))
    change(to)
    return to


def test_fifty_changes_are_tried() -> None:
    assert len(TEMPLATES) + len(TOKENIZERS) == 50


@pytest.mark.parametrize(("change", "part"), [*TEMPLATES, *TOKENIZERS])
def test_another_template_or_tokenizer_is_refused_and_named(
    model: Path, tmp_path: Path, change: Change, part: str
) -> None:
    run = trained_with(model)
    folder = changed(model, tmp_path / "base", change)
    with pytest.raises(ConfigError) as caught:
        check_template(run, chosen(folder), folder)
    told = str(caught.value)
    assert told.startswith("experiment_001: was trained with another ")
    assert part in told
    assert "\n" not in told


@pytest.mark.parametrize("change", SAME)
def test_what_gives_the_same_tokens_passes(model: Path, tmp_path: Path, change: Change) -> None:
    folder = changed(model, tmp_path / "another name", change)
    check_template(trained_with(model), chosen(folder), folder)
    check_template(trained_with(folder), chosen(model), model)


def test_a_copied_and_a_renamed_folder_pass(model: Path, tmp_path: Path) -> None:
    folder = changed(model, tmp_path / "elsewhere", lambda folder: None)
    check_template(trained_with(model), chosen(folder), folder)


def test_what_the_refusal_says(model: Path, tmp_path: Path) -> None:
    run = trained_with(model)
    folder = changed(model, tmp_path / "base", jinja("<|end|>", "</s>"))
    now = chosen(folder)
    with pytest.raises(ConfigError) as caught:
        check_template(run, now, folder)
    assert run.template is not None
    assert str(caught.value) == (
        'experiment_001: was trained with another template: it ends an answer with "</s>", not "<|end|>" '
        f"(template {now.sha256[:8]}, was {run.template['sha256'][:8]}); its answers would be worse than they are: "
        "use template and tokenizer as they were, or train again"
    )
    both = changed(folder, tmp_path / "both", tokenizer(swap_words))
    with pytest.raises(ConfigError, match=r"another template: .* and another tokenizer: tokenizer.json: vocabulary of"):
        check_template(run, chosen(both), both)


def test_another_choice_of_template_is_refused(model: Path) -> None:
    run = trained_with(model, Wanted("chatml"))
    check_template(run, chosen(model, Wanted("chatml")), model)
    for other in (Wanted("alpaca"), Wanted(), Wanted("chatml", "</s>")):
        with pytest.raises(ConfigError, match="another template"):
            check_template(run, chosen(model, other), model)


def test_a_bos_that_the_tokenizer_begins_to_add_is_refused(model: Path, tmp_path: Path) -> None:
    """chatml has none of its own: then every text begins otherwise."""
    folder = changed(model, tmp_path / "base", config(add_bos_token=True))
    with pytest.raises(ConfigError, match='it begins a text with "<s>", not ""'):
        check_template(trained_with(model, Wanted("chatml")), chosen(folder, Wanted("chatml")), folder)


def test_without_a_fingerprint_the_hashes_decide(model: Path, tmp_path: Path) -> None:
    run = replace(trained_with(model), fingerprint={})
    check_template(run, chosen(model), model)
    folder = changed(model, tmp_path / "base", jinja("{{ m.content }}", "{{ m.content | trim }}"))
    with pytest.raises(ConfigError, match="another template"):
        check_template(run, chosen(folder), folder)


def test_a_published_tokenizer_saved_anew_passes(tmp_path: Path) -> None:
    """Saving spells out what stories260K leaves unsaid: add_bos_token, a post-processor, the unknown token."""
    source = shared("tinyllama/stories260K_hf")
    folder = changed(source, tmp_path / "base", saved_by_transformers)
    check_template(trained_with(source, Wanted("chatml")), chosen(folder, Wanted("chatml")), folder)
    assert chosen(folder, Wanted("chatml")).sha256 != chosen(source, Wanted("chatml")).sha256
