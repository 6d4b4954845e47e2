"""`curate import-run`: adapters made elsewhere are taken in whole, or refused with a reason and without a trace."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("torch")

from app.cli import main
from curation.errors import ConfigError
from curation.row_losses import FILE
from curation.runs import Run, read_run, working_on, write_run
from tests.test_runs import training
from tests.test_template_guard import Wanted, chosen, trained_with
from tests.tiny_model import CHAT_TEMPLATE, tiny_model
from train.config import TrainingConfig
from train.imported import ImportRequest, import_run
from train.model.adapter import new_adapter
from train.model.check import check_template
from train.model.load import base_identity, load_base
from train.model.template import stored_template

# peft 0.21 asks transformers 5 for names that are going away
pytestmark = pytest.mark.filterwarnings("ignore:.is_gradient_checkpointing. is deprecated:FutureWarning")

Capture = pytest.CaptureFixture[str]


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """`base`, the same deeper, wider, and with more words; and a peft folder for the first."""
    root = tmp_path_factory.mktemp("import")
    tiny_model(root / "base")
    tiny_model(root / "deeper", layers=3)
    tiny_model(root / "wider", hidden=96)
    save_adapter(root / "base", root / "peft")
    return root


def save_adapter(base: Path, to: Path, **settings: Any) -> None:
    import torch

    model = new_adapter(
        load_base(base, quantization="none"),
        TrainingConfig(str(base), lora_r=4, lora_target_modules="all-linear", **settings),
    )
    with torch.no_grad():
        for name, weight in model.named_parameters():
            if "lora_B" in name:
                weight.normal_()
    model.save_pretrained(to)


@pytest.fixture
def peft(models: Path, tmp_path: Path) -> Path:
    shutil.copytree(models / "peft", tmp_path / "peft")
    return tmp_path / "peft"


def taken(folder: Path, models: Path, to: Path, base: str | None = "base", **more: Any) -> Any:
    return import_run(ImportRequest(folder, models, base, **more), to / "experiments")


def edit(folder: Path, **values: Any) -> None:
    path = folder / "adapter_config.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | values))


def again(run: Run, folder: Path, models: Path) -> None:
    """The template as a use of the run finds it: it has to be the one that was settled on."""
    assert run.template is not None
    check_template(run, stored_template(run.template, folder / "template", models / "base"), models / "base")


def own_run(models: Path, folder: Path, **changes: Any) -> Path:
    """A run's folder as a training leaves it."""
    shutil.copytree(models / "peft", folder / "adapter")
    (folder / "training.yaml").write_text("base_model: base\n")
    (folder / "checkpoints").mkdir()
    (folder / "template").mkdir()
    for name, content in chosen(models / "base").files.items():
        (folder / "template" / name).write_bytes(content)
    kept = trained_with(models / "base")
    identity = base_identity("base", models / "base")
    told = {"template": kept.template, "tokenizer_sha256": kept.tokenizer_sha256, "fingerprint": kept.fingerprint}
    write_run(folder, training(**{"base_model": identity, **told, **changes}))
    return folder


def test_a_peft_folder_is_taken_in(models: Path, peft: Path, tmp_path: Path) -> None:
    made = taken(peft, models, tmp_path)
    run = read_run(made.folder)
    assert (run.name, run.provenance, run.state, run.version, run.config) == (
        "experiment_001",
        "unknown",
        "done",
        None,
        None,
    )
    assert run.origin.startswith("peft, written by peft 0.")
    assert run.base == (models / "base").as_posix()
    assert [note.split(":")[0] for note in made.notes] == ["provenance unknown", "template"]
    for name in ("adapter_config.json", "adapter_model.safetensors"):
        assert (made.folder / "adapter" / name).read_bytes() == (peft / name).read_bytes()
    assert sorted(path.name for path in made.folder.parent.iterdir()) == ["experiment_001"]
    check_template(run, chosen(models / "base"), models / "base")
    again(run, made.folder, models)
    with pytest.raises(ConfigError, match="another template"):
        check_template(run, chosen(models / "base", Wanted("alpaca")), models / "base")


def test_it_works_as_the_original_does(models: Path, peft: Path, tmp_path: Path) -> None:
    import torch

    from train.model.adapter import load_adapter

    made = taken(peft, models, tmp_path)
    ids = torch.arange(1, 9)[None]
    with torch.no_grad():
        base = load_base(models / "base", quantization="none")
        plain = base(ids).logits
        one = load_adapter(load_base(models / "base", quantization="none"), peft)(ids).logits
        two = load_adapter(load_base(models / "base", quantization="none"), made.folder / "adapter")(ids).logits
    assert torch.equal(one, two)
    assert not torch.allclose(one, plain)


def test_the_adapters_own_template_comes_before_the_bases(models: Path, peft: Path, tmp_path: Path) -> None:
    """As Unsloth and axolotl write it: the tokenizer and its template beside the adapter."""
    for name in ("tokenizer.json", "tokenizer_config.json"):
        shutil.copy(models / "base" / name, peft / name)
    (peft / "chat_template.jinja").write_text(
        "{{ bos_token }}{% for m in messages %}[{{ m.role }}]{{ m.content }}<|end|>{% endfor %}"
        "{% if add_generation_prompt %}[assistant]{% endif %}"
    )
    made = taken(peft, models, tmp_path)
    assert [note.split(":")[0] for note in made.notes] == ["provenance unknown"]
    again(made.run, made.folder, models)
    with pytest.raises(ConfigError, match="another template"):
        check_template(made.run, chosen(models / "base"), models / "base")
    named = taken(peft, models, tmp_path, template="chatml")
    assert named.run.template is not None
    assert named.run.template["name"] == "chatml"
    again(named.run, named.folder, models)
    assert list(named.folder.rglob("*.jinja")) == []  # the other one, which was not chosen


def test_without_any_template_the_choices_are_named(models: Path, peft: Path, tmp_path: Path) -> None:
    tiny_model(tmp_path / "bare", chat_template=None)
    with pytest.raises(ConfigError, match=r"set template: to .*chatml"):
        taken(peft, tmp_path, tmp_path, "bare")
    assert taken(peft, tmp_path, tmp_path, "bare", template="chatml").run.template["name"] == "chatml"


@pytest.mark.parametrize(
    ("base", "why"),
    [
        ("deeper", "it has nothing for model.layers.2.self_attn.q_proj (7 of 21 such layers)"),
        ("wider", "model.layers.0.mlp.down_proj is 96 x 192, the adapter is for 64 x 128"),
    ],
)
def test_an_adapter_for_another_base_is_refused(models: Path, peft: Path, tmp_path: Path, base: str, why: str) -> None:
    with pytest.raises(ConfigError) as caught:
        taken(peft, models, tmp_path, base)
    assert str(caught.value) == (
        f"{peft}: is an adapter for another base model than {models / base}: {why}; name its own with --base"
    )
    assert not (tmp_path / "experiments").exists()


def test_an_adapter_for_a_deeper_base_is_refused(models: Path, tmp_path: Path) -> None:
    save_adapter(models / "deeper", tmp_path / "deep")
    with pytest.raises(ConfigError, match=r"its layer model.layers.2.mlp.down_proj is not there \(7 of 21 are not\)"):
        taken(tmp_path / "deep", models, tmp_path)


def test_layers_left_out_on_purpose_are_no_mistake(models: Path, tmp_path: Path) -> None:
    save_adapter(models / "base", tmp_path / "part")
    edit(tmp_path / "part", layers_to_transform=[0, 1])
    assert taken(tmp_path / "part", models, tmp_path, "deeper").folder.is_dir()


def test_another_vocabulary_is_refused(models: Path, peft: Path, tmp_path: Path) -> None:
    tiny_model(tmp_path / "small", vocabulary=300)
    for name in ("tokenizer.json", "tokenizer_config.json"):
        shutil.copy(tmp_path / "small" / name, peft / name)
    with pytest.raises(ConfigError, match=r"another tokenizer than the one of .*: vocabulary, merges; name the base"):
        taken(peft, models, tmp_path)


def test_added_tokens_that_the_base_has_not_are_refused(models: Path, peft: Path, tmp_path: Path) -> None:
    told = json.loads((models / "base" / "tokenizer.json").read_text())
    told["added_tokens"].append({**told["added_tokens"][-1], "id": 512, "content": "<|im_end|>"})
    (peft / "tokenizer.json").write_text(json.dumps(told))
    with pytest.raises(ConfigError, match=r"added tokens \(<\|im_end\|>\)"):
        taken(peft, models, tmp_path)


def pickled(folder: Path) -> None:
    (folder / "adapter_model.safetensors").rename(folder / "adapter_model.bin")


def not_numbers(folder: Path) -> None:
    from safetensors.torch import load_file, save_file

    weights = load_file(folder / "adapter_model.safetensors")
    next(iter(weights.values()))[0, 0] = float("nan")
    save_file(weights, folder / "adapter_model.safetensors")


def cut_short(folder: Path) -> None:
    path = folder / "adapter_model.safetensors"
    path.write_bytes(path.read_bytes()[:-100])


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (pickled, "is a pickle, which can run any code of its maker"),
        (not_numbers, "holds values that are no numbers; its training diverged"),
        (cut_short, "cannot be read"),
        (lambda folder: edit(folder, peft_type="IA3"), "is a IA3 adapter; only LoRA can be taken in"),
        (lambda folder: (folder / "adapter_model.safetensors").unlink(), "adapter_model.safetensors is missing"),
        (lambda folder: (folder / "adapter_config.json").unlink(), "no adapter in it"),
        (lambda folder: (folder / "adapter_config.json").write_text("{"), "is not JSON"),
        (shutil.rmtree, "no such folder"),
    ],
)
def test_bad_folders_leave_no_trace(
    models: Path, peft: Path, tmp_path: Path, spoil: Callable[[Path], Any], message: str
) -> None:
    spoil(peft)
    with pytest.raises(ConfigError) as caught:
        taken(peft, models, tmp_path)
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)
    assert not (tmp_path / "experiments").exists()


def test_the_base_is_the_one_the_adapter_names_unless_said(models: Path, peft: Path, tmp_path: Path) -> None:
    edit(peft, base_model_name_or_path=str(models / "base"))
    assert taken(peft, tmp_path, tmp_path, None).run.base == (models / "base").as_posix()
    edit(peft, base_model_name_or_path=None)
    with pytest.raises(ConfigError, match="name it with --base"):
        taken(peft, tmp_path, tmp_path, None)
    edit(peft, base_model_name_or_path="unsloth/Base-bnb-4bit")
    assert not any("names" in note for note in taken(peft, models, tmp_path).notes)
    edit(peft, base_model_name_or_path="owner/another")
    assert any("names owner/another as its base" in note for note in taken(peft, models, tmp_path).notes)


def test_a_run_of_ours_keeps_what_it_knows(models: Path, tmp_path: Path) -> None:
    source = own_run(models, tmp_path / "other" / "experiment_007", name="experiment_007")
    (source / FILE).write_bytes(b"row losses")
    made = taken(source, models, tmp_path, None)
    run = made.run
    assert (run.name, run.provenance, run.origin) == (
        "experiment_001",
        "imported",
        "experiment_007 of another workspace",
    )
    assert made.notes == []
    kept = replace(read_run(source), name=run.name, provenance=run.provenance, origin=run.origin, checkpoints=())
    assert replace(run, base_model=kept.base_model) == kept
    assert sorted(path.name for path in made.folder.iterdir()) == [
        "adapter",
        FILE,
        "run.json",
        "template",
        "training.yaml",
    ]
    again(run, made.folder, models)


def test_a_run_of_ours_with_a_changed_template_is_refused(models: Path, tmp_path: Path) -> None:
    source = own_run(models, tmp_path / "source")
    (source / "template" / "chat_template.jinja").write_text(CHAT_TEMPLATE.replace("<|end|>", "</s>"))
    with pytest.raises(ConfigError, match="was trained with another template"):
        taken(source, models, tmp_path)
    with pytest.raises(ConfigError, match="was trained with another template"):
        taken(source, models, tmp_path, template="chatml")
    assert not (tmp_path / "experiments").exists()


def test_a_run_that_is_at_work_or_no_training_is_refused(models: Path, tmp_path: Path) -> None:
    source = own_run(models, tmp_path / "source", state="running")
    with working_on(source), pytest.raises(ConfigError, match="is still at work"):
        taken(source, models, tmp_path)
    assert taken(source, models, tmp_path).run.state == "interrupted"
    write_run(source, replace(read_run(source), kind="evaluation"))
    with pytest.raises(ConfigError, match="is an evaluation, not a training"):
        taken(source, models, tmp_path)


def test_a_folder_of_checkpoints_names_them(models: Path, tmp_path: Path) -> None:
    for step in (100, 200):
        shutil.copytree(models / "peft", tmp_path / "outputs" / f"checkpoint-{step}")
    with pytest.raises(ConfigError, match="name one of the folders in it: checkpoint-100, checkpoint-200"):
        taken(tmp_path / "outputs", models, tmp_path)


def test_the_command(models: Path, peft: Path, tmp_path: Path, capsys: Capture) -> None:
    (tmp_path / "curate.yaml").write_text("curate: 1\n")
    shutil.copytree(models / "base", tmp_path / "models" / "base")
    here = ["-C", str(tmp_path)]
    assert main([*here, "import-run", "peft", "--base", "models/base", "--template", "chatml"]) == 0
    run = read_run(tmp_path / "experiments" / "experiment_001")
    assert run.base == "models/base"
    assert run.template is not None
    out, err = capsys.readouterr()
    assert err == ""
    assert out.splitlines() == [
        f"experiment_001  {run.origin}",
        f"base models/base · template chatml {run.template['sha256'][:8]}",
        "provenance unknown: nobody can tell from the folder which data it was trained on",
        *[line for line in out.splitlines() if line.startswith("the adapter names")],
        "next: curate generate experiment_001 --prompt '...' · curate runs show experiment_001",
    ]
    assert (tmp_path / "experiments" / "experiment_001" / "results.csv").is_file()
    assert main([*here, "runs"]) == 0
    assert "done, provenance unknown" in capsys.readouterr().out
    assert main([*here, "import-run", "peft", "--base", "models/none"]) == 2
    assert capsys.readouterr().err.startswith("curate import-run: base_model: ")
