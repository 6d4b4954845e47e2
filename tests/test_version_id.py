"""The id of a version covers what was read beside the rows: evaluation sets, tokenizer, template."""

from __future__ import annotations

from pathlib import Path

from tokenizers import Tokenizer, models, pre_tokenizers

from curation.folds import make_folds
from curation.pipeline import build
from curation.verify import verify
from tests.lineage_workspace import line, store_of, workspace

ITEM = '{"question": "Which stone do builders of old harbours prefer for their walls, and why so?", "answer": "%s"}\n'


def sound(made: object) -> bool:
    store = store_of(made)  # type: ignore[arg-type]  # a Workspace
    return all(check.ok for version in store.versions() for check in verify(store, version))


def test_an_evaluation_set_that_changes_makes_a_new_version_also_where_no_row_goes(tmp_path: Path) -> None:
    rows = [line(n) for n in range(20)]
    made = workspace(tmp_path, rows, decontaminate={"against": ["exam.jsonl"], "action": "report"})
    exam = tmp_path / "exam.jsonl"
    exam.write_text(ITEM % "Granite")
    first = build(made)
    assert not build(made).new
    exam.write_text(ITEM % "Basalt")
    second = build(made)
    assert second.new
    exam.write_text(ITEM % "Basalt" + f'{{"question": "{rows[3]["prompt"]}", "answer": "{rows[3]["completion"]}"}}\n')
    leaking = build(made)
    assert (leaking.new, leaking.version.name) == (True, "v3")
    assert [s["items"] for s in leaking.version.stats["evaluation_sets"]] == [2]
    assert store_of(made).table(leaking.version, "contamination").num_rows == 1
    exam.write_text(ITEM % "Granite")
    again = build(made)
    assert (again.new, again.version.id) == (False, first.version.id)
    make_folds(store_of(made), "v1", 2)
    assert sound(made)


def test_another_tokenizer_under_the_same_path_makes_a_new_version(tmp_path: Path) -> None:
    made = workspace(tmp_path, [line(n) for n in range(20)], tokens={"tokenizer": "tokenizer.json", "eos": "<e>"})
    known = {"[UNK]": 0, "Where": 1}
    for n, words in enumerate((known, known | {"find": 2})):
        tokenizer = Tokenizer(models.WordLevel(words, unk_token="[UNK]"))
        tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
        tokenizer.save(str(tmp_path / "tokenizer.json"))
        assert build(made).version.name == f"v{n + 1}"
        assert not build(made).new
    assert sound(made)
