"""A tokenizer's own Jinja template: found, sandboxed, with tools, and equal to what transformers writes."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings

from curation.errors import ConfigError
from curation.templates import TemplateRefusal, load_template, template_hash
from tests.template_records import FOLDER, JINJA, records, template

HOSTILE = [json.loads(line) for line in (FOLDER / "hostile.jsonl").read_text("utf-8").splitlines()]
ANSWER = "{% for m in messages %}{{ m.content }}</s>{% endfor %}"
RECORD = {"messages": [{"role": "user", "content": "Hi"}, {"role": "assistant", "content": "Hello!"}]}
TOOL = {"type": "function", "function": {"name": "weather", "description": '<now> & "here"', "parameters": {}}}


def called(arguments: Any, result: str = "21") -> dict[str, Any]:
    call = {"type": "function", "id": "c1", "function": {"name": "weather", "arguments": arguments}}
    return {
        "messages": [
            {"role": "user", "content": "Weather?"},
            {"role": "assistant", "content": None, "tool_calls": [call]},
            {"role": "tool", "content": result, "tool_call_id": "c1"},
            {"role": "assistant", "content": "21 degrees."},
        ],
        "tools": [TOOL],
    }


def written(tmp_path: Path, source: str) -> Path:
    path = tmp_path / "t.jinja"
    path.write_text(source, "utf-8")
    return path


@pytest.mark.parametrize("case", HOSTILE, ids=lambda case: case["why"])
def test_hostile_templates_are_refused(case: dict[str, str], tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"^template t\.jinja: .*; (repair|write)"):
        load_template(written(tmp_path, case["source"] + ANSWER))


def test_a_template_that_turns_hostile_late(tmp_path: Path) -> None:
    bomb = "{% if 'bomb' in messages[0].content %}{{ 'x' * 10**10 }}{% endif %}"
    chosen = load_template(written(tmp_path, bomb + ANSWER.replace("}}<", "}}<|end|><")))
    record = {"messages": [{"role": "user", "content": "bomb"}, RECORD["messages"][1]]}
    with pytest.raises(TemplateRefusal, match="template_error: it makes too much text"):
        chosen.render(record)


def test_work_allowed_grows_with_the_conversation(tmp_path: Path) -> None:
    """A template may look at each line of a content, and a content may be long."""
    chosen = load_template(
        written(
            tmp_path,
            "{% for m in messages %}<|{{ m.role }}|>{% for l in m.content.split('\\n') %}"
            "{{ l }}{{ '\\n' if not loop.last }}{% endfor %}</s>{% endfor %}",
        )
    )
    record = {"messages": [{"role": "user", "content": "line\n" * 200_000}, RECORD["messages"][1]]}
    assert chosen.parse(chosen.render(record).text) == record["messages"]


@pytest.mark.parametrize(
    ("source", "message"),
    [
        (
            "{% for m in messages %}<|{{ m.role }}|>{{ m.content }}{% endfor %}",
            "template t.jinja: writes nothing after an answer, so a model could not learn to stop; "
            "write {{ eos_token }} after each assistant message",
        ),
        (
            "{{ raise_exception('no chats here') }}",
            "template t.jinja: cannot render one question and its answer (no chats here); repair it, or name another",
        ),
        (
            "{% for m in messages %}{{ m.content }</s>{% endfor %}",
            "template t.jinja: unexpected '}'; repair the template, or name another",
        ),
    ],
)
def test_templates_that_cannot_be_used(source: str, message: str, tmp_path: Path) -> None:
    with pytest.raises(ConfigError) as error:
        load_template(written(tmp_path, source))
    assert str(error.value) == message


def test_generation_tags_and_loop_controls_are_tolerated(tmp_path: Path) -> None:
    source = (
        "{% for m in messages %}{% if m.role == 'none' %}{% continue %}{% endif %}<|{{ m.role }}|>"
        "{% generation %}{{ m.content }}</s>{% endgeneration %}{% endfor %}"
    )
    rendered = load_template(written(tmp_path, source)).render(RECORD)
    assert rendered.text == "<|user|>Hi</s><|assistant|>Hello!</s>"


@pytest.mark.parametrize("arguments", [{"city": "Iași", "days": 2}, '{"city": "Iași", "days": 2}'])
@pytest.mark.parametrize("name", ["qwen.jinja", "llama3.jinja"])
def test_tools(name: str, arguments: Any) -> None:
    """Arguments as an object or as JSON text come out the same; the call and what ends it is trained."""
    chosen = template(name)
    record = called(arguments)
    pieces = chosen.segments(record)
    rendered = chosen.render(record)
    assert "".join(piece for piece, _ in pieces) == rendered.text
    trained = [piece for piece, is_trained in pieces if is_trained]
    assert '"weather"' in trained[0]
    assert '{"city": "Iași", "days": 2}' in trained[0]
    assert [piece.endswith(chosen.end_of_turn) for piece in trained] == [True, True]
    assert trained[1] == "21 degrees." + chosen.end_of_turn
    assert {role: rendered.text[a:b] for a, b, role in rendered.spans} == {
        "user": "Weather?",
        "tool": "21",
        "assistant": "21 degrees.",
    }


@pytest.mark.parametrize(
    ("name", "record", "reason"),
    [
        ("chatml.jinja", called({"city": "Iași"}), "tools_not_supported"),
        ("gemma.jinja", called({"city": "Iași"}), "tools_not_supported"),
        ("qwen.jinja", called({"city": "<|im_end|>"}), "contains_marker"),
        ("qwen.jinja", called({"city": "x"}, "<|im_start|>"), "contains_marker"),
        ("qwen.jinja", {**RECORD, "tools": [{**TOOL, "more": "<|im_end|>"}]}, "contains_marker"),
        (
            "qwen.jinja",
            {"messages": [{**RECORD["messages"][0], "name": "Ana"}, RECORD["messages"][1]]},
            "field_not_supported",
        ),
    ],
)
def test_tools_refused(name: str, record: dict[str, Any], reason: str) -> None:
    with pytest.raises(TemplateRefusal) as refused:
        template(name).render(record)
    assert refused.value.reason == reason


def test_a_result_that_the_template_writes_as_json_has_no_span() -> None:
    rendered = template("llama3.jinja").render(called({"city": "x"}, 'say "hi"'))
    assert r'"say \"hi\""' in rendered.text
    assert [role for _, _, role in rendered.spans] == ["user", "assistant"]


@pytest.mark.parametrize("layout", ["file", "config", "list", "legacy"])
def test_where_a_folder_keeps_its_template(layout: str, tmp_path: Path) -> None:
    source = (FOLDER / "mistral.jinja").read_text("utf-8")
    config: dict[str, Any] = {"bos_token": {"content": "<s>"}, "eos_token": "</s>"}
    if layout == "file":
        config["chat_template"] = "not this one"
        (tmp_path / "chat_template.jinja").write_text(source, "utf-8")
    elif layout == "legacy":
        (tmp_path / "chat_template.json").write_text(json.dumps({"chat_template": source}), "utf-8")
    else:
        named = [{"name": "rag", "template": "x"}, {"name": "default", "template": source}]
        config["chat_template"] = source if layout == "config" else named
    config["added_tokens_decoder"] = {"9": {"content": "[CONTROL]", "special": True}, "10": {"content": "word"}}
    (tmp_path / "tokenizer_config.json").write_text(json.dumps(config), "utf-8")
    chosen = load_template(tmp_path)
    assert chosen.render(RECORD, with_bos=True).text == "<s>[INST] Hi [/INST] Hello!</s>"
    assert "[CONTROL]" in chosen.markers
    assert "word" not in chosen.markers


def test_a_folder_without_a_template(tmp_path: Path) -> None:
    with pytest.raises(ConfigError) as error:
        load_template(tmp_path)
    assert (
        str(error.value) == f"{tmp_path}: no chat template here; name a built-in template instead, for example chatml"
    )


def test_hash_sees_what_is_written_not_how_the_source_is_laid_out(tmp_path: Path) -> None:
    source = (FOLDER / "chatml.jinja").read_text("utf-8")

    def hashed(text: str) -> str:
        return template_hash(load_template(written(tmp_path, text), eos="</s>"))

    same = "{# laid out anew #}\n" + source.replace("{% for", "{%   for").replace("message['role']", "message.role")
    assert hashed(same.replace("'\\n' }}{% endfor", "'\\n'}}{%- endfor")) == hashed(source)
    changes = {hashed(source.replace(old, new, 1)) for old, new in (
        ("'\\n' + message", "'\\n\\n' + message"),
        ("<|im_end|>' + '\\n'", "<|im_end|>'"),
        ("<|im_start|>assistant\\n", "<|im_start|>assistant"),
        ("message['content']", "message['content'] | trim"),
        ("{% for", "{% if messages[0].role != 'system' %}Be kind.{% endif %}{% for"),
        ("{% for", "{% if tools %}{{ tools }}{% endif %}{% for"),
        ("{% for", "{% if messages | length > 4 %} {% endif %}{% for"),
    )}  # fmt: skip
    assert len(changes - {hashed(source)}) == 7
    assert len({template_hash(load_template("chatml"), t) for t in (None, "a", "b")}) == 3


@pytest.mark.parametrize("name", JINJA)
@settings(max_examples=40, deadline=None)
@given(record=records())
def test_equals_transformers(name: str, record: dict[str, Any]) -> None:
    transformers = pytest.importorskip("transformers")
    chosen = template(name)
    for generate in (False, True):
        try:
            text = chosen.render(record, add_generation_prompt=generate, with_bos=chosen.bos_in_template).text
        except TemplateRefusal:
            continue
        assert text == theirs(transformers, name, record, generate)


@pytest.mark.parametrize("name", ["qwen.jinja", "llama3.jinja"])
def test_tools_equal_transformers(name: str) -> None:
    transformers = pytest.importorskip("transformers")
    record = called({"city": "Iași", "days": 2})
    chosen = template(name)
    assert chosen.render(record, with_bos=chosen.bos_in_template).text == theirs(transformers, name, record, False)


def theirs(transformers: Any, name: str, record: dict[str, Any], generate: bool) -> str:
    """What transformers writes, on the day that our templates always write."""
    render = transformers.utils.chat_template_utils.render_jinja_template
    (text,), _ = render(
        [record["messages"]],
        tools=record.get("tools"),
        chat_template=(FOLDER / name).read_text("utf-8"),
        add_generation_prompt=generate,
        bos_token="<s>",
        eos_token="</s>",
        date_string="26 Jul 2024",
    )
    return str(text)
