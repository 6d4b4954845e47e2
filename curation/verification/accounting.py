"""Every input unit has one verdict, what was kept is what the version holds, and no cluster is in two splits."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator
from typing import Any, Final

from curation.verification.check import Found
from curation.verification.stored import Columns, Stored, named

VERDICTS: Final = ("kept", "dropped", "merged", "quarantined")
SPLITS: Final = ("train", "validation", "test")
# The order of a build. A row may match one that a LATER stage took out, never one its own stage took out.
STAGES: Final = (
    *("read", "patches", "turns", "normalise", "filters", "language", "conflicts", "exact", "near"),
    *("decontaminate", "select", "split"),
)
DUPLICATE_STAGES: Final = ("exact", "near")


def ledger(stored: Stored) -> Found:
    """One terminal verdict a unit, units 0..n-1 a source, as many as the sources had."""
    table = stored.columns("ledger")
    lines = _lines(table)
    problems = [*_unit_problems(table, stored.columns("sources")), *_verdict_problems(lines), *_match_problems(lines)]
    counts = Counter(table["verdict"])
    said = " + ".join(f"{verdict} {counts[verdict]:,}" for verdict in VERDICTS)
    return Found(problems, f"{said} = {len(lines):,} units of {len(set(table['source'])):,} sources")


def _lines(table: Columns) -> list[dict[str, Any]]:
    return [dict(zip(table, values, strict=True)) for values in zip(*table.values(), strict=True)]


def _unit_problems(table: Columns, sources: Columns) -> Iterator[str]:
    units: defaultdict[str, list[int]] = defaultdict(list)
    for source, unit in zip(table["source"], table["unit"], strict=True):
        units[source].append(unit)
    said = dict(zip(sources["source"], sources["units"], strict=True))
    for source in sorted(units.keys() | said.keys()):
        seen = units.get(source, [])
        if len(set(seen)) < len(seen):
            twice = next(unit for unit, n in Counter(seen).items() if n > 1)
            yield f"{source}: unit {twice} has {Counter(seen)[twice]} verdicts instead of one"
        if set(seen) != set(range(len(set(seen)))):
            missing = min(set(range(max(seen) + 1)) - set(seen), default=min(seen))
            yield f"{source}: unit {missing} has no verdict"
        if len(set(seen)) != said.get(source):
            yield f"{source}: {len(set(seen)):,} units have a verdict, {said.get(source) or 0:,} were read"


def _verdict_problems(lines: list[dict[str, Any]]) -> Iterator[str]:
    for line in lines:
        place = f"{line['source']}:{line['line']}"
        if line["verdict"] not in VERDICTS:
            yield f'{place}: "{line["verdict"]}" is not a verdict'
        elif line["verdict"] == "kept":
            if line["row_id"] is None or line["split"] not in SPLITS:
                yield f"{place}: kept, but in split {line['split']} as {named(line['row_id'])}"
        elif not line["stage"] or not line["reason"]:
            yield f"{place}: {line['verdict']} without a stage and a reason"
        elif line["split"] is not None:
            yield f"{place}: {line['verdict']}, but in split {line['split']}"


def _match_problems(lines: list[dict[str, Any]]) -> Iterator[str]:
    """A matched row is there, and for duplicates it outlived the stage that compared the two."""
    by_unit = {(line["source"], line["unit"]): line for line in lines}
    for line in lines:
        if line["matched_row_id"] is None:
            continue
        place = f"{line['source']}:{line['line']}"
        match = by_unit.get((line["matched_source"], line["matched_unit"]))
        if match is None or match["row_id"] != line["matched_row_id"]:
            yield f"{place}: matched {named(line['matched_row_id'])}, which no unit of this build became"
        elif line["stage"] in DUPLICATE_STAGES and not _outlived(match, line["stage"]):
            other = f"{match['source']}:{match['line']}"
            yield f"{place}: a duplicate of {other}, which was {match['verdict']} itself by {match['stage']}"


def _outlived(line: dict[str, Any], stage: str) -> bool:
    if line["verdict"] == "kept":
        return True
    # A stage of the user's own may stand anywhere, so it may have come later.
    return line["stage"] not in STAGES or STAGES.index(line["stage"]) > STAGES.index(stage)


def stages(stored: Stored) -> Found:
    """The stored table of stages adds up, from the units read to the rows kept, and says what the ledger says."""
    table, lines = stored.version.stats["stages"], _lines(stored.columns("ledger"))
    told = Counter((line["stage"], line["reason"] or "") for line in lines if line["verdict"] != "kept")
    counted = Counter({(row["stage"], reason): n for row in table for reason, n in row["reasons"].items()})
    at, problems = len(lines), []
    for row in table:
        name, rows_in, kept, lost = row["stage"], row["in"], row["kept"], sum(row["reasons"].values())
        if rows_in != at:
            problems.append(f"stage {name}: {rows_in:,} rows went in, {at:,} came out before it")
        if rows_in != kept + lost or row["dropped"] != lost:
            problems.append(f"stage {name}: {rows_in:,} in are not {kept:,} kept and {lost:,} dropped")
        at = kept
    for stage, reason in sorted(told.keys() | counted.keys(), key=str):
        listed, found = counted[stage, reason], told[stage, reason]
        if listed != found:
            problems.append(f"stage {stage}: {reason} {listed:,} in its table, {found:,} in the ledger")
    kept = sum(line["verdict"] == "kept" for line in lines)
    if at != kept:
        problems.append(f"the last stage kept {at:,} rows, the ledger {kept:,}")
    return Found(
        problems, f"{len(table)} stages add up, {len(lines):,} units to {kept:,} rows, and agree with the ledger"
    )


def members(stored: Stored) -> Found:
    """The kept units are the members, each once, numbered 0..n-1 in each split."""
    table, kept = stored.columns("members"), _kept(stored.columns("ledger"))
    places = stored.places()
    held = Counter(zip(table["row_id"], table["split"], table["cluster"], strict=True))
    problems = [f"{places[key[0]]}: kept for {key[1]}, but not a member there" for key in (kept - held)]
    problems += [f"{named(key[0])}: in {key[1]} without a kept unit" for key in (held - kept)]
    if stored.setting("exact", "action", "merge") != "off":
        counts = Counter(table["row_id"])
        problems += [f"{named(row_id)}: a member {n} times" for row_id, n in counts.items() if n > 1]
    sizes = Counter(table["split"])
    for split in sorted(sizes):
        numbers = [place for place, name in zip(table["place"], table["split"], strict=True) if name == split]
        if split not in SPLITS or sorted(numbers) != list(range(len(numbers))):
            problems.append(f"{split}: its rows are not numbered 0 to {len(numbers) - 1}")
    said = " · ".join(f"{split} {sizes[split]:,}" for split in SPLITS)
    return Found(problems, f"{said}, each kept row once")


def _kept(table: Columns) -> Counter[tuple[bytes, str, int]]:
    lines = zip(table["row_id"], table["split"], table["cluster"], table["verdict"], strict=True)
    return Counter((row_id, split, cluster) for row_id, split, cluster, verdict in lines if verdict == "kept")


def clusters(stored: Stored) -> Found:
    """Each cluster lies in one split."""
    table = stored.columns("members")
    places = stored.places()
    first: dict[int, tuple[str, bytes]] = {}
    problems = []
    for cluster, split, row_id in zip(table["cluster"], table["split"], table["row_id"], strict=True):
        other, other_id = first.setdefault(cluster, (split, row_id))
        if other != split:
            here, there = places.get(row_id, named(row_id)), places.get(other_id, named(other_id))
            problems.append(f"cluster {cluster} is in {other} ({there}) and in {split} ({here})")
    return Found(problems, f"{len(first):,} clusters, none in two splits")
