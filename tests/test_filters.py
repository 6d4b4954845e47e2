"""Each filter finds its planted defects and leaves honest rows alone; the laws of a stage hold."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from curation.errors import ConfigError
from curation.records import canonical, row_id, sides
from curation.stages.filters import CHECKS, RECIPE_KEY, FiltersConfig, filters
from curation.stages.filters.scan import CHARS, FENCES, scan
from curation.tables import DROPPED, FLAGGED, ROWS

FIXTURES = Path(__file__).parent / "fixtures" / "filters"
NAMES = tuple(dict.fromkeys(key for key, _ in CHECKS))
ALL_OFF: dict[str, Any] = {name: {"action": "off"} for name in NAMES}
# A row each of words that no boilerplate case contains.
WORDS = ["pump", "valve", "filter", "belt", "sensor", "panel", "gearbox", "heater", "film", "roll", "motor"]
WORDS += ["cable", "switch", "lamp", "door", "fan", "hose"]


def table(pairs: list[tuple[str, str]]) -> Any:
    return conversations([[("user", prompt), ("assistant", answer)] for prompt, answer in pairs])


def conversations(rows: list[list[tuple[str, str | None]]], **last_turn: Any) -> Any:
    """tables.ROWS of (role, content) lists; `last_turn` adds fields to every last message."""
    lines = []
    for pos, turns in enumerate(rows):
        messages: list[dict[str, Any]] = [{"role": role, "content": content} for role, content in turns]
        messages[-1].update(last_turn)
        roles, system, prompt, answer = sides(messages)
        record = canonical({"messages": messages, "meta": {"n": pos}})
        texts = {"roles": roles, "system": system, "prompt": prompt, "answer": answer}
        lines.append({"pos": pos * 2, "source": 0, "row_id": row_id(record), "record": record, **texts})
    return pa.Table.from_pylist(lines, schema=ROWS)


def only(name: str, **settings: Any) -> FiltersConfig:
    return FiltersConfig(**{**ALL_OFF, name: {"action": "flag", **settings}})


def cases(name: str) -> list[Any]:
    lines = (FIXTURES / f"{name}.jsonl").read_text("utf-8").split("\n")
    return [pytest.param(json.loads(line), id=f"{name}: {json.loads(line)['why']}") for line in lines if line]


def case_table(case: dict[str, Any]) -> Any:
    answer = case.get("answer")
    if answer is None:
        answer = case["repeat"][0] * case["repeat"][1]
    words = (WORDS * 2)[: case.get("rows", 1)] if "rows" in case else [""]
    return table([(case["prompt"].replace("{word}", word), answer.replace("{word}", word)) for word in words])


@pytest.mark.parametrize("name", NAMES)
def test_every_filter_has_its_cases(name: str) -> None:
    found = [param.values[0]["found"] for param in cases(name)]
    assert found.count(True) >= 20
    assert found.count(False) >= 20


@pytest.mark.parametrize("case", [param for name in NAMES for param in cases(name)])
def test_case(case: dict[str, Any], request: pytest.FixtureRequest) -> None:
    name = request.node.callspec.id.split(":")[0]
    rows = case_table(case)
    flagged = filters(rows, only(name)).flagged
    assert len(set(flagged["pos"].to_pylist())) == (rows.num_rows if case["found"] else 0)
    assert {RECIPE_KEY.get(reason, reason) for reason in flagged["reason"].to_pylist()} <= {name}


@pytest.mark.parametrize("case", [param for name in NAMES for param in cases(name) if not param.values[0]["found"]])
def test_honest_rows_are_never_dropped_by_default(case: dict[str, Any]) -> None:
    dropped = filters(case_table(case), FiltersConfig()).dropped.to_pylist()
    assert not [line for line in dropped if RECIPE_KEY.get(line["reason"]) != "empty"] or case["answer"] == "N/A"


def test_hard_defects_drop_and_soft_ones_flag() -> None:
    garbled = "LeiÃ°er ist das GerÃ¤t heute defekt."
    verdict = filters(table([("Why?", ""), ("Why?", garbled), ("Why?", "Because.")]), FiltersConfig())
    assert verdict.kept["pos"].to_pylist() == [2, 4]
    assert verdict.dropped.to_pylist() == [
        {
            "pos": 0,
            "verdict": "dropped",
            "reason": "empty_answer",
            "value": 0.0,
            "threshold": 1.0,
            "matched": None,
            "detail": None,
        }
    ]
    (flag,) = verdict.flagged.to_pylist()
    assert (flag["pos"], flag["reason"], flag["threshold"]) == (2, "mojibake", 0.0)
    assert flag["value"] == pytest.approx(4 / len(garbled))
    assert verdict.dropped.schema.equals(DROPPED)
    assert verdict.flagged.schema.equals(FLAGGED)


def test_a_row_with_two_hard_defects_names_both() -> None:
    config = FiltersConfig(**{**ALL_OFF, "undecodable": {"action": "drop"}, "mojibake": {"action": "drop"}})
    (line,) = filters(table([("Why?", "lo\ufffdt")]), config).dropped.to_pylist()
    assert (line["reason"], line["detail"]) == ("undecodable", "also mojibake")


def test_a_dropped_row_bears_no_flags() -> None:
    verdict = filters(table([("Why?", "lo\ufffdt")]), FiltersConfig())
    assert (verdict.dropped.num_rows, verdict.flagged.num_rows) == (1, 0)


def test_a_tool_call_needs_no_text() -> None:
    call = [{"id": "1", "type": "function", "function": {"name": "f", "arguments": "{}"}}]
    asked: list[tuple[str, str | None]] = [("user", "Weather?"), ("assistant", None)]
    assert filters(conversations([asked], tool_calls=call), FiltersConfig()).dropped.num_rows == 0
    assert filters(conversations([asked]), FiltersConfig()).dropped["reason"].to_pylist() == ["empty_answer"]


def test_thresholds_of_the_recipe_count() -> None:
    rows = table([("Why?", "word " * 5), ("Why?", "four")])
    section: dict[str, Any] = {"length": {"action": "drop", "min": 5, "max": 20}}
    lines = filters(rows, FiltersConfig(**section)).dropped.to_pylist()
    assert [(line["reason"], line["value"], line["threshold"]) for line in lines] == [
        ("too_long", 25.0, 20.0),
        ("too_short", 4.0, 5.0),
    ]


def test_boilerplate_shows_the_line() -> None:
    closing = "If you have any further questions, please contact our support team."
    rows = table([(f"About the {word}?", f"The {word} is ready.\n{closing}") for word in WORDS])
    flags = filters(rows, FiltersConfig()).flagged.to_pylist()
    assert {(flag["reason"], flag["value"], flag["detail"]) for flag in flags} == {("boilerplate", 17.0, closing)}


def test_settings_name_the_filters_of_the_recipe_schema() -> None:
    schema = json.loads((Path(__file__).parent.parent / "schemas" / "recipe.schema.json").read_text("utf-8"))
    named = schema["properties"]["filters"]["properties"]
    assert set(named) == set(NAMES) == set(FiltersConfig.__dataclass_fields__)
    for name, field in FiltersConfig.__dataclass_fields__.items():
        kind = schema["$defs"][named[name]["$ref"].rsplit("/", 1)[1]]
        rule: Any = field.default
        assert set(kind["properties"]) == set(rule.__dataclass_fields__)


@pytest.mark.parametrize(
    ("section", "message"),
    [
        ({"echo": {"action": "delete"}}, 'filters.echo.action: "delete" is not known; use flag, drop or off'),
        ({"length": {"min": 9, "max": 3}}, "filters.length: min 9 is above max 3, so every row would be found"),
    ],
)
def test_nonsense_is_refused(section: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=f"^{re.escape(message)}$"):
        FiltersConfig(**section)


def test_no_rows() -> None:
    verdict = filters(ROWS.empty_table(), FiltersConfig())
    assert (verdict.kept.num_rows, verdict.dropped.num_rows, verdict.flagged.num_rows) == (0, 0, 0)


def test_chunks_and_slices_change_nothing() -> None:
    pairs = [(case["prompt"], case["answer"]) for param in cases("mojibake") for case in param.values]
    whole = filters(table(pairs), FiltersConfig())
    chunked = pa.concat_tables([table(pairs).slice(0, 7), table(pairs).slice(7)])
    assert filters(chunked, FiltersConfig()).flagged.equals(whole.flagged)
    padded = pa.concat_tables([table([("x", "padding é")]), table(pairs)]).combine_chunks().slice(1)
    assert filters(padded, FiltersConfig()).flagged.equals(whole.flagged)


TEXT = st.text(st.characters(codec="utf-8") | st.sampled_from("\n\n `.-é🙂是\ufffd"), max_size=80)
PAIRS = st.lists(st.tuples(TEXT, TEXT), max_size=8)


@settings(deadline=None, max_examples=150)
@given(PAIRS)
def test_no_row_is_lost_and_running_twice_changes_nothing(pairs: list[tuple[str, str]]) -> None:
    rows = table(pairs)
    verdict = filters(rows, FiltersConfig())
    both = sorted(verdict.kept["pos"].to_pylist() + verdict.dropped["pos"].to_pylist())
    assert both == rows["pos"].to_pylist()
    assert verdict.kept["pos"].to_pylist() == sorted(verdict.kept["pos"].to_pylist())
    again = filters(verdict.kept, FiltersConfig())
    assert again.kept.equals(verdict.kept)
    assert again.flagged.equals(verdict.flagged)


@settings(deadline=None, max_examples=100)
@given(PAIRS)
def test_a_row_is_judged_by_itself(pairs: list[tuple[str, str]]) -> None:
    """All filters but boilerplate look at one row; what stands around it must not matter."""
    together = filters(table(pairs), FiltersConfig())
    reasons = {line["pos"]: line["reason"] for line in together.dropped.to_pylist()}
    for number, pair in enumerate(pairs):
        alone = filters(table([pair]), FiltersConfig()).dropped["reason"].to_pylist()
        assert alone == ([reasons[number * 2]] if number * 2 in reasons else [])


@settings(deadline=None, max_examples=200)
@given(st.lists(TEXT, min_size=1, max_size=5))
def test_the_compiled_counts_are_those_of_python(texts: list[str]) -> None:
    column = pa.chunked_array([pa.array(texts, pa.large_string())])
    counters = scan(column, column).counters
    assert counters[:, CHARS].tolist() == [len(text) for text in texts]
    assert counters[:, FENCES].tolist() == [len(re.findall("`{3,}", text)) for text in texts]
