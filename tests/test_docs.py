"""What the documents show is what happens, and nothing that there is goes without a word."""

from __future__ import annotations

import contextlib
import doctest
import json
from pathlib import Path

import pytest

from app.cli import COMMANDS
from tests.doc_blocks import ABOUT, Block, Reader, blocks, commands, difference, with_sections

ROOT = Path(__file__).resolve().parent.parent
TUTORIAL = (ROOT / "docs" / "curation.md").read_text("utf-8")
README = (ROOT / "README.md").read_text("utf-8")


def wrong(block: Block, reader: Reader) -> list[str]:
    """What a reader would find wrong on following one block."""
    if block.file and block.file != ABOUT:
        reader.write(block)
    if block.language == "pycon":
        return wrong_python(block, reader)
    if block.language != "console":
        return []
    found = []
    for shown in commands(block):
        code, came = reader.run(shown.command)
        if code:
            found.append(f"{shown.command}: exit code {code}: {came}")
        elif problem := difference(shown.output, came, block.file == ABOUT):
            found.append(f"{shown.command}: {problem}")
    return found


def wrong_python(block: Block, reader: Reader) -> list[str]:
    told: list[str] = []
    example = doctest.DocTestParser().get_doctest(block.text, {}, "example", None, None)
    with contextlib.chdir(reader.folder):
        doctest.DocTestRunner(verbose=False).run(example, out=told.append)
    return told


@pytest.mark.slow
def test_what_is_shown_is_what_comes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """If this fails because the output changed for the better: python -m tests.doc_blocks docs/curation.md"""
    monkeypatch.setenv("NO_COLOR", "1")
    reader = Reader(tmp_path.resolve())
    told = [line for block in blocks(TUTORIAL) for line in wrong(block, reader)]
    assert told == []
    assert sum(len(commands(block)) for block in blocks(TUTORIAL) if block.language == "console") >= 3


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_is_written_about(command: str) -> None:
    pages = [README, *(path.read_text("utf-8") for path in sorted((ROOT / "docs").glob("*.md")))]
    assert any(f"curate {command}" in page for page in pages)


def test_the_tutorial_has_a_word_on_every_section_of_a_recipe_and_every_planted_defect() -> None:
    schema = json.loads((ROOT / "schemas" / "recipe.schema.json").read_bytes())
    defects = json.loads((ROOT / "data" / "manifest.json").read_bytes())["defects"]
    names = {*schema["properties"], *(defect["kind"] for defect in defects)}
    assert [name for name in sorted(names) if f"`{name}`" not in TUTORIAL] == []


@pytest.mark.parametrize(
    ("shown", "came", "right"),
    [
        (["a", "b"], ["a", "b"], True),
        (["a"], ["a", "b"], False),
        (["a", "..."], ["a", "b"], True),
        (["...", "b"], ["a", "b"], True),
        (["..."], [], True),
        (["a", "c"], ["a", "b", "c"], False),
        (["a", "...", "c"], ["a", "b", "c"], True),
        (["c", "...", "a"], ["a", "b", "c"], False),
        ([], ["a"], False),
        (["v1  id 0a1b2c3d  0.4 s"], ["v1   id ffffffff   1.9 s"], True),
        (["training: 20 steps, 50.4 s"], ["training: 20 steps, 1 min 12 s"], True),
        (["v1  train 36"], ["v1  train 37"], False),
    ],
)
def test_outputs_are_compared_line_by_line(shown: list[str], came: list[str], right: bool) -> None:
    assert (difference(shown, came) is None) == right


def test_sections_replace_those_of_their_name_only() -> None:
    recipe = "# top\nnear: {threshold: 0.9}\nsplit:\n  # why\n  seed: 7\nexact: {}\n"
    assert (
        with_sections(recipe, "split: {seed: 1}\n") == "# top\nnear: {threshold: 0.9}\nexact: {}\n\nsplit: {seed: 1}\n"
    )
