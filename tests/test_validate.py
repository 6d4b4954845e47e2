"""Schemas decide, explanations point: every broken object gets one line with a pointer and what to do."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from jsonschema import Draft202012Validator

from curation.errors import ConfigError
from curation.formats.known import NAMES, known
from curation.validate import SCHEMAS, Validator, format_validator

OWN = ["record.schema.json", *sorted(f"formats/{path.name}" for path in SCHEMAS.glob("formats/*.json"))]


@pytest.mark.parametrize("name", OWN)
def test_own_schemas_are_draft_2020_12(name: str) -> None:
    schema = json.loads((SCHEMAS / name).read_text(encoding="utf-8"))
    assert schema["$schema"] == "https://json-schema.org/draft/2020-12/schema"
    assert schema["$id"] == name
    Draft202012Validator.check_schema(schema)


SCHEMA = {
    "type": "object",
    "required": ["id", "lang"],
    "properties": {
        "id": {"type": "integer", "minimum": 1},
        "lang": {"enum": ["en", "ro", "de"]},
        "kind": {"const": "faq"},
        "code": {"type": "string", "pattern": "^E[0-9]+$"},
        "a/b": {"properties": {"c~d": {"type": "array", "items": {"type": "string"}}}},
        "who": {"oneOf": [{"type": "string"}, {"type": "object", "required": ["name"]}]},
    },
    "additionalProperties": False,
}


@pytest.mark.parametrize(
    ("extra", "said"),
    [
        ({}, ""),
        ({"lang": "eng"}, '/lang: "eng" is not one of en, ro, de; use "en"'),
        ({"lang": 5}, "/lang: 5 is not one of en, ro, de; use one of them"),
        ({"id": "7"}, '/id: "7" is not a whole number; change it'),
        ({"id": 0}, "/id: 0 is less than the minimum of 1; change it"),
        ({"kind": "doc"}, '/kind: "doc" is not "faq"; change it'),
        ({"code": "X1"}, '/code: "X1" does not match ^E[0-9]+$; change it'),
        ({"a/b": {"c~d": ["x", None]}}, "/a~1b/c~0d/1: null is not text; change it"),
        ({"other": 1}, 'row: "other" is not allowed here; take it out'),
        ({"who": {"names": 1}}, '/who: "name" is missing; add it'),
        ({"id": "x" * 100}, f'/id: "{"x" * 56}... is not a whole number; change it'),
    ],
)
def test_explanations(tmp_path: Path, extra: dict[str, Any], said: str) -> None:
    path = tmp_path / "own.schema.json"
    path.write_text(json.dumps(SCHEMA))
    validator = Validator(path)
    obj = {"id": 1, "lang": "en", **extra}
    assert validator.explain(obj) == said
    assert validator.is_valid(obj) == (said == "")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("{", ":1: not JSON: unexpected end of data; repair the schema"),
        ('{"type": "objekt"}', "is not valid under any of the schemas listed in the 'anyOf' keyword; repair it"),
        (
            '{"$ref": "https://example.org/x.json"}',
            "$ref https://example.org/x.json is outside the file, put it under $defs; repair it",
        ),
        ('{"$ref": "beside.json"}', "$ref beside.json is outside the file, put it under $defs; repair it"),
        ('{"properties": {"a": {"pattern": "("}}}', '"(" is not a "regex"; repair it'),
        ("[]", "repair it"),
    ],
)
def test_a_broken_user_schema_is_a_config_error(tmp_path: Path, text: str, said: str) -> None:
    path = tmp_path / "own.schema.json"
    path.write_text(text)
    with pytest.raises(ConfigError) as error:
        Validator(path)
    assert str(error.value).startswith(str(path))
    assert str(error.value).endswith(said)
    assert "\n" not in str(error.value)


def test_a_missing_user_schema_is_a_config_error(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="no such schema file; correct `schema` in the recipe"):
        Validator(tmp_path / "none.json")
    with pytest.raises(ConfigError, match="cannot be read"):
        Validator(tmp_path)


_values = st.recursive(
    st.none() | st.booleans() | st.integers(-9, 9) | st.sampled_from(["user", "gpt", "text", "a"]),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(["role", "content", "from", "value", "type", "text"]), inner, max_size=3)
    ),
    max_leaves=12,
)
_fields = ["instruction", "output", "history", "conversations", "messages", "text", "prompt", "completion", "question"]


@given(st.dictionaries(st.sampled_from(_fields), _values, max_size=4))
def test_both_libraries_agree_and_every_failure_is_explained(obj: dict[str, Any]) -> None:
    for name in NAMES:
        validator = known(name).validator
        valid = validator.is_valid(obj)
        assert valid == Draft202012Validator(validator.schema).is_valid(obj)
        said = validator.explain(obj)
        assert (said == "") == valid
        assert "\n" not in said


def test_jsonschema_is_loaded_for_failures_only() -> None:
    code = (
        "import sys; from curation.formats.known import known; v = known('alpaca').validator;"
        "v.is_valid({'instruction': 'a', 'output': 'b'}); print('jsonschema' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"


def test_a_validator_is_built_once_a_process() -> None:
    assert format_validator("record.schema.json") is format_validator("record.schema.json")
