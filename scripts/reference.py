"""Writes docs/reference/ from the commands' parsers and the JSON Schemas: `python -m scripts.reference`."""

from __future__ import annotations

import argparse
import importlib
import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final

from app.cli import COMMANDS
from app.cli.arguments import EXIT_CODES, Parser
from curation.recipe import recipe_from
from curation.settings import as_yaml

ROOT: Final = Path(__file__).resolve().parent.parent
FOLDER: Final = ROOT / "docs" / "reference"
_MADE: Final = "<!-- made by `python -m scripts.reference`; change the code or the schema, not this page -->"
# Page, what it is about, and the schemas on it. Training has a page of its own, with more to say: docs/training.md.
_PAGES: Final = {
    "settings": ("The YAML files of a workspace", ("recipe", "suite", "variants", "taxonomy", "workspace")),
    "files": ("What Curate reads and writes", ("record", "predictions", "patch", "review", "manifest", "pack", "run")),
}
_FILES: Final = {
    "recipe": "`recipe.yaml`",
    "suite": "`suites/NAME.yaml`",
    "variants": "`curate variants --config FILE`",
    "taxonomy": "`taxonomy.yaml`",
    "workspace": "`curate.yaml`",
    "record": "A row in its canonical form",
    "predictions": "A line for `curate import-predictions`",
    "patch": "A line of a file under `patches/`",
    "review": "A line of `curate tag --export`",
    "manifest": "`manifest.json` of an export",
    "pack": "`pack.json` inside a pack",
    "run": "`run.json` of a run",
}


def pages() -> dict[str, str]:
    """Every page's name and text."""
    made = {"commands.md": "\n".join(_commands()) + "\n"}
    for page, (title, schemas) in _PAGES.items():
        lines = [f"# {title}", "", _MADE]
        for name in schemas:
            lines += ["", *_schema(name)]
        made[f"{page}.md"] = "\n".join(lines) + "\n"
    return made


def _commands() -> Iterator[str]:
    yield from ("# Commands", "", _MADE, "")
    yield from (
        "`-C DIR` (run as if started there) and `--json` (one JSON object on stdout) go with every command.",
        "",
    )
    yield f"Exit codes: {EXIT_CODES}."
    parser = Parser(prog="curate")
    for name in COMMANDS:
        importlib.import_module(f"app.cli.{name.replace('-', '_')}").add_parser(parser)
    for name in COMMANDS:
        yield from _command(name, parser.commands[name])


def _command(name: str, parser: Parser) -> Iterator[str]:
    yield from ("", f"## curate {name}", "", _cell(parser.description or ""))
    actions = [action for action in parser._actions if action.dest not in ("help", "directory", "json")]
    if actions:
        yield from ("", "| argument | |", "| --- | --- |")
        yield from (f"| {_argument(action)} | {_cell(_help(action))} |" for action in actions)
    _, _, examples = (parser.epilog or "").partition("\n")
    yield from ("", "```", *(line.strip() for line in examples.splitlines()), "```")


def _argument(action: argparse.Action) -> str:
    value = action.metavar or ("" if action.nargs == 0 else action.dest.upper())
    if action.choices and not action.metavar:
        value = "\\|".join(str(choice) for choice in action.choices)
    told = ", ".join(action.option_strings)
    several = "..." if action.nargs in ("*", "+") else ""
    return f"`{' '.join(filter(None, [told, f'{value}{several}']))}`".replace("\\|", "|").replace("|", "\\|")


def _help(action: argparse.Action) -> str:
    return (action.help or "") % {"default": action.default}


def _schema(name: str) -> Iterator[str]:
    schema = json.loads((ROOT / "schemas" / f"{name}.schema.json").read_bytes())
    yield from (f"## {_FILES[name]}", "", schema.get("description") or schema["title"], "")
    defaults = _defaults(name)
    yield from (
        ("| key | value | default | |", "| --- | --- | --- | --- |")
        if defaults
        else ("| key | value | |", "| --- | --- | --- |")
    )
    for key, entry in _entries(schema, schema):
        if entry.get("type") == "object" and "properties" in entry and "description" not in entry:
            continue  # only a place for the keys below it
        default = [f"`{as_yaml(defaults[key])}`" if key in defaults else ""] if defaults else []
        cells = [f"`{key}`", _kind(entry, schema), *default, entry.get("description", "")]
        yield f"| {' | '.join(_cell(cell) for cell in cells)} |"


def _entries(schema: Mapping[str, Any], root: Mapping[str, Any], above: str = "") -> Iterator[tuple[str, Any]]:
    for key, given in schema.get("properties", {}).items():
        entry = _resolved(given, root)
        name = f"{above}{key}"
        yield name, entry
        yield from _entries(entry, root, f"{name}.")
        if isinstance(entry.get("items"), dict):
            yield from _entries(_resolved(entry["items"], root), root, f"{name}[].")


def _resolved(entry: Mapping[str, Any], root: Mapping[str, Any]) -> dict[str, Any]:
    if "$ref" not in entry:
        return dict(entry)
    found: Any = root
    for part in entry["$ref"].removeprefix("#/").split("/"):
        found = found[part]
    return {**found, **{key: value for key, value in entry.items() if key != "$ref"}}


def _kind(entry: Mapping[str, Any], root: Mapping[str, Any]) -> str:
    if "enum" in entry:
        return " \\| ".join("null" if value is None else f"`{as_yaml(value)}`" for value in entry["enum"])
    if "const" in entry:
        return f"`{entry['const']}`"
    for word in ("anyOf", "oneOf"):
        if word in entry:
            return " or ".join(dict.fromkeys(_kind(_resolved(one, root), root) for one in entry[word]))
    types = entry.get("type", "any")
    return " or ".join([types] if isinstance(types, str) else types) + _limits(entry)


def _limits(entry: Mapping[str, Any]) -> str:
    told = [
        f"{word} {entry[key]}"
        for key, word in (
            ("minimum", "from"),
            ("exclusiveMinimum", "above"),
            ("maximum", "up to"),
            ("exclusiveMaximum", "below"),
        )
        if key in entry
    ]
    return f", {' '.join(told)}" if told else ""


def _defaults(name: str) -> dict[str, Any]:
    """Key: value, as the code has them where a file does not say."""
    if name == "recipe":
        whole = recipe_from({"sources": [{"path": "x"}]}).resolved()
        del whole["sources"]
        return dict(_flat(whole))
    if name == "suite":
        from eval.suite import Suite

        return dict(_flat({key: value for key, value in Suite().as_json().items() if key != "benchmarks"}))
    return {}


def _flat(value: Mapping[str, Any], above: str = "") -> Iterator[tuple[str, Any]]:
    for key, entry in value.items():
        if isinstance(entry, Mapping) and entry:
            yield from _flat(entry, f"{above}{key}.")
        elif entry not in ((), []):
            yield f"{above}{key}", entry


def _cell(text: str) -> str:
    return " ".join(text.split()).replace("|", "\\|").replace("\\\\|", "\\|")


if __name__ == "__main__":
    FOLDER.mkdir(exist_ok=True)
    for page, text in pages().items():
        (FOLDER / page).write_text(text, "utf-8")
