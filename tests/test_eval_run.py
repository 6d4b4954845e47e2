"""A run and its base on an exam: every answer once, as asked alone; every number again from what is stored."""

from __future__ import annotations

import math
import os
import signal
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path
from typing import Any

import orjson
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

pytest.importorskip("torch")
pytest.importorskip("peft")

from curation.errors import ConfigError, DataError
from curation.progress import Silent
from curation.runs import list_runs, read_run
from eval.evaluate import Evaluated, evaluate
from eval.folder import EvalFolder, latest_eval
from eval.generation import generate_response
from eval.items import item_of
from eval.measuring import Trust
from eval.prepare import Wanted, prepare
from eval.recompute import recompute
from eval.subject import Subject, subject_of
from eval.suite import load_suite
from reports.results import results_rows
from tests.eval_workspace import SUITE, eval_workspace, question, where, with_run, write_jsonl
from train.model.of_run import load_run

# peft asks transformers by a name that is on its way out.
pytestmark = pytest.mark.filterwarnings("ignore:.is_gradient_checkpointing. is deprecated:FutureWarning")
NOBODY = "no base model is configured"


def no_base() -> Subject:
    raise ConfigError(NOBODY)


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = eval_workspace(tmp_path_factory.mktemp("eval") / "ws")
    with_run(root)
    return root


def evaluated(root: Path, suite: str = "small", **wanted: Any) -> list[Evaluated]:
    prepared = prepare(Wanted(**wanted), load_suite(suite, root), where(root), no_base)
    return evaluate(prepared.subjects, prepared.job, Silent(), lambda line: None)


@pytest.fixture(scope="module")
def found(root: Path) -> list[Evaluated]:
    return evaluated(root)


def values(folder: EvalFolder, part: str = "all") -> dict[str, float]:
    return {row["metric"]: row["value"] for row in folder.metrics().to_pylist() if row["slice"] == part}


def test_each_item_is_answered_once_as_it_is_alone(found: list[Evaluated]) -> None:
    run = found[0]
    table = run.folder.predictions().to_pylist()
    assert len(table) == len({row["item_id"] for row in table}) == len({row["prediction_id"] for row in table}) == 14
    assert _lines(run.subject.folder) == 14, "the batch that was measured for the cost counts"
    loaded = load_run(run.subject.files)
    for row in table[:5]:
        (message,) = orjson.loads(row["prompt"])
        alone = generate_response(loaded, message["content"], settings=run.folder.suite.generation)
        assert (row["output"], row["output_tokens"]) == (alone.text, alone.tokens)
        assert row["logprob_mean"] == pytest.approx(alone.logprob_mean, abs=1e-4)


def test_likelihood_of_the_gold_answer_is_that_of_training(found: list[Evaluated]) -> None:
    """Against the loss that training takes of the very same row."""
    import torch

    from curation.source import Row
    from tests.small_run import config_of
    from train.encode import Encoded, encode

    run = found[0]
    loaded = load_run(run.subject.files)
    items, told = run.folder.items().to_pylist(), run.folder.predictions().to_pylist()
    for row, line in zip(items[:4], told, strict=False):
        encoded = encode(
            Row("x", item_of(row).record), loaded.template, loaded.tokenizer, config_of(run.subject.files.base)
        )
        assert isinstance(encoded, Encoded)
        with torch.inference_mode():
            ids, labels = (torch.tensor([column]) for column in (encoded.input_ids, encoded.labels))
            mean = loaded.model(input_ids=ids, labels=labels).loss.item()
        assert line["reference_tokens"] == encoded.trained
        assert line["reference_nll"] == pytest.approx(mean * encoded.trained, rel=1e-4)


def test_perplexity_is_weighted_by_tokens_and_bits_by_characters(found: list[Evaluated]) -> None:
    told = found[0].folder.predictions().to_pylist()
    nll, tokens = (sum(row[name] for row in told) for name in ("reference_nll", "reference_tokens"))
    characters = sum(len(row["reference"]) for row in told)
    metrics = values(found[0].folder)
    assert metrics["perplexity"] == pytest.approx(math.exp(nll / tokens))
    assert metrics["bits_per_char"] == pytest.approx(nll / math.log(2) / characters)


def test_the_base_on_the_run_s_weights_is_the_base_alone(found: list[Evaluated], root: Path) -> None:
    base = found[1]
    assert read_run(base.subject.folder).kind == "base"
    loaded = load_run(base.subject.files, adapter=False)
    for row in base.folder.predictions().to_pylist()[:4]:
        (message,) = orjson.loads(row["prompt"])
        assert (
            row["output"] == generate_response(loaded, message["content"], settings=base.folder.suite.generation).text
        )
    assert values(base.folder)["perplexity"] != values(found[0].folder)["perplexity"]


def test_intervals_and_slices(found: list[Evaluated]) -> None:
    rows = found[0].folder.metrics().to_pylist()
    assert {row["split"] for row in rows} == {"validation"}
    assert {row["n"] for row in rows if row["slice"] == "all"} == {14}
    parts = {row["slice"]: row["n"] for row in rows if row["slice"].startswith("topic=") and row["metric"] == "chrf"}
    assert sum(parts.values()) == 14
    perplexity = next(row for row in rows if row["metric"] == "perplexity" and row["slice"] == "all")
    assert perplexity["ci_low"] < perplexity["value"] < perplexity["ci_high"]


def test_results_csv_holds_run_and_evaluation(found: list[Evaluated]) -> None:
    table = results_rows(found[0].subject.folder)
    mine = table[(table["run"] == "experiment_001/eval-1") & (table["slice"] == "all")]
    assert set(mine["metric"]) == {"exact_match", "chrf", "perplexity", "bits_per_char"}
    assert set(mine["version"]) == {"v1"}
    base = results_rows(found[1].subject.folder)
    assert set(base["run"]) == {f"{found[1].subject.name}/eval-1"}


def test_the_same_again_computes_nothing(found: list[Evaluated], root: Path) -> None:
    before = {path: path.stat().st_mtime_ns for path in root.rglob("experiments/*/*/*") if path.is_file()}
    again = evaluated(root)
    assert [one.known for one in again] == [True, True]
    assert [one.folder for one in again] == [one.folder for one in found]
    assert before == {path: path.stat().st_mtime_ns for path in root.rglob("experiments/*/*/*") if path.is_file()}
    assert len([path for path in list_runs(root / "experiments") if read_run(path).kind == "base"]) == 1


def test_other_metrics_use_the_answers_that_are_there(found: list[Evaluated], root: Path) -> None:
    (root / "suites" / "wider.yaml").write_text(SUITE.replace("chrf,", "chrf, rougeL, length_ratio,"))
    answers = found[0].subject.folder / "outputs"
    before = {path.name: path.read_bytes() for path in answers.iterdir()}
    wider = evaluated(root, "wider")
    assert {path.name: path.read_bytes() for path in answers.iterdir()} == before
    assert values(wider[0].folder).keys() == {*values(found[0].folder), "rougeL", "length_ratio"}
    same = wider[0].folder.predictions(["prediction_id", "output"])
    assert same == found[0].folder.predictions(["prediction_id", "output"]), "tags on an output stay with it"


def test_a_limited_score_says_so(found: list[Evaluated], root: Path) -> None:
    (one,) = evaluated(root, limit=6, base_too=False)
    rows = one.folder.metrics().to_pylist()
    assert {row["n"] for row in rows if row["slice"] == "all"} == {6}
    assert all(row["signature"].endswith("|partial:6/14") for row in rows)
    assert one.folder.run.settings["partial"] is True
    part, whole = (table.folder.predictions(["prediction_id"]).to_pylist() for table in (one, found[0]))
    assert all(row in whole for row in part)


def test_every_number_comes_again_without_a_model(found: list[Evaluated], root: Path) -> None:
    code = (
        "import sys\nfrom pathlib import Path\nfrom eval.folder import EvalFolder\nfrom eval.measuring import Trust\n"
        "from eval.recompute import recompute\n"
        f"told = recompute(EvalFolder.open(Path({str(found[0].folder.path)!r})), Trust())\n"
        "assert not {'torch', 'transformers'} & set(sys.modules)\nprint(told.numbers, told.largest, told.changed)\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    numbers, largest, changed = done.stdout.split(maxsplit=2)
    assert int(numbers) > 14 * 4
    assert float(largest) < 1e-9
    assert changed.strip() == "()"


def test_a_number_that_was_changed_by_hand_is_found(found: list[Evaluated]) -> None:
    folder = found[1].folder
    rows = folder.metrics().to_pylist()
    rows[0]["value"] += 1e-6
    folder.write("metrics", rows)
    told = recompute(folder, Trust())
    assert told.changed == (f"validation, all, {rows[0]['metric']}, value",)
    assert recompute(folder, Trust()).changed == ()


@pytest.mark.slow
def test_killed_at_any_time_each_item_is_answered_once(tmp_path: Path) -> None:
    """kill -9 while answers are written, twice; what is there at the end is what one go gives."""
    root = eval_workspace(tmp_path / "ws", counts=(4, 40, 2))
    run = with_run(root)
    code = (
        "import sys\nfrom pathlib import Path\nfrom tests.test_eval_run import evaluated\n"
        "evaluated(Path(sys.argv[1]), base_too=False)\n"
    )
    command = [sys.executable, "-W", "ignore", "-c", code, str(root)]
    for least in (4, 16):
        process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        while process.poll() is None and _lines(run) < least:
            time.sleep(0.001)
        assert process.poll() is None
        os.kill(process.pid, signal.SIGKILL)
        process.wait()
    before = _lines(run)
    assert 4 <= before < 40
    (one,) = evaluated(root, base_too=False)
    assert one.folder.path.name == "eval-1", "it goes on where it was"
    (file,) = (run / "outputs").glob("answers-*.jsonl")
    asked = Counter(orjson.loads(line)["item_id"] for line in file.read_bytes().splitlines())
    assert len(asked) == 40
    assert set(asked.values()) == {1}
    fresh = eval_workspace(tmp_path / "fresh", counts=(4, 40, 2))
    with_run(fresh)
    (whole,) = evaluated(fresh, base_too=False)
    kept = ["item_id", "output", "finish_reason", "output_tokens"]
    assert one.folder.predictions(kept) == whole.folder.predictions(kept)


def _lines(run: Path) -> int:
    return sum(path.read_bytes().count(b"\n") for path in (run / "outputs").glob("answers-*.jsonl"))


def test_test_is_asked_on_purpose_alone(root: Path, found: list[Evaluated]) -> None:
    (root / "suites" / "last.yaml").write_text("split: test\n" + SUITE)
    with pytest.raises(ConfigError, match="add --final"):
        evaluated(root, "last")
    (one,) = evaluated(root, "last", final=True, base_too=False)
    assert one.folder.predictions().num_rows == 5


def test_a_pinned_exam_is_that_of_its_version_and_what_was_trained_on_is_marked(root: Path) -> None:
    from curation.library import build

    other = eval_workspace(root.parent / "pinned")
    with_run(other)
    rows = [orjson.loads(line) for line in (other / "raw" / "validation.jsonl").read_bytes().splitlines()]
    write_jsonl(other / "raw" / "train.jsonl", rows[:3])  # v2 trains on three of v1's validation rows
    write_jsonl(other / "raw" / "validation.jsonl", rows[3:])
    build(other)
    run = with_run(other)
    (other / "suites" / "pinned.yaml").write_text("split: validation@v1\n" + SUITE)
    (one,) = evaluated(other, "pinned", ref=run.name, base_too=False)
    assert one.folder.run.settings["exam"]["version"] == "v1"
    clean = {row["metric"]: row["n"] for row in one.folder.metrics().to_pylist() if row["slice"] == "clean"}
    assert set(clean.values()) == {11}


def test_a_suite_s_file_is_the_exam(root: Path, found: list[Evaluated]) -> None:
    write_jsonl(root / "more.jsonl", [{"question": "Where is it?", "answer": "There."}])
    (root / "suites" / "file.yaml").write_text("file: more.jsonl\n" + SUITE.replace("slices: [topic]\n", ""))
    one, base = evaluated(root, "file")
    assert values(one.folder).keys() == values(found[0].folder).keys()
    assert one.folder.predictions(["split"])["split"].to_pylist() == ["file:more.jsonl"]
    assert base.folder.predictions().num_rows == 1


# ---- benchmarks

QUIZ = [
    question(
        1, "A class sorts animals into groups with a shared body plan. Where does the sparrow belong?", "bird", "fish"
    ),
    question(
        2, "Which of these tools measures how warm a liquid has become over an hour?", "ruler", "thermometer", right=1
    ),
    question(
        3,
        "A pupil mixes salt with warm water until nothing is left to see. What was made?",
        "a solution",
        "a gas",
        "ice",
    ),
]


def quiz_suite(root: Path) -> None:
    write_jsonl(root / "quiz.jsonl", QUIZ)
    (root / "suites" / "quiz.yaml").write_text(SUITE.replace("benchmarks: []", "benchmarks: [{file: quiz.jsonl}]"))


def test_benchmarks_are_scored_and_kept(root: Path, found: list[Evaluated]) -> None:
    quiz_suite(root)
    one, base = evaluated(root, "quiz")
    rows = one.folder.benchmarks().to_pylist()
    assert [row["item_id"] for row in rows] == ["q1", "q2", "q3"]
    assert [len(row["logliks"]) for row in rows] == [2, 2, 3]
    told = [row for row in one.folder.metrics().to_pylist() if row["split"] == "quiz" and row["slice"] == "all"]
    scores = {row["metric"]: row["value"] for row in told}
    assert scores.keys() == {"acc", "acc_norm", "ece", "brier"}
    assert scores["acc_norm"] == pytest.approx(sum(row["acc_norm"] for row in rows) / 3)
    shares = [[math.exp(value) for value in row["logliks"]] for row in rows]
    brier = sum(
        sum((share / sum(line) - (at == row["gold"])) ** 2 for at, share in enumerate(line))
        for line, row in zip(shares, rows, strict=True)
    )
    assert scores["brier"] == pytest.approx(brier / 3)
    assert {row["clean"] for row in base.folder.benchmarks().to_pylist()} == {None}, "nobody trained the base here"
    assert recompute(one.folder, Trust()).changed == ()


@pytest.mark.parametrize(
    ("more", "touched"),
    [
        ("", {"q1"}),  # the build did not look: it is looked for now
        ("decontaminate: {against: [quiz.jsonl], action: report}\n", {"q1"}),
        ("decontaminate: {against: [quiz.jsonl]}\n", set()),  # what held it was left out of training
    ],
)
def test_scores_on_what_the_training_never_touched(tmp_path: Path, more: str, touched: set[str]) -> None:
    root = tmp_path / "ws"
    write_jsonl(root / "quiz.jsonl", QUIZ)
    stem = QUIZ[0]["question"]["stem"]
    write_jsonl(root / "raw" / "leak.jsonl", [{"prompt": stem, "completion": "bird"}])
    eval_workspace(root, more=more)
    recipe = (root / "recipe.yaml").read_text()
    (root / "recipe.yaml").write_text(
        recipe.replace("sources:\n", "sources:\n  - {path: raw/leak.jsonl, split: train}\n")
    )
    from curation.library import build

    build(root)
    with_run(root)
    quiz_suite(root)
    (one,) = evaluated(root, "quiz", base_too=False)
    assert {row["item_id"] for row in one.folder.benchmarks().to_pylist() if not row["clean"]} == touched
    clean = [row for row in one.folder.metrics().to_pylist() if (row["split"], row["slice"]) == ("quiz", "clean")]
    assert {row["n"] for row in clean} == {3 - len(touched)}


def test_a_benchmark_of_another_layout_stops_before_the_model_is_loaded(root: Path) -> None:
    write_jsonl(root / "odd.jsonl", [{"text": "no question"}])
    (root / "suites" / "odd.yaml").write_text(SUITE.replace("benchmarks: []", "benchmarks: [{file: odd.jsonl}]"))
    with pytest.raises(DataError, match="not an evaluation item") as caught:
        evaluated(root, "odd")
    assert "\n" not in str(caught.value)


def test_what_a_model_cannot_answer_is_missing_and_never_wrong(tmp_path: Path) -> None:
    """A prompt longer than the context: no output, no likelihood, and a metric that says it is of one item less."""
    root = eval_workspace(tmp_path / "ws", counts=(4, 6, 2))
    rows = [{"prompt": "Where is the key? " * 400, "completion": "Here."}, {"prompt": "And?", "completion": "There."}]
    write_jsonl(root / "long.jsonl", rows)
    with_run(root)
    (root / "suites" / "long.yaml").write_text("file: long.jsonl\n" + SUITE)
    (one,) = evaluated(root, "long", base_too=False)
    told = {row["finish_reason"]: row for row in one.folder.predictions().to_pylist()}
    assert told["error"]["output"] is None
    assert "does not fit" in told["error"]["detail"]
    assert told["error"]["reference_nll"] is None
    assert {row["n"] for row in one.folder.metrics().to_pylist() if row["slice"] == "all"} == {1}
    write_jsonl(root / "long.jsonl", rows[:1])
    with pytest.raises(DataError, match=r"none of 1 items was answered: the prompt has .* tokens"):
        evaluated(root, "long", base_too=False)


def test_likelihoods_that_are_no_number_are_missing(found: list[Evaluated], tmp_path: Path) -> None:
    from eval.recompute import write_numbers

    copy = EvalFolder(tmp_path / "eval-1")
    copy.path.mkdir()
    for name in ("items.parquet", "suite.yaml", "run.json"):
        (copy.path / name).write_bytes((found[0].folder.path / name).read_bytes())
    table = found[0].folder.predictions()
    nll = table["reference_nll"].to_pylist()
    at = table.column_names.index("reference_nll")
    spoilt = table.set_column(at, "reference_nll", pa.array([math.nan, *nll[1:]], pa.float64()))
    pq.write_table(spoilt, copy.path / "predictions.parquet")
    write_numbers(copy, copy.suite, Trust())
    rows = {row["metric"]: row for row in copy.metrics().to_pylist() if row["slice"] == "all"}
    assert rows["perplexity"]["n"] == 13
    assert math.isfinite(rows["perplexity"]["value"])
    assert rows["chrf"]["n"] == 14


def test_a_base_that_is_gone_is_one_line(tmp_path: Path) -> None:
    root = eval_workspace(tmp_path / "ws", counts=(4, 6, 2))
    run = with_run(root)
    (root / "models" / "tiny").rename(root / "models" / "elsewhere")
    with pytest.raises(ConfigError, match="models/tiny") as caught:
        subject_of(run, root)
    assert "\n" not in str(caught.value)


def test_the_newest_finished_evaluation(found: list[Evaluated], root: Path) -> None:
    latest = latest_eval(found[0].subject.folder)
    assert latest is not None
    assert latest.run.state == "done"
    with pytest.raises(ConfigError, match="is a training, not an evaluation"):
        EvalFolder.open(found[0].subject.folder)
