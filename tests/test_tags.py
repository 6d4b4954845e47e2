"""Tags in the journal: events that stay, undone by further events, stored once, and durable under many writers."""

from __future__ import annotations

import os
import signal
import sqlite3
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import pytest

from curation.errors import DataError
from curation.store.journal import open_journal
from curation.store.tags import Draw, Tag, add_draws, add_tags, draws, new_id, tag_events, tags, undo

ROOT = Path(__file__).resolve().parent.parent


def tag(name: str = "wrong", author: str = "ana", prediction: str = "p1", run: str = "r1") -> Tag:
    return Tag(new_id(), prediction, run, name, author=author)


def test_a_tag_comes_back_as_it_was_given(tmp_path: Path) -> None:
    given = Tag("a" * 32, "p1", "r1", "unsupported number", "", "v3", "rules", "rule", "2", 4, 9, 0.75, "said 17", "")
    with open_journal(tmp_path / "journal.sqlite") as journal:
        assert add_tags(journal, [given]) == 1
        (found,) = tags(journal)
        assert replace(found, time="") == given
        assert found.time.endswith("+00:00")


def test_sent_twice_it_is_stored_once_and_another_event_needs_another_id(tmp_path: Path) -> None:
    first = tag()
    with open_journal(tmp_path / "journal.sqlite") as journal:
        assert [add_tags(journal, [first]), add_tags(journal, [first])] == [1, 0]
        with pytest.raises(DataError, match="another event has this id"):
            add_tags(journal, [tag("new"), replace(first, tag="other")])
        assert [t.tag for t in tags(journal)] == ["wrong"]  # all or none


def test_undone_is_one_more_event_and_only_by_its_author(tmp_path: Path) -> None:
    mine, hers = tag(author="ana"), tag(author="bea")
    with open_journal(tmp_path / "journal.sqlite") as journal:
        add_tags(journal, [mine, hers])
        undo(journal, mine)
        assert [t.author for t in tags(journal, "r1")] == ["bea"]
        assert [bool(t.undoes) for t in tag_events(journal, "p1")] == [False, False, True]
        with pytest.raises(DataError, match="was given by bea"):
            add_tags(journal, [Tag(new_id(), "p1", "r1", "wrong", author="ana", undoes=hers.id)])
        with pytest.raises(DataError, match="no such tag"):
            add_tags(journal, [Tag(new_id(), "p1", "r1", "wrong", author="ana", undoes="nothing")])


def test_events_cannot_be_changed_or_removed(tmp_path: Path) -> None:
    with open_journal(tmp_path / "journal.sqlite") as journal:
        add_tags(journal, [tag()])
    con = sqlite3.connect(tmp_path / "journal.sqlite")
    for change in ("delete from tags", "update tags set tag = 'x'"):
        with pytest.raises(sqlite3.IntegrityError, match="append-only"):
            con.execute(change)
    con.close()


def test_tags_are_of_their_run_and_kind(tmp_path: Path) -> None:
    rule = Tag(new_id(), "p1", "r2", "empty", kind="rule", author="rules", rule="1")
    with open_journal(tmp_path / "journal.sqlite") as journal:
        add_tags(journal, [tag(), rule])
        assert [t.tag for t in tags(journal, "r2")] == ["empty"]
        assert [t.tag for t in tags(journal, kinds=("person",))] == ["wrong"]


def test_draws_keep_their_probability(tmp_path: Path) -> None:
    with open_journal(tmp_path / "journal.sqlite") as journal:
        add_draws(journal, [Draw("p1", "r1", "ana", "random", 0.2), Draw("p2", "r1", "bea", "low confidence")])
        assert [(d.prediction_id, d.probability) for d in draws(journal)] == [("p1", 0.2), ("p2", None)]
        assert [d.prediction_id for d in draws(journal, "bea")] == ["p2"]


WRITER = """
import sys
from pathlib import Path
from curation.store.journal import open_journal
from curation.store.tags import Tag, add_tags, new_id
path, author, times = Path(sys.argv[1]), sys.argv[2], int(sys.argv[3])
with open_journal(path) as journal:
    for i in range(times):
        add_tags(journal, [Tag(new_id(), f"p{i}", "r1", "wrong", author=author)])
        print(i, flush=True)
"""


def writer(path: Path, author: str, times: int) -> subprocess.Popen[str]:
    words = [sys.executable, "-c", WRITER, str(path), author, str(times)]
    return subprocess.Popen(
        words, stdout=subprocess.PIPE, text=True, cwd=ROOT, env={**os.environ, "PYTHONPATH": str(ROOT)}
    )


def test_no_tag_of_many_annotators_is_lost(tmp_path: Path) -> None:
    path = tmp_path / "journal.sqlite"
    running = [writer(path, f"annotator {i}", 50) for i in range(4)]
    assert [process.wait(120) for process in running] == [0] * 4
    for process in running:
        assert process.stdout is not None
        process.stdout.close()
    with open_journal(path) as journal:
        found = tags(journal)
    assert len(found) == 200
    assert {t.author for t in found} == {f"annotator {i}" for i in range(4)}


def test_an_acknowledged_tag_outlives_a_kill(tmp_path: Path) -> None:
    path = tmp_path / "journal.sqlite"
    process = writer(path, "ana", 100_000)
    assert process.stdout is not None
    for _ in range(20):
        process.stdout.readline()
    time.sleep(0.05)
    process.send_signal(signal.SIGKILL)
    said = 20 + len(process.stdout.read().split())
    process.wait()
    process.stdout.close()
    with open_journal(path) as journal:
        assert len(tags(journal)) >= said
