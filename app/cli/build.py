"""`curate build`: sources in, a version out."""

from __future__ import annotations

import shlex
from argparse import Namespace
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from app.cli.arguments import Parser, several, share, whole_number
from app.cli.output import emit
from app.cli.place import folder
from app.cli.render import next_commands, page, percent, quote, ratio, seconds, table, visible
from curation.compiling import announcing
from curation.errors import ConfigError, CurateError

if TYPE_CHECKING:
    from app.cli.progress import Bar, Lines
    from app.cli.render import Cell
    from curation.pipeline import BuildResult
    from curation.reading.sources import Source
    from curation.recipe import Recipe
    from curation.store import Store
    from curation.workspace import Workspace

_MADE: Final = "no workspace here: made one (curate.yaml; recipe.yaml with the defaults used, commented)"
_TAKEN_BACK: Final = (
    "the workspace made for this build is taken back; to edit a recipe first: curate init . --source FILE"
)
_FACTS: Final = "curate sql \"FROM edges WHERE kind = 'differs_in_fact'\""
_REASONS: Final = 6
_NOTES: Final = 3
_SOURCE_HEADERS: Final = ("source", "format", "units", "kept", "flagged", "dropped", "quarantined")
STAGE_HEADERS: Final = ("stage", "in", "kept", "flagged", "dropped", "quarantined", "reasons")


def add_parser(parser: Parser) -> None:
    command = parser.add_command(
        "build",
        "read the sources, clean them, split them leak-proof, and publish a version",
        examples=["curate build", "curate build raw/*.jsonl", "curate build --workers 4 -m 'first clean version'"],
        description="Build a version from the workspace's recipe. Outside a workspace, FILES make one in this folder.",
    )
    command.add_argument(
        "files", metavar="FILE", nargs="*", help="files, folders, or globs to make a workspace of, by path"
    )
    command.add_argument("--recipe", metavar="FILE", help="another recipe than the workspace's")
    command.add_argument("--workers", metavar="N", type=whole_number, default=1, help="processes that read (default 1)")
    command.add_argument(
        "--max-bad", metavar="SHARE", type=share, help="share of bad units a source may have: 0.01, 1%%"
    )
    command.add_argument("-m", "--message", metavar="TEXT", help="a note kept with the version")
    command.add_argument(
        "--folds", metavar="K", type=several, help="also make K children, each with another part in validation"
    )
    command.add_argument("--trust-stages", action="store_true", help="run the recipe's own stages without their trust:")
    command.add_argument("--stages", action="store_true", help="also show what each stage kept and dropped")


def run(args: Namespace) -> int:
    from app.cli.progress import progress
    from curation.mounts import unsafe_mount
    from curation.process_start import leave_pandas_out

    leave_pandas_out()
    shown = progress()
    with announcing(shown.note):
        place = _place(args)
        if unsafe := unsafe_mount(place.workspace.root):
            shown.note(unsafe)
        return _run(args, place, shown)


def _run(args: Namespace, place: Place, shown: Lines | Bar) -> int:
    from curation.pipeline import BuildOptions, build
    from curation.store import open_store
    from curation.workspace import take_back

    options = BuildOptions(
        workers=args.workers, max_bad=args.max_bad, message=args.message, trust_stages=args.trust_stages
    )
    before, new_store = _current(place.workspace), not place.workspace.store_path.exists()
    try:
        result = build(place.workspace, recipe=place.recipe, options=options, progress=shown)
    except KeyboardInterrupt:
        # The one question after Ctrl-C: did it happen or not? The store answers it, wherever the signal came.
        if _current(place.workspace) != before and open_store(place.workspace.store_path).versions():
            raise KeyboardInterrupt("interrupted just after the version was published; see curate versions") from None
        raise
    except CurateError:
        if place.made:
            shown.note(_TAKEN_BACK if take_back(place.workspace, store_too=new_store) else _MADE)
        raise
    finally:
        shown.stop()
    store = open_store(place.workspace.store_path)
    example = example_target(result, store)
    report = lines(result, made=place.made, example=example, stages=args.stages)
    folds = _folds(store, result, args.folds) if args.folds else []
    emit(args, {**_data(result, place), "folds": folds}, [*report[:-1], *_named(folds), *report[-1:]])
    return 0


def _folds(store: Store, result: BuildResult, folds: int) -> list[str]:
    from curation.folds import make_folds

    return [version.name for version in make_folds(store, result.version, folds)]


def _named(folds: list[str]) -> list[str]:
    return [f"folds: {folds[0]} to {folds[-1]}, each with another part of the rows in validation"] if folds else []


@dataclass(frozen=True, slots=True)
class Place:
    workspace: Workspace
    recipe: Recipe | None  # None: the workspace's own
    made: bool  # this command made the workspace


def _place(args: Namespace) -> Place:
    from pathlib import Path

    from curation.recipe import load_recipe
    from curation.workspace import find_workspace, init_workspace

    start = folder(args)
    recipe = load_recipe(start / args.recipe) if args.recipe else None
    found = find_workspace(start)
    if found is not None:
        if args.files:
            _refuse_other_sources(found, recipe, args.files, start)
        return Place(found, recipe, False)
    if not args.files:
        raise ConfigError(
            f"{start.resolve()} is not in a workspace; name files (curate build raw/*.jsonl), or run curate init"
        )
    files = [str(file if file.startswith("hf:") else start / file) for file in args.files]
    for file in files:
        _refuse_missing(Path(file), file)
    return Place(init_workspace(start, sorted(files)), recipe, True)  # a shell's order of arguments means nothing


def _refuse_missing(path: Any, name: str) -> None:
    """Before a workspace is made: one made for a misspelt file would only be in the way."""
    from curation.reading.sources import is_text

    if not is_text(name):
        raise ConfigError(f"{name}: its name is not UTF-8; rename it")
    if not name.startswith("hf:") and not path.exists() and not any(c in name for c in "*?["):
        raise ConfigError(f"{name}: no such file or folder")


def _refuse_other_sources(workspace: Workspace, recipe: Recipe | None, files: list[str], start: Any) -> None:
    """Files named inside a workspace must be what the recipe reads anyway: a build never has two lists of sources."""
    from curation.reading.sources import SourceSpec, expand

    listed = (recipe or workspace.load_recipe()).sources
    named = [SourceSpec(path=file if file.startswith("hf:") else str((start / file).resolve())) for file in files]
    plain = {_absolute(spec.path, workspace.root) for spec in named}
    if plain == {_absolute(spec.path, workspace.root) for spec in listed}:
        return  # the build says what is wrong with them
    with suppress(CurateError):  # a listed source that cannot be opened is not what was named
        if _names(expand(named, workspace.root)) == _names(expand(listed, workspace.root)):
            return
    shown = ", ".join(source.path for source in listed[:3]) + (", ..." if len(listed) > 3 else "")
    raise ConfigError(
        f"{workspace.recipe_path.name} reads {shown}; add FILE to its sources and run curate build, "
        "or build in another folder: curate build -C DIR FILE"
    )


def _absolute(path: str, root: Any) -> str:
    return path if path.startswith("hf:") else str((root / path).resolve())


def _names(expanded: Sequence[Source]) -> set[str]:
    return {source.name for source in expanded}


def _current(workspace: Workspace) -> bytes | None:
    current = workspace.store_path / "CURRENT"
    return current.read_bytes() if current.is_file() else None


def _data(result: BuildResult, place: Place) -> dict[str, Any]:
    from curation.stats import lost, outcome

    dropped, quarantined = lost(result.stages)
    return {
        "workspace": str(place.workspace.root),
        "made_workspace": place.made,
        "version": result.version.name,
        "id": result.version.id,
        "new": result.new,
        "latest_before": result.before,
        "sources": result.sources,
        "stages": result.stages,
        "total": outcome(result.sources),
        "reasons": dropped,
        "quarantined": quarantined,
        "split": result.report,
        "notes": result.notes,
        "seconds": round(result.seconds, 3),
    }


def lines(result: BuildResult, *, made: bool = False, example: str | None = None, stages: bool = False) -> list[str]:
    """The whole answer for people; with `example`, a row worth asking about, also the next commands."""
    rows = [[source[name] for name in _SOURCE_HEADERS] for source in result.sources]
    before = [_MADE] * made
    after = [
        *_lost(result),
        *_notes(result),
        _version(result),
        *leak_sentence(result.report),
    ]
    if example is not None:
        after.append(next_commands("curate stats", f"curate why {shlex.quote(visible(example))}", "curate export"))
    if stages:
        after = [*stage_table(result.stages), *after]
    return [*before, *page(_SOURCE_HEADERS, rows, after, reserved=len(before))]


def stage_table(stages: list[dict[str, Any]]) -> list[str]:
    return table(STAGE_HEADERS, [stage_row(stage) for stage in stages])


def stage_row(stage: Mapping[str, Any], limit: int = _REASONS) -> list[Cell]:
    from curation.stats import QUARANTINES

    out = [0, stage["dropped"]] if stage["stage"] == QUARANTINES else [stage["dropped"], 0]
    return [stage["stage"], stage["in"], stage["kept"], stage["flagged"], *out, reasons(stage["reasons"], limit)]


def reasons(counts: Mapping[str, int], limit: int = _REASONS) -> str:
    """`near duplicate 612 · exact duplicate 371 · others 4`, commonest first."""
    ordered = sorted(counts.items(), key=lambda pair: (-pair[1], pair[0]))
    parts = [f"{reason.replace('_', ' ')} {n:,}" for reason, n in ordered]
    if len(parts) <= limit + 1:
        return " · ".join(parts)
    return " · ".join([*parts[:limit], f"others {sum(n for _, n in ordered[limit:]):,}"])


def _lost(result: BuildResult) -> list[str]:
    """What came of all units, and why; of one source the table says the first."""
    from curation.stats import lost, outcome, totals

    dropped, quarantined = lost(result.stages)
    told = [("dropped", dropped), ("quarantined", quarantined), ("flagged", totals(result.stages, "flags"))]
    lines = [f"{word}: {reasons(part)}" for word, part in told if part]
    return [adds_up(outcome(result.sources)), *lines] if len(result.sources) > 1 else lines


def adds_up(counts: Mapping[str, int]) -> str:
    """`3,654 units = 3,585 kept + 53 dropped + 16 quarantined`."""
    parts = " + ".join(f"{counts[name]:,} {name}" for name in ("kept", "dropped", "quarantined"))
    return f"{counts['units']:,} units = {parts}"


def _notes(result: BuildResult) -> list[str]:
    """The weightiest notes: what the split could not do comes before remarks on the sources."""
    ordered = sorted(result.notes, key=lambda note: note not in result.report["warnings"])
    more = len(ordered) - _NOTES
    cut = [f"... and {more:,} more note{'s' * (more != 1)} (--json)"] if more > 0 else []
    return [*(f"note: {visible(note)}" for note in ordered[:_NOTES]), *cut]


def _version(result: BuildResult) -> str:
    version, spent = result.version, seconds(result.seconds)
    if not result.new and version.name != result.before:
        back = f"this is {version.name} again, nothing was published; latest now means {version.name}"
        return f"{back}, no longer {result.before}   id {version.id[:8]}   {spent}"
    if not result.new:
        return f"nothing changed, still {version.name}   id {version.id[:8]}   {spent}"
    return f"{version.name}  {split_sizes(result.report)}   id {version.id[:8]}   {spent}"


def split_sizes(report: Mapping[str, Any]) -> str:
    """`train 11,460 · validation 636 · test 637 (598 clusters)`."""
    parts = [f"{name} {count:,}" for name, count in _in_order(report["rows"]) if count]
    clusters = report["clusters"].get("test")
    return " · ".join(parts) + (f" ({clusters:,} cluster{'s' * (clusters != 1)})" if clusters else "")


def _in_order(rows: Mapping[str, int]) -> list[tuple[str, int]]:
    """train, validation, test; stored statistics have their keys sorted."""
    return sorted(rows.items(), key=lambda pair: ("train", "validation", "test").index(pair[0]))


def leak_sentence(report: Mapping[str, Any], pairs: int = 3) -> list[str]:
    """What a random split would have leaked and what this one does, measured; then the closest pairs kept together."""
    twins, overlap = report["twins"], report["answer_overlap"]
    if twins is None:
        return ["no test rows, so no question can leak"]
    random, ours = percent(twins["random"]), percent(twins["ours"])
    text = f"random split: {random} of test questions would have a twin in train; this split: {ours}"
    if overlap is not None:
        text += f"; test answers verbatim in train: {percent(overlap['share'])}"
    crossing = report["crossing_fact_edges"]
    apart = [f"  {crossing:,} near pairs across splits differ in a fact: {_FACTS}"] * bool(crossing)
    closest = [
        f"  kept together ({ratio(p['similarity'])}): {quote(p['left_text'])} ~ {quote(p['right_text'])}"
        for p in report["closest_avoided"][:pairs]
    ]
    return [text, *apart, *closest]


def example_target(result: BuildResult, store: Store) -> str:
    """A row worth asking about: a near-duplicate, else another one that is out, else the first."""
    import pyarrow.compute as pc

    ledger = store.table(result.version, "ledger", ["source", "line", "verdict", "stage"])
    for asked in (pc.equal(ledger["stage"], "near"), pc.not_equal(ledger["verdict"], "kept")):
        lost = ledger.filter(asked)
        if lost.num_rows:
            ledger = lost
            break
    first = ledger.slice(0, 1).to_pylist()[0]
    return f"{first['source']}:{max(first['line'], 1)}"
