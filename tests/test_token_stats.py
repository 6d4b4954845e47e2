"""Token counts under a template, with tokenizers of our own making and with published ones."""

from __future__ import annotations

import gzip
import json
from pathlib import Path
from typing import Any
from uuid import UUID

import numpy as np
import pytest
from tokenizers import Tokenizer, models, pre_tokenizers, processors

from curation.errors import ConfigError
from curation.templates import load_template, tokenizer_hash
from curation.tokens import load_tokenizer, token_stats
from tests.shared_data import shared
from tests.template_records import chat, table


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A tokenizer of words and single marks, with a BOS that it puts first by itself, and traps stored in it."""
    words = ["<unk>", "<s>", "</s>", "[", "]", "/", "INST", "one", "two", "three", "Be", "brief"]
    made: Any = Tokenizer(models.WordLevel({word: i for i, word in enumerate(words)}, unk_token="<unk>"))
    made.pre_tokenizer = pre_tokenizers.Whitespace()
    made.post_processor = processors.TemplateProcessing(single="<s> $A", special_tokens=[("<s>", 1)])
    made.add_special_tokens(["<s>", "</s>"])
    made.enable_truncation(4)
    made.enable_padding(length=50)
    home = tmp_path / "tokenizer"
    home.mkdir()
    made.save(str(home / "tokenizer.json"))
    (home / "tokenizer_config.json").write_text(json.dumps({"bos_token": "<s>", "eos_token": "</s>"}), "utf-8")
    return home


def test_counts_by_hand(folder: Path) -> None:
    """Whitespace splits marks from words: `[INST]` is 3 tokens, `[/INST]` too, for its `[/` is one; </s> is one."""
    rows = table([chat("one two", "three"), chat("one", "two", "three", "one one")])
    stats = token_stats(rows, load_template("llama2"), load_tokenizer(folder))
    assert stats.counts.select(["pos", "prompt", "answer", "total"]).to_pylist() == [
        {"pos": 0, "prompt": 1 + 3 + 2 + 3, "answer": 1 + 1, "total": 11},
        {"pos": 1, "prompt": 1 + (3 + 1 + 3) + (1 + 3 + 1 + 3), "answer": (1 + 1) + (2 + 1), "total": 21},
    ]


def test_one_bos_whoever_writes_it(folder: Path) -> None:
    """The template, the tokenizer, or both: one. Neither: none."""
    rows = table([chat("one", "two")])
    with_bos, without = load_tokenizer(folder), load_tokenizer(folder)
    without.bos = ""
    assert (with_bos.bos, with_bos.eos) == ("<s>", "</s>")

    def total(name: str, tokenizer: Any) -> int:
        counted: int = token_stats(rows, load_template(name, eos="</s>"), tokenizer).counts["total"][0].as_py()
        return counted

    assert total("llama2", with_bos) == total("llama2", without)
    assert total("plain", with_bos) == total("plain", without) + 1


def test_a_bos_that_only_the_tokenizer_knows(folder: Path) -> None:
    (folder / "tokenizer_config.json").unlink()
    assert load_tokenizer(folder).bos == "<s>"


def test_long_rows_are_listed_and_never_cut(folder: Path) -> None:
    """The tokenizer's own truncation, to 4 tokens, is not applied."""
    rows = table([chat("one", "two"), chat("one", "two " * 500), chat("one", "two " * 900), chat("one [INST]", "x")])
    stats = token_stats(rows, load_template("llama2"), load_tokenizer(folder), context=100)
    assert stats.longer() == [
        {"row_id": str(UUID(bytes=rows["row_id"][2].as_py())), "pos": 2, "tokens": 909},
        {"row_id": str(UUID(bytes=rows["row_id"][1].as_py())), "pos": 1, "tokens": 509},
    ]
    told = stats.summary()
    assert (told["rows"], told["refused"], told["over_context"]) == (3, 1, 2)
    assert told["answer"] == {
        "sum": 1404,
        "mean": 468.0,
        "min": 2,
        "max": 901,
        "p50": 501,
        "p90": 901,
        "p95": 901,
        "p99": 901,
    }
    assert stats.refused["reason"].to_pylist() == ["contains_marker"]
    json.dumps(told)


def test_no_rows(folder: Path) -> None:
    stats = token_stats(table([chat("a", "b")]).slice(0, 0), load_template("llama2"), load_tokenizer(folder), context=1)
    assert (stats.summary()["rows"], stats.summary()["total"]["max"], stats.longer()) == (0, 0, [])


def test_a_template_without_an_end_of_turn(folder: Path) -> None:
    with pytest.raises(ConfigError, match="template guanaco: nothing ends an answer"):
        token_stats(table([chat("a", "b")]), load_template("guanaco"), load_tokenizer(folder))


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (None, "no such file or folder; name a tokenizer's file or folder"),
        ("", "no tokenizer here (tokenizer.json or tokenizer.model); name its folder or file"),
        ("tokenizer.json", "is not a tokenizer.json ("),
        ("tokenizer.model", "is not a SentencePiece model ("),
    ],
)
def test_what_is_no_tokenizer(make: str | None, message: str, tmp_path: Path) -> None:
    if make == "tokenizer.model":
        pytest.importorskip("sentencepiece")
    home = tmp_path / "home"
    if make is not None:
        home.mkdir()
    if make:
        (home / make).write_text("{}", "utf-8")
    with pytest.raises(ConfigError) as error:
        load_tokenizer(home)
    assert message in str(error.value)
    assert "\n" not in str(error.value)


def test_tokenizer_hash(folder: Path) -> None:
    """What decides tokens changes the hash; a template, weights, or a setting of the model do not."""
    before = tokenizer_hash(folder)
    (folder / "model.safetensors").write_bytes(b"x")
    (folder / "chat_template.jinja").write_text("x", "utf-8")
    (folder / "tokenizer_config.json").write_text(
        json.dumps({"eos_token": "</s>", "bos_token": "<s>", "chat_template": "x", "model_max_length": 5}), "utf-8"
    )
    assert tokenizer_hash(folder) == before
    (folder / "tokenizer_config.json").write_text(json.dumps({"bos_token": "<s>", "eos_token": "<s>"}), "utf-8")
    assert tokenizer_hash(folder) != before
    (folder / "added_tokens.json").write_text("{}", "utf-8")
    file = folder / "tokenizer.json"
    whole = tokenizer_hash(folder), tokenizer_hash(file)
    file.write_bytes(file.read_bytes() + b"\n")
    assert {tokenizer_hash(folder), tokenizer_hash(file)}.isdisjoint(whole)
    file.unlink()
    with pytest.raises(ConfigError, match="no tokenizer here"):
        tokenizer_hash(folder)


def test_sentencepiece_special_tokens_count_as_one(tmp_path: Path) -> None:
    pytest.importorskip("sentencepiece")
    file = tmp_path / "tokenizer.model"
    file.write_bytes(gzip.decompress(shared("tokenizers/mistral_v1_tokenizer.model.gz").read_bytes()))
    tokenizer = load_tokenizer(tmp_path)
    assert (tokenizer.bos, tokenizer.eos) == ("<s>", "</s>")
    assert tokenizer.counts(["</s>", "hello world", " the", "the", "", "hello</s><s>hello"]) == [1, 2, 1, 1, 0, 4]


@pytest.mark.parametrize("source", ["tinyllama/stories260K_hf", "tokenizers/gpt_neox_20b_tokenizer.json.gz"])
def test_pieces_sum_to_the_whole_on_real_tokenizers(source: str, tmp_path: Path) -> None:
    """Counted in pieces or as one text, a row differs by at most a token where two pieces meet."""
    path = shared(source)
    if path.suffix == ".gz":
        (tmp_path / "tokenizer.json").write_bytes(gzip.decompress(path.read_bytes()))
        path = tmp_path
    tokenizer = load_tokenizer(path)
    chosen = load_template("chatml")
    found = [chat("What is the weather like?", "Sunny, and 21 degrees."), chat("a", "b", "c", "d e f " * 50)]
    totals = token_stats(table(found), chosen, tokenizer).counts["total"].to_numpy()
    whole = np.array(tokenizer.counts([chosen.render(record).text for record in found])) + bool(tokenizer.bos)
    pieces = np.array([len(chosen.segments(record)) for record in found])
    assert (np.abs(totals - whole) <= pieces).all()
