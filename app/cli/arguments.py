"""What all commands' arguments share: one-line errors with suggestions, -C, --json, an example in every help."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from typing import Any, Final, NoReturn

from curation.errors import ConfigError, did_you_mean

EXIT_CODES: Final = (
    "0 ok, 1 unexpected, 2 usage or recipe, 3 too many bad units or a full disk, 4 leak, 5 regression, 6 store busy, "
    "130 interrupted"
)


class Parser(argparse.ArgumentParser):
    """argparse, except that a mistake is a ConfigError of one line instead of a usage text."""

    def __init__(self, **settings: Any) -> None:
        settings.setdefault("formatter_class", argparse.RawDescriptionHelpFormatter)
        super().__init__(allow_abbrev=False, **settings)
        for name in (None, "store"):
            self.register("action", name, Once)
        self.commands: dict[str, Parser] = {}
        self._subparsers_action: Any = None

    def add_command(self, name: str, summary: str, *, examples: Sequence[str], description: str = "") -> Parser:
        """The parser of one command, with the options every command takes."""
        if self._subparsers_action is None:
            self._subparsers_action = self.add_subparsers(
                title="commands", dest="command", metavar="COMMAND", parser_class=Parser
            )
        lines = "\n".join(f"  {example}" for example in examples)
        epilog = f"example{'s' if len(examples) > 1 else ''}:\n{lines}"
        parser: Parser = self._subparsers_action.add_parser(
            name, help=summary, description=description or f"{summary[0].upper()}{summary[1:]}.", epilog=epilog
        )
        parser.add_common()
        self.commands[name] = parser
        return parser

    def add_common(self) -> None:
        """What every command takes, before its name or after it; the defaults are main's, so that neither undoes
        the other."""
        where = self.add_argument("-C", dest="directory", metavar="DIR", help="run as if started in DIR")
        plain = self.add_argument("--json", action="store_true", help="print one JSON object on stdout, nothing else")
        where.default = plain.default = argparse.SUPPRESS

    def options(self) -> list[str]:
        return [option for action in self._actions for option in action.option_strings if option.startswith("--")]

    def error(self, message: str) -> NoReturn:
        raise ConfigError(message.removeprefix("argument "))

    def _check_value(self, action: argparse.Action, value: Any) -> None:
        # argparse offers no public hook for a wrong choice, and its own text lists every command without a suggestion.
        if action.choices is not None and value not in action.choices:
            known = [str(choice) for choice in action.choices]
            what = "command" if action.dest == "command" else f"value of {'/'.join(action.option_strings)}"
            raise ConfigError(f'"{value}" is not a {what}{did_you_mean(str(value), known)}')


class Once(argparse._StoreAction):
    """What an option with a value does: given twice, one value would be lost in silence."""

    def __call__(
        self, parser: argparse.ArgumentParser, namespace: argparse.Namespace, values: Any, option: str | None = None
    ) -> None:
        if option is not None:
            given: set[str] = namespace.__dict__.setdefault("_given", set())
            if self.dest in given:
                raise ConfigError(f"{option}: is given twice; leave one out")
            given.add(self.dest)
        super().__call__(parser, namespace, values, option)


class PrintVersion(argparse.Action):
    """`--version`, reading the package's metadata only when asked: that takes longer than the whole of --help."""

    def __call__(self, parser: argparse.ArgumentParser, *_: object, **__: object) -> NoReturn:
        from importlib.metadata import version

        print(f"curate {version('curate')}")
        parser.exit()


def whole_number(text: str, least: int = 1) -> int:
    """For `type=`: 1 or more."""
    if not text.isascii() or not text.isdigit() or int(text) < least:
        raise argparse.ArgumentTypeError(f'must be a whole number from {least} up, not "{text}"')
    return int(text)


def several(text: str) -> int:
    """For `type=`: 2 or more."""
    return whole_number(text, 2)


def share(text: str) -> float:
    """For `type=`: a share such as 0.01 or 1%."""
    try:
        value = float(text.removesuffix("%")) / (100 if text.endswith("%") else 1)
    except ValueError:
        value = -1.0
    if not 0 <= value <= 1:
        raise argparse.ArgumentTypeError(f'must be a share such as 0.01 or 1%, not "{text}"')
    return value
