"""Commands that need more than the plain package say what to install, at once, and leave nothing behind."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from app.cli import main


@pytest.mark.parametrize(
    ("module", "extra", "words"),
    [
        ("bitsandbytes", "train", ["train"]),
        ("torch", "train", ["merge", "001"]),
        ("peft", "train", ["import-run", "adapter", "--base", "models/tiny"]),
        ("transformers", "eval", ["eval", "base"]),
        ("transformers", "eval", ["variants", "--config", "variants.yaml"]),
        ("torch", "eval", ["folds"]),
        ("torch", "eval", ["generate", "--prompt", "What is it?"]),
        ("torch", "eval", ["generate", "--input", "asked.jsonl", "--out", "answers.jsonl"]),
        ("vl_convert", "app", ["loop", "looped"]),
        ("altair", "app", ["report"]),
        ("altair", "app", ["card"]),
        ("huggingface_hub", "app", ["card", "v1"]),
        ("altair", "app", ["project", "out"]),
        ("streamlit", "app", ["app"]),
    ],
    ids=lambda value: value if isinstance(value, str) else value[0],
)
def test_one_line_says_what_to_install(
    module: str,
    extra: str,
    words: list[str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    (tmp_path / "curate.yaml").write_text("curate: 1\n", "utf-8")
    (tmp_path / "recipe.yaml").write_text("sources: []\n", "utf-8")
    before = sorted(tmp_path.iterdir())
    monkeypatch.setitem(sys.modules, module, None)
    assert main([*words, "-C", str(tmp_path)]) == 2
    assert capsys.readouterr().err == f'curate {words[0]}: {module} is not installed; pip install "curate[{extra}]"\n'
    assert sorted(tmp_path.iterdir()) == before


def test_the_lineage_of_a_thing_needs_no_chart(tmp_path: Path) -> None:
    hidden = "import sys; sys.modules.update(dict.fromkeys(('altair', 'vl_convert', 'torch')));"
    code = f"{hidden} from app.cli import main; raise SystemExit(main(['trace', 'v1', '-C', {str(tmp_path)!r}]))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert (done.returncode, done.stderr.count("\n")) == (2, 1), done.stderr
    assert '"v1" is not known here' in done.stderr
