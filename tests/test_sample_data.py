"""The sample data is what its generator writes, keeps its promises, and its manifest tells the truth."""

from __future__ import annotations

import csv
import gzip
import json
import re
import unicodedata
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator
from functools import cache
from itertools import combinations
from pathlib import Path
from typing import Any

import jsonschema
import pyarrow.parquet as pq
import pytest
import yaml

from data import domain
from data.defects import iban
from data.draw import Draw
from data.generate import SEED, generate, main, stories
from data.science import items

DATA = Path(__file__).resolve().parents[1] / "data"
RAW = DATA / "raw"
MANIFEST = json.loads((DATA / "manifest.json").read_bytes())
DEFECTS: list[dict[str, Any]] = MANIFEST["defects"]
FREE_FORM = ("manual", "inbox", "chat", "community", "converted")
KINDS = {
    "exact_duplicate": 12,
    "near_duplicate": 12,
    "differs_in_fact": 4,
    "conflict": 12,
    "broken_json": 10,
    "wrong_type": 6,
    "empty_answer": 6,
    "placeholder": 8,
    "cut_off": 9,
    "cut_conversation": 10,
    "personal_data": 10,
    "mojibake": 8,
    "wrong_language": 6,
    "leaked_item": 5,
    "boilerplate": 24,
    "canned_guard": 26,
    "repetition": 4,
    "refusal": 4,
    "echo": 4,
    "unbalanced_fence": 4,
}
LATER = {"personal_data"}
EXAMS = ["eval/science_300.jsonl", "eval/science_sample.jsonl"]

PINNED = [14, 78, 65, 21, 76, 32, 37, 99]

Pair = tuple[str, str]


# ---- a small reader of its own, so that nothing here depends on the code under test elsewhere ----


@cache
def lines(file: str) -> list[tuple[int, bytes]]:
    """(line number from 1, bytes) of every line that is not blank."""
    numbered = enumerate((DATA / file).read_bytes().split(b"\n"), 1)
    return [(number, line) for number, line in numbered if line.strip()]


def conversation(row: dict[str, Any]) -> tuple[str, ...]:
    """The turns of a row of any free-form layout, without a system prompt."""
    if "instruction" in row:
        prompt = f"{row['instruction']}\n\n{row['input']}" if row["input"] else row["instruction"]
        return (prompt, row["output"])
    if "messages" in row:
        return tuple(message["content"] for message in row["messages"])
    if "conversations" in row:
        return tuple(turn["value"] for turn in row["conversations"] if turn["from"] != "system")
    if row["text"].startswith("<s>"):
        return tuple(turn.strip() for turn in re.split(r"<s>\[INST\]|\[/INST\]|</s>", row["text"]) if turn.strip())
    return tuple(turn.strip() for turn in re.split(r"### (?:Human|Assistant):", row["text"])[1:])


def turns_at(place: dict[str, Any]) -> tuple[str, ...]:
    return conversation(json.loads(lines(place["file"])[place["unit"]][1]))


@cache
def clean_rows() -> list[Pair]:
    with (RAW / "handbook.csv").open(encoding="utf-8", newline="") as file:
        rows = [(row["question"], row["answer"]) for row in csv.DictReader(file)]
    rows += [
        (turns[0], turns[1]) for _, line in lines("raw/tickets.jsonl") for turns in [conversation(json.loads(line))]
    ]
    return rows + [(r["prompt"], r["completion"]) for r in pq.read_table(RAW / "faq.parquet").to_pylist()]


@cache
def old_rows() -> list[Pair]:
    rows = json.loads(gzip.decompress((RAW / "export-2023.json.gz").read_bytes()))
    return [(row["instruction"], row["output"]) for row in rows]


@cache
def protected_rows() -> list[dict[str, Any]]:
    return [json.loads(line) for _, line in lines("raw/protected/test.jsonl")]


@cache
def readable_rows() -> list[tuple[str, ...]]:
    """Conversations of the free-form files as far as they can be read."""
    found = []
    for name in FREE_FORM:
        for _, line in lines(f"raw/{name}.jsonl"):
            try:
                turns = conversation(json.loads(line))
            except (ValueError, KeyError, TypeError):
                continue
            found.append(tuple(str(turn) for turn in turns))
    return found


def code_of(text: str) -> str:
    (code,) = set(re.findall(r"E-\d+", text))
    return str(code)


def wording(question: str) -> str:
    return re.sub(r"E-\d+", "{c}", question)


def attribute_of(answer: str) -> str:
    return "fix" if answer.startswith("To clear") else "cause"


def char_grams(text: str) -> set[str]:
    text = text.lower()
    return {text[i : i + 5] for i in range(max(1, len(text) - 4))}


def word_grams(*texts: str) -> set[tuple[str, ...]]:
    words = re.findall(r"\w+", "\n".join(texts).lower())
    return {tuple(words[i : i + 5]) for i in range(max(1, len(words) - 4))}


def jaccard(left: set[Any], right: set[Any]) -> float:
    return len(left & right) / len(left | right)


def files_below(folder: Path) -> dict[str, bytes]:
    return {str(p.relative_to(folder)): p.read_bytes() for p in sorted(folder.rglob("*")) if p.is_file()}


# ---- the generator ----


def test_committed_files_are_what_the_generator_writes(tmp_path: Path) -> None:
    generate(tmp_path)
    written = files_below(tmp_path)
    committed = {name: (DATA / name).read_bytes() for name in written}
    # Parquet files name the version of pyarrow; with another one only the rows can be compared.
    made_by = [pq.read_metadata(folder / "raw" / "faq.parquet").created_by for folder in (tmp_path, DATA)]
    if made_by[0] != made_by[1]:
        tables = [pq.read_table(folder / "raw" / "faq.parquet") for folder in (tmp_path, DATA)]
        assert tables[0].equals(tables[1])
        del written["raw/faq.parquet"], committed["raw/faq.parquet"]
    assert [name for name in written if written[name] != committed[name]] == []
    assert set(files_below(RAW)) == {name[4:] for name in files_below(tmp_path) if name.startswith("raw/")}


def test_another_seed_writes_other_files(tmp_path: Path) -> None:
    generate(tmp_path / "one", SEED + 1)
    generate(tmp_path / "two", SEED + 1)
    assert files_below(tmp_path / "one") == files_below(tmp_path / "two")
    same = [n for n, content in files_below(tmp_path / "one").items() if (DATA / n).read_bytes() == content]
    assert same == EXAMS


def test_without_defects_nothing_is_wrong(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--out", str(tmp_path), "--no-defects"]) == 0
    assert "0 wrong answers, 0 planted defects" in capsys.readouterr().err
    manifest = json.loads((tmp_path / "manifest.json").read_bytes())
    assert (manifest["defects"], manifest["wrong_answers"]["units"]) == ([], [])
    assert set(files_below(tmp_path)) == {*MANIFEST["rows"], *EXAMS, "manifest.json"}
    told = [
        conversation(json.loads(line))
        for name in FREE_FORM
        for line in (tmp_path / "raw" / f"{name}.jsonl").read_bytes().splitlines()
    ]
    assert len(told) == len(set(told)) == len(stories(SEED)) >= 600
    assert Counter(told) == Counter(story.folded().turns for story in stories(SEED))
    answers = right_answers()
    rows = json.loads(gzip.decompress((tmp_path / "raw" / "export-2023.json.gz").read_bytes()))
    assert all(row["output"] == answers[code_of(row["instruction"]), attribute_of(row["output"])] for row in rows)


def test_draws_do_not_change() -> None:
    """Pinned, because every byte of the sample data hangs on them."""
    draw = Draw(7, "pinned")
    assert [draw.below(100) for _ in range(8)] == PINNED
    assert sorted(draw.shuffled(range(9))) == list(range(9))
    assert all((part := draw.subset("abcdef", 3)) == sorted(part) and len(part) == 3 for _ in range(20))


# ---- the facts ----


@cache
def right_answers() -> dict[tuple[str, str], str]:
    """(code, attribute) -> answer, as the clean sources have it."""
    answers: dict[tuple[str, str], str] = {}
    for question, answer in clean_rows():
        key = (code_of(question), attribute_of(answer))
        assert answers.setdefault(key, answer) == answer
        assert code_of(answer) == key[0]
    return answers


def test_about_2500_rows_are_facts_times_wordings() -> None:
    rows = clean_rows() + old_rows()
    assert 2400 <= len(rows) <= 2700
    assert len(set(rows)) == len(rows)
    assert len({question for question, _ in clean_rows()}) == len(clean_rows())
    assert len(right_answers()) == 240
    words = Counter(word for pair in rows for text in pair for word in re.findall(r"[^\W\d]+", text.lower()))
    assert len(words) <= 200  # a small vocabulary
    assert max(len(re.findall(r"\w+", answer)) for _, answer in rows) <= 16


def test_the_old_export_is_wrong_in_two_of_five_rows_to_one_half() -> None:
    answers = right_answers()
    facts = {answer.split(" ", 1)[1] for answer in answers.values()} | {a.split(",", 1)[-1] for a in answers.values()}
    wrong = []
    for unit, (question, answer) in enumerate(old_rows()):
        assert code_of(answer) == code_of(question)
        if answer != answers[code_of(question), attribute_of(answer)]:
            wrong.append(unit)
            told = answer.split(",", 1)[1] if answer.startswith("To clear") else answer.split(" ", 1)[1]
            assert told in facts, "a wrong answer is another fact's"
    assert 0.4 <= len(wrong) / len(old_rows()) <= 0.5
    assert MANIFEST["wrong_answers"] == {"file": "raw/export-2023.json.gz", "units": wrong}


def test_conflicts_of_the_old_export_show_in_the_prompts() -> None:
    answers = right_answers()
    clean = defaultdict(list)
    for question, answer in clean_rows():
        clean[code_of(question), attribute_of(answer)].append(char_grams(question))
    nearest: dict[tuple[str, str], float] = defaultdict(float)
    for question, answer in old_rows():
        key = (code_of(question), attribute_of(answer))
        if answer != answers[key]:
            grams = char_grams(question)
            nearest[key] = max(nearest[key], *(jaccard(grams, other) for other in clean[key]))
    assert len(nearest) == len(MANIFEST["wrong_answers"]["units"]) / 6
    assert min(nearest.values()) >= 0.75
    assert sum(value == 1 for value in nearest.values()) >= 40


def test_the_protected_test_asks_trained_facts_in_new_wordings_and_50_unseen_ones() -> None:
    rows, answers = protected_rows(), right_answers()
    seen = [row for row in rows if row["slice"] == "seen_fact"]
    unseen = [row for row in rows if row["slice"] == "unseen_fact"]
    assert (len(seen) >= 200, len(unseen), len(rows)) == (True, 50, len(seen) + 50)
    assert len({row["id"] for row in rows}) == len({row["question"] for row in rows}) == len(rows)
    assert {row["split"] for row in rows} == {"test"}
    assert all(row["answer"] == answers[code_of(row["question"]), row["attribute"]] for row in seen)
    trained = {wording(question) for question, _ in clean_rows() + old_rows()}
    assert not trained & {wording(row["question"]) for row in rows}
    known = {code for code, _ in answers} | {code_of(question) for question, _ in old_rows()}
    assert not known & {code_of(row["question"]) for row in unseen}
    everything = " ".join(turn for turns in readable_rows() for turn in turns)
    assert not [row for row in rows if code_of(row["question"]) in everything]
    facts = {f.code: f for table in domain.faults(SEED) for f in table}
    for row in rows:
        code = code_of(row["question"])
        assert row["answer"] == facts[code].answer(row["attribute"])


def test_no_training_question_is_nearly_a_test_question_about_the_same_code() -> None:
    """Brute force. A near question would leave train; questions about other codes differ in a fact and may stay."""
    trained = defaultdict(list)
    for question, _ in clean_rows() + old_rows():
        trained[code_of(question)].append((char_grams(question), question))
    free = [char_grams(turns[0]) for turns in readable_rows()]
    for row in protected_rows():
        grams = char_grams(row["question"])
        for other, question in trained[code_of(row["question"])]:
            assert jaccard(grams, other) < 0.5, (row["question"], question)
        assert all(jaccard(grams, other) < 0.5 for other in free), row["question"]


def test_wordings_of_a_fact_are_no_near_duplicates() -> None:
    rows = defaultdict(list)
    for question, answer in clean_rows() + old_rows():
        rows[code_of(question)].append(word_grams(question, answer))
    assert max(jaccard(a, b) for group in rows.values() for a, b in combinations(group, 2)) < 0.8


# ---- the free-form rows ----


def test_at_least_600_free_form_rows_in_three_languages() -> None:
    units = sum(MANIFEST["rows"][f"raw/{name}.jsonl"] for name in FREE_FORM)
    assert units >= 600
    for name in FREE_FORM:
        assert len(lines(f"raw/{name}.jsonl")) == MANIFEST["rows"][f"raw/{name}.jsonl"]
    languages = Counter(story.language for story in stories(SEED))
    assert languages["en"] > 400
    assert languages["ro"] >= 50
    assert languages["de"] >= 50
    topics = {story.topic for story in stories(SEED)}
    assert len(topics) >= 10
    assert sum(len(story.turns) > 2 for story in stories(SEED)) >= 40


def test_romanian_is_written_with_commas_and_everything_is_composed() -> None:
    text = "\n".join(turn for story in stories(SEED) for turn in (*story.turns, story.context))
    assert not set("şţŞŢ") & set(text), "cedillas instead of commas below"
    assert {"ș", "ț", "ă", "î", "â", "ß", "ü"} <= set(text)
    assert unicodedata.is_normalized("NFC", text)
    assert "{" not in re.sub(r"`[^`]*`|```.*?```|\{\"firm\".*?\}", "", text, flags=re.DOTALL), "a slot was not filled"
    assert "  " not in re.sub(r"```.*?```", "", text, flags=re.DOTALL)


def test_sound_rows_are_no_near_duplicates_of_each_other() -> None:
    grams = [word_grams(*story.folded().turns) for story in stories(SEED) if story.topic != "guard"]
    assert max(jaccard(a, b) for a, b in combinations(grams, 2)) < 0.8


def test_at_least_four_formats_and_containers() -> None:
    assert {Path(name).suffix for name in MANIFEST["rows"]} == {".csv", ".jsonl", ".parquet", ".gz"}
    first = {name: json.loads(lines(f"raw/{name}.jsonl")[0][1]) for name in FREE_FORM}
    assert {name: next(k for k in row if k not in ("id", "language")) for name, row in first.items()} == {
        "manual": "instruction",
        "inbox": "messages",
        "chat": "conversations",
        "community": "text",
        "converted": "text",
    }
    assert sum(len(content) for content in files_below(RAW).values()) < 1_500_000


# ---- the planted defects ----


def test_every_kind_is_planted_as_often_as_the_readme_says() -> None:
    assert Counter(d["kind"] for d in DEFECTS) == KINDS
    assert {d["kind"] for d in DEFECTS if d.get("later")} == LATER
    assert not [d for d in DEFECTS if "protected" in d["file"]]
    readme = (DATA / "README.md").read_text(encoding="utf-8")
    for kind, count in KINDS.items():
        assert re.search(rf"^\| `{kind}` \| {count} \|", readme, re.MULTILINE), kind
    for name, rows in MANIFEST["rows"].items():
        assert re.search(rf"^\| `{re.escape(name)}` \| .* \| {rows:,} \|", readme, re.MULTILINE), name


def test_places_in_the_manifest_are_units_and_lines() -> None:
    assert len({(d["file"], d["unit"]) for d in DEFECTS}) == len(DEFECTS)
    for defect in DEFECTS:
        assert lines(defect["file"])[defect["unit"]][0] == defect["line"]
    assert any(defect["line"] != defect["unit"] + 1 for defect in DEFECTS), "blank lines make the two differ"


def planted(kind: str) -> Iterator[dict[str, Any]]:
    return (d for d in DEFECTS if d["kind"] == kind)


def test_copies_match_what_the_manifest_says() -> None:
    order = list(MANIFEST["rows"])
    for kind, low, high in (("exact_duplicate", 1, 1), ("near_duplicate", 0.8, 0.999), ("differs_in_fact", 0.8, 0.999)):
        for defect in planted(kind):
            copy, original = turns_at(defect), turns_at(defect["expect"]["matched"])
            assert low <= jaccard(word_grams(*copy), word_grams(*original)) <= high
            places = [(order.index(p["file"]), p["unit"]) for p in (defect["expect"]["matched"], defect)]
            assert places == sorted(places), "the original stands first"
            if kind == "near_duplicate":
                assert re.findall(r"\d+|\bnot?\b", str(copy)) == re.findall(r"\d+|\bnot?\b", str(original))
    for defect in planted("conflict"):
        one, other = turns_at(defect), turns_at(defect["expect"]["matched"])
        assert one[0] == other[0]
        assert jaccard(word_grams(one[1]), word_grams(other[1])) < 0.2


def test_broken_lines_are_broken_as_said() -> None:
    for defect in planted("broken_json"):
        line, reason = lines(defect["file"])[defect["unit"]][1], defect["expect"]["reason"]
        if reason == "bad_utf8":
            with pytest.raises(UnicodeDecodeError):
                line.decode()
        elif reason == "duplicate_key":
            assert len(json.loads(line, object_pairs_hook=list)) > len(json.loads(line))
        elif reason == "nan":
            assert b"NaN" in line
            assert isinstance(json.loads(line)["score"], float)
        elif reason == "two_values":
            first, end = json.JSONDecoder().raw_decode(line.decode())
            assert isinstance(first, dict)
            assert isinstance(json.loads(line.decode()[end:]), dict)
        else:
            assert line.startswith(b"{") == (reason == "truncated_json")
            with pytest.raises(json.JSONDecodeError):
                json.loads(line.decode())


def test_wrong_types_are_valid_json_of_the_wrong_shape() -> None:
    seen = []
    for defect in planted("wrong_type"):
        row = json.loads(lines(defect["file"])[defect["unit"]][1])
        if "instruction" in row:
            seen.append(f"{type(row['instruction']).__name__} {type(row['output']).__name__}")
        elif "messages" in row:
            value = row["messages"]
            seen.append("text" if isinstance(value, str) else value[-1]["role"])
        else:
            seen.append("nothing" if row["conversations"] is None else str(sorted(row["conversations"][-1])))
    assert sorted(seen) == ["['from']", "gpt4", "int str", "nothing", "str list", "text"]


def test_answers_have_the_defect_that_is_said() -> None:
    looks: dict[str, Callable[[tuple[str, ...]], bool]] = {
        "empty_answer": lambda turns: len(turns) == 1 or not turns[-1].strip(),
        "cut_off": lambda turns: turns[-1].rsplit(" ", 1)[-1].isalpha(),
        "repetition": lambda turns: turns[-1].count(turns[-1][:20]) >= 10,
        "refusal": lambda turns: bool(re.search("cannot help|not able|can't assist|unable", turns[-1])),
        "echo": lambda turns: turns[-1] == turns[0],
        "unbalanced_fence": lambda turns: turns[-1].count("```") == 1,
        "mojibake": lambda turns: bool(re.search("Ã|È™|Äƒ", " ".join(turns))),
        "boilerplate": lambda turns: turns[-1].endswith("win a tool bag."),
        "placeholder": lambda turns: len(turns[-1]) < 60,
        "cut_conversation": lambda turns: len(turns) >= 4 and turns[1].endswith(":") and "\n" in turns[2],
        "wrong_language": lambda turns: bool(re.search("[éèêíóñ]| la | le | el ", turns[-1])),
    }
    for kind, looks_so in looks.items():
        for defect in planted(kind):
            assert looks_so(turns_at(defect)), (kind, turns_at(defect))


def test_guard_answers_are_one_text_for_distinct_questions() -> None:
    guards = [turns_at(defect) for defect in planted("canned_guard")]
    assert len({answer for *_, answer in guards}) == 1
    assert len({question for question, *_ in guards}) == len(guards) >= 20
    assert all(defect["expect"] == {"verdict": "kept"} for defect in planted("canned_guard"))


def test_personal_data_and_leaked_items_stand_where_the_manifest_says() -> None:
    for defect in planted("personal_data"):
        text = " ".join(turns_at(defect))
        assert defect["found"]
        assert all(span in text for span in defect["found"])
        assert all(mail.endswith("@example.com") for mail in re.findall(r"\S+@\w+\.\w+", text))
    account = iban("RO", "EXMP0000012345678901")
    digits = "".join(str(int(c, 36)) for c in account[4:] + account[:4])
    assert int(digits) % 97 == 1
    written = [json.loads(line) for _, line in lines("eval/science_sample.jsonl")]
    assert written == items()
    assert len(written) == 10
    by_id = {item["id"]: item for item in written}
    for defect in planted("leaked_item"):
        item = by_id[defect["found"][0]]
        right = next(c["text"] for c in item["question"]["choices"] if c["label"] == item["answerKey"])
        prompt, answer = turns_at(defect)
        assert prompt.startswith(item["question"]["stem"])
        assert right in answer


# ---- the recipe ----


def test_the_recipe_is_valid_and_names_every_file() -> None:
    recipe = yaml.safe_load((DATA / "recipe.yaml").read_text(encoding="utf-8"))
    schema = json.loads((DATA.parent / "schemas" / "recipe.schema.json").read_bytes())
    jsonschema.validate(recipe, schema)
    assert {source["path"] for source in recipe["sources"]} == {f"data/{name}" for name in MANIFEST["rows"]}
    splits = {source["path"]: source.get("split") for source in recipe["sources"]}
    assert splits["data/raw/protected/test.jsonl"] == "test"
    order = [source["path"] for source in recipe["sources"]]
    assert [f"data/raw/{name}.jsonl" for name in FREE_FORM] == [p for p in order if Path(p).stem in FREE_FORM]
