"""`curate show`: one version: what it was made of, and with which settings."""

from __future__ import annotations

from argparse import Namespace
from collections.abc import Mapping
from typing import Any

from app.cli.arguments import Parser
from app.cli.build import leak_sentence, split_sizes
from app.cli.output import emit
from app.cli.place import add_ref, version
from app.cli.render import next_commands, page, visible
from app.cli.versions import described


def add_parser(parser: Parser) -> None:
    command = parser.add_command(
        "show", "show one version: sources, settings, splits", examples=["curate show v2", "curate show latest --json"]
    )
    add_ref(command)


def run(args: Namespace) -> int:
    from curation.licences import in_words, of_version
    from curation.stats import changed_settings

    _, store, chosen = version(args)
    sources = store.table(chosen, "sources").to_pylist()
    changed, licences = changed_settings(chosen.recipe), of_version(chosen.stats)
    data = {
        **described(chosen),
        "recipe": chosen.recipe,
        "changed": changed,
        "sources": sources,
        "licences": licences,
        "split": chosen.stats["split"],
    }
    head = [
        f"{chosen.name}  {split_sizes(chosen.stats['split'])}   id {chosen.id}",
        f"built {chosen.created}, parent {(chosen.parent or 'none')[:8]}"
        + (f", {visible(chosen.message)}" if chosen.message else ""),
    ]
    tail = [
        f"settings: {_settings(changed)}",
        f"licence of the data: {visible(in_words(licences))}",
        *leak_sentence(chosen.stats["split"], 0),
        next_commands(f"curate stats {chosen.name}", f"curate export {chosen.name}", f"curate verify {chosen.name}"),
    ]
    rows = [[s["source"], s["format"], s["units"], s["bad"], s["sha256"][:8], s["evidence"]] for s in sources]
    headers = ("source", "format", "units", "bad", "sha256", "why this format")
    emit(args, data, [*head, *page(headers, rows, tail, reserved=len(head))])
    return 0


def _settings(changed: Mapping[str, Any]) -> str:
    from curation.settings import setting_text

    if not changed:
        return "all at their defaults"
    return ", ".join(visible(f"{name} {setting_text(value)}") for name, value in changed.items())
