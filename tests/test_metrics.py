"""Metrics of text: the same numbers as sacrebleu and rouge_score, hand-made cases, laws of resampling."""
# ruff: noqa: RUF001 -- texts in many scripts

from __future__ import annotations

import gzip
import json
import math
import subprocess
import sys
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from curation.errors import ConfigError, DataError
from eval.metrics import _ONE, METRICS, higher_is_better, measure
from eval.metrics.metric import Items, Measured
from eval.metrics.tokens import ascii_tokens, unicode_tokens
from tests.shared_data import shared

pytest.importorskip("sacrebleu")

OUTPUTS = [
    "The cat sat on the mat.",
    "",
    "running runners ran\nquickly and the dogs were barking\nloudly",
    "a a a a b b",
    "Paris, the capital of France, has 2,100,000 people.",
    "!!! ???",
    "the the the the cat",
    "İstanbul’a gittik \ud800 E=mc²",
    "one",
]
REFERENCES = [
    ["The cat is on the mat.", "There is a cat on the mat."],
    ["something"],
    ["runner was running quickly\nthe dog barks loudly and the dog runs\nquickly"],
    ["a b a b a"],
    ["Paris is the capital of France."],
    ["..."],
    ["the cat the cat\ncat the"],
    ["Istanbul E=mc²"],
    ["one"],
]
ENGLISH = Items(OUTPUTS, REFERENCES, languages=["en"] * len(OUTPUTS))
TEXT_METRICS = ("bleu", "chrf", "rouge1", "rouge2", "rougeL", "rougeLsum", "exact_match", "token_f1", "length_ratio")


def dolly(model: str, count: int) -> tuple[list[str], list[list[str]]]:
    path = shared(f"dolly_flan_t5/google_flan-t5-{model}_decode_output.jsonl.gz")
    rows = [json.loads(line) for line in gzip.decompress(path.read_bytes()).splitlines()[:count]]
    return [row["decoded"] for row in rows], [[row["text"]] for row in rows]


def assert_rouge_parity(outputs: list[str], references: list[list[str]], stemmer: bool) -> None:
    pytest.importorskip("rouge_score")
    from rouge_score.rouge_scorer import RougeScorer

    scorer = RougeScorer(["rouge1", "rouge2", "rougeL", "rougeLsum"], use_stemmer=stemmer)
    theirs = [scorer.score_multi(refs, out) for out, refs in zip(outputs, references, strict=True)]
    items = Items(outputs, references, languages=["en"] * len(outputs))
    for name in ("rouge1", "rouge2", "rougeL", "rougeLsum"):
        ours = measure(name, items, {"stemmer": stemmer})
        np.testing.assert_allclose(ours.item, [score[name].fmeasure for score in theirs], atol=1e-12, err_msg=name)


@pytest.mark.parametrize("stemmer", [False, True])
def test_rouge_is_rouge_score_item_by_item(stemmer: bool) -> None:
    outputs = [text.replace("\ud800", "") for text in OUTPUTS]
    assert_rouge_parity(outputs, REFERENCES, stemmer)
    assert_rouge_parity(*dolly("large", 300), stemmer)


words = st.lists(st.sampled_from(["a", "b", "cat", "cats", "\n", "running", "é"]), max_size=12).map(" ".join)


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(words, st.lists(words, min_size=1, max_size=3)), min_size=1, max_size=4))
def test_rouge_is_rouge_score_on_any_words(pairs: list[tuple[str, list[str]]]) -> None:
    assert_rouge_parity([out for out, _ in pairs], [refs for _, refs in pairs], stemmer=True)


def assert_sacrebleu_parity(outputs: list[str], references: list[list[str]]) -> None:
    """References of equal number an item."""
    import sacrebleu

    streams = [list(stream) for stream in zip(*references, strict=True)]
    items = Items(outputs, references)
    bleu, chrf = measure("bleu", items), measure("chrf", items)
    assert bleu.value == pytest.approx(sacrebleu.corpus_bleu(outputs, streams).score, abs=1e-9)
    assert chrf.value == pytest.approx(sacrebleu.corpus_chrf(outputs, streams).score, abs=1e-9)
    alone = sacrebleu.BLEU(effective_order=True)
    for i, (out, refs) in enumerate(zip(outputs, references, strict=True)):
        assert bleu.item[i] == pytest.approx(alone.sentence_score(out, refs).score, abs=1e-9)
        assert chrf.item[i] == pytest.approx(sacrebleu.sentence_chrf(out, refs).score, abs=1e-9)
    theirs = sacrebleu.BLEU()
    theirs.corpus_score(outputs, streams)
    assert bleu.signature == f"BLEU|{theirs.get_signature().format()}"


def test_bleu_and_chrf_are_sacrebleus() -> None:
    assert_sacrebleu_parity(OUTPUTS, [refs[:1] for refs in REFERENCES])
    assert_sacrebleu_parity(OUTPUTS[:1] * 2, REFERENCES[:1] * 2)
    assert_sacrebleu_parity(["", ""], [["a"], ["b"]])
    assert_sacrebleu_parity(["a b", "c"], [["a b"], ["c"]])  # no four-gram anywhere
    assert_sacrebleu_parity(*dolly("small", 300))


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(words, st.tuples(words, words)), min_size=1, max_size=4))
def test_bleu_and_chrf_are_sacrebleus_on_any_words(pairs: list[tuple[str, tuple[str, str]]]) -> None:
    assert_sacrebleu_parity([out for out, _ in pairs], [list(refs) for _, refs in pairs])


def test_a_varying_number_of_references_is_in_the_signature() -> None:
    assert "nrefs:var" in measure("chrf", ENGLISH).signature


@pytest.mark.parametrize("name", TEXT_METRICS)
def test_a_missing_output_does_not_change_the_signature(name: str) -> None:
    """Else two runs of one exam could not be compared because one of them lost an item."""
    references, languages = [["a"], ["b"], ["c", "d"]], ["en", "zh", "ro"]
    made = [
        measure(name, Items(outputs, references, languages=languages)) for outputs in (["a"] * 3, ["a", None, None])
    ]
    assert made[0].signature == made[1].signature


def test_bleu_cuts_chinese_and_japanese_into_characters() -> None:
    items = Items(["我喜欢猫和狗", "猫が好きです"], [["我喜欢猫和鸟"], ["猫が好きだ"]], languages=["zh", "ja"])
    measured = measure("bleu", items)
    assert "tok:char+zh" in measured.signature
    assert (measured.item > 0).all()


def test_other_languages_keep_their_letters() -> None:
    """rouge_score makes "p ine" and "s r c" of these, and finds them equal."""
    texts = ["țară", "şi pâine", "हिन्दी भाषा", "猫が好き", "Straße"]
    assert [unicode_tokens(text) for text in texts] == [
        ["țară"],
        ["şi", "pâine"],
        ["हिन्दी", "भाषा"],
        ["猫", "が", "好", "き"],
        ["straße"],
    ]
    items = Items(["țară", "pâșine"], [["șară"], ["pășine"]], languages=["ro", "ro"])
    measured = measure("rouge1", items)
    assert measured.value == 0
    assert "tok:unicode|" in measured.signature
    assert measure("rouge1", Items(["țară"], [["șară"]], languages=["en"])).value > 0  # what rouge_score does


def test_romanian_cedilla_letters_are_the_same_letters() -> None:
    assert measure("rouge1", Items(["și țară"], [["şi ţară"]], languages=["ro"])).value == 1
    assert measure("rouge1", Items(["șu"], [["şu"]], languages=["tr"])).value == 0


def test_a_text_of_unknown_language_is_not_taken_for_english() -> None:
    signatures = {measure("rouge1", Items(["é"], [["é"]], languages=lang)).signature for lang in (None, ["fr"])}
    assert signatures == {"rouge1|f1|tok:unicode|stem:no|refs:best"}
    both = Items(["a", "b"], [["a"], ["b"]], languages=["en", "ro"])
    assert "tok:rouge_score[en]+unicode" in measure("rouge1", both).signature


@given(st.text(alphabet=st.characters(max_codepoint=127), max_size=60))
def test_both_tokenizers_agree_on_ascii(text: str) -> None:
    assert unicode_tokens(text) == ascii_tokens(text)


@pytest.mark.parametrize(
    ("output", "reference", "normalise", "right"),
    [
        (" “Paris.” ", "paris", "plain", 1),
        ("1.5", "15", "plain", 0),
        ("1.5", "15", "squad", 1),  # the published script's own trap
        ("-5", "5", "plain", 0),
        ("The cat", "cat", "squad", 1),
        ("The cat", "cat", "plain", 0),
        ("Paris", "paris", "none", 0),
        ("ＡＢ１", "ab1", "plain", 1),
        ("", "Paris", "plain", 0),
    ],
)
def test_exact_match_states_what_it_ignores(output: str, reference: str, normalise: str, right: int) -> None:
    measured = measure("exact_match", Items([output], [["nothing", reference]]), {"normalise": normalise})
    assert (measured.value, measured.signature) == (right, f"exact_match|norm:{normalise}|refs:best")


def test_token_f1() -> None:
    items = Items(["the red cat", "", "", "a b"], [["cat red dog"], ["x"], [""], ["a a"]])
    np.testing.assert_allclose(measure("token_f1", items).item, [2 / 3, 0, 1, 0.5])


def test_empty_outputs_score_0_and_missing_ones_are_counted() -> None:
    items = Items(["", None, "a", "b"], [["a"], ["a"], None, ["b"]], languages=["en"] * 4)
    for name in TEXT_METRICS:
        measured = measure(name, items)
        assert measured.missing == 2, name
        assert measured.item[0] == 0, name
        assert np.isnan(measured.item[1:3]).all(), name
        assert math.isfinite(measured.value), name


def test_items_without_any_reference_are_a_plain_error() -> None:
    nothing: tuple[list[list[str] | None] | None, ...] = (None, [None, []])
    for references in nothing:
        with pytest.raises(DataError, match=r"metric bleu: none of 2 items has a reference; leave bleu out"):
            measure("bleu", Items(["a", "b"], references))
    with pytest.raises(DataError, match="none of 1 items has an output"):
        measure("rouge1", Items([None], [["a"]]))


def test_an_exam_without_items_has_no_value() -> None:
    for name in TEXT_METRICS:
        assert math.isnan(measure(name, Items([], [])).value), name


def test_an_unknown_metric_or_option_suggests_the_right_one() -> None:
    with pytest.raises(ConfigError, match='metric "rougel" is not known; did you mean "rougeL"'):
        measure("rougel", ENGLISH)
    with pytest.raises(ConfigError, match='metric rouge1: it has no option "stem"; did you mean "stemmer"'):
        measure("rouge1", ENGLISH, {"stem": True})
    with pytest.raises(ConfigError, match='metric chrf: it has no option "order"; it has none'):
        measure("chrf", ENGLISH, {"order": 4})
    with pytest.raises(ConfigError, match='normalise: "plane" is not known; did you mean "plain"'):
        measure("exact_match", ENGLISH, {"normalise": "plane"})


def test_columns_of_unequal_length_are_refused() -> None:
    with pytest.raises(DataError, match="items: references has 1 entries, outputs 2"):
        Items(["a", "b"], [["a"]])
    with pytest.raises(DataError, match="items: references must be a list of texts for every item"):
        Items(["abc"], ["abc"])  # else every letter would be a reference


def full_items(n: int, rng: np.random.Generator) -> Items:
    """Items that every metric can measure."""
    gold = [str(rng.choice(["yes", "no", "so"])) for _ in range(n)]
    said = [str(rng.choice(["yes", "no", "so", "12 of Bob", "", '{"a": 1}'])) for _ in range(n)]
    return Items(
        outputs=said,
        references=[[text, f"{text} of Bob"] for text in gold],
        contexts=["In 12 days, Bob"] * n,
        languages=["en"] * n,
        logprob=-rng.gamma(2, 3, n),
        tokens=rng.integers(1, 20, n),
        characters=rng.integers(1, 80, n),
        labels=gold,
        options=[["yes", "no", "so"]] * n,
        option_logprobs=list(rng.normal(size=(n, 3))),
        confidence=np.round(rng.normal(size=n), 1),
        right=rng.integers(0, 2, n),
    )


def picked(items: Items, rows: Any) -> Items:
    columns: dict[str, Any] = {name: getattr(items, name) for name in Items.__slots__}
    taken: dict[str, Any] = {
        name: None if values is None else [values[i] for i in rows] for name, values in columns.items()
    }
    return Items(**taken)


def options_of(name: str) -> dict[str, Any]:
    return {"pattern": "[a-z]+"} if name == "regex_match" else {}


@pytest.mark.parametrize("name", METRICS)
def test_the_corpus_value_of_any_resample_is_that_of_its_items(name: str) -> None:
    rng = np.random.default_rng(3)
    items = full_items(60, rng)
    measured = measure(name, items, options_of(name))
    assert measured.missing == 0
    weights = rng.multinomial(60, np.full(60, 1 / 60), 5).astype(np.float64)
    for row, value in zip(weights, measured.over(measured.stats, weights), strict=True):
        again = measure(name, picked(items, np.repeat(np.arange(60), row.astype(int))), options_of(name))
        assert value == pytest.approx(again.value, rel=1e-9)


@pytest.mark.parametrize("name", METRICS)
def test_the_order_of_items_does_not_matter(name: str) -> None:
    rng = np.random.default_rng(5)
    items = full_items(40, rng)
    order = rng.permutation(40)
    one, two = (measure(name, of, options_of(name)) for of in (items, picked(items, order)))
    np.testing.assert_allclose(two.item, one.item[order])
    assert two.value == pytest.approx(one.value, rel=1e-12)


def test_perplexity_is_weighted_by_tokens_and_missing_where_a_number_is() -> None:
    items = Items(["a"] * 4, logprob=[-2.0, -30.0, float("nan"), -math.inf], tokens=[1, 10, 5, 5], characters=[4] * 4)
    measured = measure("perplexity", items)
    assert measured.value == pytest.approx(math.exp(32 / 11))
    assert (measured.missing, measured.higher_is_better) == (2, False)
    assert measured.item[0] == pytest.approx(math.exp(2))
    assert measure("bits_per_char", items).value == pytest.approx(32 / math.log(2) / 8)
    with pytest.raises(DataError, match="metric perplexity: the predictions have no tokens"):
        measure("perplexity", Items(["a"]))


def test_a_metric_is_additive_or_ranked() -> None:
    with pytest.raises(AssertionError):
        Measured("x", "x", np.zeros((1, 1)), np.zeros(1), None)


@pytest.mark.parametrize("name", METRICS)
def test_which_way_is_better_is_known_without_measuring(name: str) -> None:
    options = {"pattern": "x"} if name == "regex_match" else {}
    assert higher_is_better(name, options) == METRICS[name](_ONE, options).higher_is_better


def test_which_way_is_better_is_told_without_a_compiler() -> None:
    asked = "from eval.suite import Suite; Suite().higher_is_better('token_f1')"
    code = f"import sys; {asked}; sys.exit('numba' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
