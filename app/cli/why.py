"""`curate why`: the whole story of one row."""

from __future__ import annotations

import shlex
from argparse import Namespace
from dataclasses import asdict
from types import NoneType
from typing import TYPE_CHECKING, Any, Final

from app.cli.arguments import Parser
from app.cli.difference import difference
from app.cli.output import emit
from app.cli.place import add_ref, version
from app.cli.render import LINES, Screen, clip, next_commands, number, page, quote, ratio, visible
from app.cli.row_trainings import trained_line, trainings
from curation.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from curation.evidence import PatchStep
    from curation.lookup import Row, Tables
    from curation.why import Note, Story, Tie

_ROLES: Final = {"s": "system", "u": "user", "a": "assistant", "t": "tool"}
_MANY: Final = 1000
_DETAIL: Final = 120
_AROUND: Final = 20  # characters shown on either side of an evaluation item
_LEFT_OUT: Final = "not_selected_"
_PATCHED: Final = {"drop": "dropped", "edit": "edited", "add": "added", "relabel": "relabelled"}


def add_parser(parser: Parser) -> None:
    command = parser.add_command(
        "why",
        "why a row is in a version, or is not, and what would have kept it",
        examples=["curate why raw/tickets.jsonl:17", "curate why 7f3a9c21", "curate why --grep 'badge pin'"],
    )
    command.add_argument("target", metavar="TARGET", nargs="?", help="FILE:LINE, or the beginning of a row id")
    command.add_argument("--grep", metavar="TEXT", help="find rows that hold TEXT, in any case")
    add_ref(command, "--version")


def run(args: Namespace) -> int:
    from curation.lookup import Tables, find, grep

    if (args.target is None) == (args.grep is None):
        raise ConfigError("name one row: FILE:LINE, the beginning of its id, or --grep TEXT")
    here, store, chosen = version(args)
    tables = Tables(store, chosen)
    found = grep(tables, args.grep) if args.target is None else find(tables, args.target, here.root)
    if not found:
        raise ConfigError(f"no row of {chosen.name} holds {quote(args.grep)}")
    if len(found) > 1:
        return _candidates(args, tables, found)
    story = _explained(tables, found[0], here.root)
    trained = trainings(story, chosen.id, here)
    emit(args, {**asdict(story), "trained": trained}, lines(story, Screen.here(), trained))
    return 0


def _explained(tables: Tables, index: int, root: Path) -> Story:
    from curation.why import explain

    if tables.entry(index)["verdict"] == "kept":
        return explain(tables, index, root)
    from app.cli.progress import progress
    from curation.compiling import announcing

    with announcing(progress().note):  # what would have kept it is tried, stage by stage
        return explain(tables, index, root)


def _candidates(args: Namespace, tables: Tables, found: list[int]) -> int:
    from curation.lookup import candidate

    known = [candidate(tables, index) for index in found[: _MANY if args.json else LINES]]
    rows = [[c.where, c.row_id and c.row_id[:8], c.fate, clip(visible(c.text), 60)] for c in known]
    after = [f"{len(found):,} rows match", next_commands(f"curate why {shlex.quote(visible(known[0].where))}")]
    shown = page(("where", "id", "fate", "begins"), rows[: LINES - 3], after)
    emit(args, {"matches": len(found), "candidates": [asdict(c) for c in known]}, shown)
    return 0


def lines(story: Story, screen: Screen, trained: Sequence[dict[str, Any]] = ()) -> list[str]:
    """The story in at most LINES lines: what does not fit is left out before the verdict, never the verdict."""
    told = [_head(story), *_raw(story, screen), _read(story)]
    verdict = [screen.paint(_verdict(story), "good" if story.verdict == "kept" else "bad")]
    if story.row and story.matched and story.stage != "select":
        verdict += _compared(story.row, story.matched, screen)
    verdict += [*map(trained_line, trained), *[_tie(tie) for tie in story.ties[:2]], *_changes(story)]
    evidence = [*_patches(story), *_cleaned(story, screen), *_leaks(story, screen)]
    evidence += [_note(note) for note in story.notes if not _told_elsewhere(note, story)][:5]
    room = max(LINES - len(told) - len(verdict), 0)
    return [*told, *evidence[:room], *verdict][:LINES]


def _told_elsewhere(note: Note, story: Story) -> bool:
    return (note.stage == "patches" and bool(story.patches)) or (note.stage == "decontaminate" and bool(story.leaks))


def _patches(story: Story) -> list[str]:
    """Who changed the row, when and why; the last of many. What dropped it is the verdict."""
    return [_patched(step) for step in story.patches if step.op != "drop"][-2:]


def _patched(step: PatchStep) -> str:
    reason = f": {clip(visible(step.reason), _DETAIL)}" if step.reason else ""
    tags = f" (tags {', '.join(map(visible, step.tags[:5]))})" if step.tags else ""
    return f"{_PATCHED[step.op]} by patch {step.patch}, {visible(step.author)}, {step.time[:10]}{reason}{tags}"


def _cleaned(story: Story, screen: Screen) -> list[str]:
    """The first message that cleaning changed, before and after."""
    if not story.cleaned:
        return ["changed by normalise"] * story.changed_by_normalise
    turn = story.cleaned[0]
    more = f", and {len(story.cleaned) - 1:,} more" if len(story.cleaned) > 1 else ""
    if turn.before is None or turn.after is None:
        return [f"cut by turns: turn {turn.number} ({turn.role}){more}"]
    shown = difference(turn.before, turn.after, screen)
    return [f"changed by normalise: turn {turn.number} ({turn.role}){more}", *shown]


def _leaks(story: Story, screen: Screen) -> list[str]:
    """Evaluation items in the row, the text of each between brackets."""
    told = []
    for leak in story.leaks[:2]:
        begin, end = ("..." if len(leak.before) > _AROUND else ""), ("..." if len(leak.after) > _AROUND else "")
        before, after = begin + visible(leak.before[-_AROUND:]), visible(leak.after[:_AROUND]) + end
        room = (screen.width or 150) - 6 - len(before) - len(after)
        marked = screen.paint(f"[{clip(visible(leak.text), room)}]", "bad")
        kept = "" if leak.dropped else ", reported only"
        told.append(
            f"holds item {visible(leak.item)} of {visible(leak.set)} ({ratio(leak.coverage)} of its question, "
            f"{leak.how}{kept})"
        )
        told.append(f"  {before}{marked}{after}")
    more = len(story.leaks) - 2
    return [*told, *[f"... and {more:,} more items"] * (more > 0)]


def _tie(tie: Tie) -> str:
    likeness = f"{ratio(tie.similarity)}, " if tie.similarity is not None else ""
    fact = f": {visible(tie.fact)}" if tie.fact else ""
    kind = tie.kind.replace("_", " ")
    return f"tied to {visible(tie.row.where)}, {tie.row.fate} ({likeness}{kind}{fact}): {quote(tie.row.prompt, 50)}"


def _head(story: Story) -> str:
    at = f", byte {story.byte_offset:,}" if story.byte_offset >= 0 else ""
    row_id = f"   id {story.row.row_id[:8]}" if story.row else ""
    return f"{visible(story.where)}{at}, unit {story.unit:,}{row_id}"


def _raw(story: Story, screen: Screen) -> list[str]:
    if story.raw is None:
        return [f"  (not shown: {story.raw_from})"]
    text = clip(visible(story.raw.rstrip("\r\n")), (screen.width or 150) - 4)
    source = [] if story.raw_from == "source file" else [f"  ({story.raw_from})"]
    return [f"  {text}", *source]


def _read(story: Story) -> str:
    if story.row is None:
        return f"read as {story.format}: never became a row"
    turns = [_ROLES[letter] for letter in story.row.roles]
    shown = ", ".join(turns[:4]) + (", ..." if len(turns) > 4 else "")
    read = f"read ok · {story.format} ({visible(story.evidence)}) · {len(turns)} messages: {shown}"
    return f"{read} · {_language(story)}" if story.prompt_language else read


def _language(story: Story) -> str:
    asked, answered = story.prompt_language, story.answer_language
    if asked == answered:
        return "language cannot be told" if asked == "und" else f"language {asked}"
    words = [f"{what} in {code}" for what, code in (("asked", asked), ("answered", answered)) if code != "und"]
    return ", ".join(words)


def _note(note: Note) -> str:
    if note.stage == "select":
        return clip(f"{note.reason.replace('_', ' by ', 1)}{_chosen(note)}", 200)
    parts = [f"flagged by {note.stage}: {note.reason.replace('_', ' ')}{_measured(note)}"]
    parts += [f"matches {visible(note.matched)}"] if note.matched else []
    parts += [visible(note.detail)] if note.detail else []
    return clip("; ".join(parts), 200)


def _measured(said: Note | Story) -> str:
    if said.value is None:
        return ""
    limit = f", limit {number(said.threshold)}" if said.threshold is not None else ""
    return f" ({number(said.value)}{limit})"


def _chosen(said: Note | Story) -> str:
    """What a selection step compared, and where its line lay."""
    if said.value is None:
        return f" ({visible(said.detail)})" if said.detail else ""
    by = (said.reason or "").rpartition("_")[2]
    line = None if said.threshold is None else number(said.threshold)
    if by in ("random", "quota"):
        within = f" in {visible(said.detail)}" if said.detail else ""
        return f": rank {number(said.value)}{within}, {line} taken"
    matched = said.matched if isinstance(said.matched, (str, NoneType)) else said.matched.where
    if by == "diversity" and said.threshold is not None:
        line = ratio(said.threshold)
    what = {"length": f"{number(said.value)} characters", "score": f"score {number(said.value)}"}.get(by)
    if what is None:
        what = f"{ratio(said.value)} similar to {visible(matched) if matched else 'those taken'}"
    detail = f" ({visible(said.detail)})" if said.detail else ""
    return f": {what}{detail}" + (f", the line at {line}" if line else "")


def _verdict(story: Story) -> str:
    if story.verdict == "kept":
        beside = f", cluster of {story.cluster_size:,} rows" if story.cluster_size > 1 else ""
        return f"kept as {story.version} {story.split} #{story.place}{beside}"
    reason = (story.reason or "").replace("_", " ")
    detail = f"; {clip(visible(story.detail), _DETAIL)}" if story.detail else ""
    if story.stage == "select" and (story.reason or "").startswith(_LEFT_OUT):
        return f"dropped by select: not selected by {(story.reason or '').removeprefix(_LEFT_OUT)}{_chosen(story)}"
    if story.stage == "patches" and story.patches:
        return _patched(story.patches[-1])
    if story.stage == "decontaminate":
        return f"{story.verdict} by {story.stage}: {reason}{detail}"
    if story.matched is None:
        return f"{story.verdict} by {story.stage}: {reason}{_measured(story)}{detail}"
    limit = f"limit {ratio(story.threshold)}" if story.threshold is not None else ""
    alike = None if story.similarity in (None, 1.0) else ratio(story.similarity or 0)
    if story.stage == "conflicts":  # it is the questions that were compared
        likeness, limit = "contradicts", f"asks {f'{alike} alike' if alike else 'the same'}, {limit}"
    else:
        likeness = f"{alike} similar to" if alike else "the same as"
    where = f"{visible(story.matched.where)}{f' ({limit})' if limit else ''}, {story.matched.fate}"
    return f"{story.verdict} by {story.stage}: {likeness} {where}{detail}"


def _compared(row: Row, other: Row, screen: Screen) -> list[str]:
    """Both rows: this one with -, the one it matched with +, and = where they agree."""
    return [
        *(difference(row.prompt, other.prompt, screen) if row.prompt or other.prompt else []),
        *(difference(row.answer, other.answer, screen) if row.answer or other.answer else []),
    ]


def _changes(story: Story) -> list[str]:
    if story.verdict == "kept" or not story.tried:
        return []
    if not story.changes:
        return ["no setting would have kept it"]
    told = []
    for words, which in (
        ("it would be kept with", [change for change in story.changes if change.tried and change.sure]),
        ("it may be kept with", [change for change in story.changes if change.tried and not change.sure]),
        ("to keep it", [change for change in story.changes if not change.tried]),
    ):
        told += [f"{words}: {', or '.join(change.text for change in which)}"] if which else []
    return told
