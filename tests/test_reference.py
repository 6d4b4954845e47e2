"""docs/reference/ is what the code and the schemas say, and leaves none of them out."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from app.cli import COMMANDS
from scripts.reference import FOLDER, pages

ROOT = Path(__file__).resolve().parent.parent
MADE = pages()


def test_no_page_is_left_over() -> None:
    assert {path.name for path in FOLDER.glob("*.md")} == set(MADE)


@pytest.mark.parametrize("page", MADE)
def test_the_pages_are_up_to_date(page: str) -> None:
    """If this fails: python -m scripts.reference"""
    assert (FOLDER / page).read_text("utf-8") == MADE[page]


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_is_there(command: str) -> None:
    assert f"\n## curate {command}\n" in MADE["commands.md"]


@pytest.mark.parametrize("path", sorted((ROOT / "schemas").glob("*.json")), ids=lambda path: path.name)
def test_every_key_of_every_schema_is_written_about(path: Path) -> None:
    text = "".join(MADE.values()) + (ROOT / "docs" / "training.md").read_text("utf-8")
    keys = json.loads(path.read_bytes()).get("properties", {})
    assert keys
    assert [key for key in keys if f"`{key}`" not in text and f"`{key}." not in text] == []


def test_defaults_are_the_codes() -> None:
    rows = {line.split("|")[1].strip(): line for line in MADE["settings.md"].splitlines() if line.startswith("| `")}
    assert "| `0.8` |" in rows["`near.threshold`"]
    assert "| `rougeL` |" in rows["`primary.metric`"]
