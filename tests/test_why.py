"""`why` tells the truth: every change it proposes is made, the version is built again, and the row must be kept."""

from __future__ import annotations

import re
import shutil
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import orjson
import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from app.cli import main
from app.cli.render import LINES, Screen
from app.cli.why import lines
from curation.counterfactual import above, changes
from curation.errors import ConfigError
from curation.flow import BuildOptions, run_stages
from curation.lookup import Tables, candidate, find, grep
from curation.patches import set_aside
from curation.pipeline import build
from curation.progress import Silent
from curation.recipe import recipe_from
from curation.rerun import changed_recipe
from curation.stages.user import load_stages
from curation.store import VersionInfo, open_store
from curation.why import Note, Story, explain
from curation.workspace import Workspace, init_workspace

CORPUS = Path(__file__).parent / "fixtures" / "why"
OPTIONS = BuildOptions(max_bad=0.5, trust_stages=True)
SOME_NOTE = Note("filters", "odd_symbols", 0.5, 0.4, None, None)
QUIZ: dict[str, Any] = {"sources": [{"path": "quiz.jsonl"}]}
# Recipes under which rows are dropped for different reasons; each is the default but for what it names.
RECIPES: dict[str, dict[str, Any]] = {
    "default": {},
    "strict_filters": {
        "filters": {
            "length": {"action": "drop", "min": 60, "max": 250},
            "symbols": {"action": "drop", "max": 0.1},
            "cut_off": {"action": "drop"},
        }
    },
    "loose_near": {"near": {"threshold": 0.5, "on": "prompt"}},
    "longest": {"near": {"keep": "longest"}, "exact": {"keep": "longest"}},
    "conflicts": {"conflicts": {"action": "drop"}, "near": {"action": "off"}, "exact": {"action": "off"}},
    "contaminated": {**QUIZ, "decontaminate": {"against": ["exam.jsonl"]}},
    "contaminated_fuzzy": {**QUIZ, "decontaminate": {"against": ["exam.jsonl"], "coverage": 0.4}},
    "languages": {**QUIZ, "language": {"allowed": ["en"], "action": "drop", "mismatch": "drop"}},
    "mismatch": {**QUIZ, "language": {"mismatch": "drop"}},
    "random": {**QUIZ, "select": {"steps": [{"by": "random", "n": 5}, {"by": "random", "n": 2, "seed": 7}]}},
    "length": {**QUIZ, "select": {"steps": [{"by": "length", "n": 6}, {"by": "length", "n": 2, "order": "shortest"}]}},
    "score": {**QUIZ, "select": {"steps": [{"by": "score", "field": "score", "n": 4}]}},
    "diversity": {**QUIZ, "select": {"steps": [{"by": "diversity", "n": 3}]}},
    "quota": {
        "select": {
            "steps": [{"by": "quota", "field": "source", "per_value": 3}, {"by": "quota", "field": "source", "n": 4}]
        }
    },
    "all_at_once": {
        **QUIZ,
        "decontaminate": {"against": ["exam.jsonl"]},
        "language": {"allowed": ["en", "de"], "action": "drop"},
        "select": {"steps": [{"by": "score", "field": "score", "n": 3}]},
    },
}


def workspace(folder: Path, recipe: dict[str, Any]) -> Workspace:
    shutil.copytree(CORPUS, folder, dirs_exist_ok=True)
    made = init_workspace(folder, [str(folder / "chats.jsonl"), str(folder / "tickets.jsonl")])
    text = {**yaml.safe_load(made.recipe_path.read_text("utf-8")), **recipe}
    made.recipe_path.write_text(yaml.safe_dump(text), "utf-8")
    return made


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> tuple[Workspace, Tables]:
    made = workspace(tmp_path_factory.mktemp("why"), {})
    build(made, options=OPTIONS)
    store = open_store(made.store_path)
    return made, Tables(store, store.resolve("latest"))


def built_tables(made: Workspace) -> Tables:
    build(made, options=OPTIONS)
    return tables_of(made)


def tables_of(made: Workspace) -> Tables:
    store = open_store(made.store_path)
    return Tables(store, store.resolve("latest"))


def row_id(made: Workspace, target: str) -> str:
    tables = tables_of(made)
    found: bytes = tables.entry(find(tables, target, made.root)[0])["row_id"]
    return found.hex()


def lost(tables: Tables) -> list[int]:
    verdicts = tables.ledger["verdict"].to_pylist()
    return [index for index, verdict in enumerate(verdicts) if verdict != "kept"]


def verdict_with(made: Workspace, version: VersionInfo, settings: Any, index: int) -> str:
    """The row's verdict in a whole build with these settings, sources read anew."""
    recipe = recipe_from(changed_recipe(version.recipe, settings))
    own = load_stages(recipe.stages, made.root, trusted=True)
    ledger = run_stages(made, recipe, OPTIONS, Silent(), own=own).stored["ledger"].slice(index, 1).to_pylist()[0]
    return str(ledger["verdict"])


def all_changes(folder: Path, recipe: dict[str, Any]) -> Iterator[tuple[str, str]]:
    """(what was promised, what a rebuild says) for every change of every lost row."""
    made = workspace(folder, recipe)
    build(made, options=OPTIONS)
    store = open_store(made.store_path)
    tables = Tables(store, store.resolve("latest"))
    for index in lost(tables):
        entry = tables.entry(index)
        if entry["verdict"] == "quarantined":
            continue
        proposed = changes(tables, index, made.root)
        where = f"{entry['source']}:{entry['line']} ({entry['reason']} by {entry['stage']})"
        if not proposed:
            yield where, "nothing proposed"
        for change in proposed:
            yield f"{where}: {change.text}", verdict_with(made, tables.version, change.settings, index)


# What each recipe must drop rows for, or its cases test nothing.
STAGES = {
    "default": {"turns", "filters", "exact", "near"},
    "strict_filters": {"filters"},
    "loose_near": {"near"},
    "longest": {"exact", "near"},
    "conflicts": {"conflicts"},
    "contaminated": {"decontaminate", "near"},
    "contaminated_fuzzy": {"decontaminate"},
    "languages": {"language"},
    "mismatch": {"language"},
    **{name: {"select"} for name in ("random", "length", "score", "diversity", "quota")},
    "all_at_once": {"language", "near", "decontaminate", "select"},
}


@pytest.mark.parametrize("name", RECIPES)
def test_every_proposed_change_would_have_kept_the_row(name: str, tmp_path: Path) -> None:
    outcome = dict(all_changes(tmp_path, RECIPES[name]))
    stages = {promise.split("by ")[1].split(")")[0] for promise in outcome}
    assert stages >= STAGES[name]
    assert {promise: verdict for promise, verdict in outcome.items() if verdict != "kept"} == {}


@pytest.mark.parametrize("name", ["random", "length", "score", "diversity"])
def test_a_selection_is_not_made_larger_than_it_takes(name: str, tmp_path: Path) -> None:
    steps = RECIPES[name]["select"]["steps"][:1]
    made = workspace(tmp_path, {**QUIZ, "select": {"steps": steps}})
    tables = built_tables(made)
    selected = [index for index in lost(tables) if tables.entry(index)["stage"] == "select"]
    for index in selected:
        first, without = changes(tables, index, made.root)
        assert verdict_with(made, tables.version, first.settings, index) == "kept"
        fewer = {path: n - 1 for path, n in first.settings.items()}
        assert verdict_with(made, tables.version, fewer, index) == "dropped", first.text
        assert without.text == f"select step 1 (by {name}) taken out"
    assert len(selected) >= 4


OWN = {"use": "stages.polite:polite", "after": "filters", "config": {"word": "er"}}
ASKING = {"use": "stages.polite:asking", "after": "near", "config": {}}


def test_rows_that_the_users_own_stages_took_out(tmp_path: Path) -> None:
    made = workspace(tmp_path, {**QUIZ, "stages": [OWN, ASKING]})
    tables = built_tables(made)
    proposed = {tables.entry(index)["line"]: changes(tables, index, made.root) for index in lost(tables)}
    impolite = [tables.entry(index)["line"] for index in lost(tables) if tables.entry(index)["reason"] == "impolite"]
    assert len(impolite) >= 3
    for line in impolite:  # the other stage has not seen them: nobody can tell what it would say
        assert [(change.text, change.sure) for change in proposed[line]] == [
            ("stage stages.polite:polite taken out", False)
        ]
    index = find(tables, "quiz.jsonl:11")[0]
    (change,) = changes(tables, index, made.root)
    assert (change.text, change.sure) == ("stage stages.polite:asking taken out", True)
    assert verdict_with(made, tables.version, change.settings, index) == "kept"
    near = [change for change in proposed[9] if change.tried]
    assert [change.sure for change in near] == [False, False]


def test_rows_that_one_own_stage_took_out_are_tried_without_it(tmp_path: Path) -> None:
    made = workspace(tmp_path, {**QUIZ, "stages": [OWN]})
    tables = built_tables(made)
    for index in lost(tables):
        for change in changes(tables, index, made.root):
            assert change.sure == (tables.entry(index)["stage"] in ("near", OWN["use"]))
            assert verdict_with(made, tables.version, change.settings, index) == "kept", change.text


def test_rows_that_patches_dropped_or_changed(tmp_path: Path) -> None:
    made = workspace(tmp_path, {**QUIZ, "normalise": {"strip": True}})
    build(made, options=OPTIONS)
    words = ["patch", "add", "-C", str(tmp_path), "--as", "ana", "--yes", "--reason"]
    ids = {line: row_id(made, f"quiz.jsonl:{line}") for line in (7, 8)}
    assert main([*words, "the caretaker has left", "--drop", "--row", ids[7]]) == 0
    assert main([*words, "of another year", "--drop", "--row", ids[8]]) == 0
    tables = built_tables(made)
    index = find(tables, "quiz.jsonl:7")[0]
    (change,) = changes(tables, index, made.root)
    assert (change.text, change.sure, change.patch) == ("curate patch drop p-001", True, "p-001")
    assert main([*words, "checked", "--relabel", "checked=yes", "--row", row_id(made, "quiz.jsonl:9")]) == 0
    tables = built_tables(made)  # line 9, near line 8, is there instead of it, and counts as reviewed
    twin = find(tables, "quiz.jsonl:8")[0]
    careful, switched_off = changes(tables, twin, made.root)
    assert careful.text.startswith("curate patch drop p-002 and near.threshold ")
    assert switched_off.text == "curate patch drop p-002 and near.action off"
    for patch, target, proposed in (("p-001", index, [change]), ("p-002", twin, [careful, switched_off])):
        aside = set_aside(made.root, patch)
        for one in proposed:
            assert verdict_with(made, tables.version, one.settings, target) == "kept", one.text
        aside.rename(made.root / "patches" / aside.name)


def test_a_patch_that_also_edits_cannot_be_tried(tmp_path: Path) -> None:
    made = workspace(tmp_path, QUIZ)
    build(made, options=OPTIONS)
    words = ["patch", "add", "-C", str(tmp_path), "--as", "ana", "--yes", "--reason", "wrong"]
    assert main([*words, "--row", row_id(made, "quiz.jsonl:7"), "--answer", "Use the goods lift."]) == 0
    tables = built_tables(made)
    edited = find(tables, "quiz.jsonl:7")[0]
    assert tables.entry(edited)["verdict"] == "kept"
    assert main([*words, "--drop", "--row", tables.entry(edited)["row_id"].hex()]) == 0
    tables = built_tables(made)
    (change,) = changes(tables, edited, made.root)
    assert (change.text, change.sure) == ("curate patch drop p-002", False)


def test_evaluation_sets_that_changed_are_not_relied_on(tmp_path: Path) -> None:
    made = workspace(tmp_path, RECIPES["contaminated"])
    tables = built_tables(made)
    index = find(tables, "quiz.jsonl:9")[0]
    assert all(change.sure for change in changes(tables, index, made.root))
    with (tmp_path / "exam.jsonl").open("a") as exam:
        exam.write((tmp_path / "exam.jsonl").read_text().splitlines()[0].replace('"Q1"', '"Q3"') + "\n")
    assert not any(change.sure for change in changes(tables, index, made.root))


def test_a_row_that_left_for_a_fixed_test_row(tmp_path: Path) -> None:
    rows = [orjson.loads(line) for line in (CORPUS / "tickets.jsonl").read_bytes().splitlines() if line.endswith(b"}")]
    exam = [{"prompt": "How do I reset my badge pin, please?", "completion": "Ask the front desk."}]
    (tmp_path / "train.jsonl").write_bytes(b"\n".join(map(orjson.dumps, rows[:1] + rows[15:])))
    (tmp_path / "exam.jsonl").write_bytes(b"\n".join(map(orjson.dumps, exam)))
    made = init_workspace(tmp_path, [str(tmp_path / "exam.jsonl"), str(tmp_path / "train.jsonl")])
    recipe = yaml.safe_load(made.recipe_path.read_text("utf-8"))
    recipe["sources"][0]["split"] = "test"
    made.recipe_path.write_text(yaml.safe_dump(recipe), "utf-8")
    build(made)
    store = open_store(made.store_path)
    tables = Tables(store, store.resolve("latest"))
    index = find(tables, "train.jsonl:1", tmp_path)[0]
    story = explain(tables, index, tmp_path)
    assert story.reason == "near_fixed_test"
    assert story.matched is not None
    assert (story.matched.where, story.matched.fate) == ("exam.jsonl:1", "kept as v1 test #1")
    paths = [next(iter(change.settings)) for change in story.changes]
    assert paths == ["split.threshold", "sources.0.split"]
    assert [verdict_with(made, tables.version, change.settings, index) for change in story.changes] == ["kept"] * 2


def story_of(built: tuple[Workspace, Tables], target: str) -> Story:
    made, tables = built
    (index,) = find(tables, target, made.root)
    return explain(tables, index, made.root)


def test_the_story_of_a_near_duplicate(built: tuple[Workspace, Tables]) -> None:
    story = story_of(built, "tickets.jsonl:3")
    raw = (CORPUS / "tickets.jsonl").read_bytes().splitlines()
    assert (story.raw, story.raw_from) == (raw[2].decode(), "source file")
    assert story.byte_offset == len(raw[0]) + len(raw[1]) + 2
    assert (story.verdict, story.stage, story.format) == ("dropped", "near", "prompt_completion")
    assert story.matched is not None
    assert story.matched.where == "tickets.jsonl:1"
    assert story.matched.fate.startswith("kept as v1 ")
    assert story.row is not None
    assert story.row.answer.startswith("To do that, open the settings")
    assert story.similarity is not None
    first = story.changes[0].settings
    assert story.similarity < first["near.threshold"] <= story.similarity + 0.0101


@pytest.fixture(scope="module")
def told(tmp_path_factory: pytest.TempPathFactory) -> tuple[Workspace, Tables]:
    """A version in which evaluation items and languages are reported, rows selected, and a row patched."""
    recipe = {
        **QUIZ,
        "decontaminate": {"against": ["exam.jsonl"], "action": "report"},
        "language": {"allowed": ["en", "de"]},
        "select": {"steps": [{"by": "length", "n": 8}, {"by": "random", "n": 6}]},
    }
    made = workspace(tmp_path_factory.mktemp("told"), recipe)
    build(made, options=OPTIONS)
    words = ["patch", "add", "-C", str(made.root), "--as", "ana", "--yes", "--tags", "t1,t2"]
    said = ["--reason", "wrong lift", "--answer", "  Use the goods lift beside the second loading ramp.  "]
    kept = next(line for line in (3, 7) if tables_of(made).entry(line - 1)["verdict"] == "kept")
    assert main([*words, *said, "--row", row_id(made, f"quiz.jsonl:{kept}")]) == 0
    return made, built_tables(made)


def test_evaluation_items_are_shown_where_they_are_only_reported(told: tuple[Workspace, Tables]) -> None:
    story = story_of(told, "quiz.jsonl:1")
    (leak,) = story.leaks
    assert (leak.set, leak.item, leak.how, leak.coverage, leak.dropped) == ("exam.jsonl", "Q1", "stem", 1.0, False)
    assert leak.text.startswith("Which of these materials would best keep")
    assert leak.text.endswith("a cold winter morning")
    assert story.row is not None
    assert leak.before + leak.text + leak.after == f"{story.row.prompt}\n{story.row.answer}"
    shown = lines(story, Screen())
    assert "holds item Q1 of exam.jsonl (1.0 of its question, stem, reported only)" in shown
    assert any(line.startswith("  [Which of these materials") and "]?" in line for line in shown)
    assert story_of(told, "quiz.jsonl:8").leaks == []


def test_languages_are_told(told: tuple[Workspace, Tables]) -> None:
    said = {line: lines(story_of(told, f"quiz.jsonl:{line}"), Screen())[2] for line in (4, 5, 6)}
    assert said[4].endswith(" · language fr")
    assert said[6].endswith(" · asked in en, answered in de")
    assert (story_of(told, "quiz.jsonl:5").prompt_language, said[5].endswith("language de")) == ("de", True)


def test_patches_are_told_with_who_when_and_why(told: tuple[Workspace, Tables]) -> None:
    tables = told[1]
    (step,) = tables.table("patches").to_pylist()
    at = [i for i in range(tables.ledger.num_rows) if tables.entry(i)["row_id"] == step["result_row_id"]]
    story = explain(tables, at[0], told[0].root)
    (known,) = story.patches
    assert (known.patch, known.op, known.author, known.reason, known.tags) == (
        *("p-001", "edit", "ana", "wrong lift"),
        ["t1", "t2"],
    )
    shown = lines(story, Screen())
    assert f"edited by patch p-001, ana, {step['time'][:10]}: wrong lift (tags t1, t2)" in shown
    place = shown.index("changed by normalise: turn 2 (assistant)")
    assert shown[place + 1 : place + 3] == [
        "  - [  ]Use the goods lift beside the second loading ramp.[  ]",
        "  + Use the goods lift beside the second loading ramp.",
    ]
    other = next(i for i in range(tables.ledger.num_rows) if i != at[0])
    assert explain(tables, other, told[0].root).patches == []


def test_selection_is_told_with_its_line(told: tuple[Workspace, Tables]) -> None:
    tables = told[1]
    shown = [lines(explain(tables, i, told[0].root), Screen()) for i in range(tables.ledger.num_rows)]
    by_length = [line for one in shown for line in one if line.startswith("dropped by select: not selected by length")]
    by_chance = [line for one in shown for line in one if line.startswith("dropped by select: not selected by random")]
    assert len(by_length) == 2
    assert all(re.search(r": \d+ characters, the line at \d+$", line) for line in by_length)
    assert [re.sub(r"rank [78]", "rank N", line) for line in by_chance] == [
        "dropped by select: not selected by random: rank N, 6 taken"
    ] * 2
    kept = [one for one in shown if one[-1].startswith("kept as v2")]
    assert len(kept) == 6
    assert all(any(re.fullmatch(r"selected by random: rank [1-6], 6 taken", line) for line in one) for one in kept)


def test_the_verdict_is_there_however_much_there_is_to_tell(told: tuple[Workspace, Tables]) -> None:
    story = story_of(told, "quiz.jsonl:1")
    long = replace(story, leaks=story.leaks * 3, notes=[*story.notes, *[SOME_NOTE] * 20])
    shown = lines(long, Screen())
    assert len(shown) == LINES
    assert shown[-1].startswith("it would be kept with: ")


def test_a_change_that_may_not_be_enough_says_so(told: tuple[Workspace, Tables]) -> None:
    story = story_of(told, "quiz.jsonl:1")
    unsure = replace(story, changes=[*story.changes, replace(story.changes[0], sure=False)])
    assert lines(unsure, Screen())[-1] == f"it may be kept with: {story.changes[0].text}"


def test_a_row_that_a_patch_dropped_says_who(tmp_path: Path) -> None:
    made = workspace(tmp_path, QUIZ)
    build(made, options=OPTIONS)
    words = ["patch", "add", "-C", str(tmp_path), "--as", "ana", "--yes", "--reason", "a leak"]
    assert main([*words, "--drop", "--row", row_id(made, "quiz.jsonl:7")]) == 0
    shown = lines(explain(built_tables(made), 6, tmp_path), Screen())
    assert re.fullmatch(r"dropped by patch p-001, ana, \d{4}-\d\d-\d\d: a leak", shown[-2])
    assert shown[-1] == "it would be kept with: curate patch drop p-001"


def test_the_story_of_a_quarantined_line(built: tuple[Workspace, Tables]) -> None:
    story = story_of(built, "tickets.jsonl:21")
    assert (story.verdict, story.row) == ("quarantined", None)
    assert story.raw == '{"prompt": "Is this line cut?", "completion": "Yes, it is c'
    assert [change.settings for change in story.changes] == [{}]
    assert story.changes[0].text.startswith("mend the line")


def test_the_story_of_a_kept_row(built: tuple[Workspace, Tables]) -> None:
    tables = built[1]
    story = story_of(built, "tickets.jsonl:1")
    assert story.verdict == "kept"
    assert story.changes == []
    assert story.cluster_size >= 1
    member = tables.table("members").slice(0).to_pylist()
    assert [
        m["split"] for m in member if m["row_id"] == tables.entry(find(tables, "tickets.jsonl:1")[0])["row_id"]
    ] == [story.split]


@pytest.mark.parametrize(
    ("change", "said"),
    [("edit", "store: the source file has changed since"), ("remove", "store: the source file is gone")],
)
def test_bytes_come_from_the_store_when_the_source_is_another(change: str, said: str, tmp_path: Path) -> None:
    made = workspace(tmp_path, {})
    build(made, options=OPTIONS)
    store = open_store(made.store_path)
    tables = Tables(store, store.resolve("latest"))
    path = tmp_path / "tickets.jsonl"
    if change == "edit":
        path.write_text("{}\n" + path.read_text("utf-8"), "utf-8")
    else:
        path.unlink()
    story = explain(tables, find(tables, "tickets.jsonl:1")[0], tmp_path)
    assert story.raw_from == said
    assert orjson.loads(story.raw or "")["messages"][0]["content"] == "How do I reset my badge pin?"
    bad = explain(tables, find(tables, "tickets.jsonl:21")[0], tmp_path)
    assert bad.raw == '{"prompt": "Is this line cut?", "completion": "Yes, it is c'


def test_a_row_is_found_by_path_id_and_text(built: tuple[Workspace, Tables], monkeypatch: pytest.MonkeyPatch) -> None:
    made, tables = built
    (index,) = find(tables, "tickets.jsonl:6", made.root)
    row_id = candidate(tables, index).row_id
    assert row_id is not None
    assert find(tables, row_id) == find(tables, row_id[:8]) == find(tables, row_id.replace("-", "").upper()) == [index]
    assert find(tables, f"{made.root}/tickets.jsonl:6", made.root) == [index]
    monkeypatch.chdir(made.root)
    assert find(tables, "./tickets.jsonl:6", made.root) == [index]
    where = [candidate(tables, i).where for i in grep(tables, "WHERE IS MY INVOICE")]
    assert where == ["tickets.jsonl:6", "tickets.jsonl:7", "tickets.jsonl:8"]
    assert [candidate(tables, i).where for i in grep(tables, "is this line cut")] == ["tickets.jsonl:21"]
    assert grep(tables, "nowhere to be found") == []


@pytest.mark.parametrize(
    ("target", "message"),
    [
        ("tickets.jsonl:99", "tickets.jsonl:99: there is no row; the last one is on line 37"),
        ("nope.jsonl:1", "nope.jsonl: is not a source of v1; sources: chats.jsonl, tickets.jsonl"),
        ("0000000000000000", "v1 has no row whose id begins with 0000000000000000; try curate why --grep TEXT"),
        (
            "abc",
            '"abc" is neither FILE:LINE nor the beginning of a row id (4 to 32 hexadecimal digits); '
            "to look for text: curate why --grep TEXT",
        ),
    ],
)
def test_what_cannot_be_found(built: tuple[Workspace, Tables], target: str, message: str) -> None:
    made, tables = built
    with pytest.raises(ConfigError) as error:
        find(tables, target, made.root)
    assert str(error.value) == message


@given(st.floats(min_value=0, max_value=1))
def test_a_threshold_above_is_really_above(similarity: float) -> None:
    threshold = above(similarity)
    if threshold is None:
        assert similarity > 0.9998
    else:
        assert similarity < threshold <= 1
        assert float(str(threshold)) == threshold
