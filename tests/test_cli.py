"""The shell around the commands: help, suggestions, errors on one line, exit codes."""

from __future__ import annotations

import errno
import importlib
import json
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from app.cli import COMMANDS, main
from curation.errors import ConfigError, CurateError, DataError, LeakError, StoreBusyError, did_you_mean

Capture = pytest.CaptureFixture[str]
# What --help may not import: each costs more than the whole of --help may take.
HEAVY = ("pyarrow", "numba", "numpy", "duckdb", "pandas", "datasets", "jsonschema", "orjson", "yaml", "rich", "torch")


@pytest.fixture
def outside(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty folder that lies in no workspace."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


def error_of(capsys: Capture, argv: list[str]) -> tuple[int, str]:
    """Exit code and stderr of a command that prints nothing on stdout."""
    code = main(argv)
    out, err = capsys.readouterr()
    assert out == ""
    return code, err


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_explains_itself_with_an_example(command: str, capsys: Capture) -> None:
    assert main([command, "--help"]) == 0
    text = capsys.readouterr().out
    assert f"usage: curate {command}" in text
    assert f"\n  curate {command}" in text.split("example")[-1]
    assert "-C DIR" in text
    assert "--json" in text


def test_help_lists_every_command_and_the_exit_codes(capsys: Capture) -> None:
    assert main(["--help"]) == 0
    text = capsys.readouterr().out
    listed = {line.split()[0] for line in text.splitlines() if line.startswith("    ") and line[4:5].strip()}
    assert [command for command in COMMANDS if command not in listed] == []
    assert "0 ok, 1 unexpected, 2 usage" in text


def test_no_command_prints_help_and_is_a_usage_error(capsys: Capture) -> None:
    assert main([]) == 2
    assert "usage: curate" in capsys.readouterr().out


def test_version(capsys: Capture) -> None:
    assert main(["--version"]) == 0
    assert capsys.readouterr().out.startswith("curate 0.")


def test_help_imports_nothing_heavy() -> None:
    code = (
        "import sys; from app.cli import main; main(['build', '--help']); main(['--help']);"
        f"print([m for m in {HEAVY!r} if m in sys.modules], file=sys.stderr)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stderr.strip() == "[]"


@pytest.mark.parametrize(
    ("argv", "message"),
    [
        (["biuld"], 'curate: "biuld" is not a command; did you mean "build"?'),
        (["xyzzy"], f'curate: "xyzzy" is not a command; known: {", ".join(sorted(COMMANDS))}'),
        (["--jsno"], 'curate: --jsno is not an option; did you mean "--json"?'),
        (["build", "--worker", "3"], 'curate build: --worker is not an option; did you mean "--workers"?'),
        (["build", "--worker=3"], 'curate build: --worker is not an option; did you mean "--workers"?'),
        (["build", "--workers", "x"], 'curate build: --workers: must be a whole number from 1 up, not "x"'),
        (["build", "--folds", "1"], 'curate build: --folds: must be a whole number from 2 up, not "1"'),
        (["build", "--workers", "0"], 'curate build: --workers: must be a whole number from 1 up, not "0"'),
        (["build", "--workers"], "curate build: --workers: expected one argument"),
        (["build", "--max-bad", "3"], 'curate build: --max-bad: must be a share such as 0.01 or 1%, not "3"'),
        (["export", "--format", "alpca"], 'curate export: "alpca" is not a value of --format; did you mean "alpaca"?'),
        (["sql"], "curate sql: the following arguments are required: QUERY"),
        (["versions", "v1"], 'curate versions: "v1" is one argument too many; see curate versions --help'),
        (["versions", "-C", "nowhere"], "curate versions: -C nowhere: is not a folder; make it first, or name another"),
        (["-C", "nowhere", "versions"], "curate versions: -C nowhere: is not a folder; make it first, or name another"),
        (["build", "nothere.jsonl"], "curate build: nothere.jsonl: no such file or folder"),
    ],
)
def test_usage_errors_are_one_line_and_exit_2(argv: list[str], message: str, outside: Path, capsys: Capture) -> None:
    assert error_of(capsys, argv) == (2, message + "\n")


@pytest.mark.parametrize(
    "argv", [["versions"], ["show", "v1"], ["stats"], ["why", "a.jsonl:1"], ["export"], ["sql", "select 1"], ["verify"]]
)
def test_outside_a_workspace(argv: list[str], outside: Path, capsys: Capture) -> None:
    where = f"{outside.resolve()} is not in a workspace"
    way = "make one with `curate init DIR` or `curate build FILE...`"
    assert error_of(capsys, argv) == (2, f"curate {argv[0]}: {where}; {way}\n")


def test_build_without_files_outside_a_workspace_makes_nothing(outside: Path, capsys: Capture) -> None:
    where = f"{outside.resolve()} is not in a workspace"
    way = "name files (curate build raw/*.jsonl), or run curate init"
    assert error_of(capsys, ["build"]) == (2, f"curate build: {where}; {way}\n")
    assert list(outside.iterdir()) == []


@pytest.fixture
def failing(monkeypatch: pytest.MonkeyPatch) -> Any:
    """`curate versions` with a body that raises what the test says."""
    real = importlib.import_module

    def raising(error: BaseException) -> None:
        def run(_: object) -> int:
            raise error

        def load(name: str) -> Any:
            module = real(name)
            return SimpleNamespace(add_parser=module.add_parser, run=run) if name == "app.cli.versions" else module

        monkeypatch.setattr(importlib, "import_module", load)

    return raising


@pytest.mark.parametrize(
    ("error", "code", "message"),
    [
        (CurateError("it did not work; try again"), 1, "it did not work; try again"),
        (
            DataError("a.jsonl: 40 of 90 units are bad\n  bad_json 40"),
            3,
            "a.jsonl: 40 of 90 units are bad   bad_json 40",
        ),
        (DataError("a\x1b[2J.jsonl: is empty"), 3, "a\\x1b[2J.jsonl: is empty"),
        (ConfigError("versions: no such thing"), 2, "no such thing"),
        (LeakError("one row leaks"), 4, "one row leaks"),
        (StoreBusyError("store is held by process 12"), 6, "store is held by process 12"),
        (KeyboardInterrupt(), 130, "interrupted; nothing was published"),
        (MemoryError(), 1, "out of memory; use --workers 1, or build fewer sources at a time"),
        (
            OSError(errno.ENOSPC, "No space left on device", "/w/store"),
            3,
            "/w/store: no space left on the disk; free some and run it again",
        ),
        (
            OSError(errno.EACCES, "Permission denied", "/w/store"),
            3,
            "/w/store: permission denied; check who may read and write there",
        ),
    ],
)
def test_errors_become_one_line_and_their_exit_code(
    error: BaseException, code: int, message: str, failing: Any, capsys: Capture
) -> None:
    failing(error)
    assert error_of(capsys, ["versions"]) == (code, f"curate versions: {message}\n")


def test_errors_with_json_are_an_object_on_stdout_too(failing: Any, capsys: Capture) -> None:
    failing(DataError("a.jsonl: 40 of 90 units are bad"))
    assert main(["versions", "--json"]) == 3
    out, err = capsys.readouterr()
    assert json.loads(out) == {"error": "a.jsonl: 40 of 90 units are bad", "exit_code": 3}
    assert err == "curate versions: a.jsonl: 40 of 90 units are bad\n"


def test_a_bug_keeps_its_traceback(failing: Any) -> None:
    failing(RuntimeError("a bug"))
    with pytest.raises(RuntimeError, match="a bug"):
        main(["versions"])


def test_module_and_exit_code() -> None:
    done = subprocess.run([sys.executable, "-m", "app.cli", "biuld"], capture_output=True, text=True)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == 'curate: "biuld" is not a command; did you mean "build"?\n'


def test_a_reader_that_leaves_early_is_no_error() -> None:
    """`curate --help | head -1`: the pipe closes before the text is written."""
    command = f"{sys.executable} -c 'import time; time.sleep(0.3); from app.cli import main; exit(main([\"--help\"]))'"
    done = subprocess.run(["bash", "-c", f"{command} | true; exit ${{PIPESTATUS[0]}}"], capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.parametrize(
    "argv", [["build", "raw/caf\udce9.jsonl"], ["why", "--grep", "\udcff"], ["-C", "\udce9", "stats"]]
)
def test_an_argument_that_is_not_utf8_is_one_line(argv: list[str], tmp_path: Path, capsys: Capture) -> None:
    assert main([*argv, "--json"]) == 2
    out, err = capsys.readouterr()
    assert err.endswith('" is not UTF-8; rename the file, or write the text in UTF-8\n')
    assert err.count("\n") == 1
    assert json.loads(out)["exit_code"] == 2


def test_an_option_given_twice_is_refused(capsys: Capture) -> None:
    assert main(["export", "--to", "a", "--format", "alpaca", "--to", "b"]) == 2
    assert capsys.readouterr().err == "curate export: --to: is given twice; leave one out\n"


def test_known_words_are_named_up_to_a_line() -> None:
    assert did_you_mean("zzz", ["b", "a"]) == "; known: a, b"
    many = did_you_mean("zzz", [f"task_{number:05}" for number in range(5_000)])
    assert many.endswith("task_00039 and 4,960 more")
