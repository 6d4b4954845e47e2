"""`curate trace X`: where each kind of thing came from, and what came of it; and one line where X is nothing."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any
from uuid import UUID

import pyarrow.parquet as pq
import pytest

from app.cli import main
from curation.lookup import Tables
from curation.patches import expectation, write_patch
from curation.runs import run_place
from curation.store.journal import open_journal
from curation.store.tags import Tag, add_tags, new_id, tags, undo
from curation.workspace import Workspace
from eval.folder import EvalFolder
from tests.compared import SUITE, base_of, build, built, right_at, row, run_of, sit
from tests.lineage_workspace import store_of, write
from tests.reported import RATIOS, arc, evaluated


class Made:
    """v1 -> base and run -> outputs -> a tag -> a patch that drops one row and edits another -> v2 -> a run."""

    def __init__(self, root: Path) -> None:
        self.here: Workspace = built(root, 120, split=RATIOS)
        evaluated(self.here, base_of(self.here), right_at(0.3, "base"), arc(0.5, 0, 60))
        evaluated(self.here, run_of(self.here), right_at(0.8, "one"), arc(0.5, 1, 60))
        folder = EvalFolder.open(self.here.root / "experiments" / "experiment_002" / "eval-1")
        lines = folder.predictions(["prediction_id", "item_id", "row_id", "output", "reference"]).to_pylist()
        self.output = next(one for one in lines if one["output"] != one["reference"])
        self.tag = Tag(new_id(), self.output["prediction_id"], "experiment_002", "hallucination", author="ana")
        with open_journal(run_place(self.here).journal) as book:
            add_tags(book, [self.tag])
        tables = Tables(store_of(self.here), store_of(self.here).resolve("v1"))
        ledger = tables.ledger.to_pylist()
        self.dropped, self.edited = [one for one in ledger if one["split"] == "train"][:2]
        told = {"author": "ana", "time": "2026-02-03T04:05:06Z", "reason": "old prices", "tags": [self.tag.id]}
        entries: list[dict[str, Any]] = [{"op": "drop"}, {"op": "edit", "turns": [{"turn": 2, "content": "Nobody."}]}]
        for entry, line in zip(entries, (self.dropped, self.edited), strict=True):
            record = tables.converted(line["row_id"])
            assert record is not None
            entry |= {"row_id": str(UUID(bytes=line["row_id"])), "expect": expectation(record), **told}
        write_patch(self.here.root, entries)
        write(self.here.root, [row(number) for number in range(118)])
        build(self.here)
        evaluated(self.here, run_of(self.here), right_at(0.9, "two"), arc(0.5, 1, 60))

    def name(self, line: dict[str, Any]) -> str:
        return str(UUID(bytes=line["row_id"]))


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Made:
    return Made(tmp_path_factory.mktemp("trace") / "work")


def traced(made: Made, name: str, capsys: pytest.CaptureFixture[str]) -> dict[str, Any]:
    capsys.readouterr()
    assert main(["trace", name, "--json", "-C", str(made.here.root)]) == 0
    found: dict[str, Any] = json.loads(capsys.readouterr().out)
    return found


def links(found: dict[str, Any], way: str) -> list[tuple[str, str]]:
    return [(one["kind"], one["name"]) for one in found[way]]


def told(found: dict[str, Any], way: str, kind: str) -> list[str]:
    return [one["told"] for one in found[way] if one["kind"] == kind]


@pytest.mark.parametrize("how", ["id", "prefix", "line"])
def test_a_row_by_its_id_its_beginning_or_its_place(made: Made, how: str, capsys: pytest.CaptureFixture[str]) -> None:
    line = made.edited
    name = {"id": made.name(line), "prefix": line["row_id"].hex()[:12], "line": f"raw/rows.jsonl:{line['line']}"}[how]
    found = traced(made, name, capsys)
    assert found["kind"] == "row"
    (source,) = told(found, "came_from", "source")
    assert source.startswith(f"raw/rows.jsonl:{line['line']}, byte ")
    if how == "line":  # in v2 the line is what the patch made of it, which remembers what it was
        assert ("patch", "p-001") in links(found, "came_from")
        assert ("row", made.name(line)) in links(found, "came_from")
    else:
        assert ("run", "experiment_002") in links(found, "came_of_it")
        assert ("patch", "p-001") in links(found, "came_of_it")


def test_a_row_that_was_asked_leads_to_what_was_said_and_judged(made: Made, capsys: pytest.CaptureFixture[str]) -> None:
    found = traced(made, made.output["row_id"], capsys)
    assert ("prediction", made.output["prediction_id"]) in links(found, "came_of_it")
    assert ("tag", made.tag.id) in links(found, "came_of_it")
    assert ("version", "v1") in links(found, "came_of_it")


def test_an_item_as_a_report_names_it_is_traced_by_its_row(made: Made, capsys: pytest.CaptureFixture[str]) -> None:
    assert made.output["item_id"].endswith(":1")
    by_item = traced(made, made.output["item_id"], capsys)
    assert by_item == traced(made, made.output["row_id"], capsys)


def test_a_row_that_a_patch_dropped_says_so(made: Made, capsys: pytest.CaptureFixture[str]) -> None:
    found = traced(made, made.name(made.dropped), capsys)
    assert found["facts"]["fate"] == "dropped by patches"
    assert "kept as v1 train" in next(one for one in told(found, "came_of_it", "version"))
    assert told(found, "came_of_it", "patch") == ["drop by ana: old prices"]


def test_a_version_from_its_sources_and_patches_to_its_runs(made: Made, capsys: pytest.CaptureFixture[str]) -> None:
    first, second = traced(made, "v1", capsys), traced(made, store_of(made.here).resolve("v2").id[:10], capsys)
    assert links(second, "came_from")[0] == ("version", "v1")
    assert sorted(told(second, "came_from", "patch")) == ["drop on 1 rows", "edit on 1 rows"]
    assert links(second, "came_of_it")[:2] == [("run", "experiment_003"), ("evaluation", "experiment_003/eval-1")]
    assert ("version", "v2") in links(first, "came_of_it")
    assert ("run", "experiment_002") in links(first, "came_of_it")
    assert told(first, "came_from", "source")[0].startswith("raw/rows.jsonl, 120 units, sha256 ")


@pytest.mark.parametrize("name", ["002", "2", "experiment_002"])
def test_a_run_from_its_version_to_its_evaluations(made: Made, name: str, capsys: pytest.CaptureFixture[str]) -> None:
    found = traced(made, name, capsys)
    assert found["name"] == "experiment_002"
    assert links(found, "came_from")[0] == ("version", "v1")
    assert ("evaluation", "experiment_002/eval-1") in links(found, "came_of_it")
    assert ("patch", "p-001") in links(found, "came_of_it")


def test_base_is_the_newest_base_as_a_report_has_it(made: Made, capsys: pytest.CaptureFixture[str]) -> None:
    found = traced(made, "base", capsys)
    assert (found["name"], found["facts"]["kind"]) == ("experiment_001", "base")
    assert traced(made, "base:token_f1", capsys)["facts"]["same"]
    assert traced(made, "base/eval-1", capsys)["name"] == "experiment_001/eval-1"


def test_an_evaluation_leads_to_its_numbers(made: Made, capsys: pytest.CaptureFixture[str]) -> None:
    found = traced(made, "002/eval-1", capsys)
    assert links(found, "came_from") == [("run", "experiment_002"), ("version", "v1")]
    assert ("number", "experiment_002/eval-1:validation:token_f1") in links(found, "came_of_it")


def test_an_output_from_its_item_to_its_tags_and_the_patch(made: Made, capsys: pytest.CaptureFixture[str]) -> None:
    for name in (made.output["prediction_id"], made.output["prediction_id"][:9]):
        found = traced(made, name, capsys)
        assert found["kind"] == "prediction"
        assert found["facts"]["output"] == made.output["output"]
        assert links(found, "came_from")[:2] == [("evaluation", "experiment_002/eval-1"), ("run", "experiment_002")]
        assert ("row", made.output["row_id"]) in links(found, "came_from")
        assert links(found, "came_of_it") == [("tag", made.tag.id), ("patch", "p-001")]


def test_a_tag_from_its_output_to_its_patch_and_what_takes_it_back(
    made: Made, capsys: pytest.CaptureFixture[str]
) -> None:
    found = traced(made, made.tag.id[:12], capsys)
    assert (found["facts"]["tag"], found["facts"]["author"]) == ("hallucination", "ana")
    assert links(found, "came_from") == [("prediction", made.output["prediction_id"])]
    assert links(found, "came_of_it") == [("patch", "p-001")]
    other = Tag(new_id(), made.output["prediction_id"], "experiment_003", "off topic", author="bo")
    with open_journal(run_place(made.here).journal) as book:
        add_tags(book, [other])
        back = undo(book, other)
        assert other not in tags(book)
    assert links(traced(made, other.id, capsys), "came_of_it") == [("tag", back.id)]
    assert ("tag", other.id) in links(traced(made, back.id, capsys), "came_from")


def test_a_patch_from_its_tags_to_its_rows_and_version(made: Made, capsys: pytest.CaptureFixture[str]) -> None:
    found = traced(made, "p-001", capsys)
    assert ("tag", made.tag.id) in links(found, "came_from")
    assert links(found, "came_of_it")[0] == ("version", "v2")
    assert {name for kind, name in links(found, "came_of_it") if kind == "row"} == {
        made.name(made.dropped),
        made.name(made.edited),
    }
    assert (found["facts"]["ops"], found["facts"]["reason"]) == ({"drop": 1, "edit": 1}, "old prices")


@pytest.mark.parametrize("name", ["003:token_f1", "experiment_003/eval-1:validation:token_f1", "3:exact_match:topic=a",
                                  "003:arc-easy:acc_norm", "003:perplexity"])  # fmt: skip
def test_a_score_is_computed_again_from_the_stored_answers(
    made: Made, name: str, capsys: pytest.CaptureFixture[str]
) -> None:
    found = traced(made, name, capsys)
    assert found["kind"] == "number"
    assert found["facts"]["same"] is True
    assert found["facts"]["stored"]["value"] == pytest.approx(found["facts"]["recomputed"]["value"], abs=1e-12)
    assert links(found, "came_from")[:2] == [("evaluation", "experiment_003/eval-1"), ("run", "experiment_003")]
    assert traced(made, found["name"], capsys)["facts"]["stored"] == found["facts"]["stored"]


def test_a_score_that_no_longer_follows_from_the_answers_is_found_out(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    here = built(tmp_path / "work", 80, split=RATIOS)
    folder = evaluated(here, run_of(here), right_at(0.8, "one"), arc(0.5, 1, 60))
    rows = folder.metrics().to_pylist()
    wrong = [{**one, "value": one["value"] + 0.01} if one["metric"] == "token_f1" else one for one in rows]
    folder.write("metrics", wrong)
    assert main(["trace", "001:token_f1", "-C", str(here.root)]) == 3
    assert "NOT the same" in capsys.readouterr().out


def test_a_difference_is_that_of_the_comparison(made: Made, capsys: pytest.CaptureFixture[str]) -> None:
    found = traced(made, "base..experiment_003:token_f1", capsys)
    assert main(["compare", "base", "003", "--stored", "--json", "-C", str(made.here.root)]) == 0
    compared = json.loads(capsys.readouterr().out)
    assert found["facts"]["diff"] == compared["primary"]["diff"]
    assert ("evaluation", "experiment_003/eval-1") in links(found, "came_from")


def test_a_difference_comes_from_what_was_asked_on_its_exam(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    here = built(tmp_path / "work", 120, split=RATIOS)
    for share, folder in ((0.3, base_of(here)), (0.8, run_of(here))):
        evaluated(here, folder, right_at(share, folder.name), arc(0.5, 0, 60))
        sit(here, folder, right_at(share, folder.name), suite={**SUITE, "split": "test", "benchmarks": []})
    capsys.readouterr()
    for name in ("token_f1", "arc-easy:acc_norm"):
        assert main(["trace", f"base..002:{name}", "--json", "-C", str(here.root)]) == 0
        asked = [name for kind, name in links(json.loads(capsys.readouterr().out), "came_from") if kind == "evaluation"]
        assert asked == ["experiment_001/eval-1", "experiment_002/eval-1"]


@pytest.mark.parametrize("name", ["v1:train", "v1:validation", "latest:train"])
def test_a_count_of_a_version_is_counted_again(made: Made, name: str, capsys: pytest.CaptureFixture[str]) -> None:
    found = traced(made, name, capsys)
    members = pq.read_table(made.here.store_path / "segments" / found["told"][1].split(",")[0].split("/")[-1])
    assert found["facts"]["stored"] == members["split"].to_pylist().count(name.partition(":")[2])
    assert found["facts"]["same"] is True


def test_every_linked_number_of_a_report_leads_to_the_same_number(
    made: Made, capsys: pytest.CaptureFixture[str]
) -> None:
    pytest.importorskip("altair")
    assert main(["report", "003", "--json", "-C", str(made.here.root)]) == 0
    page = Path(json.loads(capsys.readouterr().out)["html"])
    marks = re.findall(r'<a class="t" id="([^"]+)"', page.read_text())
    assert len(marks) == len(set(marks))
    assert len(marks) > 30
    kinds = [marks[0], next(m for m in marks if m.startswith("experiment_003")), marks[-1]]
    kinds += [next(m for m in marks if "topic=" in m), next(m for m in marks if m.startswith("v2:"))]
    for mark in kinds:
        found = traced(made, f"{page.name}#{mark}", capsys)
        assert found["facts"]["shown_is_current"], mark
        assert told(found, "came_of_it", "report") == [f"reports/{page.name}"]
    text = page.read_text().replace(f'id="{kinds[1]}"', f'id="{kinds[1]}" data-old="" ', 1)
    first = re.search(rf'id="{re.escape(kinds[1])}"[^>]*>([^<]+)<', text)
    assert first
    page.write_text(text.replace(f">{first[1]}<", f">9{first[1]}<", 1))
    assert traced(made, f"{page.name}#{kinds[1]}", capsys)["facts"]["shown_is_current"] is False
    assert main(["trace", f"{page.name}#none", "-C", str(made.here.root)]) == 2
    assert f'has no number "none"; such as {page.name}#' in capsys.readouterr().err


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("v9", '"v9" is not known here; '),
        ("experiment_02", 'did you mean "experiment_002"'),
        ("raw/rows.jsonl:9999", "there is no row; the last one is on line"),
        ("other.jsonl:3", "is not a source of v2; sources: raw/rows.jsonl"),
        ("ffffffffffffffff", '"ffffffffffffffff" is not known here'),
        ("003:token_f2", 'has no number "token_f2"; did you mean'),
        ("v1:trian", '"trian" is no number of v1; known: '),
        ("base..003:nothing", "is no number of base against 003; known: token_f1"),
        ("none.html#a", "none.html: no such report; make it with curate report"),
        ("p-009", '"p-009" is not known here; did you mean "p-001"'),
    ],
)
def test_what_is_nothing_is_one_line_with_suggestions(
    made: Made, name: str, said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["trace", name, "-C", str(made.here.root)]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("curate trace: ")
    assert said in line


def test_a_run_without_evaluation_and_an_empty_folder(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["trace", "v1", "-C", str(tmp_path)]) == 2
    assert '"v1" is not known here; nothing was built or trained yet; run curate build' in capsys.readouterr().err
    here = built(tmp_path / "work", 40, split=RATIOS)
    run_of(here)
    capsys.readouterr()
    assert main(["trace", "001:token_f1", "-C", str(here.root)]) == 2
    assert (
        "experiment_001 was not evaluated, so it has no numbers; curate eval experiment_001" in capsys.readouterr().err
    )


def test_lines_are_fifteen_at_most_unless_full(made: Made, capsys: pytest.CaptureFixture[str]) -> None:
    for name in ("v1", "002", "002/eval-1", "p-001", made.output["row_id"], "003:token_f1"):
        capsys.readouterr()
        assert main(["trace", name, "-C", str(made.here.root)]) == 0
        short = capsys.readouterr().out.splitlines()
        assert len(short) <= 15
        assert short[-1].startswith("next: curate trace ")
        assert main(["trace", name, "--full", "-C", str(made.here.root)]) == 0
        assert len(capsys.readouterr().out.splitlines()) >= len(short)
