"""`curate stats`: what each stage did, why rows went, how long the texts are."""

from __future__ import annotations

from argparse import Namespace
from collections.abc import Mapping
from typing import Any, Final

from app.cli.arguments import Parser
from app.cli.build import STAGE_HEADERS, adds_up, reasons, stage_row
from app.cli.output import emit
from app.cli.place import add_ref, version
from app.cli.render import next_commands, page, percent, visible

_LANGUAGES: Final = 6


def add_parser(parser: Parser) -> None:
    command = parser.add_command(
        "stats",
        "what each stage kept and dropped, and how long the texts are",
        examples=["curate stats", "curate stats v1"],
    )
    add_ref(command)


def run(args: Namespace) -> int:
    from curation.stats import languages, lengths, lost, outcome, totals

    _, store, chosen = version(args)
    stages, sources = chosen.stats["stages"], chosen.stats["sources"]
    (dropped, quarantined), flagged, total = lost(stages), totals(stages, "flags"), outcome(sources)
    measured = lengths(store, chosen)
    spoken = languages(store, chosen)
    busy = [s for s in stages if s["flagged"] or s["in"] != s["kept"]] or stages
    rows = [stage_row(stage, 3) for stage in busy]
    idle = [visible(s["stage"]) for s in stages if s not in busy]
    largest = max(sources, key=lambda source: source["units"])
    share = percent(total["kept"] / total["units"]) if total["units"] else "0"
    after = [
        *[f"flagged: {reasons(flagged)}"] * bool(flagged),  # what was dropped stands beside the stages
        f"answers, characters: median {measured['answer']['median']:,}, "
        f"95 % up to {measured['answer']['p95']:,}, longest {measured['answer']['longest']:,}; "
        f"prompts: median {measured['prompt']['median']:,}, longest {measured['prompt']['longest']:,}",
        *[f"languages: {' · '.join(f'{name} {n:,}' for name, n in list(spoken.items())[:_LANGUAGES])}"] * bool(spoken),
        *token_line(chosen.stats.get("tokens")),
        f"{chosen.name} keeps {share}: {adds_up(total)}; sources: {len(sources):,}, "
        f"largest {visible(largest['source'])} with {largest['units']:,} units"
        + (f"; nothing to do for {', '.join(idle)}" if idle else ""),
        next_commands(f"curate show {chosen.name}", f"curate export {chosen.name} --ledger ledger.parquet"),
    ]
    data = {
        "version": chosen.name,
        "id": chosen.id,
        "stages": stages,
        "sources": sources,
        "total": total,
        "reasons": dropped,
        "quarantined": quarantined,
        "flags": flagged,
        "lengths": measured,
        "languages": spoken,
        "template": chosen.stats.get("template"),
        "tokens": chosen.stats.get("tokens"),
    }
    emit(args, data, page(STAGE_HEADERS, rows, after))
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
