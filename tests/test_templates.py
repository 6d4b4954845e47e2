"""Templates: what each writes, what it refuses, and the law parse(render(x)) == x."""

from __future__ import annotations

import json
from functools import cache
from typing import Any

import pytest
from hypothesis import given, settings

from curation.errors import ConfigError
from curation.templates import LAYOUTS, Template, TemplateRefusal, load_template, render_lines, render_table
from tests.template_records import FOLDER, NAMES, chat, records, table, template

CASES = [json.loads(line) for line in (FOLDER / "cases.jsonl").read_text("utf-8").splitlines()]
made = cache(template)


def plain(name: str) -> Template:
    """Built-in templates without an end of turn of another's, as an export uses them."""
    return load_template(name) if name in LAYOUTS else made(name)


@pytest.mark.parametrize("case", CASES, ids=lambda case: f"{case['template']}: {case['why']}")
def test_cases(case: dict[str, Any]) -> None:
    record = {"messages": case["messages"], **({"tools": case["tools"]} if "tools" in case else {})}
    if "text" in case:
        assert plain(case["template"]).render(record).text == case["text"]
        return
    with pytest.raises(TemplateRefusal) as refused:
        plain(case["template"]).render(record)
    assert refused.value.reason == case["refused"]


@pytest.mark.parametrize("name", NAMES)
@settings(max_examples=120, deadline=None)
@given(record=records())
def test_laws(name: str, record: dict[str, Any]) -> None:
    """What is accepted comes back; spans and segments say where everything stands; BOS comes only when asked for."""
    chosen = made(name)
    try:
        rendered = chosen.render(record)
    except TemplateRefusal:
        return
    assert chosen.parse(rendered.text) == record["messages"]
    told = [(rendered.text[a:b], role) for a, b, role in rendered.spans]
    assert told == [(m["content"], m["role"]) for m in record["messages"]]
    with_bos = chosen.render(record, with_bos=True)
    assert with_bos.text == chosen.bos + rendered.text
    assert chosen.parse(with_bos.text) == record["messages"]
    told = [(with_bos.text[a:b], role) for a, b, role in with_bos.spans]
    assert told == [(m["content"], m["role"]) for m in record["messages"]]
    check_segments(chosen, record, rendered.text)


def check_segments(chosen: Template, record: dict[str, Any], text: str) -> None:
    pieces = chosen.segments(record)
    assert "".join(piece for piece, _ in pieces) == text
    answers = [m["content"] for m in record["messages"] if m["role"] == "assistant"]
    trained = [piece for piece, is_trained in pieces if is_trained]
    assert len(trained) == len(answers)
    for piece, answer in zip(trained, answers, strict=True):
        assert piece.endswith(chosen.end_of_turn)
        assert piece.removesuffix(chosen.end_of_turn).strip() == answer.strip()
    if answers and record["messages"][-1]["role"] == "assistant":
        before = {**record, "messages": record["messages"][:-1]}
        prompt = chosen.render(before, add_generation_prompt=True).text
        assert "".join(piece for piece, _ in pieces[: max(i for i, p in enumerate(pieces) if p[1])]) == prompt


@pytest.mark.parametrize("name", LAYOUTS)
@settings(max_examples=60, deadline=None)
@given(record=records())
def test_law_without_an_end_of_turn(name: str, record: dict[str, Any]) -> None:
    """alpaca, guanaco and plain as published: an answer ends where the next heading begins."""
    chosen = plain(name)
    try:
        text = chosen.render(record).text
    except TemplateRefusal:
        return
    assert chosen.parse(text) == record["messages"]


@pytest.mark.parametrize("name", NAMES)
def test_very_long_contents(name: str) -> None:
    record = chat("x" * 3_000_000, "<" * 1_000_000 + "end")
    chosen = made(name)
    assert chosen.parse(chosen.render(record).text) == record["messages"]


@pytest.mark.parametrize("name", NAMES)
@settings(max_examples=30, deadline=None)
@given(record=records())
def test_a_table_renders_as_its_rows_do(name: str, record: dict[str, Any]) -> None:
    """The columns are a shortcut, not a second way: same text, same reason."""
    found = [record, chat("q", "a"), {**record, "tools": [{"name": "f"}]}]
    rendered = render_table(table(found), made(name))
    expected: dict[int, str] = {}
    for pos, row in enumerate(found):
        try:
            expected[pos] = made(name).render(row).text
        except TemplateRefusal as refusal:
            expected[pos] = refusal.reason
    told = dict(zip(rendered.rows["pos"].to_pylist(), rendered.texts, strict=True))
    refused = dict(zip(rendered.refused["pos"].to_pylist(), rendered.refused["reason"].to_pylist(), strict=True))
    assert told | refused == expected
    assert not told.keys() & refused.keys()


def test_a_null_content_and_a_name_are_not_lost_in_a_table() -> None:
    null = {"messages": [{"role": "user", "content": "q"}, {"role": "assistant", "content": None}], "meta": {}}
    named = chat("q", "a")
    named["messages"][0]["name"] = "Ana"
    quoting = chat('{"name": "x", "tool_calls": []}', "a")
    rendered = render_table(table([null, named, quoting]), made("chatml"))
    assert rendered.refused["reason"].to_pylist() == ["empty_content", "field_not_supported"]
    assert rendered.rows["pos"].to_pylist() == [2]


def test_lines_of_a_rendered_export() -> None:
    lines = list(render_lines(table([chat("é", "a"), chat("[INST]", "b")]), load_template("llama2")))
    assert lines == ['{"text":"<s>[INST] é [/INST] a </s>"}\n'.encode()]


def test_generation_prompts() -> None:
    prompts = {n: load_template(n).render(chat("Hi"), add_generation_prompt=True).text for n in LAYOUTS}
    assert prompts["llama2"] == "[INST] Hi [/INST]"
    assert prompts["llama3"].endswith("Hi<|eot_id|><|start_header_id|>assistant<|end_header_id|>\n\n")
    assert prompts["chatml"].endswith("Hi<|im_end|>\n<|im_start|>assistant\n")
    assert prompts["alpaca"].endswith("Hi\n\n### Response:\n")
    assert prompts["guanaco"] == "### Human: Hi ### Assistant:"
    assert prompts["plain"] == "User: Hi\n\nAssistant:"
    with pytest.raises(TemplateRefusal, match="role_order"):
        load_template("chatml").render(chat("Hi", "Hello"), add_generation_prompt=True)


def test_bos_is_said_and_may_be_another() -> None:
    assert (load_template("llama2").bos, load_template("llama2").bos_in_template) == ("<s>", True)
    assert (load_template("chatml").bos, load_template("chatml").bos_in_template) == ("", False)
    other = load_template("llama2", bos="<B>")
    assert other.render(chat("a", "b", "c", "d"), with_bos=True).text.startswith(
        "<B>[INST] a [/INST] b </s><B>[INST] c"
    )
    with pytest.raises(TemplateRefusal, match="contains_marker"):
        other.render(chat("<B>", "b"))


@pytest.mark.parametrize("name", ["alpaca", "guanaco", "plain"])
def test_nothing_ends_an_answer(name: str) -> None:
    with pytest.raises(ConfigError) as error:
        load_template(name).segments(chat("q", "a"))
    assert str(error.value) == f'template {name}: nothing ends an answer; give the tokenizer\'s end token (eos: "</s>")'


def test_a_text_in_another_layout_is_not_read() -> None:
    with pytest.raises(TemplateRefusal, match="not_this_layout: the text does not read as chatml"):
        load_template("chatml").parse("### Human: Hi ### Assistant: Hello!")


def test_unknown_name() -> None:
    with pytest.raises(ConfigError) as error:
        load_template("chatlm")
    assert str(error.value) == 'template "chatlm" is neither a file or folder nor built in; did you mean "chatml"?'


@pytest.mark.parametrize("name", NAMES)
def test_a_text_of_nothing_but_markers_is_soon_refused(name: str) -> None:
    """100,000 markers in no order must not be tried in 100,000 shapes."""
    with pytest.raises(TemplateRefusal, match="not_this_layout"):
        made(name).parse("".join(made(name).markers) * 30_000)


def test_many_turns() -> None:
    record = chat(*(f"turn {i}" for i in range(400)))
    for name in ("llama2", "guanaco", "qwen.jinja"):
        assert made(name).parse(made(name).render(record).text) == record["messages"]
