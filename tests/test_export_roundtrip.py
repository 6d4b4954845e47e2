"""What a layout writes, the reader of that format reads back as the same conversation."""

from __future__ import annotations

from typing import Any

import orjson
from hypothesis import given
from hypothesis import strategies as st

from curation.export.layouts import LAYOUTS, CannotExpressError
from curation.formats import alpaca, messages, prompt_completion, sharegpt
from curation.records import canonical

READERS = {
    "messages": messages.convert,
    "alpaca": alpaca.convert,
    "sharegpt": sharegpt.convert,
    "prompt_completion": prompt_completion.convert,
}

text = st.text(st.characters(exclude_categories=["Cs"]), max_size=5)
call = st.builds(lambda name: {"type": "function", "function": {"name": name, "arguments": {}}}, text)
message = st.one_of(
    st.builds(lambda role, content: {"role": role, "content": content}, st.sampled_from(["user", "assistant"]), text),
    st.builds(lambda content: {"role": "tool", "content": content}, text),
    st.builds(
        lambda calls: {"role": "assistant", "content": None, "tool_calls": calls},
        st.lists(call, min_size=1, max_size=2),
    ),
)
question_answer = st.builds(
    lambda q, a: [{"role": "user", "content": q}, {"role": "assistant", "content": a}], text, text
)
system = st.builds(lambda content: [{"role": "system", "content": content}], text)
conversation = st.one_of(
    st.lists(message, min_size=1, max_size=4),
    question_answer,
    st.builds(
        lambda s, turns: s + [m for pair in turns for m in pair],
        system | st.just([]),
        st.lists(question_answer, min_size=1, max_size=3),
    ),
)
tools = st.sampled_from([{}, {"tools": [{"type": "function", "function": {"name": "f"}}]}])
record = st.builds(lambda turns, more: {"messages": turns, "meta": {}, **more}, conversation, tools)


@given(record=record, name=st.sampled_from(sorted(LAYOUTS)))
def test_what_is_written_reads_back(record: dict[str, Any], name: str) -> None:
    try:
        row = LAYOUTS[name].rendered(canonical(record))
    except CannotExpressError:
        assert name != "messages"
        return
    read = READERS[name](orjson.loads(canonical(row)))
    assert read["messages"] == record["messages"]
    assert read.get("tools") == record.get("tools")


@given(turns=question_answer, name=st.sampled_from(sorted(LAYOUTS)))
def test_every_layout_holds_one_question_and_one_answer(turns: list[dict[str, Any]], name: str) -> None:
    record = {"messages": turns, "meta": {}}
    read = READERS[name](LAYOUTS[name].rendered(canonical(record)))
    assert read["messages"] == turns
