"""The taxonomy: changed with a history that earlier tags are read by, refused where it contradicts itself."""

from __future__ import annotations

import errno
import json
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Event
from time import sleep

import pytest

from app.cli import main
from curation.errors import ConfigError
from curation.store.files import TEMP_PREFIX
from curation.store.journal import open_journal
from curation.store.tags import OK, Tag, add_tags, new_id
from curation.workspace import init_workspace
from eval.taxonomy import (
    DEFAULT,
    FILE,
    RESERVED_KEYS,
    VERDICT,
    TagDefinition,
    Taxonomy,
    add,
    edit_taxonomy,
    load_taxonomy,
    merge,
    rename,
    save_taxonomy,
    split,
)


def test_what_is_saved_is_what_is_loaded(tmp_path: Path) -> None:
    changed = split(
        merge(DEFAULT, ["made up", "wrong fact"], "unsupported", by="ana", reason="same"), "tone", ["rude", "stiff"]
    )
    save_taxonomy(tmp_path, changed)
    assert load_taxonomy(tmp_path) == changed
    assert load_taxonomy(tmp_path / "elsewhere") == DEFAULT


def test_earlier_tags_are_read_by_their_present_name() -> None:
    second = rename(DEFAULT, "made up", "invented")
    third = merge(second, ["invented", "wrong fact"], "unsupported")
    fourth = add(third, "made up", TagDefinition("A new meaning."))
    assert fourth.present("made up", "v1") == "unsupported"
    assert fourth.present("invented", "v2") == "unsupported"
    assert fourth.present("made up", "v4") == "made up"  # a later tag of the same name is another one
    assert fourth.present("tone", "v1") == "tone"
    assert [c.change for c in fourth.history] == ["rename", "merge", "add"]


def test_the_history_is_told_newest_first(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = ["-C", str(init_workspace(tmp_path / "w").root), "taxonomy"]
    assert main([*words, "history"]) == 0
    assert capsys.readouterr().out == "no change so far\n"
    assert main([*words, "rename", "tone", "manner", "--as", "ana", "--reason", "clearer"]) == 0
    assert main([*words, "merge", "manner", "bad form", "--into", "form", "--as", "bea"]) == 0
    capsys.readouterr()
    assert main([*words, "history"]) == 0
    assert [line.split() for line in capsys.readouterr().out.splitlines()] == [
        ["since", "change", "from", "to", "by", "why"],
        ["v3", "merge", "manner,", "bad", "form", "form", "bea"],
        ["v2", "rename", "tone", "manner", "ana", "clearer"],
    ]
    assert main([*words, "--json"]) == 0
    first = json.loads(capsys.readouterr().out)["history"][0]
    assert first == {
        "version": 2, "change": "rename", "from": ["tone"], "to": ["manner"], "by": "ana", "reason": "clearer"
    }  # fmt: skip
    assert main([*words, "rename", "refusal", "form"]) == 2
    assert '"form" is a tag already; to make one of the two: merge "refusal" --into "form"' in capsys.readouterr().err
    assert main([*words, "history", "tone"]) == 2
    assert "history takes no tag" in capsys.readouterr().err


def test_a_split_tag_stays_above_its_kinds() -> None:
    found = split(DEFAULT, "tone", ["rude", "stiff"])
    assert found.tags["rude"].parent == "tone"
    assert found.present("tone", "v1") == "tone"
    assert "tone" in found.tags


def test_merging_into_one_of_them_keeps_its_definition_and_moves_children() -> None:
    nested = split(DEFAULT, "tone", ["rude", "stiff"])
    found = merge(nested, ["tone", "off topic"], "off topic")
    assert found.tags["off topic"].definition == DEFAULT.tags["off topic"].definition
    assert found.tags["rude"].parent == "off topic"
    assert "tone" not in found.tags


def test_every_tag_has_a_key_of_its_own_that_review_does_not_use() -> None:
    found = split(DEFAULT, "tone", ["rude", "stiff"]).hotkeys()
    assert set(found.values()) == {*DEFAULT.tags, "rude", "stiff"}
    assert not set(found) & RESERVED_KEYS


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("taxonomy: 1\ntags:\n  a: {definition: x, parent: b}\n", 'tags.a.parent: "b" is no tag above it'),
        (
            "taxonomy: 1\ntags:\n  a: {definition: x, parent: b}\n  b: {definition: x, parent: a}\n",
            "is no tag above it",
        ),
        ("taxonomy: 1\ntags:\n  a: {definition: x, hotkey: k}\n  b: {definition: x, hotkey: k}\n", '"k" is used by a'),
        ("taxonomy: 1\ntags:\n  a: {definition: x, hotkey: '1'}\n", "is used by the review itself"),
        (f"taxonomy: 1\ntags:\n  {OK}: {{definition: x}}\n", "has a meaning of its own"),
        ("taxonomy: 1\ntags:\n  a: {defnition: x}\n", "defnition is not a known key; did you mean"),
    ],
)
def test_a_taxonomy_that_contradicts_itself_is_one_line(tmp_path: Path, text: str, message: str) -> None:
    (tmp_path / FILE).write_text(text)
    with pytest.raises(ConfigError, match=message.replace("(", r"\(")):
        load_taxonomy(tmp_path)


@pytest.mark.parametrize(("tag", "value"), [("made upp", ""), (VERDICT, "right"), ("helpfulness", "very")])
def test_what_the_taxonomy_does_not_have_cannot_be_given(tag: str, value: str) -> None:
    with pytest.raises(ConfigError, match="is not a"):
        DEFAULT.check(tag, value)
    DEFAULT.check(VERDICT, "partly")
    DEFAULT.check("helpfulness", "mostly")
    DEFAULT.check(OK)


def test_the_command_changes_it_and_counts_by_present_name(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    here = init_workspace(tmp_path / "w")
    with open_journal(here.store_path / "journal.sqlite") as journal:
        add_tags(journal, [Tag(new_id(), "p", "r", "made up", taxonomy="v1", author="ana")])
    place = ["-C", str(here.root)]
    assert main([*place, "taxonomy", "merge", "made up", "wrong fact", "--into", "unsupported", "--as", "ana"]) == 0
    capsys.readouterr()
    assert main([*place, "taxonomy", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert (found["version"], found["tags"]["unsupported"]["given"]) == (2, 1)
    assert load_taxonomy(here.root).history[0].by == "ana"
    for words in (["merge", "tone"], ["rename", "tonne", "x"], ["frobnicate"], ["init"]):
        assert main([*place, "taxonomy", *words]) == 2


@pytest.mark.parametrize(
    "words",
    [
        ["rename", "tone", ""],
        ["rename", "tone", " voice"],
        ["rename", "tone", "a\nb"],
        ["add", "x", "--definition", "y", "--hotkey", "xy"],
        ["merge", "tone", "refusal", "--into", ""],
        ["split", "tone", "--into", "", "b"],
    ],
)
def test_what_could_not_be_read_again_is_not_written(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], words: list[str]
) -> None:
    here = init_workspace(tmp_path / "w")
    assert main(["-C", str(here.root), "taxonomy", *words]) == 2
    assert "write one" in capsys.readouterr().err
    assert load_taxonomy(here.root) == DEFAULT


def test_of_two_edits_at_once_none_is_lost(tmp_path: Path) -> None:
    reading, second = Event(), Event()

    def slow(old: Taxonomy) -> Taxonomy:
        reading.set()
        assert second.wait(20)
        sleep(0.3)  # long enough for another edit to read the file and write it, were it let
        return add(old, "first", TagDefinition("x"))

    def other() -> None:
        assert reading.wait(20)
        second.set()
        edit_taxonomy(tmp_path, tmp_path / "store", lambda old: add(old, "second", TagDefinition("x")))

    with ThreadPoolExecutor(2) as both:
        first, then = both.submit(edit_taxonomy, tmp_path, tmp_path / "store", slow), both.submit(other)
        first.result()
        then.result()
    found = load_taxonomy(tmp_path)
    assert {"first", "second"} <= set(found.tags)
    assert [change.version for change in found.history] == [2, 3]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["store", FILE]


def _no_room(file: int) -> None:
    raise OSError(errno.ENOSPC, "No space left on device")


def test_a_taxonomy_that_cannot_be_written_is_one_line_and_an_edit_that_is_refused_changes_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    here = init_workspace(tmp_path / "w")
    words = ["-C", str(here.root), "taxonomy", "rename", "tone", "manner", "--as", "ana"]
    with monkeypatch.context() as full:
        full.setattr("curation.store.files.os.fsync", _no_room)
        assert main(words) == 3
    assert "it stays as it was" in capsys.readouterr().err
    assert not [path for path in here.root.iterdir() if path.name.startswith(TEMP_PREFIX)]
    assert main(words) == 0
    before = (here.root / FILE).read_bytes()
    assert main(words) == 2
    assert (here.root / FILE).read_bytes() == before
    assert main([*words[:-4], "manner", "tone", "--as", "bea"]) == 0  # and the lock was given back
