"""Baselines: the nearest training answer is the nearest, examples stand where they should, and both sit the exam."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import orjson
import pytest

pytest.importorskip("torch")
pytest.importorskip("peft")

from curation.errors import ConfigError, DataError
from curation.progress import Silent
from curation.records import sides
from curation.runs import list_runs
from curation.source import open_source
from eval.baselines import Examples, Shots, before, few_shot, find_baselines, nearest_answers
from eval.exam import Opened, open_exam
from eval.generation import Item, generate
from eval.recorded import Sat, exam_of
from eval.subject import Subject, base_of, subject_of
from eval.suite import Suite, load_suite
from tests.eval_workspace import eval_workspace, where, with_run, write_jsonl
from train.model.of_run import Loaded

# peft asks transformers by a name that is on its way out.
pytestmark = pytest.mark.filterwarnings("ignore:.is_gradient_checkpointing. is deprecated:FutureWarning")


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = eval_workspace(tmp_path_factory.mktemp("baselines") / "ws")
    with_run(root)
    return root


@pytest.fixture(scope="module")
def base(root: Path) -> Subject:
    place = where(root).place
    return base_of(subject_of(place.experiments / "experiment_001", root), place, root)


@pytest.fixture(scope="module")
def loaded(base: Subject) -> Loaded:
    return base.load()


@pytest.fixture(scope="module")
def examples(root: Path) -> Examples:
    return Examples(open_source("latest", where(root).workspace))


def suite(root: Path, name: str = "small") -> Suite:
    return load_suite(name, root)


def exam(root: Path) -> Opened:
    return open_exam(suite(root), open_source("latest", where(root).workspace), root)


def grams(text: str) -> set[str]:
    text = " ".join(text.lower().split())
    return {text[i : i + 5] for i in range(len(text) - 4)}


def similarity(one: str, two: str) -> float:
    a, b = grams(one), grams(two)
    return len(a & b) / len(a | b)


def test_the_answer_is_that_of_the_row_whose_prompt_shares_most(root: Path, examples: Examples) -> None:
    """Against a comparison of everything with everything that shares no code with it."""
    opened = exam(root)
    sat = nearest_answers(where(root).place, examples, opened, suite(root))
    found = {row["item_id"]: row["output"] for row in sat.folder.predictions().to_pylist()}
    for item in opened.read():
        prompt = item.messages[-1]["content"]
        ranked = sorted(examples.rows, key=lambda row: (-round(similarity(prompt, row.prompt), 9), row.row_id))
        assert found[item.item_id] == ranked[0].answer
    assert set(sat.left_out) == {"perplexity", "bits_per_char"}
    assert sat.folder.run.settings["baseline"] == "nearest"
    assert 0 < sat.folder.run.settings["similarity_median"] < 1


def version_of(tmp_path: Path, rows: list[dict[str, Any]]) -> Examples:
    from curation.library import build
    from curation.workspace import open_workspace

    write_jsonl(tmp_path / "raw" / "train.jsonl", rows)
    (tmp_path / "curate.yaml").write_text("curate: 1\n")
    settings = "near: {action: off}\nexact: {action: off}\nconflicts: {action: off}\n"
    (tmp_path / "recipe.yaml").write_text(f"sources:\n  - {{path: raw/train.jsonl, split: train}}\n{settings}")
    build(tmp_path)
    return Examples(open_source("latest", open_workspace(tmp_path)))


def test_ties_go_to_the_first_row_id_whatever_the_order_of_the_file(tmp_path: Path) -> None:
    rows = [{"prompt": "What opens the pump?", "completion": f"Answer {i}", "id": i} for i in range(9)]
    first = version_of(tmp_path / "a", rows)
    second = version_of(tmp_path / "b", rows[::-1])
    assert len(first.rows) == 9
    chosen = [next(one.like(["What opens the pumps?"], 1))[0][0] for one in (first, second)]
    assert chosen[0] == chosen[1] == first.rows[0]
    stranger = next(first.like(["zzzzzzzz"], 3))
    assert [(one.row_id, shared) for one, shared in stranger] == [(one.row_id, 0.0) for one in first.rows[:3]]


def test_only_single_questions_are_shown_as_examples(tmp_path: Path) -> None:
    def said(*texts: str) -> dict[str, Any]:
        roles = ("user", "assistant") * 2
        return {"messages": [{"role": r, "content": t} for r, t in zip(roles, texts, strict=False)]}

    made = version_of(tmp_path, [said("pump one?", "1", "pump two?", "2"), said("pump three?", "3")])
    assert [one.answer for one, _ in next(made.like(["pump one? pump two?"], 5))] == ["2", "3"]
    assert [one.answer for one, _ in next(made.like(["pump one? pump two?"], 5, single=True))] == ["3"]
    assert [one.answer for one in made.drawn(Shots(5, "seeded"))] == ["3"]


def test_examples_stand_behind_the_system_text_and_before_the_history() -> None:
    system = {"role": "system", "content": "S"}
    example = [{"role": "system", "content": "other"}, *pair("q", "a")]
    record = {"messages": [system, *pair("h", "i"), {"role": "user", "content": "?"}], "tools": []}
    found = before(record, [example])
    assert [one["content"] for one in found["messages"]] == ["S", "q", "a", "h", "i", "?"]
    assert before({"messages": record["messages"][1:]}, [example])["messages"][0]["content"] == "q"


def pair(question: str, answer: str) -> list[dict[str, str]]:
    return [{"role": "user", "content": question}, {"role": "assistant", "content": answer}]


def shot(root: Path, base: Subject, examples: Examples, loaded: Loaded, shots: Shots, of: Suite | None = None) -> Sat:
    made = of or suite(root)
    return few_shot(where(root).place, base, examples, exam(root), made, shots, lambda: loaded, Silent())


@pytest.mark.parametrize("shots", [Shots(2), Shots(2, "seeded", 7)])
def test_the_model_is_asked_as_if_the_examples_had_been_said(
    shots: Shots, root: Path, base: Subject, examples: Examples, loaded: Loaded
) -> None:
    sat = shot(root, base, examples, loaded, shots)
    found = {row["item_id"]: row["output"] for row in sat.folder.predictions().to_pylist()}
    for item in list(exam(root).read())[:3]:
        prompt = sides(list(item.record["messages"]))[2]
        if shots.choice == "nearest":
            ranked = sorted(examples.rows, key=lambda row: -similarity(prompt, row.prompt))
            chosen = [ranked[1], ranked[0]]
        else:
            chosen = examples.drawn(shots)
        turns = [turn for one in chosen for turn in pair(one.prompt, one.answer)]
        asked = Item("x", {"messages": [*turns, *item.messages]})
        (alone,) = generate(loaded, [asked], suite(root).generation)
        assert found[item.item_id] == alone.text
    assert sat.folder.run.settings["shots_used"] == {"2": 14}
    assert shot(root, base, examples, loaded, shots).known


def test_another_seed_draws_other_examples(examples: Examples) -> None:
    drawn = [tuple(one.row_id for one in examples.drawn(Shots(3, "seeded", seed))) for seed in range(8)]
    assert len(set(drawn)) > 4
    assert drawn[0] == tuple(one.row_id for one in examples.drawn(Shots(3, "seeded", 0)))


def test_examples_that_do_not_fit_are_left_out_whole(
    root: Path, base: Subject, examples: Examples, loaded: Loaded
) -> None:
    assert loaded.context == 512
    few = replace(suite(root), generation=replace(suite(root).generation, max_new_tokens=8))
    sat = shot(root, base, examples, loaded, Shots(12), few)
    used = sat.folder.run.settings["shots_used"]
    assert sum(used.values()) == 14
    assert max(map(int, used)) < 12
    assert min(map(int, used)) > 0
    assert set(sat.folder.predictions(["finish_reason"])["finish_reason"].to_pylist()) <= {"stop", "length"}
    item = next(exam(root).read())
    (path,) = (sat.folder.of / "outputs").glob("*.jsonl")
    lines = [orjson.loads(line) for line in path.read_bytes().splitlines()]
    (line,) = [line for line in lines if line["item_id"].startswith(item.item_id)]
    prompt = item.messages[-1]["content"]
    ranked = sorted(examples.rows, key=lambda row: -similarity(prompt, row.prompt))[: line["shots"]]
    turns = [turn for one in reversed(ranked) for turn in pair(one.prompt, one.answer)]
    (alone,) = generate(loaded, [Item("x", {"messages": [*turns, *item.messages]})], few.generation)
    assert (line["prompt_tokens"], line["text"]) == (alone.prompt_tokens, alone.text)


def test_they_are_found_by_the_exam_that_they_sat(
    root: Path, base: Subject, examples: Examples, loaded: Loaded
) -> None:
    place = where(root).place
    nearest_answers(place, examples, exam(root), suite(root))
    shot(root, base, examples, loaded, Shots(2))
    names = {one.run.settings["baseline"] for one in find_baselines(place.experiments, exam(root).exam.sha256)}
    assert names == {"nearest", "few-shot"}
    assert find_baselines(place.experiments, "0" * 64) == []
    before_count = len(list_runs(place.experiments))
    nearest_answers(place, examples, exam(root), suite(root))
    assert len(list_runs(place.experiments)) == before_count


def test_what_cannot_be_a_baseline_is_one_line(root: Path, examples: Examples) -> None:
    with pytest.raises(ConfigError, match="examples must be at least 1, not 0"):
        Shots(0)
    unanswered = [replace(item, answer={"role": "assistant", "content": None}) for item in exam(root).read()]
    alone = replace(suite(root), metrics=suite(root).metrics[:1])
    with pytest.raises(DataError, match=r"no metric can be measured: .* none of 14 items has a reference"):
        nearest_answers(where(root).place, examples, exam_of(lambda: iter(unanswered), "validation"), alone)
