"""The command line, `curate COMMAND ...`: finds the command, runs it, turns its errors into a line and an exit code."""

from __future__ import annotations

import errno
import importlib
import json
import os
import sys
from argparse import Namespace
from types import ModuleType
from typing import Any, Final, TextIO

from app.cli.arguments import EXIT_CODES, Parser, PrintVersion
from app.cli.render import visible
from curation.compiling import settle_cache
from curation.errors import ConfigError, CurateError, DiskError, did_you_mean

COMMANDS: Final = (
    *("demo", "init", "build", "versions", "show", "stats", "why", "diff", "export", "pack"),
    *("patch", "sql", "verify", "gc"),
    *("train", "runs", "import-run", "merge"),
    *("generate", "eval", "compare", "folds", "import-predictions", "variants"),
    *("autotag", "tag", "rates", "taxonomy", "app"),
    *("report", "card", "project", "loop", "status", "doctor", "trace"),
)
INTERRUPTED: Final = "interrupted; nothing was published"
# What the surroundings refuse: a full disk, a quota, missing rights. The user can act on these.
_SURROUNDINGS: Final = {errno.ENOSPC, errno.EDQUOT, errno.EACCES, errno.EPERM, errno.EROFS, errno.EFBIG}


def main(argv: list[str] | None = None) -> int:
    """Run one command and return its exit code; only a bug of ours raises."""
    words = sys.argv[1:] if argv is None else argv
    sys.stdout, sys.stderr = (_open_stream(stream) for stream in (sys.stdout, sys.stderr))
    heard = Namespace(command=None, json="--json" in words, directory=".")
    try:
        return _run(words, heard)
    except CurateError as error:
        return _fail(heard, str(error), error.exit_code)
    except KeyboardInterrupt as error:
        return _fail(heard, str(error) or INTERRUPTED, 130)
    except BrokenPipeError:
        _discard(sys.stdout)
        return 0
    except MemoryError:
        return _fail(heard, "out of memory; use --workers 1, or build fewer sources at a time", 1)
    except OSError as error:
        if error.errno not in _SURROUNDINGS:
            raise
        return _fail(heard, _surroundings(error), DiskError.exit_code)


def _run(words: list[str], heard: Namespace) -> int:
    _refuse_other_bytes(words)
    parser, commands = _parser(words)
    try:
        args, extra = parser.parse_known_args(words, heard)
    except SystemExit as done:  # argparse has printed the help or the version
        sys.stdout.flush()
        return int(done.code or 0)
    if extra:
        raise ConfigError(_unexpected(extra, parser.commands.get(args.command, parser)))
    if args.command is None:
        parser.print_help()
        return 2
    settle_cache()
    code = int(commands[args.command].run(args))
    sys.stdout.flush()
    return code


def _refuse_other_bytes(words: list[str]) -> None:
    """Bytes that are not UTF-8 reach us as lone surrogates, which no file of ours can hold."""
    for word in words:
        try:
            word.encode()
        except UnicodeEncodeError:
            raise ConfigError(
                f'argument "{visible(word)}" is not UTF-8; rename the file, or write the text in UTF-8'
            ) from None


def _parser(words: list[str]) -> tuple[Parser, dict[str, ModuleType]]:
    """Knows the commands that are named, for loading all of them takes a tenth of a second; all where none is."""
    named = [name for name in COMMANDS if name in words] or COMMANDS
    parser = Parser(
        prog="curate",
        description="From raw rows to versioned, leak-free splits, with a verdict for every row.",
        epilog=f"example:\n  curate build raw/*.jsonl\n\nexit codes: {EXIT_CODES}",
    )
    parser.add_common()
    parser.add_argument("--version", nargs=0, action=PrintVersion, help="print the version and exit")
    commands = {name: importlib.import_module(f"app.cli.{name.replace('-', '_')}") for name in named}
    for command in commands.values():
        command.add_parser(parser)
    return parser, commands


def _unexpected(extra: list[str], parser: Parser) -> str:
    option = next((word.split("=")[0] for word in extra if word.startswith("-")), None)
    if option is None:
        return f'"{extra[0]}" is one argument too many; see curate {parser.prog.split()[-1]} --help'
    return f"{option} is not an option{did_you_mean(option, parser.options())}"


def _fail(heard: Namespace, message: str, code: int) -> int:
    """One line on stderr; with --json also one object on stdout, so that a machine need not read prose."""
    message = message.removeprefix(f"{heard.command}: ")
    line = visible(" ".join(message.split("\n")))
    print(f"curate {heard.command}: {line}" if heard.command else f"curate: {line}", file=sys.stderr)
    if heard.json:
        try:
            print(json.dumps({"error": message, "exit_code": code}), flush=True)
        except OSError:  # stdout may be what failed
            _discard(sys.stdout)
    return code


def _surroundings(error: OSError) -> str:
    where = f"{error.filename}: " if error.filename else ""
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return f"{where}no space left on the disk; free some and run it again"
    if error.errno == errno.EFBIG:
        return f"{where}larger than this machine allows a file to be; raise the limit (ulimit -f) and run it again"
    return f"{where}{(error.strerror or str(error)).lower()}; check who may read and write there"


def _open_stream(stream: TextIO | Any) -> TextIO | Any:
    """The stream, made to write any text; if the caller closed it (>&-), one that goes nowhere."""
    if stream is None:
        return open(os.devnull, "w", encoding="utf-8")
    if hasattr(stream, "reconfigure"):
        stream.reconfigure(errors="backslashreplace")
    return stream


def _discard(stream: TextIO) -> None:
    """Nobody reads any more: let what is still buffered go nowhere instead of failing again at exit."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())
