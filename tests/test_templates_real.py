"""Templates on published data: rows of a layout come out as they went in, byte for byte."""

from __future__ import annotations

import gzip
from collections import Counter

import orjson
import pyarrow.parquet as pq
import pytest

from curation.formats import alpaca, guanaco, llama2
from curation.templates import LAYOUTS, load_template, render_table
from tests.shared_data import shared
from tests.template_records import FOLDER, JINJA, chat, table


def unpacked(name: str) -> bytes:
    return gzip.decompress(shared(name).read_bytes())


def test_guanaco_llama2_1k_comes_out_as_it_is() -> None:
    texts = pq.read_table(shared("qlora_oa/guanaco-llama2-1k.parquet"))["text"].to_pylist()
    chosen = load_template("llama2")
    assert [chosen.render(llama2.convert({"text": text}), with_bos=True).text for text in texts] == texts


def test_oasst_guanaco_comes_out_as_it_is() -> None:
    lines = unpacked("qlora_oa/oasst_guanaco_text.jsonl.gz").splitlines()
    texts = [orjson.loads(line)["text"] for line in lines]
    chosen = load_template("guanaco")
    assert [chosen.render(guanaco.convert({"text": text})).text for text in texts] == texts


def test_naughty_strings() -> None:
    """Control characters, scripts, injections: every template gives back what it accepts."""
    naughty = orjson.loads(unpacked("blns/blns.json.gz"))
    for name in (*LAYOUTS, *JINJA):
        chosen = load_template(name if name in LAYOUTS else FOLDER / name, eos="</s>")
        rows = [chat(text, text) for text in naughty]
        rendered = render_table(table(rows), chosen)
        accepted = [rows[pos]["messages"] for pos in rendered.rows["pos"].to_pylist()]
        assert [chosen.parse(text) for text in rendered.texts] == accepted
        assert len(accepted) >= 480, Counter(rendered.refused["reason"].to_pylist())


@pytest.mark.slow
@pytest.mark.parametrize("name", [*LAYOUTS, *JINJA])
def test_the_mixed_corpus(name: str) -> None:
    """50,000 rows: all come back that are accepted, and nothing is refused but markers and trimmed white space."""
    found = [alpaca.convert(orjson.loads(line)) for line in unpacked("mixed/instructions_50k.jsonl.gz").splitlines()]
    chosen = load_template(name if name in LAYOUTS else FOLDER / name, eos="</s>")
    rendered = render_table(table(found), chosen)
    for pos, text in zip(rendered.rows["pos"].to_pylist(), rendered.texts, strict=True):
        assert chosen.parse(text) == found[pos]["messages"]
    reasons = Counter(rendered.refused["reason"].to_pylist())
    assert reasons["contains_marker"] < 30
    assert set(reasons) <= {"contains_marker", "whitespace_not_kept"}
    assert rendered.rows.num_rows + rendered.refused.num_rows == len(found)
