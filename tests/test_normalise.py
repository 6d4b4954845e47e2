"""Normalising: what changes, what must not, and that a second run changes nothing."""

from __future__ import annotations

import json
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from curation import tables
from curation.errors import ConfigError
from curation.records import canonical, row_id, sides
from curation.stages.normalise import NormaliseConfig, normalise


def _rows(records: list[dict[str, Any]]) -> Any:
    lines = []
    for pos, record in enumerate(records):
        payload = canonical(record)
        roles, system, prompt, answer = sides(record["messages"])
        texts = {"roles": roles, "system": system, "prompt": prompt, "answer": answer}
        lines.append({"pos": pos, "source": 0, "row_id": row_id(payload), **texts, "record": payload})
    return pa.Table.from_pylist(lines, tables.ROWS)


def _record(*texts: str | None, **meta: Any) -> dict[str, Any]:
    roles = ["user", "assistant"] * (len(texts) // 2)
    return {"messages": [{"role": r, "content": t} for r, t in zip(roles, texts, strict=True)], "meta": meta}


def _run(record: dict[str, Any], **config: Any) -> tuple[dict[str, Any], dict[str, Any]]:
    row = normalise(_rows([record]), NormaliseConfig(**config)).kept.to_pylist()[0]
    return row, json.loads(row["record"])


@pytest.mark.parametrize(
    ("before", "config", "after"),
    [
        (" a\n", {}, "a"),
        ("\u3000a\u00a0\x1f", {}, "a"),
        ("a\r\nb\rc\n", {}, "a\nb\nc"),
        ("cafe\u0301", {}, "caf\u00e9"),
        ("\u2126", {}, "\u03a9"),
        ("\ufb01", {}, "\ufb01"),
        (" a\r\n", {"strip": False}, " a\n"),
        (" a\r\nb ", {"newlines": "keep"}, "a\r\nb"),
        ("cafe\u0301 ", {"unicode": "none"}, "cafe\u0301"),
        (" cafe\u0301\r\n", {"unicode": "none", "newlines": "keep", "strip": False}, " cafe\u0301\r\n"),
        ("a  b\t\tc", {}, "a  b\t\tc"),
        ("", {}, ""),
    ],
)
def test_text(before: str, config: dict[str, Any], after: str) -> None:
    for texts in ((before, "x"), ("x", before), ("x", "y", before, "z"), ("x", before, "y", "z")):
        row, record = _run(_record(*texts), **config)
        expected = [after if text is before else text for text in texts]
        assert [m["content"] for m in record["messages"]] == expected
        assert (row["roles"], row["system"], row["prompt"], row["answer"]) == sides(record["messages"])


def test_row_id_meta_tools_and_calls_stay() -> None:
    call = {"type": "function", "function": {"name": "f", "arguments": " {}\r\n"}}
    record: dict[str, Any] = {
        "messages": [
            {"role": "system", "content": " be brief "},
            {"role": "user", "content": " a "},
            {"role": "assistant", "content": None, "tool_calls": [call]},
            {"role": "tool", "content": "1 "},
            {"role": "assistant", "content": "b "},
        ],
        "meta": {" key ": " v\r\n", "big": 2**80, "e": "e\u0301"},
        "tools": [{"description": " x "}],
    }
    row, after = _run(record)
    assert row["row_id"] == row_id(canonical(record))
    assert after["meta"] == record["meta"]
    assert after["tools"] == record["tools"]
    assert after["messages"][2] == record["messages"][2]
    assert [m["content"] for m in after["messages"]] == ["be brief", "a", None, "1", "b"]
    assert (row["system"], row["prompt"], row["answer"]) == ("be brief", "a\n\n1", "b")


def test_nothing_is_dropped_or_flagged_and_untouched_rows_keep_their_bytes() -> None:
    table = _rows([_record("a", "b"), _record(" a", "b", id=2), _record("a", None)])
    verdict = normalise(table, NormaliseConfig())
    assert (verdict.dropped.num_rows, verdict.flagged.num_rows) == (0, 0)
    assert verdict.kept.schema == tables.ROWS
    assert verdict.kept["pos"].to_pylist() == [0, 1, 2]
    changed = [x != y for x, y in zip(table["record"].to_pylist(), verdict.kept["record"].to_pylist(), strict=True)]
    assert changed == [False, True, False]


def test_no_rows() -> None:
    assert normalise(tables.ROWS.empty_table(), NormaliseConfig()).kept.num_rows == 0


_texts = st.text(st.sampled_from("ab \r\n\t\u0301\u0326e\u00e9s\u2126\u200b\ufeff"), max_size=8)


@given(st.lists(st.lists(_texts, min_size=2, max_size=2) | st.lists(_texts, min_size=4, max_size=4), max_size=4))
def test_a_second_run_changes_nothing(conversations: list[list[str]]) -> None:
    once = normalise(_rows([_record(*texts) for texts in conversations]), NormaliseConfig()).kept
    assert normalise(once, NormaliseConfig()).kept.equals(once)


@pytest.mark.parametrize(
    ("config", "said"),
    [
        ({"unicode": "nfkc"}, r"normalise\.unicode: 'nfkc' is not known; use nfc or none"),
        ({"newlines": "crlf"}, r"normalise\.newlines: 'crlf' is not known; use lf or keep"),
        ({"strip": "yes"}, r"normalise\.strip: 'yes' is not true or false"),
    ],
)
def test_config_refuses_other_words(config: dict[str, Any], said: str) -> None:
    with pytest.raises(ConfigError, match=said):
        NormaliseConfig(**config)
