"""A merged model answers as base and adapter did, and whatever serves it makes the prompts of the training."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("torch")

import torch

import train.merge
from app.cli import main
from curation.errors import ConfigError, StoreError
from curation.runs import Run, read_run
from curation.templates.as_jinja import as_jinja
from curation.templates.hashing import PROBES
from curation.templates.layouts import LAYOUTS
from curation.templates.refusal import TemplateRefusal
from curation.templates.template import Template
from eval.generation import GenerationSettings, generate_response
from tests.small_run import conversation, small_run
from tests.tiny_model import CHAT_TEMPLATE, tiny_model
from train.logits import logits_of, probe_ids, relative
from train.merge import INT8_TOLERANCE, TOLERANCE, Merged, merge
from train.model.adapter import load_adapter
from train.model.load import load_base
from train.model.of_run import RunFiles, load_run, run_files
from train.model.tokenizer import load_tokenizer

Capture = pytest.CaptureFixture[str]
pytestmark = [
    # peft asks a model by a name that transformers is about to drop.
    pytest.mark.filterwarnings("ignore:`is_gradient_checkpointing` is deprecated:FutureWarning"),
    # bitsandbytes says so on every product in 8 bits.
    pytest.mark.filterwarnings("ignore:MatMul8bitLt"),
]


@dataclass(frozen=True)
class Made:
    root: Path
    files: RunFiles
    merged: Merged
    told: Run  # run.json behind the merge


@pytest.fixture(scope="module")
def nf4(tmp_path_factory: pytest.TempPathFactory) -> Made:
    root = tmp_path_factory.mktemp("nf4")
    base = tiny_model(root / "models" / "tiny")
    (base / "LICENSE").write_text("free")
    (base / "README.md").write_text("---\nlicense: mit\n---\n")
    folder = small_run(root, base=base, quantization="nf4")
    files = run_files(folder, root)
    found = merge(files, folder / "merged")
    return Made(root, files, found, read_run(folder))


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def read(folder: Path, name: str) -> dict[str, Any]:
    told: dict[str, Any] = json.loads((folder / name).read_bytes())
    return told


def run_in(root: Path, **settings: Any) -> RunFiles:
    return run_files(small_run(root, **settings), root)


# The weights


def test_the_folder_answers_as_the_adapter_on_its_quantised_base(nf4: Made) -> None:
    assert nf4.merged.difference < TOLERANCE
    assert nf4.merged.difference_written < TOLERANCE
    assert nf4.merged.same_token == 1.0
    # By a way of its own: the files as transformers reads them, against the run as `curate generate` uses it.
    loaded = load_run(nf4.files)
    plain = load_base(nf4.merged.folder, quantization="none")
    assert not [module for module in plain.modules() if "4bit" in type(module).__name__]
    probes = probe_ids(loaded.template.template, loaded.tokenizer, 512)
    wanted = logits_of(loaded.model, probes)
    assert relative(wanted, logits_of(plain, probes)) < TOLERANCE
    with loaded.without_adapter():
        assert relative(wanted, logits_of(loaded.model, probes)) > 0.1, "the adapter changes nothing: a test of nothing"


def on_4_bit(files: RunFiles, model: Any) -> Any:
    return load_adapter(model.unload(), files.adapter).merge_and_unload()


def on_original(files: RunFiles, model: Any) -> Any:
    base = load_base(files.base, quantization="none").float()
    return load_adapter(base, files.adapter).merge_and_unload()


def forgotten(files: RunFiles, model: Any) -> Any:
    return model.unload().dequantize(dtype=torch.float32)


@pytest.mark.filterwarnings("ignore:Merge lora module to 4-bit")  # peft says so too, and goes on
@pytest.mark.parametrize("wrong", [on_4_bit, on_original, forgotten])
def test_a_merge_into_other_weights_is_refused(
    wrong: Callable[[RunFiles, Any], Any], nf4: Made, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Capture
) -> None:
    """TRAP: merged into 4-bit or original weights the model is another one, and nothing says so."""
    monkeypatch.setattr(train.merge, "merged_model", wrong)
    told = read_run(nf4.files.folder)
    code = main(["merge", str(nf4.files.folder), "-C", str(nf4.root), "--to", str(tmp_path / "out")])
    (line,) = [line for line in capsys.readouterr().err.splitlines() if line.startswith("curate merge: ")]
    assert code == 1
    assert "experiment_001: the merged model answers otherwise than base and adapter do (logits differ by " in line
    difference = float(line.split("differ by ")[1].split(",")[0])
    assert difference > 100 * TOLERANCE
    assert names(tmp_path) == []
    assert read_run(nf4.files.folder) == told


@pytest.mark.filterwarnings("ignore:Setting `save_embedding_layers`")  # peft, of an adapter on the head
@pytest.mark.parametrize(
    ("settings", "model"),
    [
        ({"quantization": "none"}, {}),
        ({"quantization": "bf16"}, {}),
        ({"quantization": "nf4", "double_quant": False, "use_rslora": True}, {}),
        ({"quantization": "nf4"}, {"tied": True}),
        ({"quantization": "nf4", "trainable_token_indices": (2, 6)}, {}),
        ({"quantization": "nf4", "trainable_token_indices": (2, 6)}, {"tied": True}),
        ({"quantization": "none", "lora_target_modules": ("q_proj", "lm_head")}, {}),
    ],
    ids=str,
)
def test_every_kind_of_adapter(settings: dict[str, Any], model: dict[str, Any], tmp_path: Path) -> None:
    base = tiny_model(tmp_path / "models" / "tiny", **model)
    files = run_in(tmp_path, base=base, **settings)
    found = merge(files, tmp_path / "out")
    assert found.difference < TOLERANCE
    assert found.difference_written < TOLERANCE


def test_int8_is_compared_as_far_as_dense_weights_can_be_the_same(tmp_path: Path) -> None:
    found = merge(run_in(tmp_path, quantization="int8"), tmp_path / "out")
    assert TOLERANCE < found.difference < INT8_TOLERANCE
    assert found.tolerance == INT8_TOLERANCE


def test_weights_are_written_as_the_base_is_stored_or_as_asked(nf4: Made, tmp_path: Path) -> None:
    assert read(nf4.merged.folder, "config.json")["dtype"] == "float32"
    found = merge(nf4.files, tmp_path / "half", "bfloat16")
    assert read(found.folder, "config.json")["dtype"] == "bfloat16"
    assert found.difference < TOLERANCE < found.difference_written < 2e-2
    base = tiny_model(tmp_path / "models" / "tiny")
    load_base(base, quantization="none").to(torch.float16).save_pretrained(base)
    assert merge(run_in(tmp_path, base=base), tmp_path / "stored").dtype == "float16"


# What a server reads


def test_all_that_a_server_needs_is_there(nf4: Made) -> None:
    folder = nf4.merged.folder
    beside = ["LICENSE", "Modelfile", "README.md", "chat_template.jinja", "config.json", "generation_config.json"]
    assert names(folder) == [*beside, "model.safetensors", "tokenizer.json", "tokenizer_config.json"]
    assert "quantization_config" not in read(folder, "config.json")
    assert read(folder, "generation_config.json")["eos_token_id"] == read(folder, "config.json")["eos_token_id"] == 6
    card = (folder / "README.md").read_text("utf-8")
    assert card.startswith("---\nlibrary_name: transformers\npipeline_tag: text-generation\nlicense: mit\n---\n")
    assert "version v1 (abababababab)" in card
    assert f"logits differ by {nf4.merged.difference:.1e}" in card
    assert read(folder, "tokenizer_config.json")["add_bos_token"] is True  # as the prompts of the training begin
    assert "FROM ./model.gguf\nTEMPLATE" in (folder / "Modelfile").read_text("utf-8")
    told = nf4.told.merge
    assert told is not None
    assert told["folder"] == "merged"
    assert told["difference"] == nf4.merged.difference


@pytest.mark.parametrize("name", LAYOUTS)
def test_a_built_in_layout_is_written_as_jinja_that_renders_the_same(name: str, nf4: Made) -> None:
    from transformers.utils.chat_template_utils import render_jinja_template

    template = Template(LAYOUTS[name].with_eos("</s>").with_bos('<"PROMPT">'))  # hostile to writing it into code
    code, seen = as_jinja(template), 0
    for probe in PROBES:
        for prompt in (False, True):
            asked = {"chat_template": code, "add_generation_prompt": prompt}
            try:
                wanted = template.render(probe, add_generation_prompt=prompt, with_bos=True).text
            except TemplateRefusal:
                continue
            ((found,), _) = render_jinja_template([probe["messages"]], **asked)
            assert found == wanted
            seen += 1
    assert seen >= 10


@pytest.mark.parametrize(
    ("settings", "chat_template", "ends"),
    [
        ({"template": "llama2"}, None, [2]),
        ({"template": "chatml"}, None, [2]),  # <|im_end|> is no token here: only eos can end an answer
        ({"template": "llama2", "end_token": "<|end|>"}, CHAT_TEMPLATE, [6, 2]),
        ({"end_token": "<|user|>"}, CHAT_TEMPLATE, [3, 2]),
        ({}, CHAT_TEMPLATE, [6, 2]),
        ({}, CHAT_TEMPLATE.replace("{{ bos_token }}", ""), [6, 2]),
        ({}, CHAT_TEMPLATE.replace("<|end|>", "{{ eos_token }}"), [2]),
        ({}, CHAT_TEMPLATE.replace("<|end|>", "{{ '<|end|>' if m.role == 'assistant' else eos_token }}"), [6, 2]),
    ],
)
def test_a_server_makes_the_prompts_of_the_training_and_stops_at_its_end_of_turn(
    settings: dict[str, Any], chat_template: str | None, ends: list[int], tmp_path: Path
) -> None:
    base = tiny_model(tmp_path / "models" / "tiny", chat_template=chat_template)
    told: dict[str, Any] = {"eos_token": "</s>", "add_bos_token": True}
    if chat_template is not None:
        told["chat_template"] = "an old one"
    (base / "tokenizer_config.json").write_text(json.dumps(read(base, "tokenizer_config.json") | told))
    files = run_in(tmp_path, base=base, **settings)
    folder = merge(files, tmp_path / "out").folder
    served, used = load_tokenizer(folder), load_tokenizer(base)
    record = conversation("Where is the manual?")
    ids = served.apply_chat_template(record["messages"], add_generation_prompt=True, return_dict=False)
    assert ids == files.template.prompt_ids(used, record)
    assert ids.count(1) == 1, "one BOS"
    eos = read(folder, "generation_config.json")["eos_token_id"]
    assert (eos if isinstance(eos, list) else [eos]) == ends
    assert served.eos_token_id == ends[0]
    assert "chat_template" not in read(folder, "tokenizer_config.json")


def test_generate_of_transformers_gives_our_greedy_text(nf4: Made) -> None:
    from transformers import AutoModelForCausalLM, AutoTokenizer

    ours = generate_response(load_run(nf4.files), "Where is the pump?", settings=GenerationSettings(20))
    model = AutoModelForCausalLM.from_pretrained(nf4.merged.folder)
    tokenizer = AutoTokenizer.from_pretrained(nf4.merged.folder)
    messages = conversation("Where is the pump?")["messages"]
    asked = tokenizer.apply_chat_template(messages, add_generation_prompt=True, return_tensors="pt", return_dict=True)
    found = model.generate(**asked, max_new_tokens=20)[0, asked["input_ids"].shape[1] :]
    assert tokenizer.decode(found) == ours.text


def test_a_template_that_a_server_would_render_otherwise_is_refused(
    nf4: Made, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Capture
) -> None:
    import train.merged_folder

    monkeypatch.setattr(train.merged_folder, "chat_template", lambda files, named: b"{{ messages[0].content }}")
    assert main(["merge", str(nf4.files.folder), "-C", str(nf4.root), "--to", str(tmp_path / "out")]) == 1
    assert "the chat template written for servers makes other prompts than the training's" in capsys.readouterr().err
    assert names(tmp_path) == []


# What goes wrong


def test_what_is_there_stays(nf4: Made, tmp_path: Path) -> None:
    (tmp_path / "mine").mkdir()
    with pytest.raises(ConfigError, match="mine: is there already; remove it, or name another folder with --to"):
        merge(nf4.files, tmp_path / "mine")
    (tmp_path / "file").write_text("")
    with pytest.raises(StoreError, match="nothing was written"):
        merge(nf4.files, tmp_path / "file" / "out")


def test_the_command_says_what_was_compared(nf4: Made, tmp_path: Path, capsys: Capture) -> None:
    assert main(["merge", "1", "-C", str(nf4.root), "--to", str(tmp_path / "out"), "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert told["difference"] <= told["tolerance"] == TOLERANCE
    assert told["folder"] == str(tmp_path / "out")
    assert main(["merge", "base", "-C", str(nf4.root)]) == 2
    assert "a base model has nothing to merge; name a run" in capsys.readouterr().err


def test_computing_in_fp32_takes_the_noise_of_bf16_away(nf4: Made) -> None:
    """Else the comparison could not tell a right merge from a wrong one."""
    rough = load_run(nf4.files, precision="bf16")
    probes = probe_ids(rough.template.template, rough.tokenizer, 512)
    noisy = logits_of(rough.model, probes)
    exact = logits_of(rough.model.float(), probes)
    assert relative(exact, noisy) > 10 * TOLERANCE
    again = logits_of(load_run(nf4.files, precision="bf16").model.float(), probes)
    assert relative(exact, again) == 0.0
