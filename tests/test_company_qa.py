"""configs/company-qa.yaml, built: a company's questions in the layout of published ones, clear of the exams."""

from __future__ import annotations

import gzip
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from app.cli import main
from curation import open_store
from tests.decontam_layouts import arc_item, layouts
from tests.lineage_workspace import line
from tests.shared_data import shared

CONFIG = Path(__file__).resolve().parent.parent / "configs" / "company-qa.yaml"
EASY = arc_item(
    "EASY_1",
    "Which part of a lighthouse keeper's lamp turns most of the burning oil's energy into light?",
    ["the cotton wick", "the brass tank", "the glass chimney", "the iron handle"],
)
CHALLENGE = arc_item(
    "CHALLENGE_1",
    "A beekeeper moves three hives from a dry valley to a wet meadow. What will most likely change first?",
    ["the colour of the honey", "the number of queens", "the size of the hives", "the age of the drones"],
    key=2,
)
OURS = {
    "question": "Which lever on the Orvelin press releases the paper tray after a double feed?",
    "answer": "The green one.",
}


def asked(number: int, question: str, answer: str) -> dict[str, Any]:
    """A row as lamini_docs has them, with an id."""
    return {"id": f"q-{number}", "question": f"### Question:\n{question}\n\n### Answer:", "answer": answer}


def write(path: Path, rows: Sequence[Any]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), "utf-8")


def support(folder: Path, rows: Sequence[Any]) -> list[str]:
    """A workspace of the configuration, as its first lines say, with our own exam in its place."""
    write(folder / "questions.jsonl", rows)
    here = str(folder / "support")
    assert main(["init", here, "--recipe", str(CONFIG), "--source", str(folder / "questions.jsonl")]) == 0
    write(folder / "support/data/exams/our-test.jsonl", [OURS])
    return ["-C", here]


def test_company_questions_are_built_clear_of_the_exams(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    rows = [asked(n, line(n)["prompt"], line(n)["completion"]) for n in range(60)]
    in_arc = [(layouts(EASY)["brackets"], "ARC-Easy-Test"), (layouts(CHALLENGE)["choices_first"], "ARC-Challenge-Test")]
    leaked = [asked(100 + at, turns[0][1], turns[1][1]) for at, (turns, _) in enumerate(in_arc)]
    here = support(tmp_path, [*rows, *leaked, asked(102, OURS["question"], OURS["answer"])])
    exams = Path(here[1]) / "data" / "exams"
    write(exams / "ARC-Easy-Test.jsonl", [EASY])
    write(exams / "ARC-Challenge-Test.jsonl", [CHALLENGE])
    assert main(["build", *here]) == 0

    version = open_store(here[1]).version()
    found = [(m["line"], Path(m["set"]).name, m["item"], m["dropped"]) for m in _contamination(here[1])]
    assert [(at, item, dropped) for at, _, item, dropped in found] == [
        (61, "EASY_1", True),
        (62, "CHALLENGE_1", True),
        (63, found[2][2], True),
    ]
    assert [name.removesuffix(".jsonl") for _, name, _, _ in found] == [name for _, name in in_arc] + ["our-test"]
    assert (sum(version.rows.values()), version.rows["test"]) == (60, 0)
    assert version.rows["validation"] >= 1
    assert main(["verify", *here]) == 0

    out = version.export(tmp_path / "text", layout="text")
    assert out.template is not None
    assert out.template["name"] == "chatml"
    texts = (tmp_path / "text" / "train.jsonl").read_text("utf-8").splitlines()
    assert all(json.loads(text)["text"].startswith("<|im_start|>user\n") for text in texts)

    before = {json.loads(row["meta"])["id"]: row["split"] for row in version.to_arrow().to_pylist()}
    edited = [asked(n, line(n)["prompt"], f"{line(n)['completion']} Ring first.") for n in range(60)]
    write(tmp_path / "questions.jsonl", edited)
    assert main(["build", *here]) == 0
    after = {
        json.loads(row["meta"])["id"]: row["split"] for row in open_store(here[1]).version().to_arrow().to_pylist()
    }
    assert after == before  # by id, though every row has another answer now


@pytest.mark.slow
def test_lamini_docs_are_built_clear_of_all_arc_tests(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    rows = [json.loads(row) for row in gzip.decompress(shared("lamini/lamini_docs.jsonl.gz").read_bytes()).splitlines()]
    item = json.loads(gzip.decompress(shared("arc/ARC-Easy-Test.jsonl.gz").read_bytes()).splitlines()[0])
    planted = [turn[1] for turn in layouts(item)["dots"]]
    here = support(tmp_path, [*rows, {"question": planted[0], "answer": planted[1]}])
    for name in ("ARC-Easy-Test.jsonl", "ARC-Challenge-Test.jsonl"):
        packed = gzip.decompress(shared(f"arc/{name}.gz").read_bytes())
        (Path(here[1]) / "data" / "exams" / name).write_bytes(packed)
    assert main(["build", *here]) == 2
    assert 'id_field: no row has a field "id"' in capsys.readouterr().err
    recipe = Path(here[1]) / "recipe.yaml"
    recipe.write_text("\n".join(row for row in recipe.read_text().splitlines() if not row.startswith("id_field")))
    assert main(["build", *here]) == 0
    assert [m["line"] for m in _contamination(here[1]) if m["dropped"]] == [len(rows) + 1]
    assert main(["verify", *here]) == 0
    assert open_store(here[1]).version().rows["train"] > 1000


def _contamination(root: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = open_store(root).sql("FROM contamination ORDER BY line").to_pylist()
    return found
