"""`curate variants` on a small run: a table of effects, kept answers, one line for what cannot be."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

pytest.importorskip("torch")
pytest.importorskip("peft")

from app.cli import main
from tests.eval_workspace import eval_workspace, with_run

# peft asks transformers by a name that is on its way out.
pytestmark = pytest.mark.filterwarnings("ignore:.is_gradient_checkpointing. is deprecated:FutureWarning")
CONFIG = """\
suite: {metrics: [chrf, perplexity], generation: {max_new_tokens: 4}}
factors:
  system: {"off": {system: null}, "on": {system: Be brief.}}
  end: {plain: {}, firm: {after: Say the key only.}}
"""


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = eval_workspace(tmp_path_factory.mktemp("variants") / "ws")
    with_run(root, system_prompt="Be kind.")
    (root / "variants.yaml").write_text(CONFIG)
    return root


def test_effects_and_kept_answers(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    argv = ["variants", "-C", str(root), "--config", "variants.yaml", "--limit", "6"]
    assert main(argv) == 0
    shown = capsys.readouterr()
    assert "4 combinations of 2 factors on validation of v1, 6 of 14 items" in shown.err
    assert "system=on with end=firm" in shown.out
    assert "partial: 6 of 14 items" in shown.out
    assert "not measured here: perplexity" in shown.out
    assert main([*argv, "--json"]) == 0
    shown = capsys.readouterr()
    assert "loading" not in shown.err
    told = json.loads(shown.out)
    assert [effect["effect"] for effect in told["effects"]] == ["system=on", "end=firm", "system=on with end=firm"]
    assert (told["prompts"], told["missing"]) == (24, 0)
    kept = json.loads((Path(told["folder"]) / "variants.json").read_bytes())
    assert kept["effects"] == told["effects"]


def test_the_prompts_are_those_that_the_model_saw(root: Path) -> None:
    """A level that takes the system text away also takes the one that the run was trained with."""
    import pyarrow.parquet as pq

    from curation.runs import run_place
    from curation.workspace import open_workspace
    from eval.generation import Item, generate
    from eval.generation.settings import GenerationSettings
    from eval.subject import subject_of
    from train.model.template import with_system

    assert main(["variants", "-C", str(root), "--config", "variants.yaml", "--limit", "6"]) == 0
    run = run_place(open_workspace(root)).experiments / "experiment_001"
    loaded = subject_of(run, root).load()
    assert loaded.system_prompt == "Be kind."
    (folder,) = run.glob("variants-*")
    texts = [pq.read_table(folder / f"cell-{number}" / "predictions.parquet").to_pylist()[0] for number in (1, 3)]
    off, on = (json.loads(row["prompt"]) for row in texts)
    assert [message["role"] for message in off] == ["user"]
    assert on[0]["content"] == "Be brief."
    record = with_system({"messages": on}, loaded.system_prompt)
    (alone,) = generate(loaded, [Item("x", record)], GenerationSettings(max_new_tokens=4))
    assert alone.text == texts[1]["output"]
    path = next((run / "outputs").glob("variants-*.jsonl"))
    lines = {line["text"]: line["prompt_tokens"] for line in map(json.loads, path.read_text().splitlines())}
    bare = len(loaded.template.prompt_ids(loaded.tokenizer, {"messages": off}))
    assert lines[texts[0]["output"]] == bare


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--config", "none.yaml"], "none.yaml: no such file"),
        ([], "--config"),
        (["--config", "variants.yaml", "--limit", "0"], "--limit"),
        (["007", "--config", "variants.yaml"], 'run "007" is not known'),
    ],
)
def test_what_cannot_be_is_one_line(
    words: list[str], message: str, root: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["variants", "-C", str(root), *words]) == 2
    told = capsys.readouterr().err.strip()
    assert message in told
    assert "\n" not in told
