"""Outputs recorded elsewhere: matched with what was asked or refused by line, then measured like any others."""

from __future__ import annotations

import csv
import gzip
import io
import json
from pathlib import Path
from typing import Any

import pytest

from app.cli import main
from curation.errors import ConfigError, DataError
from curation.pipeline import build
from curation.runs import RunPlace, list_runs, read_run
from curation.source import open_source
from curation.workspace import Workspace
from eval.folder import EvalFolder
from eval.imported_predictions import Imported, Wanted, import_predictions
from eval.items import items
from eval.measuring import Trust
from eval.recompute import recompute
from eval.stats.compare import compare_paired
from eval.suite import MetricChoice, Primary, Suite
from tests.lineage_workspace import line, workspace
from tests.shared_data import shared

EXACT = Suite(metrics=(MetricChoice("exact_match"),), primary=Primary("exact_match"))


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    made = workspace(tmp_path_factory.mktemp("imports") / "w", [line(number) for number in range(60)])
    build(made)
    return made


def write(path: Path, rows: list[dict[str, Any]] | str) -> Path:
    text = rows if isinstance(rows, str) else "".join(json.dumps(row) + "\n" for row in rows)
    path.write_text(text, "utf-8")
    return path


def take_in(file: Path, suite: Suite = EXACT, **wanted: Any) -> Imported:
    place = RunPlace(file.parent / "experiments", file.parent / "journal.sqlite")
    return import_predictions(Wanted(file, **wanted), suite, place, file.parent)


def table(made: Imported) -> dict[str, dict[str, Any]]:
    return {row["item_id"]: row for row in made.sat.folder.predictions().to_pylist()}


def value(made: Imported, metric: str = "exact_match") -> tuple[float, int]:
    (row,) = [one for one in made.sat.folder.metrics().to_pylist() if one["metric"] == metric and one["slice"] == "all"]
    return row["value"], row["n"]


def test_outputs_by_item_row_own_id_and_prompt_meet_the_same_items(built: Workspace, tmp_path: Path) -> None:
    version = open_source("latest", built)
    held = list(items(version, "validation"))
    assert len(held) >= 8
    rows: list[dict[str, Any]] = []
    for number, item in enumerate(held):
        prompt = item.messages[0]["content"]
        rows.append(
            [
                {"item_id": item.item_id},
                {"item_id": item.row_id},
                {"id": item.meta["id"]},
                {"prompt": f" {prompt}\n"},
                {"messages": list(item.messages)},
                {"id": 10_000, "prompt": prompt},
            ][number % 6]
            | {"output": item.reference if number % 2 else "no"}
        )
    made = take_in(write(tmp_path / "o.jsonl", rows), version=version)
    assert (made.matched, made.unmatched) == (len(held), ())
    found = table(made)
    assert [found[item.item_id]["output"] for item in held] == [row["output"] for row in rows]
    assert value(made) == pytest.approx((len(held) // 2 / len(held), len(held)))


def test_what_has_no_prediction_is_missing_and_what_is_for_nothing_is_listed(built: Workspace, tmp_path: Path) -> None:
    version = open_source("latest", built)
    held = list(items(version, "validation"))
    rows = [{"item_id": held[0].item_id, "output": held[0].reference}, {"item_id": held[1].item_id, "output": None}]
    made = take_in(write(tmp_path / "o.jsonl", [*rows, {"prompt": "Who?", "output": "x"}]), version=version)
    assert [(one.where.rpartition(":")[2], one.prompt) for one in made.unmatched] == [("3", "Who?")]
    assert value(made) == (1.0, 1)
    reasons = [row["finish_reason"] for row in table(made).values()]
    assert (reasons.count("stop"), reasons.count("missing")) == (1, len(held) - 1)


def test_an_id_that_is_another_rows_does_not_win_over_the_prompt(built: Workspace, tmp_path: Path) -> None:
    version = open_source("latest", built)
    one, two = list(items(version, "validation"))[:2]
    row = {"id": one.meta["id"], "prompt": two.messages[0]["content"], "output": "x"}
    made = take_in(write(tmp_path / "o.jsonl", [row]), version=version)
    assert [item for item, told in table(made).items() if told["output"]] == [two.item_id]


def test_two_outputs_for_one_item_are_refused_and_nothing_is_stored(built: Workspace, tmp_path: Path) -> None:
    version = open_source("latest", built)
    item = next(items(version, "validation"))
    rows = [{"item_id": item.item_id, "output": "a"}, {"prompt": item.messages[0]["content"], "output": "b"}]
    with pytest.raises(DataError, match=r"o\.jsonl:2: is for the same item as .*o\.jsonl:1; keep one of the two"):
        take_in(write(tmp_path / "o.jsonl", rows), version=version)
    assert list_runs(tmp_path / "experiments") == []
    with pytest.raises(DataError, match=r"o\.jsonl:2: is for the same item"):
        take_in(write(tmp_path / "o.jsonl", [{"prompt": "a", "output": "1"}, {"prompt": "a", "output": "2"}]))


def test_the_exams_reference_counts(built: Workspace, tmp_path: Path) -> None:
    version = open_source("latest", built)
    item = next(items(version, "validation"))
    row = {"item_id": item.item_id, "output": "mine", "reference": "mine"}
    made = take_in(write(tmp_path / "o.jsonl", [row]), version=version)
    assert value(made) == (0.0, 1)
    assert len(made.overruled) == 1


def test_nothing_that_matches_is_an_error(built: Workspace, tmp_path: Path) -> None:
    with pytest.raises(DataError, match="none of its 1 predictions is for an item of validation of v1"):
        take_in(write(tmp_path / "o.jsonl", [{"prompt": "Who?", "output": "x"}]), version=open_source("latest", built))


PLAIN: list[dict[str, Any]] = [
    {"prompt": "2 + 2?", "output": "4", "reference": "4", "logprobs": [-0.5, -1.0]},
    {"prompt": "3 + 3?", "output": "5", "reference": "6", "logprobs": None},
]


def as_csv(rows: list[dict[str, Any]]) -> str:
    file = io.StringIO()
    writer = csv.DictWriter(file, list(rows[0]))
    writer.writeheader()
    writer.writerows(
        {key: json.dumps(cell) if isinstance(cell, list) else cell for key, cell in row.items()} for row in rows
    )
    return file.getvalue()


@pytest.mark.parametrize("kind", ["jsonl", "json", "csv", "jsonl.gz", "json.gz", "csv.gz"])
def test_every_kind_of_file_says_the_same(kind: str, tmp_path: Path) -> None:
    text = {"jsonl": "".join(json.dumps(row) + "\n" for row in PLAIN), "json": json.dumps(PLAIN), "csv": as_csv(PLAIN)}
    path = tmp_path / f"o.{kind}"
    content = text[kind.removesuffix(".gz")].encode()
    path.write_bytes(gzip.compress(content) if kind.endswith(".gz") else content)
    made = take_in(path)
    assert value(made) == (0.5, 2)
    first = next(row for row in table(made).values() if row["output"] == "4")
    assert (first["logprob_mean"], first["logprob_min"], first["logprob_first"]) == (-0.75, -1.0, -0.5)
    assert (first["output_tokens"], first["split"]) == (2, "recorded")


@pytest.mark.parametrize(
    ("row", "layout", "prompt", "output", "reference"),
    [
        ({"instruction": "Say a", "dataset": "d", "output": "b", "generator": "m"}, "AlpacaEval", "Say a", "b", None),
        ({"decoded": "b", "text": "c", "instruction": "Say a", "id": 0}, "Flan-T5", "Say a", "b", "c"),
        (
            {"prompt": "P", "instruction": "I", "input": "", "response": "b", "target": "c"},
            "self-instruct",
            "P",
            "b",
            "c",
        ),
        (
            {
                "item_id": "7",
                "messages": [{"role": "user", "content": "Q"}],
                "response": "b",
                "finish_reason": "length",
            },
            "curate generate",
            "Q",
            "b",
            None,
        ),
    ],
)
def test_published_layouts(
    row: dict[str, Any], layout: str, prompt: str, output: str, reference: str | None, tmp_path: Path
) -> None:
    suite = Suite(
        metrics=(MetricChoice("exact_match"), MetricChoice("repetition_rate")), primary=Primary("exact_match")
    )
    made = take_in(write(tmp_path / "o.jsonl", [row]), suite)
    (told,) = table(made).values()
    assert (made.layout, made.name) == (layout, row.get("generator", "o"))
    assert (json.loads(told["prompt"])[0]["content"], told["output"], told["reference"]) == (prompt, output, reference)
    assert set(made.sat.left_out) == (set() if reference else {"exact_match"})
    assert told["finish_reason"] == row.get("finish_reason", "stop")


def test_two_models_meet_on_the_items_that_their_files_bring(tmp_path: Path) -> None:
    rows = [{"instruction": f"Say {i}", "text": str(i), "decoded": str(i % 3), "id": i} for i in range(6)]
    one = take_in(write(tmp_path / "one.jsonl", rows))
    two = take_in(write(tmp_path / "two.jsonl", [{**row, "decoded": row["text"]} for row in reversed(rows)]))
    assert set(table(one)) == set(table(two))
    assert (value(one)[0], value(two)[0]) == (0.5, 1.0)


def test_mt_bench_takes_its_questions_and_references_from_its_files(tmp_path: Path) -> None:
    write(tmp_path / "question.jsonl", [{"question_id": 81, "category": "math", "turns": ["One?", "And two?"]}])
    write(
        tmp_path / "gpt.jsonl", [{"question_id": 81, "model_id": "g", "choices": [{"index": 0, "turns": ["1", "2"]}]}]
    )
    row = {"question_id": 81, "model_id": "llama", "choices": [{"index": 0, "turns": ["1", "3"]}]}
    file = write(tmp_path / "o.jsonl", [row])
    with pytest.raises(DataError, match="says 81:1 and not what was asked; name a version or --references"):
        take_in(file)
    made = take_in(file, references=(tmp_path / "question.jsonl", tmp_path / "gpt.jsonl"))
    assert (made.name, made.matched, value(made)) == ("llama", 2, (0.5, 2))
    second = max(table(made).values(), key=lambda told: len(told["prompt"]))
    assert [message["content"] for message in json.loads(second["prompt"])] == ["One?", None, "And two?"]
    assert len({told["cluster"] for told in table(made).values()}) == 1


def test_references_of_any_layout_that_a_build_reads(tmp_path: Path) -> None:
    write(tmp_path / "gold.jsonl", [{"instruction": f"Say {i}", "input": "", "output": str(i)} for i in range(4)])
    rows = [{"prompt": f"Say {i}", "output": str(i % 2)} for i in range(4)]
    made = take_in(write(tmp_path / "o.jsonl", rows), references=(tmp_path / "gold.jsonl",))
    assert value(made) == (0.5, 4)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "holds no prediction"),
        ('{"prompt": "a", "output": "b"}\n{"prompt": "c", "outp\n', r"o\.jsonl:2: "),
        ('{"prompt": "a", "output": "b", "logprobs": [NaN]}\n', r"o\.jsonl:1: "),
        ('{"prompt": "a", "ouput": "b"}\n', r"o\.jsonl:1: is no prediction: it needs output"),
        ('{"prompt": "a", "output": 7}\n', r"o\.jsonl:1: output must be text or empty, not 7"),
        ('{"prompt": "a", "output": "b", "logprobs": [-1, 0.9]}\n', r"o\.jsonl:1: logprobs.1 must be at most 0.001"),
        ('{"prompt": "a", "output": "b", "logprob_mean": 0.9}\n', r"o\.jsonl:1: logprob_mean must be at most 0.001"),
        (f'{{"prompt": "a", "output": "b", "tokens": {2**63}}}\n', r"o\.jsonl:1: tokens must be at most"),
        ('{"output": "b"}\n', r"o\.jsonl:1: does not say what was asked; add prompt"),
        (
            '{"prompt": "a", "output": "b"}\n{"prompt": "c"}\n',
            r"o\.jsonl:2: has no output, which the lines",
        ),
        ('{"question_id": 1, "choices": []}\n', r"o\.jsonl:1: its choices hold no turns"),
        (
            "".join(f'{{"instruction": "{m}", "output": "b", "generator": "{m}"}}\n' for m in "xy"),
            r"holds outputs of 2 models \(x, y\)",
        ),
    ],
)
def test_a_bad_file_is_refused_by_its_line(text: str, message: str, tmp_path: Path) -> None:
    with pytest.raises(DataError, match=message):
        take_in(write(tmp_path / "o.jsonl", text))
    assert list_runs(tmp_path / "experiments") == []


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ({"prompt": 5, "reference": "x"}, "r.jsonl:1: prompt must be text, not 5"),
        ({"messages": "abc", "reference": "x"}, "r.jsonl:1: messages must be "),
        ({"messages": [5], "reference": "x"}, "r.jsonl:1: messages.0 must be "),
        ({"messages": [{"role": "user", "content": 5}], "reference": "x"}, "r.jsonl:1: messages.0.content must be "),
        ({"prompt": None, "item_id": "a", "reference": "x"}, "r.jsonl:1: has no prompt; add it"),
        ({"prompt": "a", "reference": 5}, "r.jsonl:1: reference must be "),
        ({"question_id": 1, "turns": "abc"}, "r.jsonl:1: turns must be a list of texts"),
        ({"question_id": 1, "turns": [1, None]}, "r.jsonl:1: turns must be a list of texts"),
    ],
)
def test_bad_references_are_refused_by_their_line(row: dict[str, Any], message: str, tmp_path: Path) -> None:
    file = write(tmp_path / "o.jsonl", [{"prompt": "a", "output": "b"}])
    with pytest.raises(DataError, match=message):
        take_in(file, references=(write(tmp_path / "r.jsonl", [row]),))
    assert list_runs(tmp_path / "experiments") == []


def test_a_reference_without_its_question_is_refused(tmp_path: Path) -> None:
    gold = write(tmp_path / "r.jsonl", [{"prompt": "a", "reference": "b"}, {"reference": "c"}])
    with pytest.raises(DataError, match=r"r\.jsonl:2: has no prompt; add it"):
        take_in(write(tmp_path / "o.jsonl", [{"prompt": "a", "output": "b"}]), references=(gold,))


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        (
            [{"prompt": p, "output": None} for p in "ab"],
            r"o\.jsonl: none of 2 items was answered: .*o\.jsonl:1 was rec",
        ),
        ([{"prompt": p, "output": "x"} for p in "ab"], r"o\.jsonl: no metric can be measured: .*has a reference"),
    ],
)
def test_what_cannot_be_measured_is_refused_by_its_file(
    rows: list[dict[str, Any]], message: str, tmp_path: Path
) -> None:
    with pytest.raises(DataError, match=message) as raised:
        take_in(write(tmp_path / "o.jsonl", rows))
    assert "experiment_" not in str(raised.value)
    assert not list((tmp_path / "experiments").glob("*"))


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"none\.jsonl: no such file"):
        take_in(tmp_path / "none.jsonl")


def test_empty_outputs_are_wrong_and_absent_ones_missing(tmp_path: Path) -> None:
    rows = [{"prompt": str(i), "output": out, "reference": "x"} for i, out in enumerate(["x", "", None])]
    assert value(take_in(write(tmp_path / "o.jsonl", rows))) == (0.5, 2)


def test_the_same_file_is_taken_in_once_and_its_numbers_can_be_had_again(tmp_path: Path) -> None:
    file = write(tmp_path / "o.jsonl", PLAIN)
    first, second = take_in(file), take_in(file)
    assert (first.sat.known, second.sat.known) == (False, True)
    assert first.sat.folder == second.sat.folder
    assert read_run(first.sat.folder.of).provenance == "imported"
    told = recompute(EvalFolder.open(first.sat.folder.path), Trust())
    assert (told.largest, told.changed) == (0.0, ())


def test_from_the_command_line(
    built: Workspace, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    version = open_source("latest", built)
    rows = [{"item_id": item.item_id, "output": item.reference} for item in items(version, "validation")]
    write(tmp_path / "o.jsonl", [*rows[1:], {"prompt": "Who?", "output": "x"}])
    argv = ["import-predictions", "-C", str(built.root), str(tmp_path / "o.jsonl"), "--name", "gold"]
    assert main([*argv, "--split", "validation"]) == 0
    out = capsys.readouterr().out
    assert "gold (plain) on validation of v1" in out
    assert "1 predictions are for no item of it" in out
    assert "1 items have no prediction; they are missing, not wrong" in out
    assert main([*argv, "--split", "validation", "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert (told["known"], told["matched"], told["missing"]) == (True, len(rows) - 1, 1)
    assert main([*argv, "--split", "test"]) == 2
    assert "test is for the end" in capsys.readouterr().err
    assert main([*argv, "--split", "validaton"]) == 2
    assert "validation" in capsys.readouterr().err
    test = [{"item_id": item.item_id, "output": "x"} for item in items(version, "test")]
    write(tmp_path / "o.jsonl", test)
    assert main([*argv, "--split", "test", "--final"]) == 0
    assert "look 1 at this test, the first" in capsys.readouterr().out


def test_recorded_answers_are_not_asked_for_more_and_have_no_base(
    built: Workspace, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    root = str(built.root)
    names = []
    for count in (2, 3):
        rows = [{"prompt": f"Own {i}?", "output": "x", "reference": "x"} for i in range(count)]
        file = write(tmp_path / f"{count}.jsonl", rows)
        assert main(["import-predictions", "-C", root, str(file), "--json"]) == 0
        names.append(json.loads(capsys.readouterr().out)["run"])
    assert main(["compare", "-C", root, *names]) == 0
    out, err = capsys.readouterr()
    assert f"left out: 1 that {names[0]} was not asked" in out
    assert "asked now" not in err
    assert main(["compare", "-C", root, "base", names[0]]) == 2
    told = f"curate compare: {names[0]}: holds recorded answers alone and has no base here; name two runs\n"
    assert capsys.readouterr().err == told


@pytest.mark.slow
def test_published_outputs_of_two_sizes_are_measured_alike() -> None:
    """Two Flan-T5 models on 6,400 rows: taken whole, on the same items, the difference with its interval."""
    import tempfile

    files = [shared(f"dolly_flan_t5/google_flan-t5-{size}_decode_output.jsonl.gz") for size in ("small", "large")]
    with tempfile.TemporaryDirectory() as folder:
        place = RunPlace(Path(folder) / "experiments", Path(folder) / "journal.sqlite")
        made = [import_predictions(Wanted(file), EXACT, place, Path(folder)) for file in files]
        assert [(one.matched, one.unmatched, one.opened.exam.clusters) for one in made] == [(6400, (), 6327)] * 2
        found = [EvalFolder(one.sat.folder.path) for one in made]
        assert found[0].items(["sha256"]).equals(found[1].items(["sha256"]))
        from eval.measuring import measured

        small, large = (measured(one, one.suite)["exact_match"] for one in found)
        difference = compare_paired(small, large, found[0].items(["cluster"])["cluster"].to_numpy())
        assert difference.low < difference.diff < difference.high
        assert difference.n == 6400


def test_fields_with_other_names_are_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    rows = [{"id": i, "question": f"Say {i}", "output": "old", "said": str(i % 2), "gold": str(i)} for i in range(4)]
    file = str(write(tmp_path / "o.jsonl", rows))
    named = ["--field", "prompt=question", "--field", "output=said", "--field", "reference=gold"]
    assert main(["import-predictions", file, *named, "-C", str(tmp_path), "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert (told["layout"], told["matched"]) == ("plain", 4)
    assert {row["metric"]: row["value"] for row in told["metrics"]}["exact_match"] == 0.5
    for wrong, words in (
        (["--field", "output=sait"], 'o.jsonl:1: has no field sait; did you mean "said"?'),
        (["--field", "outptu=said"], 'outptu is no field of a prediction; did you mean "output"?'),
        (["--field", "said"], "--field said: say NAME=FIELD"),
        (["--field", "prompt=question", "--field", "prompt=gold"], "prompt is question already; name one of the two"),
    ):
        assert main(["import-predictions", file, *wrong, "-C", str(tmp_path)]) in (2, 3)
        assert words in capsys.readouterr().err
    strange = write(tmp_path / "s.jsonl", [{"question": "a", "gold": "b"}])
    assert main(["import-predictions", str(strange), "-C", str(tmp_path)]) == 3
    assert "and has question, gold; say what yours are called: --field output=FIELD" in capsys.readouterr().err


def test_what_to_do_next_without_a_training(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    rows = [{"prompt": f"Say {i}", "reference": str(i)} for i in range(4)]
    first = write(tmp_path / "a.jsonl", [{**row, "output": "1"} for row in rows])
    second = write(tmp_path / "b.jsonl", [{**row, "output": row["reference"]} for row in rows])
    at = ["-C", str(tmp_path)]
    assert main(["import-predictions", str(first), *at]) == 0
    assert "next: curate compare experiment_001 OTHER" in capsys.readouterr().out
    assert main(["import-predictions", str(second), *at]) == 0
    assert "next: curate compare experiment_001 experiment_002" in capsys.readouterr().out
    for command in ("compare", "report"):
        assert main([command, *at]) == 2
        assert "name outputs that were taken in: experiment_001 experiment_002" in capsys.readouterr().err
    assert main(["compare", "a", "b", *at]) == 0  # as the files are called, so are the models
    assert "experiment_001 (a)" in capsys.readouterr().out
    assert main(["import-predictions", str(second), "--name", "a", *at]) == 0
    assert main(["compare", "a", "b", *at]) == 2
    assert '"a" is what experiment_001 and experiment_003 are called; name one' in capsys.readouterr().err
    assert main(["runs", "show", "002", *at]) == 0
    assert capsys.readouterr().out.splitlines()[-1].startswith("next: curate autotag experiment_002")
    assert main(["report", "001", "002", *at]) == 0
    assert capsys.readouterr().out.splitlines()[-1] == "next: curate status"


def test_a_workspace_with_a_journal_and_no_version(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Tags need a store's folder; nothing that a version is needed for takes it for a store."""
    at = ["-C", str(tmp_path)]
    assert main(["init", str(tmp_path)]) == 0
    for name in "ab":
        rows = [{"prompt": f"Say {i}", "reference": str(i), "output": "" if i else name} for i in range(6)]
        assert main(["import-predictions", str(write(tmp_path / f"{name}.jsonl", rows)), *at]) == 0
        assert main(["autotag", *at]) == 0
    assert main(["compare", "a", "b", *at]) == 0
    assert main(["patch", "list", *at]) == 0
    capsys.readouterr()
    main(["doctor", *at, "--json"])
    (store,) = (one for one in json.loads(capsys.readouterr().out)["findings"] if one["about"] == "store")
    assert (store["level"], store["told"]) == ("note", "nothing was built yet")
    assert main(["export", *at]) == 2
    assert "nothing was built yet; run `curate build`" in capsys.readouterr().err
