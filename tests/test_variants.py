"""Prompt variants: each combination asks what it says; a planted effect is found, a null stays one."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from curation.errors import ConfigError, DataError
from curation.progress import Silent
from eval.generation import Generated
from eval.generation import Item as Question
from eval.items import Item
from eval.metrics.metric import Measured, mean_of
from eval.recorded import exam_of
from eval.variants.config import Factor, Level, Variants, load_variants
from eval.variants.effects import Effect, effects
from eval.variants.prompts import prompt_of
from eval.variants.run import Asked, Outcome, as_json, measured_effects, run_variants

ROOT = Path(__file__).resolve().parent.parent
CONFIG = """\
suite: {split: validation, metrics: [exact_match], primary: {metric: exact_match, margin: 0.05}}
factors:
  system:
    off: {system: null}
    on: {system: "Answer in Romanian."}
  wording:
    plain: {}
    must: {replace: {"Answer in": "You must answer in"}}
    only: {replace: {"Answer in": "Answer only in"}}
  again:
    once: {}
    twice: {repeat: system}
"""
Write = Callable[[Sequence[Mapping[str, Any]]], str]  # the messages -> an answer


def variants(tmp_path: Path, text: str = CONFIG) -> Variants:
    path = tmp_path / "variants.yaml"
    path.write_text(text, "utf-8")
    return load_variants(path, tmp_path)


def exam(count: int, per_cluster: int = 1) -> list[Item]:
    return [
        Item(
            f"{i:032x}:1",
            f"{i:032x}",
            1,
            i // per_cluster,
            "validation",
            [{"role": "user", "content": f"Question {i}?"}],
            {"role": "assistant", "content": "right"},
            None,
            {},
        )
        for i in range(count)
    ]


class Model:
    """Answers by a rule; counts what it was asked."""

    def __init__(self, folder: Path, write: Write, system: str | None = None) -> None:
        folder.mkdir(exist_ok=True)
        self.folder, self.write, self.system = folder, write, system
        self.asked: list[Sequence[Mapping[str, Any]]] = []

    def run(self, made: Variants, items: Sequence[Item]) -> Outcome:
        told = Asked(self.folder, {"rule": self.write.__name__}, self.system, self.ask)
        return run_variants(told, made, exam_of(lambda: iter(items), "validation"), Silent())

    def ask(self, questions: Iterable[Question]) -> Iterator[list[Generated]]:
        source = iter(questions)
        while batch := list(islice(source, 10)):
            self.asked += [one.record["messages"] for one in batch]
            yield [Generated(one.item_id, self.write(one.record["messages"]), "stop") for one in batch]


def chance(*parts: object) -> float:
    """A number below 1 that is always the same for the same parts."""
    return int.from_bytes(hashlib.sha256(repr(parts).encode()).digest()[:6], "big") / 2**48


def romanian(messages: Sequence[Mapping[str, Any]]) -> str:
    """Right in 3 of 10 cases, in 6 of 10 with "must" in a system text; noise is each prompt's own."""
    share = 0.6 if "must" in (messages[0]["content"] if messages[0]["role"] == "system" else "") else 0.3
    return "right" if chance(messages) < share else "wrong"


def deaf(messages: Sequence[Mapping[str, Any]]) -> str:
    return "right" if chance("deaf", messages) < 0.4 else "wrong"


def by_name(found: Outcome) -> dict[str, Effect]:
    return {effect.name: effect for effect in found.effects}


def test_every_combination_is_asked_as_it_says(tmp_path: Path) -> None:
    made = variants(tmp_path)
    assert len(made.cells) == 12
    labels = [cell.label(made.factors) for cell in made.cells]
    assert labels[0] == "system=off, wording=plain, again=once"
    assert len(set(labels)) == 12
    messages = [{"role": "system", "content": "own"}, {"role": "user", "content": "Cine?"}]
    record = {"messages": messages, "tools": [1]}
    found = {label: prompt_of(cell, record) for label, cell in zip(labels, made.cells, strict=True)}
    assert found["system=off, wording=must, again=twice"]["messages"] == [{"role": "user", "content": "Cine?"}]
    both = found["system=on, wording=must, again=twice"]
    assert [one["content"] for one in both["messages"]] == [
        "You must answer in Romanian.",
        "Cine?\nYou must answer in Romanian.",
    ]
    assert both["tools"] == [1]
    assert messages[0]["content"] == "own"


@pytest.mark.parametrize(
    ("edits", "texts"),
    [
        ({}, ["own", "q", "a", "Cine?"]),
        ({"system": "S"}, ["S", "q", "a", "Cine?"]),
        ({"system": None}, ["q", "a", "Cine?"]),
        ({"replace": {"own": "new"}}, ["new", "q", "a", "Cine?"]),
        ({"before": "B", "after": "A"}, ["own", "q", "a", "B\nCine?\nA"]),
        ({"repeat": "question"}, ["own", "q", "a", "Cine?\n\nCine?"]),
        ({"repeat": "question", "after": "A"}, ["own", "q", "a", "Cine?\n\nCine?\nA"]),
        ({"repeat": "system", "after": "A"}, ["own", "q", "a", "Cine?\nA\nown"]),
        ({"repeat": "system", "system": None}, ["q", "a", "Cine?"]),
    ],
)
def test_what_a_level_can_change(edits: dict[str, Any], texts: list[str]) -> None:
    roles = ("system", "user", "assistant", "user")
    messages = [{"role": role, "content": text} for role, text in zip(roles, ["own", "q", "a", "Cine?"], strict=True)]
    level = Level("x", **edits, sets_system="system" in edits)
    (cell, *_) = Variants((Factor("f", (level,)),), variants_suite()).cells
    assert [one["content"] for one in prompt_of(cell, {"messages": messages})["messages"]] == texts


def variants_suite() -> Any:
    from eval.suite import Suite

    return Suite()


def test_a_planted_effect_is_found_where_it_is_and_nowhere_else(tmp_path: Path) -> None:
    """must helps by .3 where there is a system text: by .15 on average, and by .3 more with it than without."""
    found = by_name(Model(tmp_path / "m", romanian).run(variants(tmp_path), exam(300)))
    planted = {
        "wording=must": 0.15,
        "system=on": 0.1,
        "system=on with wording=must": 0.3,
    }
    for name, effect in found.items():
        told = effect.difference
        if name in planted:
            assert told.low < planted[name] < told.high
            assert told.p_adjusted < 0.05
        else:
            assert told.low < 0 < told.high, name
            assert told.verdict == "cannot tell" or told.verdict.startswith("same")
    assert found["wording=must"].difference.verdict == "better"
    assert found["system=on with wording=must"].difference.verdict == "higher"
    assert len(found) == 4 + 5
    must = found["wording=must"]
    assert must.value - must.against == pytest.approx(must.difference.diff, abs=1e-12)


def test_a_null_stays_null(tmp_path: Path) -> None:
    found = Model(tmp_path / "m", deaf).run(variants(tmp_path), exam(300))
    assert all(effect.difference.p_adjusted > 0.05 for effect in found.effects)
    assert {effect.difference.verdict for effect in found.effects} <= {"cannot tell", "same within the margin"}


def test_a_model_that_does_not_listen_at_all_has_no_effect_of_rounding() -> None:
    """Means of three levels leave 1e-17, the same in every item."""
    factors = tuple(Factor(name, tuple(map(Level, "012"))) for name in "abc")
    values = np.tile(np.random.default_rng(7).normal(size=40), (27, 1))
    for one in effects(factors, measures(values), np.arange(40), {"m": 0.1}):
        assert (one.difference.diff, one.difference.p) == (0.0, 1.0)
        assert one.difference.verdict in ("cannot tell", "same within the margin")


def measures(values: np.ndarray[Any, Any]) -> list[dict[str, Measured]]:
    return [{"m": mean_of("m", "m", row)} for row in values]


TWO = tuple(Factor(name, (Level("no"), Level("yes"))) for name in ("a", "b"))


def test_effects_are_the_differences_of_means_of_a_factorial() -> None:
    rng = np.random.default_rng(3)
    values = rng.normal(size=(4, 50))  # a=no,b=no | a=no,b=yes | a=yes,b=no | a=yes,b=yes
    found = {one.name: one for one in effects(TWO, measures(values), np.arange(50), {})}
    mean = values.mean(axis=1)
    assert found["a=yes"].difference.diff == pytest.approx((mean[2] + mean[3] - mean[0] - mean[1]) / 2)
    assert found["b=yes"].difference.diff == pytest.approx((mean[1] + mean[3] - mean[0] - mean[2]) / 2)
    both = found["a=yes with b=yes"]
    assert both.difference.diff == pytest.approx(mean[3] - mean[2] - mean[1] + mean[0])
    assert np.isnan(both.value)
    assert (found["a=yes"].value, found["a=yes"].against) == pytest.approx(((mean[2:].mean()), mean[:2].mean()))
    assert len(effects(TWO, measures(values), np.arange(50), {}, interactions=False)) == 2


def test_effects_are_paired_by_item() -> None:
    """Items differ by 100 times the effect; only the pairing can find it."""
    rng = np.random.default_rng(4)
    items = rng.normal(0, 10, 60)
    shift = np.asarray([0, 0, 0.1, 0.1])[:, None]
    values = items + shift + rng.normal(0, 0.05, (4, 60))
    found = {one.name: one.difference for one in effects(TWO, measures(values), np.arange(60), {})}
    assert found["a=yes"].p_adjusted < 0.01
    assert found["a=yes"].low < 0.1 < found["a=yes"].high
    assert found["b=yes"].p_adjusted > 0.05


def test_items_of_a_cluster_count_together() -> None:
    rng = np.random.default_rng(5)
    clusters = np.repeat(np.arange(12), 20)
    gain = np.repeat(rng.normal(0, 1, 12), 20)
    values = np.stack([np.zeros(240), np.zeros(240), gain, gain])
    tied = {one.name: one.difference for one in effects(TWO, measures(values), clusters, {})}["a=yes"]
    apart = {one.name: one.difference for one in effects(TWO, measures(values), np.arange(240), {})}["a=yes"]
    assert (tied.clusters, tied.n) == (12, 240)
    assert tied.high - tied.low > 2.5 * (apart.high - apart.low)


def test_an_item_without_a_value_somewhere_counts_nowhere() -> None:
    values = np.ones((4, 40))
    values[:, 0] = 5, 5, 5, np.nan
    found = effects(TWO, measures(values), np.arange(40), {})
    assert {(one.difference.n, one.difference.left_out) for one in found} == {(39, 1)}
    assert effects(TWO, measures(values), np.arange(40), {})[0].value == 1.0
    with pytest.raises(DataError, match="no item has a value in every combination"):
        effects(TWO, measures(np.full((4, 3), np.nan)), np.arange(3), {})


def test_holm_is_over_everything_that_was_asked() -> None:
    """Of 40 null experiments with 9 effects each, few may hold a finding; without Holm more than a third would."""
    rng = np.random.default_rng(6)
    factors = tuple(Factor(name, (Level("0"), Level("1"))) for name in "abc")
    hits = raw = 0
    for _ in range(40):
        values = rng.normal(size=(8, 40))
        found = effects(factors, measures(values), np.arange(40), {})
        hits += any(one.difference.p_adjusted <= 0.05 for one in found)
        raw += any(one.difference.p <= 0.05 for one in found)
    assert hits <= 6  # 2 expected; P(7 or more at 5 %) is below .004
    assert raw > hits


def test_shared_prompts_are_asked_once_and_an_interrupted_run_goes_on(tmp_path: Path) -> None:
    made, items = variants(tmp_path), exam(20)
    stopping = Model(tmp_path / "m", romanian)
    whole = stopping.ask

    def stops(questions: Iterable[Question]) -> Iterator[list[Generated]]:
        for number, batch in enumerate(whole(questions)):
            if number == 3:
                raise KeyboardInterrupt
            yield batch

    stopping.ask = stops  # type: ignore[method-assign]
    with pytest.raises(KeyboardInterrupt):
        stopping.run(made, items)
    model = Model(tmp_path / "m", romanian)
    found = model.run(made, items)
    # Without a system text wording and repetition say nothing: 1 + 6 different prompts of 12.
    assert found.prompts == 20 * 7
    assert len(model.asked) == 20 * 7 - 30
    again = Model(tmp_path / "m", romanian)
    same = again.run(made, items)
    assert (again.asked, same.folder) == ([], found.folder)
    effects_again, _ = measured_effects(found.folder, made)
    told = [[as_json(one) for one in each] for each in (found.effects, same.effects, effects_again)]
    assert told[0] == told[1] == told[2]


def test_a_run_s_own_system_text_stands_where_no_level_says_another(tmp_path: Path) -> None:
    text = CONFIG.replace("off: {system: null}", "own: {}").replace('replace: {"Answer in"', 'replace: {"Answer"')
    text = text.replace('"You must answer in"', '"You must answer"').replace('"Answer only in"', '"Answer only"')
    model = Model(tmp_path / "m", romanian, system="Answer kindly.")
    model.run(variants(tmp_path, text), exam(3))
    systems = {messages[0]["content"] for messages in model.asked}
    assert {"Answer kindly.", "You must answer kindly.", "Answer in Romanian."} <= systems


def test_missing_answers_are_told_and_not_wrong(tmp_path: Path) -> None:
    model = Model(tmp_path / "m", romanian)

    def gaps(questions: Iterable[Question]) -> Iterator[list[Generated]]:
        for one in questions:
            lost = one.item_id.startswith(f"{3:032x}")
            text = None if lost else "right"
            yield [Generated(one.item_id, text, "missing" if lost else "stop", detail="timed out" if lost else "")]

    model.ask = gaps  # type: ignore[method-assign]
    found = model.run(variants(tmp_path), exam(8))
    assert found.missing == 12
    assert {one.difference.n for one in found.effects} == {7}
    assert found.effects[0].value == pytest.approx(1.0)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("factors: {}\n", "factors must not be empty"),
        ("factors: {a: {one: {}, two: {sytem: x}}}\n", 'sytem is not a known key; did you mean "system"'),
        ("factors: {a: {one: {}, two: {repeat: thrice}}}\n", "thrice"),
        (
            "factors: {a: {one: {}, two: {system: x}}, b: {one: {}, two: {system: y}}}\n",
            "a and b both set the system text",
        ),
        (
            "factors: {" + ", ".join(f"f{i}: {{x: {{}}, y: {{}}, z: {{}}}}" for i in range(4)) + "}\n",
            "81 combinations; at most 64",
        ),
        ("suite: {split: test}\nfactors: {a: {one: {}, two: {}}}\n", "test is for the end"),
        ("suite: {metrics: [rogueL]}\nfactors: {a: {one: {}, two: {}}}\n", "rougeL"),
    ],
)
def test_a_config_that_cannot_be_is_one_line(text: str, message: str, tmp_path: Path) -> None:
    with pytest.raises(ConfigError) as raised:
        variants(tmp_path, text)
    assert message in str(raised.value)
    assert "variants.yaml" in str(raised.value)


def test_words_that_stand_nowhere_are_refused(tmp_path: Path) -> None:
    text = CONFIG.replace('replace: {"Answer in": "Answer only in"}', 'replace: {"Anwser": "Answer only"}')
    with pytest.raises(ConfigError, match='replace: "Anwser" stands in no system text'):
        Model(tmp_path / "m", romanian).run(variants(tmp_path, text), exam(3))


def test_the_shipped_example_loads_and_changes_each_prompt(tmp_path: Path) -> None:
    made = load_variants(ROOT / "configs" / "romanian-variants.yaml", tmp_path)
    record = {"messages": [{"role": "user", "content": "Cine a scris Luceafărul?"}]}
    prompts = [json.dumps(prompt_of(cell, record)) for cell in made.cells]
    assert {factor.name for factor in made.factors} == {"system", "wording", "repeated", "detail"}
    assert len(set(prompts)) >= len(prompts) // 2 + 1
