"""Each format's converter against its fixture, and the laws that hold for all: nothing lost, records valid."""

from __future__ import annotations

import contextlib
import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from curation.formats import guanaco, llama2, mapping
from curation.formats.errors import FormatError
from curation.formats.known import NAMES, known
from curation.records import canonical, sides
from curation.validate import format_validator

FIXTURES = Path(__file__).parent / "fixtures" / "formats"


def _cases() -> list[Any]:
    return [
        pytest.param(path.stem, case, id=f"{path.stem}: {case['why']}")
        for path in sorted(FIXTURES.glob("*.jsonl"))
        for case in map(json.loads, path.read_text(encoding="utf-8").splitlines())
    ]


def _convert(name: str, case: dict[str, Any]) -> dict[str, Any]:
    if name == "mapping":
        return mapping.converter(case["mapping"])(case["obj"])
    return known(name).convert(case["obj"])


@pytest.mark.parametrize(("name", "case"), _cases())
def test_fixture(name: str, case: dict[str, Any]) -> None:
    before = canonical(case["obj"])
    if "explains" in case:
        assert known(name).validator.explain(case["obj"]) == case["explains"]
    elif "refused" in case:
        with pytest.raises(FormatError) as error:
            _convert(name, case)
        assert error.value.reason == case["refused"]
        assert case.get("detail", error.value.detail) == error.value.detail
    else:
        assert name == "mapping" or known(name).validator.is_valid(case["obj"])
        record = _convert(name, case)
        assert record["messages"] == case["messages"]
        assert record["meta"] == case["meta"]
        assert record.get("tools") == case.get("tools")
        assert format_validator("record.schema.json").explain(record) == ""
    assert canonical(case["obj"]) == before, "a converter must not change what it reads"


def test_every_format_has_fixtures() -> None:
    assert {path.stem for path in FIXTURES.glob("*.jsonl")} == {*NAMES, "mapping"}


@pytest.mark.parametrize("name", NAMES)
def test_schema_takes_extra_fields(name: str) -> None:
    case = next(case for other, case in (param.values for param in _cases()) if other == name and "messages" in case)
    obj = {**case["obj"], "anything": {"else": [1, None]}}
    assert known(name).validator.is_valid(obj)
    assert known(name).convert(obj)["meta"]["anything"] == {"else": [1, None]}


_texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=30)
_json = st.recursive(st.none() | st.booleans() | st.integers() | _texts, lambda inner: st.lists(inner, max_size=3))


@given(_texts, _texts, _texts, st.dictionaries(_texts, _json, max_size=4))
def test_alpaca_loses_nothing(instruction: str, given_input: str, output: str, extra: dict[str, Any]) -> None:
    known_fields = {"instruction", "input", "output", "system", "history"}
    extra = {k: v for k, v in extra.items() if k not in known_fields}
    obj = {**extra, "instruction": instruction, "input": given_input, "output": output}
    record = known("alpaca").convert(obj)
    assert record["meta"] == extra
    user, assistant = record["messages"]
    assert user["content"] == "\n".join(filter(None, (instruction, given_input)))
    assert assistant["content"] == output


# Text of a turn as a careful writer of the layout would have it: no marker of its own.
_pieces = st.text(st.sampled_from("ab #:\n."), max_size=12)


@given(st.lists(st.tuples(_pieces, _pieces), min_size=1, max_size=4), st.booleans())
def test_guanaco_reads_what_was_written(turns: list[tuple[str, str]], lines: bool) -> None:
    break_ = "\n" if lines else " "
    text = break_.join(f"### Human: {u}{break_}### Assistant: {a}" for u, a in turns)
    messages = guanaco.convert({"text": text})["messages"]
    assert [m["content"] for m in messages] == [side for turn in turns for side in turn]


@given(st.lists(st.tuples(_pieces, _pieces), min_size=1, max_size=4))
def test_llama2_reads_what_was_written(turns: list[tuple[str, str]]) -> None:
    text = "".join(f"<s>[INST] {u} [/INST] {a} </s>" for u, a in turns)
    messages = llama2.convert({"text": text})["messages"]
    assert [m["content"] for m in messages] == [side for turn in turns for side in turn]


_scalars = st.sampled_from([None, "", "a", "### Human: b", "[INST] c", "{}", '[{"name": "f"}]', 5, True])
_values = st.recursive(
    _scalars,
    lambda inner: (
        st.lists(inner, max_size=2)
        | st.dictionaries(st.sampled_from(["type", "text", "value", "name", "cache"]), inner, max_size=2)
    ),
    max_leaves=4,
)
_turn = st.fixed_dictionaries(
    {},
    optional={
        "role": st.sampled_from(["user", "assistant", "tool", "function_call", "gpt4"]),
        "from": st.sampled_from(["human", "gpt", "function_call", "observation", "x"]),
        **dict.fromkeys(["content", "value", "tool_calls", "function_call", "tool_call_id", "name", "weight"], _values),
    },
)
_fields = ["system", "tools", "instruction", "input", "output", "text", "question", "answer", "history"]
_objects = st.fixed_dictionaries(
    {},
    optional={
        **dict.fromkeys(["messages", "conversations", "prompt", "completion"], st.lists(_turn, max_size=3) | _values),
        **dict.fromkeys(_fields, _values),
    },
)


@settings(max_examples=150, suppress_health_check=[HealthCheck.too_slow])
@given(_objects)
def test_what_a_format_accepts_becomes_a_valid_record_or_is_refused(obj: dict[str, Any]) -> None:
    for name in NAMES:
        if known(name).validator.is_valid(obj):
            with contextlib.suppress(FormatError):
                record = known(name).convert(obj)
                assert format_validator("record.schema.json").explain(record) == ""
                sides(record["messages"])


_roles = st.sampled_from(["system", "user", "assistant", "tool"])


@given(st.lists(st.fixed_dictionaries({"role": _roles, "content": st.none() | _texts}), max_size=5))
def test_sides_of_two_messages_are_those_of_any_number(messages: list[dict[str, Any]]) -> None:
    """The short way for question and answer gives what the long way gives."""
    long_way = sides([*messages, {"role": "tool", "content": ""}])
    if any(m["role"] == "assistant" for m in messages):
        assert sides(messages) == (long_way[0][:-1], *long_way[1:])
