"""Languages: what is recognised, when nothing is said, and what the stage makes of it."""

from __future__ import annotations

import gzip
import json
import subprocess
import sys
from collections import Counter
from pathlib import Path
from typing import Any

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from curation.errors import ConfigError
from curation.ingest import IngestOptions, ingest
from curation.language.cedilla import fold_cedilla, fold_romanian
from curation.language.codes import CODES
from curation.language.detect import _model, detect_languages
from curation.language.translation import asks_for_a_language
from curation.reading.sources import SourceSpec, expand
from curation.stages.language import COLUMNS, LanguageConfig, language
from tests.decontam_layouts import rows_of
from tests.shared_data import shared

HERE = Path(__file__).resolve().parent
EN = "The pump stops when the pressure in the second tank is higher than it should be."
EN_Q = "What should be done when the pressure of the second tank is too high?"
RO = "Opriți pompa și așteptați până când presiunea din al doilea rezervor scade sub limită."
FR = "Arrêtez la pompe et attendez que la pression du deuxième réservoir descende sous la limite."
DE = "Schalten Sie die Pumpe aus und warten Sie, bis der Druck im zweiten Behälter gesunken ist."
TR = "Pompay\u0131 kapat\u0131n ve ikinci tanktaki bas\u0131nç düşene kadar başka bir işlem yapmadan bekleyiniz."


def lines(name: str) -> list[dict[str, str]]:
    return [json.loads(line) for line in (HERE / "fixtures/language" / name).read_text("utf-8").splitlines()]


CASES = lines("cases.jsonl")


@pytest.mark.parametrize("case", CASES, ids=[f"{case['language']}, {case['why']}" for case in CASES])
def test_case(case: dict[str, str]) -> None:
    assert detect_languages([case["text"]])[0] == [case["language"]]


def test_at_least_thirty_languages_are_told_apart() -> None:
    assert len({case["language"] for case in CASES} - {"und"}) >= 30


def test_romanian_with_and_without_its_letters() -> None:
    rows = lines("romanian.jsonl")
    codes, confidence = detect_languages([row["text"] for row in rows])
    assert len(rows) >= 200
    assert set(codes) <= {"ro", "und"}
    said = Counter((row["why"], code) for row, code in zip(rows, codes, strict=True))
    for written, least in (("comma letters", 0.95), ("cedilla letters", 0.95), ("without diacritics", 0.7)):
        right = sum(n for (why, code), n in said.items() if why.endswith(written) and code == "ro")
        assert right >= least * sum(n for (why, _), n in said.items() if why.endswith(written)), written
    assert all((sure == 0) == (code == "und") for code, sure in zip(codes, confidence, strict=True))


@pytest.mark.parametrize("code", ["en", "de", "es", "ru"])
def test_xquad(code: str) -> None:
    articles = json.loads(gzip.decompress(shared(f"xquad/xquad.{code}.json.gz").read_bytes()))["data"]
    paragraphs = [paragraph for article in articles for paragraph in article["paragraphs"]]
    questions = [asked["question"] for paragraph in paragraphs for asked in paragraph["qas"]]
    found = Counter(detect_languages(questions)[0])
    assert len(questions) == 1_190
    assert found["und"] <= 0.05 * len(questions)
    assert found[code] >= 0.995 * (len(questions) - found["und"])
    assert set(detect_languages([paragraph["context"] for paragraph in paragraphs])[0]) == {code}


def test_oasst_messages() -> None:
    said: list[tuple[str, str]] = []

    def walk(message: dict[str, Any]) -> None:
        said.append((message["text"], message["lang"]))
        for reply in message.get("replies", []):
            walk(reply)

    for line in gzip.decompress(shared("oasst/en_100_tree.jsonl.gz").read_bytes()).splitlines():
        walk(orjson.loads(line)["prompt"])
    codes, _ = detect_languages([text for text, _ in said])
    pairs = Counter((label, code) for (_, label), code in zip(said, codes, strict=True))
    right = sum(n for (label, code), n in pairs.items() if label == code)
    silent = sum(n for (_, code), n in pairs.items() if code == "und")
    assert silent <= 0.08 * len(said)
    assert right >= 0.995 * (len(said) - silent)


@settings(max_examples=60, deadline=None)
@given(texts=st.lists(st.one_of(st.text(max_size=400), st.sampled_from([EN, RO, FR, DE, TR])), max_size=6))
def test_no_text_breaks_it_and_each_is_judged_for_itself(texts: list[str]) -> None:
    codes, confidence = detect_languages(texts)
    assert len(codes) == len(confidence) == len(texts)
    assert codes == [detect_languages([text])[0][0] for text in texts]
    assert all(0 <= sure <= 1 for sure in confidence.tolist())


def test_nothing_is_fetched() -> None:
    """In a process of its own, where the model is not loaded yet."""
    code = (
        "import socket\n"
        "def refuse(*_, **__): raise AssertionError('network')\n"
        "socket.socket.connect = socket.create_connection = socket.getaddrinfo = refuse\n"
        "from curation.language.detect import detect_languages\n"
        f"assert detect_languages([{RO!r}])[0] == ['ro']\n"
        "import sys\n"
        "assert 'robust_downloader' not in sys.modules\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True, cwd=HERE.parent)


# ---- the cedilla ----


def test_cedilla_is_folded_in_romanian_only() -> None:
    typed = RO.replace("ș", "ş").replace("ț", "ţ")
    assert fold_romanian([typed, TR, EN, "ş"]) == [RO, TR, EN, "ş"]


@given(st.text(alphabet=st.sampled_from("aşţŞŢșțȘȚ ăî\n\u0327s")))
def test_folding_changes_nothing_but_the_four_letters(text: str) -> None:
    folded = fold_cedilla(text)
    assert len(folded) == len(text)
    assert fold_cedilla(folded) == folded
    assert all(
        new == old or (old, new) in zip("şţŞŢ", "șțȘȚ", strict=True) for old, new in zip(text, folded, strict=True)
    )


# ---- the stage ----


def conversation(*texts: str) -> list[tuple[str, str]]:
    return [("user" if i % 2 == 0 else "assistant", text) for i, text in enumerate(texts)]


def test_every_turn_gets_its_language() -> None:
    rows = rows_of(
        [
            conversation(EN_Q, EN),
            conversation(RO, "Da.", DE, DE),
            [("system", EN), *conversation(RO, RO)],
            conversation("Hi", "", "42"),
            [("user", EN_Q)],
        ]
    )
    kept = language(rows, LanguageConfig()).kept
    assert kept.select(list(COLUMNS)).to_pylist() == [
        {"languages": "en en", "prompt_language": "en", "answer_language": "en"},
        {"languages": "ro und de de", "prompt_language": "de", "answer_language": "de"},
        {"languages": "en ro ro", "prompt_language": "ro", "answer_language": "ro"},
        {"languages": "und und und", "prompt_language": "und", "answer_language": "und"},
        {"languages": "en", "prompt_language": "und", "answer_language": "und"},
    ]
    assert kept.drop(list(COLUMNS)).equals(rows)


def test_rows_in_other_languages_are_flagged_or_dropped() -> None:
    rows = rows_of(
        [conversation(EN_Q, EN), conversation(FR, FR), conversation(EN_Q, "42"), conversation(EN_Q, EN, FR, FR)]
    )
    flagged = language(rows, LanguageConfig(allowed=("en", "ro"))).flagged
    assert flagged.select(["pos", "reason", "detail"]).to_pylist() == [
        {"pos": 1, "reason": "language_not_allowed", "detail": "turn 1 is in fr"},
        {"pos": 3, "reason": "language_not_allowed", "detail": "turn 3 is in fr"},
    ]
    verdict = language(rows, LanguageConfig(allowed=("en", "ro"), action="drop"))
    assert verdict.kept["pos"].to_pylist() == [0, 2]
    assert verdict.dropped["pos"].to_pylist() == [1, 3]
    assert not verdict.flagged.num_rows


@pytest.mark.parametrize(
    ("prompt", "answer", "flagged"),
    [
        (EN_Q, FR, True),
        (DE, EN, True),
        (EN_Q, EN, False),
        (EN_Q, "Non.", False),
        (f"Translate this for me, please: {EN}", FR, False),
        (f"Say it in French, and keep to the facts: {EN}", FR, False),
        (f"Traduceți textul de mai jos și păstrați numele proprii: {RO}", EN, False),
        (f"Übersetzen Sie bitte den folgenden Satz: {DE}", EN, False),
    ],
)
def test_answers_in_another_language_are_flagged_unless_asked_for(prompt: str, answer: str, flagged: bool) -> None:
    verdict = language(rows_of([conversation(prompt, answer)]), LanguageConfig())
    assert verdict.flagged["reason"].to_pylist() == ["language_mismatch"] * flagged
    assert verdict.kept.num_rows == 1


def test_a_row_that_is_dropped_is_not_flagged_as_well() -> None:
    rows = rows_of([conversation(EN_Q, FR), conversation(DE, EN)])
    verdict = language(rows, LanguageConfig(allowed=("en", "de"), action="drop"))
    assert verdict.dropped.select(["pos", "reason"]).to_pylist() == [{"pos": 0, "reason": "language_not_allowed"}]
    assert verdict.flagged.select(["pos", "detail"]).to_pylist() == [
        {"pos": 1, "detail": "asked in de, answered in en"}
    ]
    both = language(rows, LanguageConfig(allowed=("en", "de"), action="drop", mismatch="drop"))
    assert both.dropped["reason"].to_pylist() == ["language_not_allowed", "language_mismatch"]


def test_off_adds_no_columns() -> None:
    rows = rows_of([conversation(EN_Q, FR)])
    assert language(rows, LanguageConfig(action="off", mismatch="off")).kept is rows


def test_empty_input() -> None:
    verdict = language(rows_of([]), LanguageConfig(allowed=("en",)))
    assert verdict.kept.num_rows == 0
    assert set(COLUMNS) <= set(verdict.kept.column_names)


@pytest.mark.parametrize(
    ("config", "message"),
    [
        ({"action": "remove"}, "language: no action 'remove' with mismatch 'flag'; use flag, drop or off"),
        (
            {"allowed": ("en", "English")},
            'language.allowed: "English" is no language that can be told; use codes such as en, ro, de',
        ),
        ({"allowed": ("ebn",)}, 'language.allowed: "ebn" is no language that can be told; did you mean "en"?'),
        ({"min_confidence": 2}, "language.min_confidence: 2 is not between 0 and 1"),
    ],
)
def test_config_is_checked(config: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError) as error:
        LanguageConfig(**config)
    assert str(error.value) == message


@pytest.mark.parametrize(
    "prompt",
    ["Please translate it.", "O traducere, vă rog", "翻译这句话", "En español, por favor", "по-русски: русский текст"],
)
def test_asks_for_a_language(prompt: str) -> None:
    assert asks_for_a_language(prompt)


def test_wrong_languages_of_the_sample_data_are_found() -> None:
    data = HERE.parent / "data"
    manifest = orjson.loads((data / "manifest.json").read_bytes())
    planted = {(d["file"], d["unit"]) for d in manifest["defects"] if d["kind"] == "wrong_language"}
    # A German question with a canned English refusal: planted as a duplicate, and in two languages all the same.
    guard = ("I'm sorry, but I cannot help with that request.",)
    found = set()
    for source in expand([SourceSpec("raw")], data):
        rows = ingest(source, IngestOptions()).rows
        answers = dict(zip(rows["pos"].to_pylist(), rows["answer"].to_pylist(), strict=True))
        for pos in language(rows, LanguageConfig(allowed=("en", "ro", "de"))).flagged["pos"].to_pylist():
            if answers[pos] not in guard:
                found.add((source.name, pos))
    assert found == planted
    assert planted


def test_every_language_that_the_model_can_say_may_be_allowed() -> None:
    labels = {label.removeprefix("__label__") for _, label in _model().predict("hello\n", 999, 0.0, "strict")}
    assert len(labels) > 160
    assert labels - {"wuu", "yue"} <= CODES
    assert len(CODES) == 174
