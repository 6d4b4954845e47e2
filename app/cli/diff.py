"""`curate diff`: what changed from one version to another, and why."""

from __future__ import annotations

import shlex
from argparse import Namespace
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from app.cli.arguments import Parser
from app.cli.difference import difference
from app.cli.output import emit
from app.cli.place import folder, stored
from app.cli.render import LINES, Cell, Screen, clip, next_commands, quote, ratio, table, visible

if TYPE_CHECKING:
    from curation.diff import EditedRow, VersionDiff
    from curation.diffing.sizes import Counter

_CHANGES: Final = ("added", "removed", "edited", "moved")
_SIGNS: Final = {"added": "+", "removed": "-", "edited": "~", "moved": ">"}
_SPLITS: Final = ("train", "validation", "test")
_SHOWN_REASONS: Final = 5
_SHOWN_GROUPS: Final = 4
_SHOWN_SETTINGS: Final = 3
_SAME: Final = "the same rows in the same splits"


def add_parser(parser: Parser) -> None:
    command = parser.add_command(
        "diff",
        "rows added, removed, edited and moved between two versions, and why",
        examples=["curate diff v1 v2", "curate diff v1 --full", "curate diff v1 v2 --tokenizer tokenizer.json"],
    )
    command.add_argument("old", metavar="A", help="a version: v1, or the beginning of its id")
    command.add_argument("new", metavar="B", nargs="?", default="latest", help="the other version (default: latest)")
    command.add_argument("--full", action="store_true", help="list every change, edited rows turn by turn")
    command.add_argument(
        "--tokenizer", metavar="FILE", help="count tokens with this tokenizer's file or folder (default: the recipe's)"
    )


def run(args: Namespace) -> int:
    from curation.process_start import leave_pandas_out

    leave_pandas_out()
    from curation.diff import diff

    here, store = stored(args)
    new = store.resolve(args.new)
    found = diff(store, args.old, new, _counter(args, here.root, new.recipe))
    if args.json:
        emit(args, data(found), [])
        return 0
    screen = Screen.here()
    emit(args, {}, full(found, screen) if args.full else lines(found, screen))
    return 0


def _counter(args: Namespace, root: Path, recipe: Mapping[str, Any]) -> Counter | None:
    """Of the tokenizer that was named, or else of the newer version's recipe, where its file is still there."""
    from curation.tokens import load_tokenizer

    named = (recipe.get("tokens") or {}).get("tokenizer")
    if args.tokenizer:
        return load_tokenizer(folder(args) / args.tokenizer).counts
    return load_tokenizer(root / named).counts if named and (root / named).exists() else None


def data(found: VersionDiff) -> dict[str, Any]:
    """Everything, for machines: each change once, edited rows with the pieces that differ."""
    return {
        "old": _version(found, 0),
        "new": _version(found, 1),
        "counts": {change: found.count(change) for change in _CHANGES},
        "moved": found.moved.num_rows,
        "settings": {name: {"before": pair[0], "after": pair[1]} for name, pair in found.settings().items()},
        "sizes": {name: asdict(size) for name, size in found.sizes().items()},
        "by_split": found.by("change", "split_before", "split_after"),
        "by_source": found.by("source", "change"),
        "by_reason": found.by("change", "why", "stage", "reason"),
        "by_language": found.by_language(),
        "notes": found.notes,
        "changes": found.changes.to_pylist(),
        "edits": [_edit_data(edit) for edit in found.edits()],
    }


def _version(found: VersionDiff, which: int) -> dict[str, Any]:
    side = (found.old, found.new)[which]
    return {"name": side.version.name, "id": side.version.id, "rows": side.members.num_rows}


def _edit_data(edit: EditedRow) -> dict[str, Any]:
    turns = [{**asdict(turn), "pieces": [[piece.kind, piece.text] for piece in turn.pieces()]} for turn in edit.turns]
    return {"row_id": edit.line["row_id"], "turns": turns, "fields": [asdict(field) for field in edit.fields]}


def lines(found: VersionDiff, screen: Screen) -> list[str]:
    """The summary for people, with as many examples as there is room for."""
    if not found.changes.num_rows:
        return [_head(found), *_settings(found), _SAME, *_notes(found)]
    told = [_head(found), *_settings(found), *table(*_sizes(found), screen=screen), *_whys(found)]
    told += [*_sources(found), *_languages(found)]
    told += _notes(found)[:1]
    after = [next_commands(*_next(found))]
    room = LINES - len(told) - len(after)
    return [*told[: LINES - len(after)], *_examples(found, screen, room), *after]


def _head(found: VersionDiff) -> str:
    old, new = (_version(found, which) for which in (0, 1))
    ids = f"id {old['id'][:8]} -> {new['id'][:8]}"
    return f"{old['name']} -> {new['name']}   rows {old['rows']:,} -> {new['rows']:,}   {ids}"


def _notes(found: VersionDiff) -> list[str]:
    return [f"note: {visible(note)}" for note in found.notes]


def _settings(found: VersionDiff) -> list[str]:
    from curation.settings import setting_text

    said: list[str] = []
    for name, (old, new) in found.settings().items():
        if name == "sources":
            said += _changed_sources(old or [], new or [])
        else:
            said.append(visible(f"{name} {setting_text(old)} -> {setting_text(new)}"))
    more = ["..."] * (len(said) > _SHOWN_SETTINGS)
    return [clip("settings: " + ", ".join([*said[:_SHOWN_SETTINGS], *more]), 150)] if said else []


def _changed_sources(before: Sequence[Mapping[str, Any]], after: Sequence[Mapping[str, Any]]) -> list[str]:
    """`source raw/b.csv added`, `raw/a.csv priority 0 -> 1`, or that their order is another."""
    from curation.settings import setting_text

    old, new = ({str(source["path"]): source for source in sources} for sources in (before, after))
    said = [f"source {path} added" for path in new if path not in old]
    said += [f"source {path} left out" for path in old if path not in new]
    shared = [path for path in new if path in old]
    for path in shared:
        one, other = old[path], new[path]
        said += [
            f"{path} {name} {setting_text(one.get(name))} -> {setting_text(value)}"
            for name, value in other.items()
            if one.get(name) != value
        ]
    said += ["sources in another order"] * (shared != [path for path in old if path in new])
    return [visible(one) for one in said]


def _sizes(found: VersionDiff) -> tuple[Sequence[str], list[list[Cell]]]:
    """Headers and lines of the table of changes: rows in all and by split, characters, words, tokens."""
    sizes = found.sizes()
    tokens = sizes["added"].tokens is not None
    rows: list[list[Cell]] = []
    for change in _CHANGES:
        if change == "moved":
            rows += [_moved(found, tokens)] * bool(found.moved.num_rows)
            continue
        count = found.count(change)
        if count:
            side = "split_before" if change == "removed" else "split_after"
            by = {line[side]: line["rows"] for line in found.by(side, "change") if line["change"] == change}
            rows.append(
                [f"{_SIGNS[change]} {change}", count, *(by.get(s, 0) for s in _SPLITS), *_text(sizes, change, tokens)]
            )
    return ("", "rows", *_SPLITS, "characters", "words", *(["tokens"] if tokens else [])), rows


def _moved(found: VersionDiff, tokens: bool) -> list[Cell]:
    moved = found.moved["split_after"].to_pylist()
    return ["> moved to", len(moved), *(moved.count(split) for split in _SPLITS), None, None, *([None] * tokens)]


def _text(sizes: Any, change: str, tokens: bool) -> list[Cell]:
    names = ["characters", "words", *(["tokens"] if tokens else [])]
    if change != "edited":
        return [getattr(sizes[change], name) for name in names]
    before, after = sizes["edited, before"], sizes["edited, after"]
    return [f"{getattr(after, name) - getattr(before, name):+,}" for name in names]


def _whys(found: VersionDiff) -> list[str]:
    told = []
    for change in _CHANGES:
        parts = [
            _why_words(line) + f" {line['rows']:,}"
            for line in found.by("change", "why", "stage", "reason")
            if line["change"] == change
        ]
        more = ["..."] * (len(parts) > _SHOWN_REASONS)
        told += [f"{change}: {' · '.join([*parts[:_SHOWN_REASONS], *more])}"] if parts else []
    return told


def _why_words(line: dict[str, Any]) -> str:
    """`dropped: near duplicate`; with the stage's name where it is the user's own."""
    if not line["reason"] or line["why"] == "patch":
        return str(line["why"])
    reason = line["reason"].replace("not_selected_", "not selected by ").replace("_", " ")
    own = f" by {line['stage']}" if ":" in (line["stage"] or "") else ""
    return visible(f"{line['why']}{own}: {reason}")


def _sources(found: VersionDiff) -> list[str]:
    return _counted("by source", found.by("source", "change"), "source")


def _languages(found: VersionDiff) -> list[str]:
    return _counted("by language", found.by_language(), "language")


def _counted(title: str, lines: list[dict[str, Any]], name: str) -> list[str]:
    """`by source: a.jsonl +2 -3 · ...`, if there are several."""
    counts: dict[str, dict[str, int]] = {}
    for line in lines:
        counts.setdefault(str(line[name] or "not looked at"), {})[line["change"]] = line["rows"]
    if len(counts) < 2:
        return []
    ordered = sorted(counts.items(), key=lambda pair: (-sum(pair[1].values()), pair[0]))
    said = [f"{visible(key)} " + " ".join(f"{_SIGNS[c]}{n[c]:,}" for c in _CHANGES if c in n) for key, n in ordered]
    more = ["..."] * (len(said) > _SHOWN_GROUPS)
    return [f"{title}: {' · '.join([*said[:_SHOWN_GROUPS], *more])}"]


def _next(found: VersionDiff) -> list[str]:
    names = f"{found.old.version.name} {found.new.version.name}"
    first = found.changes.slice(0, 1).to_pylist()
    side = found.old.version.name if first and first[0]["split_after"] is None else found.new.version.name
    places = [shlex.quote(visible(f"{row['source']}:{row['line']}")) for row in first]
    return [f"curate diff {names} --full", *(f"curate why {place} --version {side}" for place in places)]


def _examples(found: VersionDiff, screen: Screen, room: int) -> Iterator[str]:
    """One edited row word by word, then a line for each other kind of change."""
    if room >= 3:
        for edit in found.edits(1):
            shown = list(_edited(edit, screen))[:room]
            room -= len(shown)
            yield from shown
    for change in ("moved", "removed", "added"):
        if room > 0:
            first = found.changes.filter(_is(found, change)).slice(0, 1)
            told = list(_listed(found, first, screen))
            room -= len(told)
            yield from told


def _is(found: VersionDiff, change: str) -> Any:
    import pyarrow.compute as pc

    return pc.equal(found.changes["change"], change)


def full(found: VersionDiff, screen: Screen) -> list[str]:
    """Every change; edited rows turn by turn."""
    if not found.changes.num_rows:
        return [_head(found), *_settings(found), _SAME, *_notes(found)]
    told = [_head(found), *_settings(found), *table(*_sizes(found), screen=screen), *_whys(found)]
    told += [*_sources(found), *_languages(found)]
    told += _notes(found)
    for change in ("added", "removed", "moved"):
        told += _listed(found, found.changes.filter(_is(found, change)), screen)
    for edit in found.edits():
        told += _edited(edit, screen)
    return told


def _listed(found: VersionDiff, rows: Any, screen: Screen) -> Iterator[str]:
    for line, prompt in zip(rows.to_pylist(), found.prompts(rows), strict=True):
        text = f"{_SIGNS[line['change']]} {_place(line)}  {_reason(line)}: {quote(prompt)}"
        style = {"added": "good", "removed": "bad"}.get(line["change"], "dim")
        yield screen.paint(text, style)  # type: ignore[arg-type]  # the three values are styles


def _place(line: dict[str, Any]) -> str:
    places = [line["split_before"], line["split_after"]]
    split = " -> ".join(dict.fromkeys(place for place in places if place))
    return f"{visible(str(line['source']))}:{line['line']} ({split})"


def _reason(line: dict[str, Any]) -> str:
    said = _why_words(line)
    if line["value"] is not None:
        said += f" {ratio(line['value']) if 0 <= line['value'] <= 1 else format(line['value'], ',.0f')}"
    return f"{said} ({clip(visible(line['detail']), 100)})" if line["detail"] else said


def _edited(edit: EditedRow, screen: Screen) -> Iterator[str]:
    yield f"~ {_place(edit.line)}  {_reason(edit.line)}"
    for turn in edit.turns:
        yield f"  turn {turn.number}, {turn.role}" + _only(turn.before, turn.after)
        yield from difference(turn.before or "", turn.after or "", screen)
    for field in edit.fields:
        before, after = (visible(value) if value is not None else "-" for value in (field.before, field.after))
        yield f"  {visible(field.name)}: {clip(before, 60)} -> {clip(after, 60)}"


def _only(before: str | None, after: str | None) -> str:
    return ", new" if before is None else ", taken out" if after is None else ""
