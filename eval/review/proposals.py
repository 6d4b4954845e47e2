"""From an output to the data: its nearest training rows, and a patch that its tags propose, in one step."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final, Literal

from curation.errors import ConfigError, CurateError
from curation.patches.files import load_patches, set_aside, write_patch
from curation.patches.propose import Author, entries, last_answer, rows_named, rows_where
from curation.patches.spent import Spent, spend
from curation.patches.waiting import first_applied, refuse_changed
from curation.runs import RunPlace, read_run, run_place
from curation.store import Store, open_store
from curation.store.journal import open_journal
from curation.store.tags import OK, Tag
from curation.workspace import Workspace
from eval.neighbours import Neighbour, TrainingIndex, training_rows
from eval.review.frame import Shown
from eval.review.gate import require_agreement
from eval.spending import refuse_touched, touched_items
from eval.taxonomy import NOTE, Taxonomy

Op = Literal["drop", "drop source", "edit", "add"]
OPS: Final[Mapping[str, Op]] = {"D": "drop", "S": "drop source", "E": "edit", "A": "add"}  # by key


@dataclass(frozen=True, slots=True)
class Proposal:
    """row: the training row it is about (of `drop source`, one of that source). answer: of edit and add. question: of
    add; without one the new row asks what the output on screen was asked."""

    op: Op
    row: str = ""
    answer: str = ""
    question: str = ""


def added(text: str) -> Proposal:
    """A new row from "question => answer"; without an arrow the answer alone."""
    question, arrow, answer = text.partition("=>")
    return Proposal("add", answer=(answer if arrow else text).strip(), question=question.strip() if arrow else "")


@dataclass(frozen=True, slots=True)
class Proposed:
    patch: str  # p-014
    rows: int
    warnings: Sequence[str] = ()


class TrainingData:
    """The rows that runs were trained on, and patches to them. Neighbours are looked up once an output."""

    def __init__(self, here: Workspace, taxonomy: Taxonomy) -> None:
        self._here, self._taxonomy, self._place = here, taxonomy, run_place(here)
        self._indexes: dict[str, TrainingIndex | None] = {}
        self._near: dict[str, list[Neighbour]] = {}

    def near(self, shown: Shown, run: str) -> list[Neighbour]:
        """The rows of the run's training that may have taught an output, those that ask the same first; none where they
        are not known."""
        if shown.prediction_id not in self._near:
            index = self._index(run)
            asked = next((str(m.get("content") or "") for m in reversed(shown.messages) if m["role"] == "user"), "")
            self._near[shown.prediction_id] = index.behind(asked, shown.output) if index else []
        return self._near[shown.prediction_id]

    def _index(self, run: str) -> TrainingIndex | None:
        if run not in self._indexes:
            self._indexes[run] = self._made(self._place.experiments / run)
        return self._indexes[run]

    def _made(self, folder: Path) -> TrainingIndex | None:
        try:
            version = read_run(folder).version
            if version is None or not self._here.has_store:
                return None
            store = open_store(self._here.store_path)
            return TrainingIndex(training_rows(store, store.resolve(str(version["id"])), folder))
        except CurateError:  # of a version that is gone, or a run made elsewhere
            return None

    def propose(
        self, proposal: Proposal, shown: Shown, given: Sequence[Tag], author: str, *, allow_test: bool = False
    ) -> Proposed:
        """Write the patch, linked to the tags that were given; said twice it is written once.

        ConfigError without a tag or verdict, or where the row is not in the latest version; LeakError for a test item
        or one near it unless allowed; DataError where people do not agree on the tag.
        """
        grounds = [tag for tag in given if tag.tag not in (OK, NOTE)]
        if not grounds:
            raise ConfigError("say first what is wrong with the output: a tag, or a verdict; then propose the change")
        who = Author(author, _now(), self._reason(proposal, shown, grounds), tuple(tag.id for tag in grounds))
        if known := self._known(proposal, who):
            return known
        test, warnings = cleared(self._place, self._taxonomy, who, allow_test=allow_test)
        used = first_applied(self._here)
        lines = self._entries(proposal, shown, who, used)
        if test:
            spend(self._here.root, test)
        path = write_patch(self._here.root, lines, used)
        return Proposed(path.stem, len(lines), warnings)

    def take_back(self, patch: str) -> bool:
        """Take back a patch that no version holds yet; False where one does."""
        if patch in first_applied(self._here):
            return False
        set_aside(self._here.root, patch)
        return True

    def _entries(self, proposal: Proposal, shown: Shown, who: Author, used: Mapping[str, str]) -> list[dict[str, Any]]:
        if proposal.op == "add":
            return [_added(proposal, shown, who)]
        store = self._store()
        version = store.resolve("latest")
        targets = rows_named(store, version, [proposal.row], self._here.root)
        scope = {"version": version.id}
        if proposal.op == "drop source":
            scope["where"] = f"source = '{targets[0].source.replace(chr(39), chr(39) * 2)}'"
            targets = rows_where(store, version, scope["where"])
        refuse_changed(self._here.root, targets, used)
        change = last_answer(targets[0], _filled(proposal.answer, "answer")) if proposal.op == "edit" else {}
        return entries("edit" if proposal.op == "edit" else "drop", targets, change, who, scope)

    def _store(self) -> Store:
        if not self._here.has_store:
            raise ConfigError("nothing was built yet, so there is no row to change; run curate build")
        return open_store(self._here.store_path)

    def _reason(self, proposal: Proposal, shown: Shown, grounds: Sequence[Tag]) -> str:
        """What stands in the patch without anybody writing it."""
        what = ", ".join(dict.fromkeys(f"{t.tag} {t.value}".strip() for t in grounds))
        near = next((n for n in self._near.get(shown.prediction_id, ()) if n.row.row_id == proposal.row), None)
        like = f"; {near.row.place} {near.alike if near.same else f'is {near.alike}'}" if near else ""
        return f"{what}: output {shown.prediction_id} of item {shown.item_id}{like}"

    def _known(self, proposal: Proposal, who: Author) -> Proposed | None:
        op = proposal.op.split(" ")[0]
        found = [e for e in load_patches(self._here.root) if e.op == op and tuple(e.fields.get("tags", ())) == who.tags]
        return Proposed(found[0].id, sum(e.id == found[0].id for e in found)) if found else None


def cleared(place: RunPlace, taxonomy: Taxonomy, author: Author, *, allow_test: bool) -> tuple[list[Spent], list[str]]:
    """(test items that the patch spends, warnings) for the tags behind a patch.

    LeakError for test items unless they are allowed; DataError for a tag on which people do not agree.
    """
    if not author.tags:
        return [], []
    found = touched_items(place, author.tags)
    if not allow_test:
        refuse_touched(found)
    warnings: list[str] = []
    if place.journal.is_file():
        with open_journal(place.journal) as journal:
            warnings = require_agreement(journal, taxonomy, author.tags)
    return [Spent(item.item_id, item.tags, author.name, author.time) for item in found], warnings


def _added(proposal: Proposal, shown: Shown, who: Author) -> dict[str, Any]:
    asked = [{"role": "user", "content": proposal.question}] if proposal.question.strip() else shown.messages
    said = {"role": "assistant", "content": _filled(proposal.answer, "answer")}
    return {"op": "add", "record": {"messages": [*map(dict, asked), said]}, **who.fields()}


def _filled(text: str, what: str) -> str:
    if not text.strip():
        raise ConfigError(f"the new {what} is empty; write one")
    return text


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")
