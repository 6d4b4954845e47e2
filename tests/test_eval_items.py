"""Items of an exam, suites, and the folder that keeps an evaluation."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from curation.errors import ConfigError, DataError
from curation.runs import read_run, write_run
from curation.source import Source
from eval.exam import open_exam
from eval.folder import EvalFolder, evals, last_evaluation, new_eval
from eval.items import file_items, item_of, items
from eval.suite import Suite, load_suite, suite_of, with_benchmarks
from tests.compared import base_of, built, right_at, run_of
from tests.eval_workspace import eval_workspace, where, write_jsonl
from tests.reported import arc, evaluated

ROOT = Path(__file__).resolve().parent.parent
TALK = [
    {"role": "system", "content": "Be brief."},
    {"role": "user", "content": "Where is the key?"},
    {"role": "assistant", "content": "In the drawer."},
    {"role": "user", "content": "Which one?"},
    {"role": "assistant", "content": "The upper one."},
]


def packed(*rows: list[dict[str, Any]]) -> Source:
    """A source of one split, as a pack has it."""
    message = pa.struct({"role": pa.string(), "content": pa.string()})
    lines = [
        {"row_id": f"00000000-0000-0000-0000-{i:012d}", "cluster": i, "messages": row, "meta": '{"topic":"a"}'}
        for i, row in enumerate(rows)
    ]
    schema = pa.schema(
        {"row_id": pa.string(), "cluster": pa.int64(), "messages": pa.list_(message), "meta": pa.string()}
    )
    return Source("pack", Path(), "v1", "ab" * 16, {}, {"validation": pa.Table.from_pylist(lines, schema)})


def test_the_last_answer_is_asked_with_all_before_it() -> None:
    (item,) = items(packed(TALK), "validation")
    assert item.item_id == "00000000-0000-0000-0000-000000000000:4"
    assert [m["content"] for m in item.messages] == ["Be brief.", "Where is the key?", "In the drawer.", "Which one?"]
    assert (item.reference, item.turn, item.meta) == ("The upper one.", 4, {"topic": "a"})


def test_every_answer_after_its_gold_history() -> None:
    first, second = items(packed(TALK), "validation", "all")
    assert (first.turn, first.reference, len(first.messages)) == (2, "In the drawer.", 2)
    assert (second.turn, second.reference, len(second.messages)) == (4, "The upper one.", 4)
    assert first.row_id == second.row_id
    assert first.cluster == second.cluster


def test_what_nobody_asked_for_is_no_item() -> None:
    greeting = [{"role": "assistant", "content": "Hello!"}, *TALK[1:3]]
    assert [item.turn for item in items(packed(greeting), "validation", "all")] == [2]
    assert list(items(packed(TALK[:2]), "validation", "all")) == []


def test_an_item_is_read_back_as_it_was() -> None:
    told = next(items(packed(TALK), "validation")).as_row()
    assert item_of(told).as_row() == told


def test_an_edited_reference_changes_the_answer_s_hash_alone() -> None:
    other = [*TALK[:-1], {"role": "assistant", "content": "The lower one."}]
    one, two = (next(items(packed(talk), "validation")).as_row() for talk in (TALK, other))
    assert one["prompt_sha256"] == two["prompt_sha256"]
    assert one["sha256"] != two["sha256"]


def test_a_stored_split_gives_each_row_once(tmp_path: Path) -> None:
    root = eval_workspace(tmp_path / "ws")
    source = where(root).source("latest")
    found = list(items(source, "validation"))
    assert {item.row_id for item in found} == {row.row_id for row in source.rows("validation")}
    assert len(found) == 14
    assert all(item.reference and item.reference.startswith("Key") for item in found)


def test_a_file_of_any_layout_is_an_exam(tmp_path: Path) -> None:
    row = {"question": "Where?", "answer": "Here.", "topic": "t"}
    write_jsonl(tmp_path / "exam.jsonl", [row, row, {"question": "Who?", "answer": "Me."}])
    found = list(file_items(Path("exam.jsonl"), tmp_path))
    assert sorted(item.reference or "" for item in found) == ["Here.", "Me."]  # the same question is asked once
    assert {item.split for item in found} == {"file:exam.jsonl"}
    (tmp_path / "bad.jsonl").write_text('{"question": "Where?", "answer": "Here."}\n{"question": 3}\n')
    with pytest.raises(DataError, match="unit 2 is no item"):
        list(file_items(Path("bad.jsonl"), tmp_path))


def test_a_limited_exam_is_part_of_a_less_limited_one(tmp_path: Path) -> None:
    source = packed(*([{"role": "user", "content": f"{i}?"}, TALK[2]] for i in range(40)))
    exams = [open_exam(Suite(), source, tmp_path, limit) for limit in (5, 20, None)]
    few, more, whole = ({item.item_id for item in opened.read()} for opened in exams)
    assert few < more < whole
    assert [len(few), len(more), len(whole)] == [5, 20, 40]
    assert exams[0].exam.whole == 40
    assert exams[0].exam.sha256 != exams[1].exam.sha256
    assert few != {f"00000000-0000-0000-0000-{i:012d}:1" for i in range(5)}, "the first ones are no sample"


def test_an_exam_without_items_is_one_line(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="holds no question with an answer"):
        open_exam(Suite(), packed(), tmp_path)


# ---- suites


def test_a_suite_says_itself_again() -> None:
    values = {
        "split": "test@v3",
        "turns": "all",
        "metrics": ["rougeL", {"exact_match": {"normalise": "squad"}}, "mine:score"],
        "primary": {"metric": "exact_match", "margin": 0.05},
        "benchmarks": [{"name": "arc-easy", "shots": 5, "regime": "letters"}, {"file": "quiz.jsonl"}],
        "generation": {"max_new_tokens": 9},
        "slices": ["topic", "a.b"],
        "labels": ["yes", "no"],
        "gates": {"primary": "not_worse"},
    }
    suite = suite_of(values, "s")
    assert suite_of(suite.as_json(), "s") == suite
    assert suite.is_test
    assert suite.pinned == "v3"
    assert [one.label for one in suite.benchmarks] == ["arc-easy (letters, 5-shot)", "quiz"]
    assert Suite() == suite_of(Suite().as_json(), "default")


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ({"metrics": ["rogueL"]}, 'metric "rogueL" is not known; did you mean "rougeL"'),
        ({"metric": ["rougeL"]}, 'metric is not a known key; did you mean "metrics"'),
        ({"metrics": ["chrf"], "primary": {"metric": "bleu"}}, 'primary.metric: "bleu" is not among the metrics'),
        ({"split": "test", "file": "a.jsonl"}, "split and file cannot both be given"),
        ({"split": "testing"}, "split"),
        ({"benchmarks": [{"shots": 3}]}, "each needs a name"),
        ({"metrics": [{"chrf": 3}]}, "chrf: options must be a mapping"),
        ({"metrics": ["chrf", {"chrf": {}}]}, "metrics: chrf stands there twice; keep one"),
        ({"labels": ["yes", "Yes."]}, '"yes" and "Yes." are one answer'),
        ({"labels": ["yes", "?"]}, '"?" holds nothing but punctuation'),
        ({"benchmarks": [{"name": "arc-easy"}] * 2}, "benchmarks: arc-easy stands there twice"),
        ({"benchmarks": [{"file": "a/q.jsonl"}, {"file": "b/q.jsonl"}]}, "benchmarks: q stands there twice"),
        ({"generation": {"max_new_tokens": 0}}, "generation.max_new_tokens must be at least 1"),
    ],
)
def test_what_is_wrong_with_a_suite_is_one_line(values: dict[str, Any], said: str) -> None:
    with pytest.raises(ConfigError) as caught:
        suite_of(values, "s")
    assert said in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_stored_suite_is_read_though_it_names_one_twice() -> None:
    """An evaluation of before the rule must not stand in the way of every comparison of its run."""
    values = {"metrics": ["chrf", "chrf"], "benchmarks": [{"name": "arc-easy"}] * 2, "labels": ["yes", "Yes"]}
    assert len(suite_of(values, "s", stored=True).benchmarks) == 2


def test_benchmarks_that_are_asked_otherwise_have_names_of_their_own() -> None:
    """Scores are kept by that name: of two that shared one, the questions were counted together."""
    asked = [
        *({"name": "arc-easy", "bos": bos} for bos in ("tokenizer", "always", "never")),
        *({"name": "arc-easy", "shots": 2, "seed": seed} for seed in (1234, 7)),
        {"file": "a/q.jsonl"},
        {"file": "b/q.jsonl", "name": "q of b"},
    ]
    suite = suite_of({"benchmarks": asked}, "s")
    labels = [one.label for one in suite.benchmarks]
    assert labels == [
        *("arc-easy", "arc-easy (bos always)", "arc-easy (bos never)"),
        *("arc-easy (2-shot)", "arc-easy (2-shot, seed 7)", "q", "q of b"),
    ]
    assert suite_of(suite.as_json(), "s") == suite
    letters = suite_of({"benchmarks": [{"name": "arc-easy", "regime": "letters"}]}, "s")
    more = with_benchmarks(letters, ["arc-easy", "arc-easy"])
    assert [one.label for one in more.benchmarks] == ["arc-easy (letters)", "arc-easy"]


def test_a_whole_number_may_be_written_with_a_point(tmp_path: Path) -> None:
    (tmp_path / "s.yaml").write_text("generation: {max_new_tokens: 8.0, batch_size: 2.0, temperature: 1.0}\n")
    settings = load_suite("s.yaml", tmp_path).generation
    assert [type(settings.max_new_tokens), type(settings.batch_size), type(settings.temperature)] == [int, int, float]


def test_suites_are_found_by_name_and_by_path(tmp_path: Path) -> None:
    assert load_suite(None, tmp_path) == Suite()
    (tmp_path / "suites").mkdir()
    (tmp_path / "suites" / "support.yaml").write_text("metrics: [chrf]\n")
    assert load_suite("support", tmp_path).metrics[0].name == "chrf"
    assert load_suite("suites/support.yaml", tmp_path).name == "support"
    with pytest.raises(ConfigError, match='did you mean "support"'):
        load_suite("suport", tmp_path)
    (tmp_path / "suites" / "default.yaml").write_text("metrics: [bleu]\n")
    assert load_suite(None, tmp_path).metrics[0].name == "bleu"


def test_shipped_suites_load() -> None:
    found = sorted((ROOT / "configs" / "suites").rglob("*.yaml"))
    assert {path.stem for path in found} >= {"default", "final"}
    for path in found:
        load_suite(str(path), ROOT)
    assert suite_of(load_suite(str(ROOT / "configs/suites/default.yaml"), ROOT).as_json(), "default") == Suite()


# ---- folders


def test_evaluations_are_numbered_and_stay_in_order(tmp_path: Path) -> None:
    made = [new_eval(tmp_path) for _ in range(11)]
    assert [one.path.name for one in made] == [f"eval-{i}" for i in range(1, 12)]
    assert evals(tmp_path) == []  # without run.json they are none


def test_the_last_evaluation_is_of_a_run_though_the_base_was_asked_later(tmp_path: Path) -> None:
    here = built(tmp_path / "work", 40)
    assert last_evaluation(here.root / "experiments") is None
    base = evaluated(here, base_of(here), right_at(0.3, "base"), arc(0.5, 0, 20))
    assert (found := last_evaluation(here.root / "experiments"))
    assert found.path == base.path
    run = evaluated(here, run_of(here), right_at(0.6, "run"), arc(0.5, 0, 20))
    later = base_of(here)
    evaluated(here, later, right_at(0.3, "base"), arc(0.5, 0, 20))
    assert (found := last_evaluation(here.root / "experiments"))
    assert found.path == run.path
    baseline = run_of(here)  # what a comparison has sit the exam beside the run, later than the run
    write_run(baseline, replace(read_run(baseline), kind="predictions", settings={"baseline": "few-shot"}))
    evaluated(here, baseline, right_at(0.3, "copied"), arc(0.5, 0, 20))
    assert (found := last_evaluation(here.root / "experiments"))
    assert found.path == run.path


def test_a_table_is_written_whole_or_not_at_all(tmp_path: Path) -> None:
    folder = EvalFolder(tmp_path)
    assert folder.metrics().num_rows == 0
    row = {"item_id": "a", "metric": "m", "value": None, "stats": [1.0, 2.0]}
    assert folder.write("item_metrics", [row] * 3000) == 3000
    assert folder.item_metrics(["item_id"]).num_rows == 3000
    assert sum(batch.num_rows for batch in folder.batches("item_metrics")) == 3000

    def broken() -> Any:
        yield row
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        folder.write("item_metrics", broken())
    assert folder.item_metrics().num_rows == 3000
    assert len(list(tmp_path.iterdir())) == 1


def test_a_damaged_table_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "metrics.parquet").write_bytes(b"no parquet")
    with pytest.raises(DataError, match="run the evaluation again") as caught:
        EvalFolder(tmp_path).metrics()
    assert "\n" not in str(caught.value)
