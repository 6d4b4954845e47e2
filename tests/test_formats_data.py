"""Published data sets: every row becomes a record or is quarantined, and the records lose nothing."""

from __future__ import annotations

import gzip
import json
from pathlib import Path
from typing import Any

import pytest

from curation.formats import mapping
from curation.formats.known import known
from curation.ingest import Ingested, IngestOptions, ingest
from curation.reading.sources import SourceSpec, expand
from tests.shared_data import shared

SETS = [
    ("lamini/lamini_docs.jsonl.gz", "question_answer", 1400),
    ("qlora_oa/oasst_guanaco_text.jsonl.gz", "guanaco", 953),
    ("chinkara/chinkara-open_qa.jsonl.gz", "guanaco", 3742),
    ("qlora_oa/guanaco-llama2-1k.parquet", "llama2", 1000),
    ("llamafactory_demo/glaive_toolcall_en_demo.json.gz", "sharegpt", 300),
    ("llamafactory_demo/v1_sft_demo.jsonl.gz", "messages", 500),
    ("fastchat/dummy_conversation.json.gz", "sharegpt", 500),
    ("alpagasus/dolly_3k.json.gz", "alpaca", 2996),
    ("llamafactory_demo/alpaca_zh_demo.json.gz", "alpaca", 1000),
    ("llamafactory_demo/identity.json.gz", "alpaca", 91),
    ("codealpaca/code_alpaca_2k.json.gz", "alpaca", 2017),
    ("codealpaca/new_codealpaca.json.gz", "alpaca", 4535),
    pytest.param("alpaca/alpaca_data.json.gz", "alpaca", 52002, marks=pytest.mark.slow),
]


def _ingest(name: str, **spec: Any) -> Ingested:
    path = shared(name)
    return ingest(expand([SourceSpec(path.name, **spec)], path.parent)[0], IngestOptions())


def _raw(name: str) -> list[dict[str, Any]]:
    text = gzip.decompress(shared(name).read_bytes()).decode()
    rows = json.loads(text) if ".json." in Path(name).name else [json.loads(line) for line in text.splitlines()]
    return list(rows)


@pytest.mark.parametrize(("name", "format_name", "rows"), SETS)
def test_every_row_converts(name: str, format_name: str, rows: int) -> None:
    done = _ingest(name)
    assert (done.format, done.rows.num_rows, done.reasons) == (format_name, rows, {})
    assert f"in {min(rows, 200)} of {min(rows, 200)} rows; next best: none" in done.evidence


def _texts(value: Any) -> list[str]:
    """All texts in a value, those inside JSON texts included, as a bag."""
    if isinstance(value, str):
        try:
            inner = json.loads(value)
        except ValueError:
            return [value]
        return _texts(inner) if isinstance(inner, (dict, list)) else [value]
    if isinstance(value, dict):
        return sorted(text for item in value.values() for text in _texts(item))
    return sorted(text for item in value for text in _texts(item)) if isinstance(value, list) else []


@pytest.mark.parametrize(
    ("name", "layout_words"),
    [
        ("llamafactory_demo/glaive_toolcall_en_demo.json.gz", {"human", "gpt", "function_call", "observation"}),
        ("llamafactory_demo/v1_sft_demo.jsonl.gz", {"user", "assistant", "text"}),
        ("fastchat/dummy_conversation.json.gz", {"human", "gpt"}),
    ],
)
def test_conversations_lose_no_text(name: str, layout_words: set[str]) -> None:
    convert = known(_ingest(name).format).convert
    ours = {"user", "assistant", "tool", "function"}
    for row in _raw(name):
        before = [text for text in _texts(row) if text not in layout_words]
        after = [text for text in _texts(convert(row)) if text not in ours]
        assert sorted(before) == sorted(after)


def test_loss_weights_stay_with_their_turns() -> None:
    rows = _ingest("llamafactory_demo/v1_sft_demo.jsonl.gz").rows
    record = json.loads(rows["record"][0].as_py())
    assert [extra["loss_weight"] for extra in record["meta"]["messages"]] == [0.0, 1.0]


def test_guanaco_joined_again_is_the_published_text() -> None:
    names = {"user": "### Human:", "assistant": "### Assistant:"}
    for row in _raw("qlora_oa/oasst_guanaco_text.jsonl.gz"):
        messages = known("guanaco").convert(row)["messages"]
        assert " ".join(f"{names[m['role']]} {m['content']}" for m in messages) == row["text"]


def test_llama2_joined_again_is_the_published_text() -> None:
    import pyarrow.parquet as pq

    for text in pq.read_table(shared("qlora_oa/guanaco-llama2-1k.parquet"))["text"].to_pylist():
        messages = known("llama2").convert({"text": text})["messages"]
        pairs = zip(messages[::2], messages[1::2], strict=True)
        assert "".join(f"<s>[INST] {u['content']} [/INST] {a['content']} </s>" for u, a in pairs) == text


def test_the_duplicate_field_of_new_codealpaca_is_kept_in_meta() -> None:
    for row in _raw("codealpaca/new_codealpaca.json.gz"):
        assert known("alpaca").convert(row)["meta"] == {"response": row["output"]}


def test_the_lamini_wrapper_is_gone_and_told() -> None:
    done = _ingest("lamini/lamini_docs.jsonl.gz")
    assert done.evidence.endswith('wrapper "### Question: ... ### Answer:" taken off 200 of 200')
    assert not any("###" in prompt for prompt in done.rows["prompt"].to_pylist())


def test_a_set_of_no_known_layout_by_mapping() -> None:
    fields = {"prompt": "instruction", "answer": "text"}
    done = _ingest("dolly_flan_t5/google_flan-t5-small_decode_output.jsonl.gz", mapping=fields)
    assert (done.rows.num_rows, done.reasons) == (6400, {})
    row = _raw("dolly_flan_t5/google_flan-t5-small_decode_output.jsonl.gz")[0]
    assert mapping.converter(fields)(row)["meta"] == {"decoded": row["decoded"], "id": row["id"]}


def test_broken_lines_are_quarantined_one_by_one() -> None:
    counts = {}
    for path in sorted(shared("bad_lines").glob("*.jsonl")):
        done = _ingest(f"bad_lines/{path.name}")
        counts[path.stem] = done.reasons
        assert done.rows.num_rows + sum(done.reasons.values()) == done.units.num_rows
    assert counts["type_change"] == {"invalid": 1}
    assert counts["extra_key"] == {}
