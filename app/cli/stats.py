"""`curate stats`: what each stage did, why rows went, how long the texts are."""

from __future__ import annotations

from argparse import Namespace
from collections.abc import Mapping
from typing import Any

from app.cli.arguments import Parser
from app.cli.build import reasons
from app.cli.output import emit
from app.cli.place import add_ref, version
from app.cli.render import next_commands, page, percent, visible


def add_parser(parser: Parser) -> None:
    command = parser.add_command(
        "stats",
        "what each stage kept and dropped, and how long the texts are",
        examples=["curate stats", "curate stats v1"],
    )
    add_ref(command)


def run(args: Namespace) -> int:
    from curation.stats import lengths, totals

    _, store, chosen = version(args)
    stages, sources = chosen.stats["stages"], chosen.stats["sources"]
    dropped, flagged = totals(stages, "reasons"), totals(stages, "flags")
    measured = lengths(store, chosen)
    rows = [[s["stage"], s["in"], s["kept"], s["flagged"], s["dropped"], reasons(s["reasons"], 3)] for s in stages]
    units = sum(source["units"] for source in sources)
    kept = sum(source["kept"] for source in sources)
    largest = max(sources, key=lambda source: source["units"])
    share = percent(kept / units) if units else "0"
    after = [
        *(f"{word}: {reasons(counts)}" for word, counts in (("dropped", dropped), ("flagged", flagged)) if counts),
        f"answers, characters: median {measured['answer']['median']:,}, "
        f"95 % up to {measured['answer']['p95']:,}, longest {measured['answer']['longest']:,}; "
        f"prompts: median {measured['prompt']['median']:,}, longest {measured['prompt']['longest']:,}",
        *token_line(chosen.stats.get("tokens")),
        f"{chosen.name} keeps {kept:,} of {units:,} units ({share}); sources: {len(sources):,}, "
        f"largest {visible(largest['source'])} with {largest['units']:,} units",
        next_commands(f"curate show {chosen.name}", f"curate export {chosen.name} --ledger ledger.parquet"),
    ]
    headers = ("stage", "in", "kept", "flagged", "dropped", "reasons")
    data = {
        "version": chosen.name,
        "id": chosen.id,
        "stages": stages,
        "sources": sources,
        "reasons": dropped,
        "flags": flagged,
        "lengths": measured,
        "template": chosen.stats.get("template"),
        "tokens": chosen.stats.get("tokens"),
    }
    emit(args, data, page(headers, rows, after))
    return 0


def token_line(told: Mapping[str, Any] | None) -> list[str]:
    """Tokens of the rows, where they were counted."""
    if not told:
        return []
    total = told["total"]
    context = told["context"]
    over = f"; {told['over_context']:,} over {context:,}" if context else ""
    refused = sum(told["refused"].values())
    return [
        f"tokens: median {total['p50']:,}, 95 % up to {total['p95']:,}, longest {total['max']:,}{over}; "
        f"{total['sum']:,} in all, {told['answer']['sum']:,} trained"
        + (f"; {refused:,} rows refused" if refused else "")
    ]
