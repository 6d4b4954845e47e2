"""Model and dataset cards: the hub's library reads them, their numbers are the stored ones, licences are not bent."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
import yaml

from app.cli import main
from curation.library import Version, open_store
from curation.runs import read_run, write_run
from curation.workspace import Workspace, init_workspace
from eval.folder import EvalFolder
from reports.dataset_card import Parts, axolotl, dataset_card, exported, llama_factory, parts_of
from reports.licences import conflicts, llama_licence, own_licence
from tests.compared import base_of, built, right_at, run_of
from tests.reported import arc, evaluated
from tests.test_licences import workspace


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    found = built(tmp_path_factory.mktemp("card") / "work", 120)
    evaluated(found, base_of(found), right_at(0.3, "base"), arc(0.5, 0, 60))
    evaluated(found, run_of(found), right_at(0.6, "run"), arc(0.5, 1, 60))
    run_of(found, seed=7)  # experiment_003, never evaluated
    return found


def curate(made: Workspace, *words: str) -> int:
    return main([*words, "-C", str(made.root)])


def test_the_hub_reads_the_model_card_and_its_numbers_are_the_stored_ones(made: Workspace) -> None:
    from huggingface_hub import ModelCard

    asked = ("--licence", "apache-2.0", "--base", "org/base", "--dataset", "me/data", "--name", "desk")
    assert curate(made, "card", "002", *asked) == 0
    run = made.root / "experiments" / "experiment_002"
    data = ModelCard.load(run / "README.md").data
    assert (data.base_model, data.datasets, data.license, data.model_name) == (
        "org/base",
        ["me/data"],
        "apache-2.0",
        "desk",
    )
    found = {(one.dataset_split or one.dataset_name, one.metric_type): one.metric_value for one in data.eval_results}
    rows = EvalFolder.open(run / "eval-1").metrics().to_pylist()
    told = {("ARC-Easy" if r["split"] == "arc-easy" else r["split"], r["metric"]): r["value"]
            for r in rows if r["slice"] == "all"}  # fmt: skip
    assert found == told
    assert len(found) == 8
    assert all(one.dataset_type == "allenai/ai2_arc" for one in data.eval_results if one.dataset_name == "ARC-Easy")


def test_a_run_that_was_not_evaluated_has_a_card_that_says_so(
    made: Workspace, capsys: pytest.CaptureFixture[str]
) -> None:
    from huggingface_hub import ModelCard

    assert curate(made, "card", "003", "--to", str(made.root / "out")) == 0
    assert "experiment_003 was not evaluated; curate eval experiment_003" in capsys.readouterr().out
    card = ModelCard.load(made.root / "out" / "README.md")
    assert card.data.eval_results is None
    assert "Not evaluated: experiment\\_003 was not evaluated" in card.text


def test_licence_conflicts_are_told_and_written(made: Workspace, capsys: pytest.CaptureFixture[str]) -> None:
    asked = (
        "--licence",
        "mit",
        "--base",
        "unsloth/Meta-Llama-3.1-8B-bnb-4bit",
        "--data-licence",
        "cc-by-nc-4.0",
        "--json",
    )
    assert curate(made, "card", "002", *asked) == 0
    against = json.loads(capsys.readouterr().out)["conflicts"]
    assert ["mit" in line for line in against] == [True, True]
    assert ["llama3.1" in against[0], "not for commercial use" in against[1]] == [True, True]
    text = (made.root / "experiments" / "experiment_002" / "README.md").read_text()
    assert text.count("Conflict: ") == 2


def test_the_licences_of_the_recipe_are_in_the_card_and_in_conflict_without_being_asked(
    made: Workspace, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    from huggingface_hub import ModelCard

    folder = made.root / "experiments" / "experiment_003"
    told = {"data/a.jsonl": "cc-by-nc-4.0", "data/b.jsonl": None}
    before = read_run(folder)
    write_run(folder, replace(before, licences={"base": "mit", "data": told}))
    try:
        assert curate(made, "card", "003", "--to", str(tmp_path), "--licence", "Our own terms", "--json") == 0
    finally:
        write_run(folder, before)
    (line,) = json.loads(capsys.readouterr().out)["conflicts"]
    assert line.startswith("the data is under cc-by-nc-4.0 (data/a.jsonl): not for commercial use")
    card = ModelCard.load(tmp_path / "README.md")
    assert (card.data.license, card.data.to_dict()["license_name"]) == ("other", "our-own-terms")
    assert "Data: cc-by-nc-4.0 (data/a.jsonl), not stated (data/b.jsonl)." in card.text.replace("\\", "")
    assert "nobody has said under which licence data/b.jsonl is" in card.text.replace("\\", "")


def test_a_base_in_a_folder_is_no_name_on_the_hub(
    made: Workspace, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """models/tiny would be the model `tiny` of somebody called models."""
    from huggingface_hub import ModelCard

    assert curate(made, "card", "002", "--to", str(tmp_path)) == 0
    assert "the base model is the folder models/tiny; say with --base" in capsys.readouterr().out
    assert ModelCard.load(tmp_path / "README.md").data.base_model == "tiny"
    folder = made.root / "experiments" / "experiment_002"
    before = read_run(folder)
    write_run(folder, replace(before, base_model={**before.base_model, "name": "org/base", "revision": "ab" * 20}))
    try:
        assert curate(made, "card", "002", "--to", str(tmp_path)) == 0
    finally:
        write_run(folder, before)
    assert "--base" not in capsys.readouterr().out
    assert ModelCard.load(tmp_path / "README.md").data.base_model == "org/base"


@pytest.mark.parametrize("layout", ["messages", "alpaca", "sharegpt", "prompt_completion"])
def test_a_dataset_card_says_what_it_is_and_what_a_row_holds(made: Workspace, tmp_path: Path, layout: str) -> None:
    from huggingface_hub import DatasetCard

    out = tmp_path / "out"
    assert curate(made, "export", "v1", "--to", str(out), "--format", layout) == 0
    assert curate(made, "card", "v1", "--to", str(out)) == 0
    card = DatasetCard.load(out / "README.md")
    assert card.data.pretty_name == "work-v1", "by the workspace, not by the folder it was written to"
    first = json.loads((out / "train.jsonl").read_text().splitlines()[0])
    counts = [len((out / f"{split}.jsonl").read_text().splitlines()) for split in ("train", "validation", "test")]
    text = card.text.replace("\\", "")
    assert f"{sum(counts):,} rows of instruction data" in text
    assert f"{counts[0]:,} to train on, {counts[1]:,} to choose settings by, {counts[2]:,} for the end" in text
    assert json.dumps(first, ensure_ascii=False, indent=2) in card.text
    assert all(f"| {name} | " in text for name in first)
    assert "| of the source |" not in text


def test_a_run_made_elsewhere_and_a_base_of_this_machine(made: Workspace, tmp_path: Path) -> None:
    folder = made.root / "experiments" / "experiment_003"
    before = read_run(folder)
    base = {**before.base_model, "name": "/home/somebody/models/llama"}
    write_run(folder, replace(before, version=None, base_model=base))
    try:
        assert curate(made, "card", "003", "--to", str(tmp_path)) == 0
    finally:
        write_run(folder, before)
    text = (tmp_path / "README.md").read_text()
    assert "A LoRA adapter for llama, trained on data that Curate has not seen" in text
    assert "None" not in text
    assert "somebody" not in text


def test_a_dataset_card_tells_each_source_and_where_the_whole_claims_too_much(tmp_path: Path) -> None:
    from huggingface_hub import DatasetCard

    root = workspace(tmp_path, "cc-by-nc-4.0", "mit").root
    assert main(["build", "-C", str(root)]) == 0
    assert main(["export", "-C", str(root)]) == 0
    assert main(["card", "v1", "--licence", "mit", "-C", str(root)]) == 0
    card = DatasetCard.load(root / "data" / "splits" / "README.md")
    assert "| a.jsonl | cc-by-nc-4.0 |" in card.text
    assert "Conflict: the data is under cc-by-nc-4.0 (a.jsonl): not for commercial use" in card.text
    workspace(tmp_path, "cc-by-4.0", "CC-BY-4.0".lower())
    assert main(["build", "-C", str(root)]) == 0
    assert main(["export", "-C", str(root)]) == 0
    assert main(["card", "v1", "-C", str(root)]) == 0
    card = DatasetCard.load(root / "data" / "splits" / "README.md")
    assert card.data.license == "cc-by-4.0"
    assert "Conflict" not in card.text


def test_llama_factory_is_told_every_tag_and_of_each_split_only_its_columns(tmp_path: Path) -> None:
    rows = [{"prompt": f"What is the code of machine {n}?", "completion": f"It is {n}{n}."} for n in range(40)]
    chat = {"role": "system", "content": "Be brief."}
    lines: list[dict[str, Any]] = [
        {
            "messages": [
                chat,
                {"role": "user", "content": r["prompt"]},
                {"role": "assistant", "content": r["completion"]},
            ]
        }
        for r in rows[:5]
    ]
    (tmp_path / "own.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    (tmp_path / "rest.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows[5:]))
    init_workspace(tmp_path, [str(tmp_path / "own.jsonl"), str(tmp_path / "rest.jsonl")])
    sources = [{"path": "own.jsonl", "split": "train"}, {"path": "rest.jsonl"}]
    (tmp_path / "recipe.yaml").write_text(yaml.safe_dump({"sources": sources, "near": {"threshold": 0.99}}))
    assert main(["build", "-C", str(tmp_path)]) == 0
    version = open_store(tmp_path).version("v1")
    for layout, tags in (("messages", ("role", "content", "user")), ("sharegpt", ("from", "value", "human"))):
        version.export(tmp_path / layout, layout=layout)
        entry = llama_factory(exported(version, tmp_path / layout), "t", parts_of(version))["t-train"]
        told = entry["tags"]
        assert len(told) == 7
        assert (told["role_tag"], told["content_tag"], told["user_tag"]) == tags
    version.export(tmp_path / "alpaca", layout="alpaca")
    found = llama_factory(exported(version, tmp_path / "alpaca"), "t", parts_of(version))
    for entry in found.values():
        text = (tmp_path / "alpaca" / entry["file_name"]).read_text()
        assert ("system" in entry["columns"]) == ('"system"' in text)
    assert ["system" in found[f"t-{split}"]["columns"] for split in ("train", "test")] == [True, False]


@pytest.mark.parametrize(
    ("name", "licence"),
    [
        ("meta-llama/Llama-3.1-8B-Instruct", "llama3.1"),
        ("unsloth/Meta-Llama-3.1-8B-bnb-4bit", "llama3.1"),
        ("NousResearch/Llama-2-7b-hf", "llama2"),
        ("meta-llama/Meta-Llama-3-8B", "llama3"),
        ("codellama/CodeLlama-7b-hf", "llama2"),
        ("TinyLlama/TinyLlama-1.1B-Chat-v1.0", None),
        ("openlm-research/open_llama_3b_v2", None),
        ("models/llamas-of-peru", None),
        ("Qwen/Qwen2.5-0.5B", None),
    ],
)
def test_a_llama_is_known_by_its_name_and_others_are_not(name: str, licence: str | None) -> None:
    assert llama_licence(name) == licence


@pytest.mark.parametrize(
    ("base", "base_licence", "data", "claimed", "count"),
    [
        ("meta-llama/Llama-3.1-8B", "llama3.1", (), "llama3.1", 0),
        ("meta-llama/Llama-3.1-8B", "llama3.1", (), "mit", 1),
        ("someone/Llama-3.1-8B-tuned", "mit", (), None, 1),
        ("someone/Llama-3.1-8B-tuned", "mit", (), "mit", 2),
        ("Qwen/Qwen2.5-0.5B", "apache-2.0", ("cc-by-nc-4.0",), "apache-2.0", 1),
        ("Qwen/Qwen2.5-0.5B", "apache-2.0", ("cc-by-nc-4.0",), "cc-by-nc-4.0", 0),
        ("Qwen/Qwen2.5-0.5B", "apache-2.0", ("cc-by-nc-4.0",), None, 1),
        ("Qwen/Qwen2.5-0.5B", "apache-2.0", ("cc-by-sa-3.0",), "mit", 1),
        ("org/base", "cc-by-nc-4.0", (), "mit", 1),
        ("org/base", "gemma", (), "mit", 1),
        ("Qwen/Qwen2.5-0.5B", "apache-2.0", ("mit",), "mit", 0),
        ("deepseek-ai/DeepSeek-R1-Distill-Llama-8B", "mit", (), "mit", 1),
        ("deepseek-ai/DeepSeek-R1-Distill-Llama-8B", "mit", (), "llama3.1", 0),
        ("meta-llama/Llama-Guard-3-8B", None, (), None, 1),
        ("TinyLlama/TinyLlama-1.1B", "apache-2.0", (), "apache-2.0", 0),
        ("meta-llama/Llama-3.1-8B", "llama3.1", (), "Llama 3.1 Community License", 0),
    ],
)
def test_conflicts(base: str, base_licence: str | None, data: tuple[str, ...], claimed: str | None, count: int) -> None:
    assert len(conflicts(base, base_licence, data, claimed)) == count


def test_what_nobody_claims_is_taken_from_a_base_that_binds() -> None:
    assert own_licence("meta-llama/Llama-3.1-8B", None, None) == "llama3.1"
    assert own_licence("org/base", "gemma", None) == "gemma"
    assert own_licence("Qwen/Qwen2.5-0.5B", "apache-2.0", None) is None


def test_load_dataset_finds_the_splits_of_a_card(
    made: Workspace, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    from datasets import load_dataset
    from huggingface_hub import DatasetCard

    out = tmp_path / "out"
    assert curate(made, "card", "v1", "--to", str(out)) == 2
    assert "holds no export; write one with curate export v1 --to" in capsys.readouterr().err
    assert curate(made, "export", "v1", "--to", str(out)) == 0
    assert curate(made, "card", "v1", "--to", str(out), "--licence", "cc-by-4.0") == 0
    assert DatasetCard.load(out / "README.md").data.license == "cc-by-4.0"
    (out / "train-notes.jsonl").write_text(
        '{"note": "of somebody else"}\n', "utf-8"
    )  # by its name alone, a part of train
    found = load_dataset(str(out), cache_dir=str(tmp_path / "cache"))
    assert {split: part.num_rows for split, part in found.items()} == open_store(made.root).version("v1").rows
    entries = json.loads((out / "dataset_info.json").read_text())
    assert [entry["file_name"] for entry in entries.values()] == ["train.jsonl", "validation.jsonl", "test.jsonl"]
    (entry,) = yaml.safe_load((out / "axolotl.yaml").read_text())["datasets"]
    assert (entry["path"], entry["ds_type"], entry["type"]) == ("train.jsonl", "json", "chat_template")


@pytest.mark.parametrize("layout", ["messages", "sharegpt", "alpaca", "prompt_completion"])
def test_trainers_are_told_of_columns_that_the_files_have(made: Workspace, tmp_path: Path, layout: str) -> None:
    version = open_store(made.root).version("v1")
    version.export(tmp_path / layout, layout=layout)
    manifest = exported(version, tmp_path / layout)
    line = json.loads((tmp_path / layout / "train.jsonl").read_text().splitlines()[0])
    entry = llama_factory(manifest, "t", parts_of(version))["t-train"]
    assert set(entry["columns"].values()) <= set(line)
    assert any(name in line for name in named(axolotl(manifest, parts_of(version))[0], line))


def named(entry: dict[str, Any], line: dict[str, Any]) -> set[Any]:
    if entry["type"] == "alpaca":
        return {"instruction"}
    return {entry.get("field_messages"), *(entry["type"].values() if isinstance(entry["type"], dict) else ())}


def with_tools(root: Path) -> Version:
    """Forty calls of a tool with their results, as an export of ShareGPT can say them."""
    call = {"type": "function", "function": {"name": "reset", "arguments": '{"machine": "F6"}'}}
    lines = [
        {
            "messages": [
                {"role": "user", "content": f"Reset the press number {n * 7919}, please."},
                {"role": "assistant", "content": None, "tool_calls": [call]},
                {"role": "tool", "content": f"done {n}"},
                {"role": "assistant", "content": f"Press {n * 7919} is reset."},
            ],
            "tools": [{"type": "function", "function": {"name": "reset", "parameters": {"type": "object"}}}],
        }
        for n in range(40)
    ]
    (root / "calls.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    init_workspace(root, [str(root / "calls.jsonl")])
    (root / "recipe.yaml").write_text(
        yaml.safe_dump(
            {"sources": [{"path": "calls.jsonl"}], "near": {"action": "off"}, "filters": {"echo": {"action": "off"}}}
        )
    )
    assert main(["build", "-C", str(root)]) == 0
    return open_store(root).version("v1")


@pytest.mark.parametrize(
    ("layout", "container", "factory", "axolotl_too"),
    [
        ("messages", "jsonl", False, True),
        ("messages", "parquet", False, False),
        ("sharegpt", "jsonl", True, False),
        ("sharegpt", "parquet", True, False),
    ],
)
def test_trainers_have_an_entry_for_tools_only_where_they_read_them(
    tmp_path: Path, layout: str, container: str, factory: bool, axolotl_too: bool
) -> None:
    version = with_tools(tmp_path)
    out = tmp_path / "out"
    version.export(out, layout=layout, container=container)
    manifest, parts = exported(version, out), parts_of(version)
    entries = llama_factory(manifest, "t", parts)
    assert bool(entries) is factory
    assert bool(axolotl(manifest, parts)) is axolotl_too
    card = dataset_card(version, out)["README.md"]
    assert ("LLaMA-Factory has no entry" in card) is not factory
    assert ("axolotl has no entry" in card) is not axolotl_too
    for entry in entries.values():  # as its sharegpt reads a row: sides by turns, and a text of tools
        tags, columns = entry["tags"], entry["columns"]
        path = out / entry["file_name"]
        jsonl = container == "jsonl"
        rows = [*map(json.loads, path.read_text().splitlines())] if jsonl else pq.read_table(path).to_pylist()
        for row in rows:
            asks, says = (tags["user_tag"], tags["observation_tag"]), (tags["assistant_tag"], tags["function_tag"])
            roles = [turn[tags["role_tag"]] for turn in row[columns["messages"]]]
            assert len(roles) % 2 == 0
            assert all(role in (asks, says)[at % 2] for at, role in enumerate(roles))
            assert json.loads(row[columns["tools"]])


def test_a_question_is_parted_from_its_answer_for_axolotl(made: Workspace, tmp_path: Path) -> None:
    version = open_store(made.root).version("v1")
    version.export(tmp_path / "p", layout="prompt_completion")
    (entry,) = axolotl(exported(version, tmp_path / "p"), parts_of(version))
    assert entry["type"]["format"].format(instruction="Why?") + "So." == "Why?\nSo."
    assert entry["type"]["no_input_format"] == entry["type"]["format"]


def test_alpaca_with_a_history_has_no_axolotl_entry_that_would_lose_it(made: Workspace, tmp_path: Path) -> None:
    version = open_store(made.root).version("v1")
    version.export(tmp_path / "a", layout="alpaca")
    manifest = exported(version, tmp_path / "a")
    assert axolotl(manifest, {"train": Parts(system=True)}) == axolotl(manifest, {"train": Parts(history=True)}) == []


def test_a_readme_of_somebody_else_stays(made: Workspace, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "README.md").write_text("mine\n")
    assert curate(made, "card", "002", "--to", str(tmp_path)) == 2
    assert "curate did not write it" in capsys.readouterr().err
    assert (tmp_path / "README.md").read_text() == "mine\n"
    assert curate(made, "card", "002", "--to", str(tmp_path), "--force") == 0
    assert curate(made, "card", "002", "--to", str(tmp_path)) == 0


def test_a_file_in_the_place_of_a_folder(made: Workspace, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "here").write_text("mine")
    assert curate(made, "card", "002", "--to", str(tmp_path / "here")) == 3
    assert "a file stands where a folder is needed; move it away" in capsys.readouterr().err


def test_bad_cards_are_one_line(made: Workspace, capsys: pytest.CaptureFixture[str]) -> None:
    assert curate(made, "card", "001") == 2
    assert "experiment_001: is the base model, not a training" in capsys.readouterr().err
    assert curate(made, "card", "v9") == 2
    assert curate(made, "card", "v1", "--base", "x") == 2
    assert "are for a run's card" in capsys.readouterr().err
