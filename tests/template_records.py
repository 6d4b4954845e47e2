"""Random conversations and the templates that tests run them through."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pyarrow as pa
from hypothesis import strategies as st

from curation.records import canonical, row_id, sides
from curation.tables import ROWS
from curation.templates import LAYOUTS, Template, load_template

FOLDER = Path(__file__).resolve().parent / "fixtures" / "templates"
JINJA = ("chatml.jinja", "gemma.jinja", "llama3.jinja", "mistral.jinja", "qwen.jinja", "system_in_question.jinja")
NAMES = (*LAYOUTS, *JINJA)

# Bits of every template's markers, so that contents meet them whole, in halves, and across a content's end.
_BITS = (
    *("[INST]", "[/INST]", "[/INST", "[", " ", "  ", "\n", "\n\n", "<<SYS>>\n", "\n<</SYS>>\n\n", "</s>", "<s>", "<s"),
    *("<|im_start|>", "<|im_end|>", "<|im_end|", ">", "|>", "user\n", "assistant\n", "<|eot_id|>", "### ", "###"),
    *(
        "### Human:",
        "### Assistant: ",
        "### Response:",
        "\n\n### Instruction:\n",
        "User:",
        "\n\nAssistant:",
        "\n\nUser",
    ),
    *(
        "<start_of_turn>model\n",
        "<end_of_turn>",
        "{{ 7*7 }}",
        "{% endfor %}",
        "{#",
        "\x00",
        "\x1b[0m",
        "\u200b",
        "é",
        "שלום",
    ),
    *(
        "You are a helpful assistant.",
        "Today Date: 26 Jul 2024\n\n",
        "\ue0f10\ue0f2",
        "😀",
        "hello",
        "42",
        "\t",
        "\r\n",
    ),
)
contents = st.one_of(st.lists(st.sampled_from(_BITS), max_size=6).map("".join), st.text(max_size=20), st.just("plain"))
roles = st.builds(
    lambda system, pairs, last: "s" * system + "ua" * pairs + "u" * last,
    st.booleans(),
    st.integers(0, 3),
    st.booleans(),
).filter(lambda letters: letters.strip("s"))
NAMED = {"s": "system", "u": "user", "a": "assistant"}


@st.composite
def records(draw: st.DrawFn) -> dict[str, Any]:
    letters = draw(st.one_of(roles, st.text("sua", min_size=1, max_size=4)))
    return {"messages": [{"role": NAMED[letter], "content": draw(contents)} for letter in letters], "meta": {}}


def template(name: str) -> Template:
    """A built-in or fixture template with the tokens that Llama 2's tokenizer has."""
    if name in LAYOUTS:
        return load_template(name, eos="</s>")
    return load_template(FOLDER / name, bos="<s>", eos="</s>")


def table(found: list[dict[str, Any]]) -> Any:
    """Records as the build's table; pos is the place in the list."""
    lines = [(i, 0, row_id(canonical(r)), *sides(r["messages"]), canonical(r)) for i, r in enumerate(found)]
    return pa.Table.from_arrays(
        [pa.array([line[i] for line in lines], field.type) for i, field in enumerate(ROWS)], schema=ROWS
    )


def chat(*turns: str) -> dict[str, Any]:
    """A record of user and assistant in turn."""
    return {"messages": [{"role": ("user", "assistant")[i % 2], "content": t} for i, t in enumerate(turns)], "meta": {}}
