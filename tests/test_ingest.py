"""Ingest: every unit becomes a row or is quarantined with a reason; format by evidence; the error budget."""

from __future__ import annotations

import hashlib
import json
import pickle
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from curation import tables
from curation.errors import ConfigError, DataError
from curation.ingest import Ingested, IngestOptions, ingest
from curation.reading.sources import SourceSpec, expand
from curation.records import canonical

ALPACA = {"instruction": "a", "input": "", "output": "b"}
CHAT = {"messages": [{"role": "user", "content": "a"}, {"role": "assistant", "content": "b"}]}


def _ingest(tmp_path: Path, lines: Sequence[Any], batch_size: int = 4096, **spec: Any) -> Ingested:
    """Ingest lines (objects, or text as it is) written to raw.jsonl."""
    text = "".join((line if isinstance(line, str) else json.dumps(line)) + "\n" for line in lines)
    (tmp_path / "raw.jsonl").write_text(text, encoding="utf-8")
    source = expand([SourceSpec("raw.jsonl", **spec)], tmp_path)[0]
    return ingest(source, IngestOptions(batch_size=batch_size, root=tmp_path))


def test_rows_and_units(tmp_path: Path) -> None:
    done = _ingest(tmp_path, [ALPACA, "", {**ALPACA, "id": 7}])
    record = canonical({"messages": CHAT["messages"], "meta": {"id": 7}})
    assert done.rows.schema == tables.ROWS
    assert done.units.schema == tables.UNITS
    assert done.rows.to_pylist()[1] == {
        "pos": 1,
        "source": 0,
        "row_id": hashlib.sha256(record).digest()[:16],
        "roles": "ua",
        "system": "",
        "prompt": "a",
        "answer": "b",
        "record": record,
    }
    assert done.units["line"].to_pylist() == [1, 3]
    assert done.units["pos"].to_pylist() == done.units["unit"].to_pylist() == [0, 1]
    assert (done.format, done.blank, done.dropped.num_rows) == ("alpaca", 1, 0)
    assert done.evidence == "fields instruction, input, output in 2 of 2 rows; next best: none"


def test_evidence_names_the_fields_that_are_there(tmp_path: Path) -> None:
    done = _ingest(tmp_path, [{"query": "a", "response": "b", "id": 1}])
    assert done.evidence == "fields query, response in 1 of 1 rows; next best: none"


def test_every_unit_has_one_fate(tmp_path: Path) -> None:
    lines = [ALPACA, "{broken", {"instruction": "a", "output": 5}, CHAT, {"x": 1}, "5", ALPACA]
    for size in (1, 2, 4096):
        done = _ingest(tmp_path, lines, batch_size=size)
        assert done.rows["pos"].to_pylist() == [0, 3, 6]
        assert done.dropped["pos"].to_pylist() == [1, 2, 4, 5]
        assert set(done.dropped["verdict"].to_pylist()) == {"quarantined"}
        assert done.dropped["reason"].to_pylist()[1:3] == ["invalid", "no_format"]
        assert done.dropped["detail"].to_pylist()[1:3] == [
            "not alpaca: /output: 5 is not text or null; change it",
            "no known format fits; seen: x; name its fields in a mapping, or leave it out",
        ]
        assert [unit for unit, _, _ in done.quarantine] == [1, 2, 4, 5]
        assert done.quarantine[0][2] == b"{broken"
        assert sum(done.reasons.values()) == 4


def test_a_row_of_another_known_format_is_converted_by_that(tmp_path: Path) -> None:
    done = _ingest(tmp_path, [ALPACA] * 5 + [CHAT])
    assert done.rows.num_rows == 6
    assert len(set(done.rows["row_id"].to_pylist())) == 1, "the same record whatever its layout was"
    assert (
        done.evidence
        == "fields instruction, input, output in 5 of 6 rows; next best: messages 1; other rows: messages 1"
    )


def test_the_sample_is_spread_over_the_rows(tmp_path: Path) -> None:
    done = _ingest(tmp_path, [ALPACA] * 300 + [CHAT] * 700)
    assert done.format == "messages"
    assert done.rows.num_rows == 1000


def test_the_first_readable_row_may_come_late(tmp_path: Path) -> None:
    done = _ingest(tmp_path, ["{"] * 9 + [ALPACA], batch_size=2)
    assert (done.format, done.rows.num_rows, done.dropped.num_rows) == ("alpaca", 1, 9)


def test_a_format_set_in_the_recipe_is_taken_at_its_word(tmp_path: Path) -> None:
    done = _ingest(tmp_path, [ALPACA, CHAT], format="alpaca")
    assert done.evidence == "set in the recipe"
    assert done.dropped["reason"].to_pylist() == ["no_format"]


def test_nothing_fits_proposes_a_mapping(tmp_path: Path) -> None:
    with pytest.raises(DataError) as error:
        _ingest(tmp_path, [{"Title": "a", "Body": "b", "passage": "c"}])
    assert str(error.value) == (
        "raw.jsonl: no known format fits its rows, which have the fields Title, Body, passage; say in recipe.yaml "
        "which hold prompt and answer: "
        "{path: raw.jsonl, format: mapping, mapping: {prompt: [Title, passage], answer: Body}}"
    )


def test_a_mapping(tmp_path: Path) -> None:
    lines = [{"Title": "a", "Body": {"text": "b"}, "n": 1}, {"Title": "c"}]
    done = _ingest(tmp_path, lines, mapping={"prompt": "Title", "answer": "Body.text"})
    assert (done.format, done.rows["prompt"].to_pylist(), done.rows["answer"].to_pylist()) == ("mapping", ["a"], ["b"])
    assert done.dropped["detail"].to_pylist() == ['no field "Body.text"; the row has Title']


def test_format_mapping_without_a_mapping(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"raw\.jsonl: format is mapping, but the recipe gives no mapping"):
        _ingest(tmp_path, [ALPACA], format="mapping")


def test_the_users_schema_sees_the_raw_object(tmp_path: Path) -> None:
    schema = {"required": ["ticket"], "properties": {"ticket": {"type": "integer"}}}
    (tmp_path / "own.json").write_text(json.dumps(schema))
    done = _ingest(tmp_path, [{**ALPACA, "ticket": 1}, {**ALPACA, "ticket": "1"}, ALPACA], schema="own.json")
    assert done.rows["pos"].to_pylist() == [0]
    assert done.dropped["reason"].to_pylist() == ["invalid", "invalid"]
    assert done.dropped["detail"].to_pylist() == [
        '/ticket: "1" is not a whole number; change it',
        'row: "ticket" is missing; add it',
    ]


def test_the_error_budget_names_causes_and_lines(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"raw.jsonl: 21 of 22 units .* no_format 21 \(first at line 2\)"):
        _ingest(tmp_path, [ALPACA] + [{"x": 1}] * 21)
    assert _ingest(tmp_path, [ALPACA] + [{"x": 1}] * 21, max_bad=1.0).rows.num_rows == 1


def test_a_source_without_rows(tmp_path: Path) -> None:
    done = _ingest(tmp_path, ["", ""])
    assert (done.units.num_rows, done.blank, done.format) == (0, 2, "unknown")
    assert done.rows.schema == tables.ROWS


def test_lamini_wrapper_is_in_the_evidence(tmp_path: Path) -> None:
    done = _ingest(tmp_path, [{"question": "### Question:\nHow?\n\n### Answer:", "answer": "So."}])
    assert done.rows["prompt"].to_pylist() == ["How?"]
    assert done.evidence.endswith('wrapper "### Question: ... ### Answer:" taken off 1 of 1')


def test_big_integers_survive_and_the_result_can_be_sent_to_another_process(tmp_path: Path) -> None:
    big = 2**80
    done = pickle.loads(pickle.dumps(_ingest(tmp_path, [{**ALPACA, "n": big}])))
    assert json.loads(done.rows["record"][0].as_py())["meta"] == {"n": big}


def test_progress_is_told_bytes(tmp_path: Path) -> None:
    (tmp_path / "raw.jsonl").write_text(json.dumps(ALPACA) + "\n")
    told: list[int] = []
    ingest(expand([SourceSpec("raw.jsonl")], tmp_path)[0], IngestOptions(), told.append)
    assert told[-1] == (tmp_path / "raw.jsonl").stat().st_size
