"""Metrics of form, behaviour, support, labels and calibration; metrics of the user's own; evaluate.combine."""
# ruff: noqa: RUF001 -- typographic apostrophes

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from curation.errors import ConfigError, DataError
from eval.metrics import check_name, measure
from eval.metrics.metric import Items

nan = float("nan")
SCHEMA = {"type": "object", "required": ["a"], "properties": {"a": {"type": "integer"}}}


@pytest.mark.parametrize(
    ("name", "options", "output", "valid"),
    [
        ("json_valid", {}, '{"a": [1, null]}', 1),
        ("json_valid", {}, '{"a": NaN}', 0),
        ("json_valid", {}, "{'a': 1}", 0),
        ("json_valid", {}, "", 0),
        ("json_valid", {}, "[" * 100_000, 0),
        ("json_valid", {}, '```json\n{"a": 1}\n```', 1),
        ("json_valid", {"fence": False}, '```json\n{"a": 1}\n```', 0),
        ("json_valid", {}, 'Here it is:\n```json\n{"a": 1}\n```', 0),
        ("json_valid", {"schema": SCHEMA}, '{"a": 1}', 1),
        ("json_valid", {"schema": SCHEMA}, '{"a": "1"}', 0),
        ("regex_match", {"pattern": "[A-D]"}, " B\n", 1),
        ("regex_match", {"pattern": "[A-D]"}, "B is right", 0),
        ("python_parses", {}, "def f(x):\n    return x", 1),
        ("python_parses", {}, "```python\nprint('\\d')\n```", 1),
        ("python_parses", {}, "def f(x) return x", 0),
        ("python_parses", {}, "x = '\0'", 0),
        ("python_parses", {}, "(" * 100_000, 0),
        ("python_parses", {}, "", 0),
    ],
)
def test_form(name: str, options: dict[str, Any], output: str, valid: int) -> None:
    measured = measure(name, Items([output, None]), options)
    assert (measured.item[0], measured.missing) == (valid, 1)


def test_wrong_forms_to_ask_for_are_plain_errors() -> None:
    with pytest.raises(ConfigError, match="metric json_valid: schema is no JSON Schema"):
        measure("json_valid", Items(["1"]), {"schema": {"type": "whole"}})
    with pytest.raises(ConfigError, match="metric regex_match: pattern: "):
        measure("regex_match", Items(["1"]), {"pattern": "["})
    with pytest.raises(ConfigError, match="metric regex_match: it needs a pattern"):
        measure("regex_match", Items(["1"]))


def test_behaviour() -> None:
    loop = "the red cat sat down " * 6
    outputs = ["I'm sorry, but I can't help with that.", loop, "", None, "I can't believe it."]
    items = Items(outputs, [["x" * 19]] * 5)
    np.testing.assert_array_equal(measure("refusal_rate", items).item, [1, 0, 0, nan, 0])
    repeated = measure("repetition_rate", items)
    assert repeated.item[1] == pytest.approx(21 / 26)  # 26 runs of five tokens, the first five of them new
    np.testing.assert_array_equal(repeated.item[[0, 2, 3]], [0, 0, nan])
    assert measure("length_ratio", items).value == pytest.approx(sum(len(o or "") for o in outputs) / (19 * 4))


def test_number_support_knows_numbers_by_meaning() -> None:
    items = Items(
        ["It has 1,000 seats, 7 doors.", "None at all.", "It is 5.", "It is 5.", None],
        [["1000 seats"], ["3"], None, None, ["5"]],
        contexts=[None, None, "five of them", None, None],
    )
    measured = measure("number_support", items)
    np.testing.assert_array_equal(measured.item, [0.5, nan, 1, nan, nan])
    assert measured.value == pytest.approx(2 / 3)
    assert measured.missing == 2  # the fourth has nothing that could support it; the second merely says no number


def test_name_support_looks_within_sentences() -> None:
    items = Items(
        ["Yesterday Maria Popa met Zed. She and I’m told Bob left.", "Das Haus hat Türen."],
        contexts=["maria popa, bob", "Haus"],
        languages=["en", "de"],
    )
    measured = measure("name_support", items)
    assert measured.item[0] == pytest.approx(3 / 4)  # Maria, Popa, Bob of Maria, Popa, Zed, Bob
    assert measured.missing == 1  # German writes every noun with a capital


def test_labels_from_outputs() -> None:
    items = Items(["Yes.", "no", "maybe", None, "no"], labels=["yes", "yes", "no", "no", None])
    accuracy = measure("accuracy", items)
    np.testing.assert_array_equal(accuracy.item, [1, 0, 0, nan, nan])
    # yes: 1 hit, 1 missed; no: 1 wrongly said, 1 missed
    assert measure("macro_f1", items).value == pytest.approx((2 / 3 + 0) / 2)


def test_macro_f1_is_scikit_learns() -> None:
    metrics = pytest.importorskip("sklearn.metrics")
    rng = np.random.default_rng(1)
    gold, said = (rng.choice(["a", "b", "c", "d"], 80, p=[0.6, 0.3, 0.08, 0.02]) for _ in range(2))
    measured = measure("macro_f1", Items(list(said), labels=list(gold)))
    weights = rng.multinomial(80, np.full(80, 1 / 80), 20)
    for row, value in zip(weights, measured.over(measured.stats, weights.astype(float)), strict=True):
        rows = np.repeat(np.arange(80), row)
        assert value == pytest.approx(metrics.f1_score(gold[rows], said[rows], average="macro", zero_division=0))


def test_macro_f1_is_no_metric_of_free_text() -> None:
    texts = [f"answer {i}" for i in range(300)]
    with pytest.raises(ConfigError, match="metric macro_f1: 300 classes"):
        measure("macro_f1", Items(texts, labels=texts))


def test_options_are_chosen_by_likelihood_and_judged_by_calibration() -> None:
    logprobs = [np.log([0.7, 0.3]), np.log([0.45, 0.55]), None, [nan, 0.0]]
    items = Items([None] * 4, labels=["x", "x", "x", "x"], options=[["x", "y"]] * 4, option_logprobs=logprobs)
    np.testing.assert_array_equal(measure("accuracy", items).item, [1, 0, nan, nan])
    assert measure("brier", items).value == pytest.approx((2 * 0.3**2 + 2 * 0.55**2) / 2)
    assert measure("ece", items).value == pytest.approx((0.3 + 0.55) / 2)
    assert measure("ece", items, {"bins": 1}).value == pytest.approx(abs(0.7 + 0.55 - 1) / 2)
    assert measure("ece", items).missing == 2
    wrong = Items([None], labels=["x"], options=[["x", "y"]], option_logprobs=[[0.0]])
    with pytest.raises(DataError, match="metric brier: item 0 has 1 option_logprobs for 2 options"):
        measure("brier", wrong)


def test_auroc_is_scikit_learns_with_ties_and_weights() -> None:
    metrics = pytest.importorskip("sklearn.metrics")
    rng = np.random.default_rng(2)
    right, confidence = rng.integers(0, 2, 60), np.round(rng.normal(size=60), 1)
    measured = measure("auroc", Items([""] * 60, right=right, confidence=confidence))
    weights = rng.multinomial(60, np.full(60, 1 / 60), 10).astype(float)
    for row, value in zip(weights, measured.over(measured.stats, weights), strict=True):
        assert value == pytest.approx(metrics.roc_auc_score(right, confidence, sample_weight=row))


def test_auroc_of_one_kind_of_verdict_is_no_number() -> None:
    assert np.isnan(measure("auroc", Items(["", ""], right=[1, 1], confidence=[0.1, 0.2])).value)


def test_aurc_is_the_mean_risk_over_coverages() -> None:
    items = Items([""] * 5, right=[1, 0, 1, 1, nan], confidence=[0.9, 0.8, 0.7, 0.1, 1.0])
    measured = measure("aurc", items)
    assert measured.value == pytest.approx(np.mean([0, 1 / 2, 1 / 3, 1 / 4]))
    assert (measured.missing, measured.higher_is_better) == (1, False)
    assert measure("aurc", Items([""] * 2, right=[1, 0], confidence=[1, 1])).value == 0.5  # no order among equals


OWN = """\
def words(outputs, references):
    print("scoring")
    return [None if not refs else len(out.split()) / len(refs) for out, refs in zip(outputs, references)]

def short(outputs, references):
    return [1.0]

def texts(outputs, references):
    return ["x" for _ in outputs]

def broken(outputs, references):
    return outputs[99]
"""


@pytest.fixture
def workspace(tmp_path: Path) -> Path:
    (tmp_path / "metrics").mkdir()
    (tmp_path / "metrics" / "mine.py").write_text(OWN, "utf-8")
    return tmp_path


def test_a_metric_of_the_users_own(workspace: Path, capsys: pytest.CaptureFixture[str]) -> None:
    items = Items(["one two", None, "three", "four"], [["x"], ["x"], ["x", "y"], None])
    sha256 = hashlib.sha256(OWN.encode()).hexdigest()
    measured = measure("metrics.mine:words", items, {"trust": sha256, "higher_is_better": False}, root=workspace)
    np.testing.assert_array_equal(measured.item, [2, nan, 0.5, nan])
    assert measured.value == 1.25
    assert measured.signature == f"metrics.mine:words|sha256:{sha256[:16]}"
    assert measured.higher_is_better is False
    assert capsys.readouterr() == ("", "scoring\n")


@pytest.mark.parametrize(
    ("use", "trusted", "error", "message"),
    [
        ("metrics.mine:words", False, ConfigError, "metrics/mine.py is a program; read it, and if you want it to run"),
        ("metrics.mine:word", True, ConfigError, 'mine.py has no function word; did you mean "words"'),
        ("metrics.other:words", True, ConfigError, "the workspace has no metrics/other.py; metrics are loaded from"),
        ("metrics.mine:short", True, DataError, "returned 1 numbers for 2 outputs"),
        ("metrics.mine:texts", True, DataError, "no list of numbers"),
        ("metrics.mine:broken", True, DataError, r"IndexError: list index out of range \(mine.py:12\)"),
    ],
)
def test_a_metric_that_breaks_its_promise(
    workspace: Path, use: str, trusted: bool, error: type[Exception], message: str
) -> None:
    with pytest.raises(error, match=message) as raised:
        measure(use, Items(["a", "b"]), root=workspace, trusted=trusted)
    assert "\n" not in str(raised.value)


def test_an_own_metric_needs_a_workspace_and_a_known_one_a_known_name() -> None:
    with pytest.raises(ConfigError, match="your own metrics are files of a workspace"):
        measure("mine:words", Items(["a"]))
    check_name("mine:words")
    with pytest.raises(ConfigError, match='did you mean "bleu"'):
        check_name("blue")


EVALUATE = """\
import datasets
import evaluate

class Shared(evaluate.Metric):
    def _info(self):
        text = datasets.Value("string")
        features = datasets.Features({"predictions": text, "references": text})
        return evaluate.MetricInfo(description="", citation="", features=features)

    def _compute(self, predictions, references):
        both = [set(p.split()) & set(r.split()) for p, r in zip(predictions, references)]
        return {"words": sum(map(len, both)), "texts": sum(map(bool, both))}
"""


@pytest.mark.slow  # evaluate imports transformers
def test_an_evaluate_metric_of_the_users_own(tmp_path: Path) -> None:
    pytest.importorskip("evaluate")
    (tmp_path / "theirs.py").write_text(EVALUATE, "utf-8")
    items = Items(["a b", "c", "d"], [["b", "a b"], ["x"], None])
    measured = measure("theirs:Shared", items, {"key": "words"}, root=tmp_path, trusted=True)
    np.testing.assert_array_equal(measured.item, [2, 0, nan])
    with pytest.raises(ConfigError, match="it gives several results; choose one as key: words, texts"):
        measure("theirs:Shared", items, root=tmp_path, trusted=True)


@pytest.mark.slow  # evaluate imports transformers
def test_ours_combine_under_evaluate_without_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    evaluate = pytest.importorskip("evaluate")
    from eval.metrics.as_evaluate import as_evaluate

    monkeypatch.chdir(tmp_path)
    combined = evaluate.combine([as_evaluate("rouge1"), as_evaluate("chrf"), as_evaluate("bleu")])
    outputs, references = ["the cat sat", "on the mat"], ["the cat", "on a mat"]
    items = Items(outputs, [[text] for text in references])
    expected = {name: measure(name, items).value for name in ("rouge1", "chrf", "bleu")}
    assert combined.compute(predictions=outputs, references=references) == pytest.approx(expected)
    lists = [["the cat", "the cat sat"], ["x", "y"]]
    assert as_evaluate("rouge1").compute(predictions=outputs, references=lists) == {"rouge1": 0.5}
    assert list(tmp_path.iterdir()) == []
