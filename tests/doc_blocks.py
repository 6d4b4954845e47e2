"""Runs the fenced blocks of a document as a reader would, in order, and compares what is shown with what comes.

`python -m tests.doc_blocks docs/curation.md` writes what comes in place of what is no longer true.
"""

from __future__ import annotations

import contextlib
import io
import os
import re
import shlex
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import yaml

from app.cli import main as curate

FENCE = re.compile(r"^```(\w+)(?: (\S+))?\n(.*?)^```$", re.MULTILINE | re.DOTALL)
STATUS = "; echo $?"  # behind a command whose exit code is shown as the last line
ROOT = Path(__file__).resolve().parent.parent
HOME = "/home/you"
PROGRESS = re.compile(r"[\w.: ]+: [\d.,]+ \w+, [\d.]+ s|commit")
ABOUT = "about"  # behind `console`: what a model gives there differs in its numbers from processor to processor
NUMBERS = re.compile(r"(?<![A-Za-z_/])[-+]?[\d,]*\.?\d+")
SPAWNING = ("folds", "loop")  # start processes that write to the real stderr, as what is shown here cannot
ELIDED = "..."  # a line of its own: lines that are not shown
# What differs from run to run, or between versions of pyarrow, and what stands for it while comparing.
TOLERATED = (
    (re.compile(r"\b[0-9a-f]{8}(?:[0-9a-f]{4})?\b"), "ID"),
    (re.compile(r"\d+\.\d s\b|\d+ min \d\d s\b"), "T s"),  # past a minute on a slow machine
    (re.compile(r"\d{4}-\d\d-\d\d(?:T[\d:]+(?:\+00:00)?)?"), "WHEN"),
    (re.compile(r"[\d.,]+ [kM]?B\b"), "SIZE"),
    (re.compile(r"\s+"), " "),
)


@dataclass(frozen=True, slots=True)
class Block:
    language: str
    file: str | None  # behind the language: what the reader is asked to write there
    text: str


@dataclass(frozen=True, slots=True)
class Shown:
    command: str
    output: list[str]


def blocks(document: str) -> list[Block]:
    return [Block(*found.groups()) for found in FENCE.finditer(document)]


def commands(block: Block) -> list[Shown]:
    """The `$ ` lines of a console block, each with the output shown below it."""
    parts = re.split(r"^\$ ", block.text, flags=re.MULTILINE)[1:]
    return [Shown(lines[0], lines[1:]) for lines in (part.rstrip("\n").split("\n") for part in parts)]


class Reader:
    """Somebody who follows a document, beginning in an empty folder."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.folder = root

    def run(self, command: str) -> tuple[int, list[str]]:
        """(exit code, lines of both outputs) of one line of a console block."""
        command = command.replace("REPO/", f"{ROOT}/")
        words, said, noted = shlex.split(command.removesuffix(STATUS)), io.StringIO(), io.StringIO()
        if words[0] == "cd":
            self.folder = (self.folder / words[1]).resolve(strict=True)
            return 0, []
        with contextlib.chdir(self.folder), contextlib.redirect_stdout(said), contextlib.redirect_stderr(noted):
            inside = words[0] == "curate" and words[1] not in SPAWNING
            code = curate(words[1:]) if inside else self._shell(command)
        # What is noted while all goes well is progress, and depends on what this machine has compiled before.
        notes = [line for line in noted.getvalue().splitlines() if code and not PROGRESS.fullmatch(line)]
        told = "\n".join([*said.getvalue().splitlines(), *notes])
        lines = told.replace(str(self.root), HOME).replace(f"{ROOT}/", "REPO/").splitlines()
        return (0, [*lines, str(code)]) if command.endswith(STATUS) else (code, lines)

    def _shell(self, command: str) -> int:
        # What follows a pipe is the curate of this tree, installed or not.
        ours = f'curate() {{ "{sys.executable}" -m app.cli "$@"; }}; '
        paths = os.pathsep.join(filter(None, [str(ROOT), os.environ.get("PYTHONPATH")]))
        environment = {**os.environ, "PYTHONPATH": paths}
        done = subprocess.run(
            ["bash", "-c", ours + command],
            cwd=self.folder,
            env=environment,
            capture_output=True,
            text=True,
            check=False,
        )
        print(done.stdout, end="")
        print(done.stderr, end="", file=sys.stderr)
        return done.returncode

    def write(self, block: Block) -> None:
        """The file a block asks for; of a recipe, the sections it names."""
        assert block.file
        path = self.folder / block.file
        path.parent.mkdir(parents=True, exist_ok=True)
        text = block.text
        if block.file == "recipe.yaml":
            text = with_sections(path.read_text("utf-8"), block.text)
        path.write_text(text, "utf-8")


def with_sections(recipe: str, sections: str) -> str:
    """The recipe with these sections in place of its own, or behind them."""
    for name in yaml.safe_load(sections):
        recipe = re.sub(rf"^{name}:.*\n(?:[ \t].*\n)*", "", recipe, flags=re.MULTILINE)
    return recipe + "\n" + sections


def difference(shown: list[str], came: list[str], about: bool = False) -> str | None:
    """What is wrong with the output shown; None if nothing. `about`: other numbers are not wrong."""
    real, place, skip = [tolerant(line, about) for line in came], 0, False
    for line in shown:
        if line == ELIDED:
            skip = True
            continue
        wanted = tolerant(line, about)
        found = next((i for i in range(place, len(real)) if real[i] == wanted), None)
        if found is None or (found > place and not skip):
            return f"shown, but not there: {line!r}"
        place, skip = found + 1, False
    return None if skip or place == len(real) else f"not shown: {came[place]!r}"


def tolerant(line: str, about: bool = False) -> str:
    for pattern, stand_in in (*TOLERATED, *([(NUMBERS, "N")] if about else [])):
        line = pattern.sub(stand_in, line)
    return line.strip()


def rewritten(document: str, root: Path) -> Iterator[str]:
    """The document in pieces, with what comes where something else is shown."""
    reader, end = Reader(root), 0
    for found in FENCE.finditer(document):
        block = Block(*found.groups())
        yield document[end : found.start(3)]
        end = found.end(3)
        if block.file and block.file != ABOUT:
            reader.write(block)
        if block.language != "console":
            yield block.text
            continue
        for shown in commands(block):
            _, came = reader.run(shown.command)
            output = shown.output if difference(shown.output, came, block.file == ABOUT) is None else came
            yield "\n".join([f"$ {shown.command}", *output]) + "\n"
    yield document[end:]


if __name__ == "__main__":
    target = Path(sys.argv[1]).resolve()
    os.environ["NO_COLOR"] = "1"
    with tempfile.TemporaryDirectory() as empty:
        target.write_text("".join(rewritten(target.read_text("utf-8"), Path(empty).resolve())), "utf-8")
