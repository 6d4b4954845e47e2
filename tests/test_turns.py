"""The turn check: fixtures, laws, and the published conversion with its seven cut conversations."""

from __future__ import annotations

import gzip
import json
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from curation import tables
from curation.errors import ConfigError
from curation.formats import guanaco, llama2, messages, sharegpt
from curation.records import canonical, row_id, sides
from curation.stages.turns import TurnsConfig, turns
from tests.shared_data import shared

FIXTURES = Path(__file__).parent / "fixtures"
CASES = [json.loads(line) for line in (FIXTURES / "turns.jsonl").read_text(encoding="utf-8").splitlines()]


def _rows(conversations: list[list[dict[str, Any]]]) -> Any:
    """ROWS of these conversations, pos counted in tens to tell it from the index."""
    columns: list[list[Any]] = [[] for _ in tables.ROWS]
    for i, conversation in enumerate(conversations):
        record = canonical({"messages": conversation, "meta": {}})
        row = [i * 10, 0, row_id(record), *sides(conversation), record]
        for column, value in zip(columns, row, strict=True):
            column.append(value)
    arrays = [pa.array(column, kind.type) for column, kind in zip(columns, tables.ROWS, strict=True)]
    return pa.Table.from_arrays(arrays, schema=tables.ROWS)


@pytest.mark.parametrize("case", CASES, ids=[case["why"] for case in CASES])
def test_fixture(case: dict[str, Any]) -> None:
    verdict = turns(_rows([case["messages"]]), TurnsConfig())
    found = [(line["reason"], line["detail"]) for line in verdict.dropped.to_pylist()]
    assert found == ([(case["reason"], case["detail"])] if case["reason"] else [])


@pytest.mark.parametrize(
    "case", [case for case in CASES if case["reason"] == "cut_conversation"][1:], ids=lambda c: c["why"]
)
def test_a_cut_is_found_whatever_the_layout(case: dict[str, Any]) -> None:
    """The same conversation as Llama-2 text, ShareGPT and messages."""
    pairs = list(zip(case["messages"][::2], case["messages"][1::2], strict=False))
    llama = "".join(f"<s>[INST] {u['content']} [/INST] {a['content']} </s>" for u, a in pairs)
    names = {"user": "human", "assistant": "gpt"}
    layouts = [
        llama2.convert({"text": llama}),
        sharegpt.convert(
            {"conversations": [{"from": names[m["role"]], "value": m["content"]} for m in case["messages"]]}
        ),
        messages.convert({"messages": case["messages"]}),
    ]
    verdict = turns(_rows([record["messages"] for record in layouts]), TurnsConfig())
    assert verdict.dropped["reason"].to_pylist() == ["cut_conversation"] * 3


def test_everything_at_once_keeps_order_and_count() -> None:
    table = _rows([case["messages"] for case in CASES])
    verdict = turns(table, TurnsConfig())
    sound = [i * 10 for i, case in enumerate(CASES) if not case["reason"]]
    assert verdict.kept["pos"].to_pylist() == sound
    assert verdict.kept.schema == tables.ROWS
    assert verdict.kept.num_rows + verdict.dropped.num_rows == table.num_rows
    assert verdict.dropped["pos"].to_pylist() == [i * 10 for i, case in enumerate(CASES) if case["reason"]]
    assert verdict.flagged.num_rows == 0


def test_flag_and_off() -> None:
    table = _rows([case["messages"] for case in CASES])
    flagged = turns(table, TurnsConfig(cut="flag", order="flag", empty="flag"))
    assert flagged.kept.num_rows == table.num_rows
    assert set(flagged.flagged["pos"].to_pylist()) == set(turns(table, TurnsConfig()).dropped["pos"].to_pylist())
    off = turns(table, TurnsConfig(cut="off", order="off", empty="off"))
    assert (off.kept.num_rows, off.dropped.num_rows, off.flagged.num_rows) == (table.num_rows, 0, 0)


def test_a_row_dropped_for_one_reason_still_shows_the_flags_of_another() -> None:
    case = next(case for case in CASES if "began with a heading" in case["why"])
    verdict = turns(_rows([case["messages"]]), TurnsConfig(cut="drop", empty="flag"))
    assert verdict.dropped["reason"].to_pylist() == ["cut_conversation"]
    assert verdict.flagged["reason"].to_pylist() == ["empty_turn"]


def test_config_refuses_other_words() -> None:
    with pytest.raises(ConfigError, match=r"turns\.cut: 'remove' is not known; use drop, flag, or off"):
        TurnsConfig(cut="remove")  # type: ignore[arg-type]  # what a recipe may hold


def test_no_rows() -> None:
    verdict = turns(tables.ROWS.empty_table(), TurnsConfig())
    assert (verdict.kept.num_rows, verdict.dropped.num_rows) == (0, 0)


_message = st.fixed_dictionaries(
    {
        "role": st.sampled_from(["system", "user", "assistant", "tool"]),
        "content": st.sampled_from([None, "", "a", "# b"]),
    }
)


@given(st.lists(st.lists(_message, min_size=1, max_size=6), max_size=6))
def test_no_row_is_lost_and_a_second_run_finds_nothing(conversations: list[list[dict[str, Any]]]) -> None:
    table = _rows(conversations)
    verdict = turns(table, TurnsConfig())
    assert verdict.kept.num_rows + verdict.dropped.num_rows == table.num_rows
    again = turns(verdict.kept, TurnsConfig())
    assert again.kept.equals(verdict.kept)
    assert again.dropped.num_rows == 0


def _dropped(records: list[dict[str, Any]]) -> dict[int, str]:
    verdict = turns(_rows([record["messages"] for record in records]), TurnsConfig())
    return {line["pos"] // 10: line["reason"] for line in verdict.dropped.to_pylist()}


def test_every_cut_conversation_of_guanaco_1k_is_found_and_no_sound_one_flagged() -> None:
    import pyarrow.parquet as pq

    truth = json.loads((FIXTURES / "turns_guanaco.json").read_text(encoding="utf-8"))
    texts = pq.read_table(shared(truth["file"]))["text"].to_pylist()
    found = _dropped([llama2.convert({"text": text}) for text in texts])
    assert found == {int(row): "cut_conversation" for row in truth["cut"]}


def test_sound_published_conversations_stay() -> None:
    guanaco_text = gzip.decompress(shared("qlora_oa/oasst_guanaco_text.jsonl.gz").read_bytes()).splitlines()
    assert _dropped([guanaco.convert(json.loads(line)) for line in guanaco_text]) == {}
    for name in ("llamafactory_demo/glaive_toolcall_en_demo.json.gz", "fastchat/dummy_conversation.json.gz"):
        rows = json.loads(gzip.decompress(shared(name).read_bytes()))
        assert _dropped([sharegpt.convert(row) for row in rows]) == {}


def test_the_published_converter_run_on_real_answers_is_found_out() -> None:
    """Answers with headings, put through that converter's own splitting: at least four of five give themselves away.

    The rest are not to be told from dialogue: a first piece that ends in a sentence, then two plain paragraphs.
    """
    rows = map(json.loads, gzip.decompress(shared("mixed/instructions_50k.jsonl.gz").read_bytes()).splitlines())
    cut = []
    for row in rows:
        if row["id"].startswith("alpacaeval") and row["output"].count("###") >= 2 and "###" not in row["instruction"]:
            pieces = [row["instruction"], *(piece.strip() for piece in row["output"].split("###"))]
            pieces = pieces[: len(pieces) // 2 * 2]
            roles = ["user", "assistant"] * (len(pieces) // 2)
            cut.append({"messages": [{"role": r, "content": p} for r, p in zip(roles, pieces, strict=True)]})
    assert len(cut) > 300
    assert len(_dropped(cut)) >= 0.8 * len(cut)
