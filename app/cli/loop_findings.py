"""What `curate loop` concludes from what its commands told it: which source is to blame, and what dropping it did."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final

from app.cli.autotag_origins import SURE, counts
from app.cli.render import visible

# An answer is tagged so for being like a training row, so that dropping the row takes the tag away by definition.
_CIRCULAR: Final = ("copied from training",)
# What wrong facts in the data do not cause: faults of form, and answers with next to no word of the right one, for a
# wrong fact names the thing that it is about. The most frequent of them is the control for the tag that is to shrink.
_UNTOUCHED: Final = (
    *("cut off", "empty", "format violation", "refusal", "repetition loop", "template leakage"),
    "low overlap",
)
_CANNOT_TELL: Final = "cannot tell"
_RECALL: Final = (
    "this measures recall of trained facts in new wordings by a model of 2 million parameters, and nothing else"
)


@dataclass(frozen=True, slots=True)
class Seed:
    """A training of the loop, and what `curate tag --import` and `curate autotag` told of its validation answers."""

    run: str
    reviews: dict[str, Any]
    tagged: dict[str, Any]


def culprit(tagged: Sequence[dict[str, Any]]) -> dict[str, Any] | None:
    """The source that teaches a tag's fault, the same in every seed, and that tag; None where there is none.

    Of several the one that is surest in the seed where it is least sure. One seed alone may point somewhere by chance:
    of 20 comparisons one does.
    """
    blamed = [_pointing(told) for told in tagged]
    shared = [key for key in blamed[0] if all(key in other for other in blamed)] if blamed else []
    if not shared:
        return None
    tag, source = min(shared, key=lambda key: (max(one[key]["p_adjusted"] for one in blamed), key))
    why = f"'{tag}': {counts(blamed[0][tag, source])}"
    more = {"lessons": [one[tag, source] for one in blamed], "reviewed": [_reviewed(told, source) for told in tagged]}
    return {"tag": tag, "source": source, "why": why, "events": tagged[0]["tags"][tag].get("events", []), **more}


def _pointing(told: dict[str, Any]) -> dict[tuple[str, str], dict[str, Any]]:
    """(tag, source) -> the lesson, where the source stands out as the one that teaches the fault."""
    return {
        (name, lesson["source"]): lesson
        for name, tag in told["tags"].items()
        for lesson in tag["lessons"][:1]
        if lesson["p_adjusted"] <= SURE and name not in _CIRCULAR
    }


def _reviewed(told: dict[str, Any], source: str) -> dict[str, Any] | None:
    """The tag that people gave most often, and how much of it the source teaches; None where nobody gave any."""
    for tag, found in told.get("reviewed", {}).items():
        lesson = next((one for one in found["lessons"] if one["source"] == source), None)
        return {"tag": tag, "found": found["found"], "lesson": lesson}
    return None


def review_counts(seeds: Sequence[Seed]) -> dict[str, int]:
    """How many of the committed reviews applied to each seed's answers, and how many were skipped, added up."""
    names = ("lines", "used", "other_output", "not_asked", "outputs")
    return {name: sum(seed.reviews.get(name, 0) for seed in seeds) for name in names}


def halves(runs: Sequence[str]) -> list[str]:
    """Seeds of one version against the others of it: what chance alone does. Nothing where there is but one."""
    middle = len(runs) // 2
    return [",".join(runs[:middle]), ",".join(runs[middle:])] if middle else []


def verdict(data: dict[str, Any]) -> str:
    """Of the change of the data on the primary metric; where nothing was changed nobody can tell what a change does."""
    return str(data["compare"]["primary"]["verdict"]) if "after" in data else _CANNOT_TELL


def shifts(root: Path, sides: Sequence[str]) -> list[dict[str, Any]]:
    """Every rule's tag on the exam's items, the targeted one first: the table of the report."""
    from curation.workspace import open_workspace
    from eval.compare.comparison import Settings
    from reports.sections.subject import subject
    from reports.tables.tag_shifts import tag_shifts

    of = subject(open_workspace(root), root, sides, Settings(suite="exam"))
    if of.comparison is None or of.journal is None:
        return []
    found = tag_shifts(of.comparison, of.journal, of.store, of.root)
    return [{"tag": row.tag, "patches": list(row.patches), **asdict(row.diff)} for row in found.rows]


def lines_of(data: dict[str, Any]) -> list[str]:
    """On a screen: why what was dropped, what it did, on which tag, beside what must not move."""
    reviews, blamed = data["reviews"], data["blamed"]
    told = f"reviews: {reviews['used']:,} of {reviews['lines']:,} apply to these answers"
    lines = [f"{told} ({reviews['other_output']:,} skipped, another answer; {reviews['not_asked']:,} not asked)"]
    if blamed is None:
        lines.append(
            "no source stands out as the one whose rows teach what rules tagged in every seed: nothing was changed,"
        )
        lines.append(f"so what better data would do: {_CANNOT_TELL}; below, seeds of one version against each other")
    else:
        lines.append(f"dropped: {visible(blamed['source'])}, because {visible(blamed['why'])}")
        lines += _said_by_people(blamed)
    if "compare" in data:
        lines.append(visible(data["compare"]["sentence"]))
        lines.append(f"what this speaks of: {visible(data['compare']['claim']['words'])}")
        lines += _tag_lines(data["tags"])
        lines += [_beside(one) for one in data["compare"]["benchmarks"]]
    page = [f"all of it on one page: {visible(data['report']['html'])}"] if "report" in data else []
    return [*lines, _RECALL, *page]


def _said_by_people(blamed: dict[str, Any]) -> list[str]:
    said = [one for one in blamed["reviewed"] if one and one["lesson"]]
    if not said:
        return []
    first = said[0]
    told = f"reviewed: '{visible(first['tag'])}' {first['found']:,} in the first seed"
    return [f"{told}; {counts(first['lesson'])}"]


def _tag_lines(rows: Sequence[dict[str, Any]]) -> list[str]:
    target, control = sides_of(rows)
    lines = [_moved("targeted", target)] if target else []
    return [*lines, _moved("control", control)] if control else lines


def sides_of(rows: Sequence[dict[str, Any]]) -> tuple[dict[str, Any] | None, dict[str, Any] | None]:
    """(the tag that the patch was made from, the one beside it that has no reason to move), where there is one."""
    target = next((row for row in rows if row["patches"]), None)
    others = [row for row in rows if row["tag"] in _UNTOUCHED and not row["patches"]]
    return target, max(others, key=lambda row: float(row["value_a"]), default=None)


def _moved(role: str, row: dict[str, Any]) -> str:
    share = f"{row['value_a']:.3f} -> {row['value_b']:.3f} of the exam's answers"
    return f"{role}: {row['tag']} {share}, {row['diff']:+.3f} [{row['low']:+.3f}, {row['high']:+.3f}]"


def _beside(one: dict[str, Any]) -> str:
    diff = one["diff"]
    return f"{visible(one['name'])} beside it: {diff['value_a']:.3f} -> {diff['value_b']:.3f}, {diff['diff']:+.3f}"
