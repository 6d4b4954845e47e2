"""Laws of reading: nothing is lost, duplicate keys never hide, and real files read as they should."""

from __future__ import annotations

import gzip
import json
import tarfile
from pathlib import Path

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from curation.errors import DataError
from curation.reading.diagnose import DuplicateKeyError, parse_exactly
from curation.reading.parse import parse_units
from curation.reading.sources import SourceSpec, expand
from curation.reading.unit import MAX_RAW, MAX_UNIT
from tests.shared_data import shared
from tests.test_reading_units import read, source_of, verdicts

# bad line 6 of each file: its reason, or ok where the line is sound JSON that later stages judge
BAD_LINES = {
    "bad_utf8": {6: "bad_utf8"},
    "blank_line": {},
    "bom": {},
    "crlf": {},
    "dup_key": {6: "duplicate_key"},
    "extra_key": {},
    "lone_surrogate": {6: "lone_surrogate"},
    "nan": {6: "nan"},
    "no_final_newline": {},
    "not_object": {6: "not_an_object"},
    "nul_byte": {},  # the NUL is escaped, so the JSON is sound
    "raw_newline_in_string": {6: "truncated_json", 7: "not_json"},
    "trailing_comma": {6: "trailing_comma"},
    "truncated": {6: "truncated_json"},
    "two_objects_one_line": {6: "two_values"},
    "type_change": {},
}

_keys = st.sampled_from(["a", "b", ":", "a:b", "é", '"', "\\"])
_scalars = st.one_of(st.integers(), st.text(max_size=6), st.just("::"), st.booleans(), st.none())


def _written(value: object, escape: bool) -> str:
    text = json.dumps(value, ensure_ascii=False)
    return text.replace(":", "\\u003a") if escape and isinstance(value, str) else text


@st.composite
def _objects(draw: st.DrawFn, depth: int = 2) -> str:
    """JSON text of an object whose keys may repeat at any depth and whose colons may be escaped."""
    pairs = []
    for key in draw(st.lists(_keys, max_size=4)):
        nested = depth and draw(st.booleans())
        value = draw(_objects(depth - 1)) if nested else _written(draw(_scalars), draw(st.booleans()))
        pairs.append(f"{_written(key, draw(st.booleans()))}:{value}")
    return "{" + ",".join(pairs) + "}"


@given(st.lists(_objects(), min_size=1, max_size=6))
@settings(max_examples=300, deadline=None)
def test_the_fast_duplicate_check_agrees_with_the_slow_one(texts: list[str]) -> None:
    raws = [text.encode() for text in texts]
    values, bad = parse_units(raws)
    for place, raw in enumerate(raws):
        try:
            assert values[place] == parse_exactly(raw)
            assert place not in bad
        except DuplicateKeyError:
            assert bad[place].reason == "duplicate_key"


@pytest.mark.parametrize("number", [2**63, -(2**63) - 1, 2**64 - 1, 2**64, 10**40])
def test_integers_of_any_size_stay_exact(number: int) -> None:
    assert parse_units([b'{"n":%d}' % number]) == ([{"n": number}], {})


_line = st.one_of(
    st.binary(max_size=12).map(lambda raw: raw.replace(b"\n", b"")),
    st.sampled_from([b'{"a":1}', b"", b"  ", b'{"a":', b'{"a":"\xc3\xa9"}\r', b"[1]", b'{"a":1,"a":2}']),
)


@given(st.lists(_line, max_size=20), st.booleans())
@settings(max_examples=150, deadline=None)
def test_no_line_is_lost(tmp_path_factory: pytest.TempPathFactory, lines: list[bytes], newline: bool) -> None:
    text = b'{"first":0}\n' + b"\n".join(lines) + (b"\n" if newline else b"")
    batch, blank = read(source_of(tmp_path_factory.mktemp("law"), "x.jsonl", text))
    physical = text.count(b"\n") + (0 if text.endswith(b"\n") else 1)
    assert len(batch) + blank == physical
    for value, offset, length in zip(batch.value, batch.offset, batch.length, strict=True):
        raw = text[offset : offset + length]
        assert b"\n" not in raw
        assert value is None or orjson.loads(raw) == value


_SOUND = [b'{"a":"[,{"}', b'{"a":{"b":[1,2]}}', b'{"a":"\\\\"}']
_element = st.sampled_from([*_SOUND, b'{"a":NaN}', b'{"a":"x}', b'{"a":[}', b'{"a":1}}'])


@given(st.lists(_element, max_size=12), st.sampled_from([b",", b",\n  ", b"\n , "]))
@settings(max_examples=150, deadline=None)
def test_an_array_reads_the_same_however_its_blocks_fall(
    tmp_path_factory: pytest.TempPathFactory, elements: list[bytes], between: bytes
) -> None:
    folder = tmp_path_factory.mktemp("law")
    text = b'[\n  {"first":0}' + b"".join(between + element for element in elements) + b"\n]\n"
    plain = read(source_of(folder, "x.json", text))
    packed = b"".join(gzip.compress(text[start : start + 5]) for start in range(0, len(text), 5))
    assert read(source_of(folder, "x.json.gz", packed), 3) == plain
    sound = sum(element in _SOUND for element in elements)
    if between == b",\n  ":  # elements on lines of their own: each bad one costs only itself
        assert len(plain[0]) == len(elements) + 1
        assert len(plain[0]) - len(plain[0].bad) == sound + 1


@pytest.mark.parametrize("name", BAD_LINES)
def test_bad_lines(name: str) -> None:
    path = shared(f"bad_lines/{name}.jsonl")
    text = path.read_bytes()
    (source,) = expand([SourceSpec(str(path))], path.parent)
    batch, blank = read(source)
    found = {batch.line[place]: bad.reason for place, bad in batch.bad.items()}
    assert found == BAD_LINES[name]
    lines = text.removesuffix(b"\n").split(b"\n")
    assert len(batch) + blank == len(lines)
    assert blank == (1 if name == "blank_line" else 0)
    for line, offset, length in zip(batch.line, batch.offset, batch.length, strict=True):
        assert text[offset : offset + length] == lines[line - 1].removeprefix(b"\xef\xbb\xbf").removesuffix(b"\r")


def test_json_test_suite() -> None:
    seen = {"y": 0, "n": 0}
    with tarfile.open(shared("jsontestsuite/jsontestsuite_half_a.tar.gz")) as archive:
        for member in archive.getmembers():
            name = member.name.rsplit("/", 1)[-1]
            file = archive.extractfile(member)
            if file is None or name[:2] not in ("y_", "n_"):
                continue
            _, bad = parse_units([file.read()])
            reason = bad[0].reason if bad else "ok"
            accepted = reason in ("ok", "not_an_object") or "duplicated_key" in name
            assert accepted == (name[0] == "y"), (name, reason)
            seen[name[0]] += 1
    assert seen["y"] > 30
    assert seen["n"] > 60


def test_alpaca_array_reads_whole(tmp_path: Path) -> None:
    text = gzip.decompress(shared("alpaca/alpaca_data.json.gz").read_bytes())
    batch, _ = read(source_of(tmp_path, "a.json", text))
    assert batch.value == orjson.loads(text)
    places = list(zip(batch.value, batch.line, batch.offset, batch.length, strict=True))
    for value, line, offset, length in places[::997]:
        assert orjson.loads(text[offset : offset + length]) == value
        assert text.count(b"\n", 0, offset) + 1 == line


@pytest.mark.slow
def test_a_line_of_100_mb_is_read_and_one_over_the_limit_is_quarantined(tmp_path: Path) -> None:
    path = tmp_path / "x.jsonl.gz"
    big = b'{"q":"' + b"x" * (100 << 20) + b'"}\n'
    with gzip.open(path, "wb", compresslevel=1) as file:
        file.write(big + b'{"q":"')
        for _ in range(MAX_UNIT >> 20):
            file.write(b"y" * (1 << 20))
        file.write(b'"}\n{"q":"after"}\n')
    (source,) = expand([SourceSpec("x.jsonl.gz")], tmp_path)
    batch, _ = read(source)
    assert verdicts(batch) == ["ok", "too_long", "ok"]
    assert batch.value[2] == {"q": "after"}
    assert batch.offset == [0, len(big), len(big) + MAX_UNIT + 9]
    assert len(batch.bad[1].raw) == MAX_RAW


@pytest.mark.parametrize("name", ["x.jsonl.gz", "x.jsonl.zst", "x.json.gz", "x.csv.gz"])
def test_a_cut_off_file_gives_its_units_and_one_bad_one(name: str, tmp_path: Path) -> None:
    import zstandard

    rows = [json.dumps({"n": n, "text": str(n * 7919) * 9}) for n in range(4000)]
    text = "[\n" + ",\n".join(rows) + "\n]" if ".json." in name else "\n".join(rows)
    if ".csv" in name:
        text = "n,text\n" + "\n".join(f"{n},{str(n * 7919) * 9}" for n in range(4000))
    pack = zstandard.compress if name.endswith("zst") else gzip.compress
    packed = pack(text.encode())
    batch, _ = read(source_of(tmp_path, name, packed[: len(packed) * 2 // 3]))
    assert len(batch) > (1 if name.endswith("zst") else 1000)
    assert list(batch.bad) == [len(batch) - 1]
    assert batch.bad[len(batch) - 1].reason == ("truncated_zstd" if name.endswith("zst") else "truncated_gzip")


def test_a_damaged_checksum_is_told(tmp_path: Path) -> None:
    packed = bytearray(gzip.compress(b'{"a":1}\n'))
    packed[-6] ^= 255
    batch, _ = read(source_of(tmp_path, "x.jsonl.gz", bytes(packed)))
    assert verdicts(batch)[-1] == "corrupt_gzip"


def test_a_file_that_changes_while_it_is_read_is_an_error(tmp_path: Path) -> None:
    source = source_of(tmp_path, "x.jsonl", b'{"a":1}\n')
    with (tmp_path / "x.jsonl").open("ab") as file:
        file.write(b'{"a":2}\n')
    with pytest.raises(DataError, match=r"^x.jsonl: changed while it was read; run again when it is complete$"):
        read(source)
