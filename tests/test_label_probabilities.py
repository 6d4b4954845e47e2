"""Of a label task the probability of each label: by hand, with intervals, and again from what is stored."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("torch")
pytest.importorskip("peft")

from curation.errors import ConfigError, DataError
from curation.progress import Silent
from eval.evaluate import Evaluated, evaluate
from eval.items import item_of
from eval.lacking import lacking
from eval.measuring import Trust
from eval.prepare import Wanted, prepare
from eval.recompute import recompute
from eval.subject import Subject, subject_of
from eval.suite import load_suite
from tests.eval_workspace import eval_workspace, where, with_run, write_jsonl
from train.model.encoding import encoded_pieces
from train.model.of_run import Loaded, load_run

torch = pytest.importorskip("torch")
# peft asks transformers by a name that is on its way out.
pytestmark = pytest.mark.filterwarnings("ignore:.is_gradient_checkpointing. is deprecated:FutureWarning")
LABELS = ("yes", "no", "not known")
SUITE = """\
file: asked.jsonl
labels: ["yes", "no", "not known"]
metrics: [accuracy, ece, brier]
benchmarks: []
generation: {max_new_tokens: 3}
"""


def no_base() -> Subject:
    raise ConfigError("none")


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = eval_workspace(tmp_path_factory.mktemp("labels") / "ws")
    with_run(root)
    rows = [
        {"prompt": f"Is machine {i * 37} red?", "completion": ("Yes.", "no", "not known")[i % 3]} for i in range(12)
    ]
    write_jsonl(root / "asked.jsonl", rows)
    (root / "suites" / "labels.yaml").write_text(SUITE)
    return root


@pytest.fixture(scope="module")
def found(root: Path) -> Evaluated:
    prepared = prepare(Wanted(base_too=False), load_suite("labels", root), where(root), no_base)
    (one,) = evaluate(prepared.subjects, prepared.job, Silent(), lambda line: None)
    return one


def likelihood(loaded: Loaded, record: dict[str, object]) -> float:
    """The answer's tokens, its end of turn among them, in one plain pass."""
    pieces = encoded_pieces(record, loaded.template, loaded.tokenizer)
    last = next(at for at, piece in enumerate(pieces) if piece.trained)  # what stands behind the answer is not its
    prompt, answer = [token for piece in pieces[:last] for token in piece.ids], list(pieces[last].ids)
    logs = torch.log_softmax(loaded.model(input_ids=torch.tensor([prompt + answer])).logits[0].double(), -1)
    return float(sum(logs[len(prompt) - 1 + at, token] for at, token in enumerate(answer)))


def test_every_label_has_the_likelihood_of_a_plain_pass(root: Path, found: Evaluated) -> None:
    loaded = load_run(subject_of(root / "experiments" / "experiment_001", root).files)
    stored = found.folder.predictions(["item_id", "label_logliks"]).to_pylist()
    for row, line in zip(found.folder.items().to_pylist(), stored, strict=True):
        item = item_of(row)
        with torch.no_grad():
            by_hand = [
                likelihood(loaded, {"messages": [*item.messages, {"role": "assistant", "content": label}]})
                for label in LABELS
            ]
        assert line["label_logliks"] == pytest.approx(by_hand, abs=1e-3)


def test_ece_and_brier_are_those_of_the_normalised_probabilities(found: Evaluated) -> None:
    logliks = np.array(found.folder.predictions(["label_logliks"])["label_logliks"].to_pylist())
    shares = np.exp(logliks) / np.exp(logliks).sum(axis=1, keepdims=True)
    said = [text.strip(".").lower() for text in found.folder.predictions(["reference"])["reference"].to_pylist()]
    gold = np.array([LABELS.index(text) for text in said])
    truth = np.eye(3)[gold]
    sure, right = shares.max(axis=1), shares.argmax(axis=1) == gold
    bins = np.ceil(sure * 15)
    gap = sum(abs((sure[bins == at] - right[bins == at]).sum()) for at in set(bins)) / len(gold)
    rows = {row["metric"]: row for row in found.folder.metrics().to_pylist()}
    assert rows["brier"]["value"] == pytest.approx(((shares - truth) ** 2).sum(axis=1).mean(), abs=1e-9)
    assert rows["ece"]["value"] == pytest.approx(gap, abs=1e-9)
    assert rows["brier"]["n"] == rows["ece"]["n"] == 12, "a reference is its label whatever its case and full stop"
    assert rows["brier"]["ci_low"] < rows["brier"]["value"] < rows["brier"]["ci_high"]
    assert rows["brier"]["signature"].endswith("|labels:likelihood")


def test_they_are_computed_again_from_what_is_stored(found: Evaluated) -> None:
    told = recompute(found.folder, Trust())
    assert told.changed == ()
    assert told.largest < 1e-9


def test_likelihoods_that_are_lacking_are_counted_with_their_reason(root: Path) -> None:
    """Of references and of labels apart: an item may lack both."""
    endless = "word " * 3000
    rows = [{"prompt": f"Is machine {i * 37} red?", "completion": (endless, "no", "no")[i % 3]} for i in range(6)]
    write_jsonl(root / "long.jsonl", rows)
    told = SUITE.replace('"yes"', f'"{endless.strip()}"').replace("asked.jsonl", "long.jsonl")
    (root / "suites" / "long.yaml").write_text(told)
    prepared = prepare(Wanted(base_too=False), load_suite("long", root), where(root), no_base)
    (one,) = evaluate(prepared.subjects, prepared.job, Silent(), lambda line: None)
    references, labels = lacking(one.folder)
    assert references.startswith("2 of 6 references have no likelihood: prompt and answer have ")
    assert labels.startswith("6 of 6 items have no likelihoods of their labels: prompt and answer have ")
    assert set(one.folder.metrics()["metric"].to_pylist()) == {"accuracy", "ece", "brier"}


def test_a_reference_that_is_no_label_stops_before_a_model_is_loaded(root: Path) -> None:
    write_jsonl(root / "odd.jsonl", [{"prompt": f"Is {i} red?", "completion": ("Yes", "may be")[i]} for i in range(2)])
    (root / "suites" / "odd.yaml").write_text(SUITE.replace("asked.jsonl", "odd.jsonl"))
    with pytest.raises(DataError, match=r"1 of 2 references are none of the suite's labels .*'may be' of item "):
        prepare(Wanted(base_too=False), load_suite("odd", root), where(root), no_base)


def test_without_labels_the_suite_is_told_what_is_lacking(root: Path) -> None:
    (root / "suites" / "none.yaml").write_text(SUITE.replace('labels: ["yes", "no", "not known"]\n', ""))
    with pytest.raises(ConfigError, match=r"none.yaml: metric accuracy is of label tasks; name the answers"):
        load_suite("none", root)
