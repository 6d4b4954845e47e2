"""The notebook of a project: it runs from top to bottom without a screen or a network, on base and adapter."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

pytest.importorskip("torch")
pytest.importorskip("nbclient")
pytest.importorskip("nbformat")

import nbclient
import nbformat

from app.cli import main
from curation.errors import ConfigError
from eval.generation import GenerationSettings, Item, generate
from tests.eval_workspace import eval_workspace, with_run
from train.model.of_run import load_run, run_files

pytestmark = [
    pytest.mark.slow,
    # Jupyter's client warns of its own event loop, peft of a name in transformers; neither is ours.
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
    pytest.mark.filterwarnings("ignore:.is_gradient_checkpointing. is deprecated:FutureWarning"),
]


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("notebook")
    made = eval_workspace(root / "work", counts=(12, 14, 5))
    with_run(made, effect=0.5)
    assert main(["project", str(root / "out"), "-C", str(made)]) == 0
    return root / "out"


def executed(book: Path, folder: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.setenv("PYTHONPATH", str(Path(__file__).resolve().parent.parent))
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    # Nothing but this machine can be reached; a try fails at once.
    for name in ("HTTP_PROXY", "HTTPS_PROXY", "http_proxy", "https_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    read = nbformat.read(book, as_version=4)
    nbclient.NotebookClient(
        read, timeout=300, kernel_name="python3", resources={"metadata": {"path": str(folder)}}
    ).execute()
    shown = [out for cell in read.cells for out in cell.get("outputs", ())]
    assert {out.get("name") for out in shown} == {"stdout"}, "what libraries say has no place between the answers"
    return "".join(out.get("text", "") for out in shown)


def test_it_answers_as_the_run_does(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The same text as asking the run itself, for base and adapter, which differ."""
    said = executed(project / "notebooks" / "example_prompts.ipynb", project / "notebooks", monkeypatch)
    work = project.parent / "work"
    model = load_run(run_files(work / "experiments" / "experiment_001", work))
    question = said.split("question:  ")[1].split("\nbase:")[0]
    item = Item("x", {"messages": [{"role": "user", "content": question}]})
    (tuned,) = generate(model, [item], GenerationSettings(max_new_tokens=128))
    with model.without_adapter():
        (base,) = generate(model, [item], GenerationSettings(max_new_tokens=128))
    assert base.text != tuned.text
    assert f"base:      {base.text}\nadapter:   {tuned.text}\n" in said
    assert said.count("reference:") == 5


def test_a_base_that_is_gone_is_said_in_one_line(project: Path, tmp_path: Path) -> None:
    shutil.copytree(project, tmp_path / "alone")
    with pytest.raises(ConfigError, match="models/tiny"):
        run_files(tmp_path / "alone" / "experiments" / "experiment_001", tmp_path / "alone")
