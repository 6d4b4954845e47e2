"""What `curate diff` says of two versions: every row accounted for, and why."""

from __future__ import annotations

import json
import random
import shutil
from argparse import Namespace
from pathlib import Path
from typing import Any

import orjson
import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from app.cli import diff as command
from app.cli import main
from app.cli.arguments import Parser
from app.cli.render import LINES, Screen
from curation.diff import VersionDiff, diff
from curation.diffing.edits import changed_fields, changed_turns, word_changes
from curation.errors import ConfigError
from curation.flow import BuildOptions
from curation.folds import make_folds
from curation.pipeline import build
from curation.store import Store
from tests.lineage_workspace import line, store_of, workspace, write
from tests.store_samples import publish, record, tables

TURNS = (Path(__file__).parent / "fixtures" / "diff_turns.jsonl").read_bytes()
CASES = [orjson.loads(text) for text in TURNS.splitlines()]


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Store:
    """Two versions: rows edited, gone, new, equal to others now, and back after a looser filter."""
    root = tmp_path_factory.mktemp("diff")
    rows = [line(n) for n in range(20)]
    short = line(90, completion="No.")
    made = workspace(root, [*rows, short], filters={"length": {"action": "drop", "min": 5}})
    write(root, [line(n) for n in range(50, 53)], "leaves.jsonl")
    build(made)
    edited = {3: {**rows[3], "completion": rows[3]["completion"].replace("desk", "red desk")}}
    edited[4] = {**rows[4], "prompt": rows[4]["prompt"].replace("Where", "Wherever"), "id": 4}
    after = [edited.get(n, rows[n]) for n in range(20) if n not in (7, 8)]
    twin = {**rows[0], "id": 77, "prompt": rows[0]["prompt"].upper()}
    recipe = yaml.safe_load(made.recipe_path.read_text())
    recipe["filters"]["length"]["min"] = 1
    made.recipe_path.write_text(yaml.safe_dump(recipe))
    (root / "raw" / "leaves.jsonl").unlink()
    write(root, [*after, short, line(60)])
    write(root, [twin], "first.jsonl")
    write(root, [line(61)], "more.jsonl")
    build(made)
    return store_of(made)


def shown(found: VersionDiff, change: str) -> list[tuple[Any, ...]]:
    """(user's id, why, reason) of each row with this change."""
    lines = [entry for entry in found.changes.to_pylist() if entry["change"] == change]
    side = found.old if change == "removed" else found.new
    ids = {row["row_id"]: json.loads(row["record"])["meta"]["id"] for row in side.rows.to_pylist()}
    return sorted((ids[entry["row_id"]], entry["why"], entry["reason"]) for entry in lines)


def test_every_change_is_named_with_its_reason(store: Store) -> None:
    found = diff(store, "v1", "v2")
    assert shown(found, "added") == [
        (60, "new in the source", None),
        (61, "new source", None),
        (77, "new source", None),
        (90, "was dropped", "too_short"),
    ]
    assert shown(found, "removed") == [
        (0, "dropped", "exact_duplicate"),
        (7, "no longer in the source", None),
        (8, "no longer in the source", None),
        (50, "source gone", None),
        (51, "source gone", None),
        (52, "source gone", None),
    ]
    assert shown(found, "edited") == [(3, "same id", None), (4, "same id", None)]
    (dropped,) = [entry for entry in found.changes.to_pylist() if entry["why"] == "dropped"]
    rows = {row["row_id"]: json.loads(row["record"])["meta"]["id"] for row in found.new.rows.to_pylist()}
    assert rows[dropped["matched_row_id"]] == 77
    assert found.settings() == {
        "filters.length.min": (5, 1),
    }


def test_the_other_way_round_everything_is_mirrored(store: Store) -> None:
    there, back = diff(store, "v1", "v2"), diff(store, "v2", "v1")
    assert (there.count("added"), there.count("removed")) == (back.count("removed"), back.count("added"))
    assert there.count("edited") == back.count("edited")
    assert (there.sizes()["added"], there.sizes()["edited, before"]) == (
        back.sizes()["removed"],
        back.sizes()["edited, after"],
    )
    assert diff(store, "v1", "v1").changes.num_rows == 0


def test_sizes_count_the_text_of_messages(store: Store) -> None:
    found = diff(store, "v1", "v2", tokens=lambda texts: [text.count("e") for text in texts])
    sizes = found.sizes()
    grown = sizes["edited, after"].characters - sizes["edited, before"].characters
    assert grown == len("red ") + len("ver")
    assert sizes["edited, after"].words - sizes["edited, before"].words == 1
    gone = [entry["row_id"] for entry in found.changes.to_pylist() if entry["change"] == "removed"]
    records = [json.loads(row["record"]) for row in found.old.rows.to_pylist() if row["row_id"] in gone]
    said = ["\n".join(message["content"] for message in one["messages"]) for one in records]
    assert (sizes["removed"].rows, sizes["removed"].characters) == (6, sum(map(len, said)))
    assert sizes["removed"].tokens == sum(text.count("e") for text in said)


def test_edits_show_turns_and_words(store: Store) -> None:
    first, second = diff(store, "v1", "v2").edits()
    by_id = {json.loads(first.line["detail"] or "3"): first, 4: second}
    (turn,) = (by_id[3] if by_id[3].turns[0].role == "assistant" else second).turns
    assert [(piece.kind, piece.text) for piece in turn.pieces() if piece.kind != "="] == [("+", "red ")]


def test_moved_rows_say_what_moved_them(tmp_path: Path) -> None:
    rows = [line(n) for n in range(12)]
    made = workspace(tmp_path, rows)
    build(made)
    store = store_of(made)
    v1 = {m["row_id"]: m["split"] for m in store.table("v1", "members").to_pylist()}
    ids = {json.loads(r["record"])["meta"]["id"]: r["row_id"] for r in store.table("v1", "rows").to_pylist()}
    one = next(n for n in range(12) if v1[ids[n]] == "train")
    other = next(n for n in range(12) if v1[ids[n]] == "test")
    bridge = {**line(70), "prompt": f"{rows[one]['prompt']} {rows[other]['prompt']}"}
    write(tmp_path, [*rows, bridge])
    build(made)
    (moved,) = diff(store, "v1", "v2").moved.to_pylist()
    assert (moved["row_id"], moved["split_before"], moved["split_after"]) == (ids[one], "train", "test")
    assert (moved["why"], moved["matched_row_id"]) == ("clusters merged", ids[other])
    recipe = yaml.safe_load(made.recipe_path.read_text())
    recipe["split"]["seed"] = 5
    made.recipe_path.write_text(yaml.safe_dump(recipe))
    build(made)
    assert set(diff(store, "v2", "v3").moved["why"].to_pylist()) == {"split settings changed"}
    assert set(diff(store, "v1", make_folds(store, "v1", 2)[0]).moved["why"].to_pylist()) == {"fold"}


def test_patches_are_named(tmp_path: Path) -> None:
    made = workspace(tmp_path, [line(n) for n in range(12)])
    build(made)
    name = next(iter(diff(store_of(made), "v1", "v1").new.kept["row_id"].to_pylist())).hex()[:12]
    words = ["patch", "add", "-C", str(tmp_path), "--as", "ana", "--yes", "--reason"]
    assert main([*words, "too vague", "--row", name, "--answer", "Ask in room 4."]) == 0
    assert main([*words, "wrong place", "--drop", "--where", "line = 5"]) == 0
    build(made)
    found = diff(store_of(made), "v1", "v2")
    changes = {entry["change"]: entry for entry in found.changes.to_pylist()}
    assert changes.keys() == {"edited", "removed"}
    assert {entry["why"] for entry in changes.values()} == {"patch"}
    assert changes["removed"]["detail"] == "p-002 by ana: wrong place"
    assert changes["edited"]["detail"].startswith("p-001 by ana: too vague")
    (edit,) = found.edits()
    assert [turn.after for turn in edit.turns] == ["Ask in room 4."]


def test_cleaning_that_changes_a_row_is_an_edit(tmp_path: Path) -> None:
    made = workspace(tmp_path, [line(0, completion="  spaced  "), line(1)], normalise={"strip": False})
    build(made)
    made.recipe_path.write_text(made.recipe_path.read_text().replace("strip: false", "strip: true"))
    build(made)
    found = diff(store_of(made), "v1", "v2")
    assert shown(found, "edited") == [(0, "cleaned otherwise", None)]
    (edit,) = found.edits()
    assert [(t.before, t.after) for t in edit.turns] == [("  spaced  ", "spaced")]


WHY = Path(__file__).parent / "fixtures" / "why"
FEWER = {
    "language": {"allowed": ["en", "de"], "action": "drop", "mismatch": "drop"},
    "decontaminate": {"against": ["exam.jsonl"]},
    "select": {"steps": [{"by": "score", "field": "score", "n": 3}]},
    "stages": [{"use": "stages.polite:asking", "after": "turns", "config": {}}],
}


def test_rows_that_the_later_stages_drop_say_why_and_in_which_language(tmp_path: Path) -> None:
    made = workspace(tmp_path, [])
    shutil.copytree(WHY, tmp_path, dirs_exist_ok=True)
    recipe = {**yaml.safe_load(made.recipe_path.read_text()), "sources": [{"path": "quiz.jsonl"}]}
    del recipe["id_field"]  # the quiz has none
    for more in ({}, FEWER):
        made.recipe_path.write_text(yaml.safe_dump(recipe | more))
        build(made, options=BuildOptions(trust_stages=True))
    found = diff(store_of(made), "v1", "v2")
    removed = {entry["line"]: (entry["stage"], entry["reason"]) for entry in found.changes.to_pylist()}
    assert removed == {
        1: ("decontaminate", "contaminated"),
        2: ("decontaminate", "contaminated"),
        3: ("decontaminate", "contaminated"),
        4: ("language", "language_not_allowed"),
        6: ("language", "language_mismatch"),
        10: ("select", "not_selected_score"),
        11: ("stages.polite:asking", "no_question"),
    }
    shown = command.lines(found, Screen())
    assert len(shown) <= LINES
    (why,) = [line for line in shown if line.startswith("removed: ")]
    assert why == (
        "removed: dropped: contaminated 3 · dropped: language mismatch 1 · dropped: language not allowed 1 · "
        "dropped: not selected by score 1 · dropped by stages.polite:asking: no question 1"
    )
    assert "by language: en -4 · en -> de -1 · en -> fr -1 · fr -1" in shown
    assert {line["language"]: line["rows"] for line in found.by_language()} == {
        **{"en": 4, "en -> de": 1},
        **{"en -> fr": 1, "fr": 1},
    }
    back = {line["language"]: line["change"] for line in diff(store_of(made), "v2", "v1").by_language()}
    assert back == dict.fromkeys(("en", "en -> de", "en -> fr", "fr"), "added")


def test_languages_are_left_out_where_nobody_looked(tmp_path: Path) -> None:
    made = workspace(tmp_path, [line(n) for n in range(6)], language={"mismatch": "off"})
    build(made)
    write(tmp_path, [line(n) for n in range(5)])
    build(made)
    found = diff(store_of(made), "v1", "v2")
    assert (found.count("removed"), found.by_language()) == (1, [])


@settings(max_examples=25, deadline=None)
@given(
    st.lists(st.integers(0, 30), unique=True, min_size=1),
    st.lists(st.integers(0, 30), unique=True, min_size=1),
    st.randoms(),
)
def test_old_minus_removed_plus_added_is_new(
    tmp_path_factory: pytest.TempPathFactory, one: list[int], other: list[int], rng: random.Random
) -> None:
    store = Store.create(tmp_path_factory.mktemp("law") / "store")
    names = ("train", "validation", "test")
    for version_id, numbers in (("a" * 64, one), ("b" * 64, other)):
        splits = [rng.choice(names) for _ in numbers]
        publish(store, tables([record(n) for n in numbers], splits), version_id, stats={})
    found = diff(store, "v1", "v2")
    changes = found.changes.to_pylist()
    sides = [{m["row_id"]: m["split"] for m in store.table(v, "members").to_pylist()} for v in ("v1", "v2")]
    after = dict(sides[0])
    for change in changes:
        assert change["split_before"] == sides[0].get(change["row_id"])
        if change["change"] == "removed":
            del after[change["row_id"]]
        else:
            after[change["row_id"]] = change["split_after"]
    assert after == sides[1]
    assert len({change["row_id"] for change in changes}) == len(changes)


@pytest.mark.parametrize("case", CASES, ids=[case["why"] for case in CASES])
def test_turns(case: dict[str, Any]) -> None:
    def messages(turns: list[list[Any]]) -> list[dict[str, Any]]:
        return [{"role": role, "content": content} for role, content in turns]

    before = {"messages": messages(case["before"]), "meta": case.get("meta_before", {})}
    after = {"messages": messages(case["after"]), "meta": case.get("meta_after", {})}
    found = [[t.number, t.role, t.before, t.after] for t in changed_turns(before, after)]
    assert found == case["turns"]
    fields = [[field.name, field.before, field.after] for field in changed_fields(before, after)]
    assert fields == case.get("fields", [])


@given(st.text(alphabet="ab 日本\n.", max_size=40), st.text(alphabet="ab 日本\n.", max_size=40))
def test_pieces_make_up_both_texts(before: str, after: str) -> None:
    pieces = word_changes(before, after)
    assert "".join(piece.text for piece in pieces if piece.kind != "+") == before
    assert "".join(piece.text for piece in pieces if piece.kind != "-") == after
    assert (before == after) == all(piece.kind == "=" for piece in pieces)


# ---- the command


def arguments(store: Store, *words: str) -> Namespace:
    parser = Parser(prog="curate")
    command.add_parser(parser)
    heard = Namespace(command=None, json="--json" in words, directory=str(store.root.parent))
    return parser.parse_args(["diff", *words], heard)


def test_the_summary_fits_and_tells_the_story(store: Store) -> None:
    lines = command.lines(diff(store, "v1", "v2"), Screen())
    assert len(lines) <= LINES
    assert lines[0].startswith("v1 -> v2   rows 23 -> 21   id ")
    assert lines[1] == "settings: filters.length.min 5 -> 1"
    text = "\n".join(lines)
    assert "added: new source 2 · new in the source 1 · was dropped: too short 1" in text
    assert "removed: source gone 3 · no longer in the source 2 · dropped: exact duplicate 1" in text
    assert "by source: raw/rows.jsonl +2 -3 ~2 · raw/leaves.jsonl -3 · raw/first.jsonl +1 · raw/more.jsonl +1" in text
    assert lines[-1].startswith("next: curate diff v1 v2 --full · curate why raw/")


def test_full_lists_every_change_and_json_is_one_object(store: Store, capsys: pytest.CaptureFixture[str]) -> None:
    command.run(arguments(store, "v1", "v2", "--full"))
    lines = capsys.readouterr().out.splitlines()
    assert sum(line.startswith(("+ raw/", "- raw/", "~ raw/")) for line in lines) == 12
    assert any("[red ]" in line for line in lines)
    command.run(arguments(store, "v1", "--json"))
    data = json.loads(capsys.readouterr().out)
    assert (data["counts"], len(data["changes"])) == ({"added": 4, "removed": 6, "edited": 2, "moved": 0}, 12)
    assert data["by_split"]
    assert {len(edit["turns"]) for edit in data["edits"]} == {1}


def test_nothing_changed(store: Store) -> None:
    assert command.lines(diff(store, "v2", "v2"), Screen())[1:] == ["the same rows in the same splits"]


def test_a_change_of_the_sources_is_told_by_their_names(tmp_path: Path) -> None:
    one, two, three = ({"path": f"raw/{name}.jsonl"} for name in ("one", "two", "three"))
    made = workspace(tmp_path, [line(n) for n in range(12)], sources=[one, two], id_field="id")
    for at, name in enumerate(("one", "two", "three")):
        write(tmp_path, [line(n) for n in range(at * 9, at * 9 + 9)], f"{name}.jsonl")
    build(made)
    recipe = yaml.safe_load(made.recipe_path.read_text())
    for sources in ([{**two, "priority": 1}, one], [{**two, "priority": 1}, three]):
        made.recipe_path.write_text(yaml.safe_dump({**recipe, "sources": sources}))
        build(made)
    store = store_of(made)
    assert command.lines(diff(store, "v1", "v2"), Screen())[1:] == [
        "settings: raw/two.jsonl priority 0 -> 1, sources in another order",
        "the same rows in the same splits",
    ]
    told = command.lines(diff(store, "v2", "v3"), Screen())
    assert told[1] == "settings: source raw/three.jsonl added, source raw/one.jsonl left out"
    assert "added: new source 9" in told


def test_a_tokenizer_counts_tokens_or_is_refused(store: Store, tmp_path: Path) -> None:
    from tokenizers import Tokenizer, models, pre_tokenizers

    tokenizer = Tokenizer(models.WordLevel({"[UNK]": 0}, unk_token="[UNK]"))
    tokenizer.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    tokenizer.save(str(tmp_path / "tokenizer.json"))
    named = Namespace(tokenizer=str(tmp_path), directory=".")
    found = diff(store, "v1", "v2", command._counter(named, tmp_path, {}))
    assert found.sizes()["added"].tokens == found.sizes()["added"].words
    assert "tokens" in command.lines(found, Screen())[2]
    unsaid, recipe = Namespace(tokenizer=None), {"tokens": {"tokenizer": "tokenizer.json"}}
    assert diff(store, "v1", "v2", command._counter(unsaid, tmp_path, recipe)).sizes() == found.sizes()
    assert command._counter(unsaid, tmp_path / "gone", recipe) is None
    assert command._counter(unsaid, tmp_path, {}) is None
    (tmp_path / "tokenizer.json").write_text("{}")
    for path in (tmp_path, tmp_path / "missing", tmp_path / "tokenizer.json"):
        if path.name == "missing":
            path.mkdir()
        with pytest.raises(ConfigError, match="tokenizer"):
            command._counter(Namespace(tokenizer=str(path), directory="."), tmp_path, recipe)


def test_a_sentencepiece_model_counts_tokens_too(store: Store, tmp_path: Path) -> None:
    sentencepiece = pytest.importorskip("sentencepiece")
    texts = iter(["the quick brown fox jumps over the lazy dog"] * 20)
    with (tmp_path / "tokenizer.model").open("wb") as model:
        sentencepiece.SentencePieceTrainer.train(
            sentence_iterator=texts, model_writer=model, vocab_size=40, model_type="bpe", minloglevel=2
        )
    found = diff(store, "v1", "v2", command._counter(Namespace(tokenizer=str(tmp_path), directory="."), tmp_path, {}))
    assert (found.sizes()["added"].tokens or 0) > found.sizes()["added"].words
