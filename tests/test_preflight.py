"""What spoils a training is told before it starts, with ids and with what to do."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from argparse import Namespace
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("torch")
pytest.importorskip("transformers")

import torch

from app.cli.train_check import check, chosen_config
from curation import build, open_store
from curation.errors import ConfigError, CurateError, DataError
from curation.source import Row, open_source
from curation.workspace import Workspace, init_workspace
from tests.shared_data import shared
from tests.tiny_model import tiny_model
from train.config import TrainingConfig
from train.estimate import estimate
from train.model.adapter import new_adapter
from train.model.folder import model_folder, tensor_shapes
from train.preflight import Preflight, Prepared, prepare
from train.token_rows import read_head, untrained

END = 6  # <|end|> of the tiny model
ROWS = [
    (f"What is the code of machine number {i}, built in {1900 + i}{', please' * (i % 7)}?", f"Its code is {i * i}.")
    for i in range(40)
]


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    """A workspace with a version, and two models beside it: `models/tiny` and `models/tied`."""
    root = tmp_path_factory.mktemp("w")
    raw = root / "raw.jsonl"
    raw.write_text("".join(json.dumps({"question": q, "answer": a}) + "\n" for q, a in ROWS))
    place = init_workspace(root / "w", [str(raw)])
    build(place)
    tiny_model(place.root / "models" / "tiny")
    tiny_model(place.root / "models" / "tied", tied=True)
    return place


def prepared(place: Workspace, **settings: Any) -> Prepared:
    config = TrainingConfig(**{"base_model": "models/tiny", **settings})
    return prepare(config, open_source("latest", place), place.root)


def codes(found: Preflight) -> tuple[list[str], list[str]]:
    return [finding.code for finding in found.errors], [finding.code for finding in found.warnings]


def with_row(model: Path, to: Path, change: Callable[[Any], None]) -> Path:
    """The model with its head changed (the embedding, where the two are tied)."""
    from transformers import AutoModelForCausalLM

    loaded = AutoModelForCausalLM.from_pretrained(model)
    with torch.no_grad():
        change(loaded.get_output_embeddings().weight)
    to.mkdir()
    loaded.save_pretrained(to)
    for name in ("tokenizer.json", "tokenizer_config.json", "chat_template.jinja"):
        (to / name).write_bytes((model / name).read_bytes())
    return to


def to_zero(head: Any) -> None:
    head[END] = 0


def to_twin(head: Any) -> None:
    head[END] = head[4] * 1.01  # another token that no text reached


def to_mean(head: Any) -> None:
    head[1:] += 0.02  # trained rows have something in common; padding stays at zero
    head[END] = head.mean(0)


def test_a_sound_training_has_no_findings(place: Workspace) -> None:
    made = prepared(place)
    assert codes(made.preflight) == ([], [])
    made.preflight.require()
    rows = open_source("latest", place).tables["train"].num_rows
    assert len(made.train) == rows
    assert made.preflight.as_json()["splits"]["train"]["trained"]["sum"] == sum(made.train["trained"])


@pytest.mark.parametrize(("change", "why"), [(to_zero, "next to zero"), (to_twin, "1 other"), (to_mean, "the mean")])
@pytest.mark.parametrize("model", ["tiny", "tied"])
def test_an_end_that_was_never_trained(
    model: str, change: Callable[[Any], None], why: str, place: Workspace, tmp_path: Path
) -> None:
    """Through LoRA with a frozen head it cannot be learned: no answer would ever end."""
    folder = str(with_row(place.root / "models" / model, tmp_path / "m", change))
    found = prepared(place, base_model=folder).preflight
    assert codes(found)[0] == ["end_untrained"]
    assert '"<|end|>" (token 6) ends an answer and was never trained' in found.errors[0].message
    assert why in found.errors[0].message
    assert 'set end_token: "' in found.errors[0].message
    assert "trainable_token_indices: [6]" in found.errors[0].message
    offered = found.errors[0].message.split('end_token: "')[1].split('"')[0]
    assert codes(prepared(place, base_model=folder, end_token=offered).preflight)[0] == []
    assert codes(prepared(place, base_model=folder, trainable_token_indices=(END,)).preflight)[0] == []
    with pytest.raises(DataError, match="was never trained"):
        found.require()


@pytest.mark.filterwarnings("ignore:`is_gradient_checkpointing` is deprecated:FutureWarning")
@pytest.mark.parametrize("model", ["tiny", "tied"])
def test_what_is_offered_trains_the_row_of_the_head(model: str, place: Workspace) -> None:
    """Given a bare list, peft trains the row of the embedding alone, and the model never learns to say the token."""
    pytest.importorskip("peft")
    from transformers import AutoModelForCausalLM

    base = AutoModelForCausalLM.from_pretrained(place.root / "models" / model)
    adapted = new_adapter(base, TrainingConfig("m", trainable_token_indices=(END,)))
    before = adapted(input_ids=torch.ones(1, 1, dtype=torch.long)).logits[0, 0]
    with torch.no_grad():
        for name, weights in adapted.named_parameters():
            if "trainable_tokens" in name:
                weights += 1
    after = adapted(input_ids=torch.ones(1, 1, dtype=torch.long)).logits[0, 0]
    assert (before != after).nonzero().flatten().tolist() == [END]


def test_no_row_of_a_model_without_such_rows_is_suspected(place: Workspace) -> None:
    for model in ("tiny", "tied"):
        folder = place.root / "models" / model
        head = read_head(folder, tensor_shapes(folder))
        assert [i for i in range(1, len(head)) if untrained(head, i)] == []  # 0 pads


def test_real_weights_the_end_of_stories260k() -> None:
    """llama2.c trained on stories that <s> separates; </s> was in the vocabulary only."""
    folder = shared("tinyllama/stories260K_hf")
    head = read_head(folder, tensor_shapes(folder))
    assert untrained(head, 2) is not None
    assert untrained(head, 1) is None
    common = range(259, 460)  # pieces of words, by frequency
    assert [i for i in common if untrained(head, i)] == []


def test_lamini_docs_on_stories260k(tmp_path: Path) -> None:
    place = init_workspace(tmp_path / "w", [str(shared("lamini/lamini_docs.jsonl.gz"))])
    build(place)
    told = {"base_model": str(shared("tinyllama/stories260K_hf")), "template": "plain", "max_length": 512}
    found = prepared(place, **told, overlong="drop").preflight
    assert codes(found) == (["end_untrained"], ["overlong_rows", "overlong_rows"])
    assert 'set end_token: "<s>"' in found.errors[0].message
    sound = prepared(place, **told, overlong="drop", end_token="<s>")
    assert codes(sound.preflight)[0] == []
    assert all(row["labels"][-1] == 1 and row["input_ids"][0] == 1 for row in sound.train)


def test_an_end_of_several_tokens(place: Workspace) -> None:
    found = prepared(place, template="chatml").preflight
    assert codes(found) == (["end_not_one_token"], ["unknown_markers"])
    assert '"<|im_end|>" ends an answer and is ' in found.errors[0].message
    assert 'set end_token: "' in found.errors[0].message


def test_a_tokenizer_of_another_model(place: Workspace, tmp_path: Path) -> None:
    folder = tiny_model(tmp_path / "small", vocabulary=300)
    for name in ("tokenizer.json", "tokenizer_config.json"):
        (folder / name).write_bytes((place.root / "models" / "tiny" / name).read_bytes())
    found = prepared(place, base_model=str(folder)).preflight
    assert codes(found)[0] == ["no_such_row"]
    assert "has no row in the model, which knows 300; its tokenizer is another model's" in found.errors[0].message


def test_rows_over_max_length_by_each_policy(place: Workspace) -> None:
    lengths = sorted(map(len, prepared(place).train["input_ids"]))
    middle = lengths[len(lengths) // 2]
    long = sum(length > middle for length in lengths)
    found = prepared(place, max_length=middle).preflight
    assert "overlong_rows" in codes(found)[0]
    assert len(found.errors[0].row_ids) == long
    assert found.errors[0].message.startswith(f"{long:,} rows of train are over max_length ({middle:,})")
    assert found.errors[0].row_ids[0] in found.errors[0].message
    dropped = prepared(place, max_length=middle, overlong="drop")
    assert codes(dropped.preflight)[0] == []
    assert len(dropped.train) == len(lengths) - long
    cut = prepared(place, max_length=middle, overlong="truncate-prompt-left")
    assert len(cut.train) == len(lengths)
    assert set(codes(cut.preflight)[1]) == {"cut_rows"}


def test_max_length_below_every_prompt(place: Workspace) -> None:
    for policy in ("drop", "error", "truncate-prompt-left"):
        with pytest.raises(DataError, match=r"max_length \(5\)") as caught:
            prepared(place, max_length=5, overlong=policy).preflight.require()
        assert "\n" not in str(caught.value)


def test_rows_without_a_trained_token_and_refused_ones(place: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    source = open_source("latest", place)
    user = {"role": "user", "content": "Hi"}
    odd = [Row("no-answer", {"messages": [user]})]
    odd.append(Row("marker", {"messages": [user, {"role": "assistant", "content": "<|end|>"}]}))
    given = type(source).rows
    monkeypatch.setattr(
        type(source), "rows", lambda self, split: [*given(self, split), *(odd if split == "train" else [])]
    )
    found = prepare(TrainingConfig("models/tiny"), source, place.root).preflight
    assert codes(found) == (["untrained_rows"], ["refused_rows"])
    assert found.errors[0].row_ids == ("no-answer",)
    assert "1 rows of train have not one trained token" in found.errors[0].message
    assert "contains_marker" in found.warnings[0].message
    assert found.warnings[0].row_ids == ("marker",)


def test_all_rows_refused(place: Workspace) -> None:
    with pytest.raises(DataError, match=r"no row of train is left: \d+ are refused by the template \(no system here\)"):
        prepared(place, template=_without_system(place), system_prompt="Be brief.").preflight.require()


def _without_system(place: Workspace) -> str:
    path = place.root / "no-system.jinja"
    path.write_text(
        "{% for m in messages %}{% if m.role == 'system' %}{{ raise_exception('no system here') }}{% endif %}"
        "<|{{ m.role }}|>{{ m.content }}<|end|>{% endfor %}{% if add_generation_prompt %}<|assistant|>{% endif %}"
    )
    return path.name


# peft asks for a property that transformers has renamed
@pytest.mark.filterwarnings("ignore:`is_gradient_checkpointing` is deprecated:FutureWarning")
def test_the_estimate_counts_what_is_there(place: Workspace) -> None:
    peft = pytest.importorskip("peft")
    from transformers import AutoModelForCausalLM

    for model in ("tiny", "tied"):
        folder = place.root / "models" / model
        loaded = AutoModelForCausalLM.from_pretrained(folder)
        size = loaded.num_parameters()
        for targets in ("all-linear", ("q_proj", "v_proj")):
            config = TrainingConfig("m", lora_r=4, lora_target_modules=targets)
            wanted = list(targets) if isinstance(targets, tuple) else targets
            lora = peft.LoraConfig(r=4, target_modules=wanted, task_type="CAUSAL_LM")
            adapted = peft.get_peft_model(AutoModelForCausalLM.from_pretrained(folder), lora)
            cost = estimate(config, folder, tensor_shapes(folder), [(100, 20)])
            assert cost.parameters == size
            assert cost.adapter_parameters == sum(p.numel() for p in adapted.parameters() if p.requires_grad)


@pytest.mark.filterwarnings("ignore:`is_gradient_checkpointing` is deprecated:FutureWarning")
@pytest.mark.parametrize("dropout", [0, 0.05])
def test_the_estimate_of_activations_is_near_what_autograd_keeps(dropout: float, place: Workspace) -> None:
    peft = pytest.importorskip("peft")
    from transformers import AutoModelForCausalLM

    folder, kept = place.root / "models" / "tiny", {}
    lora = peft.LoraConfig(r=4, lora_dropout=dropout, target_modules="all-linear", task_type="CAUSAL_LM")
    model = peft.get_peft_model(AutoModelForCausalLM.from_pretrained(folder), lora).train()
    weights = {p.untyped_storage().data_ptr() for p in model.parameters()}

    def keep(t: Any) -> Any:
        kept[t.untyped_storage().data_ptr()] = (t.untyped_storage().nbytes(), t)
        return t

    with torch.autograd.graph.saved_tensors_hooks(keep, lambda t: t):
        model.model.model(input_ids=torch.ones(1, 256, dtype=torch.long), use_cache=False)
    counted = sum(size for place, (size, _) in kept.items() if place not in weights)
    config = TrainingConfig(
        "m", quantization="none", bf16=False, lora_dropout=dropout, max_length=256, per_device_train_batch_size=1
    )
    assert 0.6 < estimate(config, folder, tensor_shapes(folder), [(256, 64)]).activations / counted < 1.6


@pytest.mark.parametrize(
    ("key", "value", "grows"),
    [
        ("quantization", "none", "weights"),
        ("lora_dropout", 0.1, "activations"),
        ("optim", "adamw_torch", "adapter"),
        ("max_length", 4096, "activations"),
        ("double_quant", False, "weights"),
        ("lora_r", 64, "adapter"),
        ("per_device_train_batch_size", 8, "activations"),
        ("gradient_accumulation_steps", 1, "steps"),
        ("num_train_epochs", 9, "flops"),
        ("max_steps", 999, "tokens"),
        ("packing", False, "steps"),
        ("bf16", False, "activations"),
        ("bf16", False, "weights"),
    ],
)
def test_the_estimate_follows_the_config(key: str, value: Any, grows: str, place: Workspace) -> None:
    folder = place.root / "models" / "tiny"
    shapes, rows = tensor_shapes(folder), [(100, 20)] * 400
    settings: dict[str, Any] = {"lora_dropout": 0, "optim": "paged_adamw_8bit", "bf16": True}
    plain = estimate(TrainingConfig("m", **settings), folder, shapes, rows)
    changed = estimate(TrainingConfig("m", **{**settings, key: value}), folder, shapes, rows)
    assert getattr(changed, grows) > getattr(plain, grows)
    assert plain.total(checkpointing=True) < plain.total(checkpointing=False)


@pytest.mark.parametrize(("device", "states"), [("cpu", 8), ("cuda:0", 2)])
def test_the_estimate_knows_the_optimiser_that_auto_means(
    device: str, states: int, place: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("train.estimate.device_name", lambda: device)
    folder = place.root / "models" / "tiny"
    cost = estimate(TrainingConfig("m", bf16=True), folder, tensor_shapes(folder), [(100, 20)])
    assert cost.adapter == cost.adapter_parameters * (8 + states)


def test_the_template_is_the_configs_else_the_models_else_the_recipes(place: Workspace, tmp_path: Path) -> None:
    bare = tiny_model(tmp_path / "bare", chat_template=None)
    with pytest.raises(
        ConfigError, match=r"brings no chat template and the recipe names none; set template: to llama2"
    ):
        prepared(place, base_model=str(bare))
    named = tmp_path / "named"
    place2 = init_workspace(named, [str(place.root.parent / "raw.jsonl")])
    place2.recipe_path.write_text(place2.recipe_path.read_text().replace("# template:", "#") + "\ntemplate: plain\n")
    build(place2)
    for source in ("latest", "v.pack"):
        if source == "v.pack":
            open_store(place2.root).version().pack(named / source)
        opened = open_source(source, place2, named)
        made = prepare(TrainingConfig(str(bare)), opened, named)
        assert (made.template.name, made.template.origin) == ("plain", "recipe")
        assert made.template.template.end_of_turn == "<|end|>"
        own = prepare(TrainingConfig(str(place.root / "models" / "tiny")), opened, named)
        assert own.template.origin == "model"
        said = prepare(TrainingConfig(str(place.root / "models" / "tiny"), template="plain"), opened, named)
        assert said.template.origin == "config"


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda m: (m / "chat_template.jinja").write_text("{% for %}"), "template m: "),
        (lambda m: (m / "tokenizer.json").unlink(), "no tokenizer here"),
        (lambda m: (m / "tokenizer.json").write_text("{"), "is not a tokenizer.json"),
        (lambda m: (m / "config.json").unlink(), "lacks config.json"),
        (lambda m: (m / "config.json").write_text('{"model_type": "lla'), "config.json. is not a valid JSON file"),
        (lambda m: (m / "model.safetensors").write_bytes(b"x" * 9), "cannot be read"),
        (lambda m: os.truncate(m / "model.safetensors", 4000), "cannot be read .*; copy or download the model again"),
        (lambda m: (m / "model.safetensors").unlink(), "lacks model.safetensors; copy the model again"),
        (
            lambda m: (m / "model.safetensors").rename(m / "model-00001-of-00002.safetensors"),
            "lacks model.safetensors.index.json",
        ),
        (
            lambda m: (m / "model.safetensors.index.json").write_text('{"weight_map": {"a": "model-2.safetensors"}}'),
            "lacks model-2.safetensors",
        ),
    ],
)
def test_a_damaged_model_is_one_line(
    change: Callable[[Path], Any], message: str, place: Workspace, tmp_path: Path
) -> None:
    folder = tiny_model(tmp_path / "m")
    change(folder)
    with pytest.raises(CurateError, match=message) as caught:
        prepared(place, base_model=str(folder))
    assert caught.value.exit_code in (2, 3)
    assert "\n" not in str(caught.value)


def test_where_a_base_model_lies(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path))
    with pytest.raises(ConfigError, match=r'base_model: "nowhere" is neither a folder nor a name on the hub'):
        model_folder("nowhere", tmp_path)
    with pytest.raises(ConfigError, match=r"nor in the hub's cache; get it with: hf download some/model --revision v2"):
        model_folder("some/model", tmp_path, "v2")


def test_an_interrupted_download_says_how_to_go_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The hub's cache as a stopped `hf download` leaves it: small files linked, the weights half there."""
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path))
    kept = tmp_path / "models--some--model"
    snapshot = kept / "snapshots" / ("0" * 40)
    tiny_model(snapshot)
    (kept / "refs").mkdir()
    (kept / "refs" / "main").write_text("0" * 40)
    assert model_folder("some/model", tmp_path) == snapshot
    (kept / "blobs").mkdir()
    (snapshot / "model.safetensors").rename(kept / "blobs" / "0123abcd.incomplete")
    said = "lacks model.safetensors; the download was interrupted; go on with: hf download some/model"
    with pytest.raises(ConfigError, match=said):
        model_folder("some/model", tmp_path)


def test_a_version_that_is_not_there_or_empty(place: Workspace, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="v9"):
        open_source("v9", place)
    with pytest.raises(ConfigError, match="no such file; make one with curate pack"):
        open_source("gone.pack", None)
    with pytest.raises(ConfigError, match=r"no such pack, and no workspace here"):
        open_source("v1", None)
    with pytest.raises(ConfigError, match="nothing was built yet"):
        open_source("latest", init_workspace(tmp_path / "new"))
    raw = tmp_path / "r.jsonl"
    raw.write_text(json.dumps({"question": "What is it?", "answer": "It is this."}) + "\n")
    other = init_workspace(tmp_path / "w", [str(raw)])
    other.recipe_path.write_text(f"sources: [{{path: {raw}}}]\nsplit: {{counts: {{train: 0, test: 1}}}}\n")
    build(other)
    with pytest.raises(DataError, match="v1: its train split is empty"):
        prepare(TrainingConfig("m"), open_source("latest", other), tmp_path)


def test_a_pack_needs_no_store(place: Workspace, tmp_path: Path) -> None:
    open_store(place.root).version().pack(tmp_path / "v.pack")
    program = (
        "import sys\nfrom curation.source import open_source\nfrom train.preflight import prepare\n"
        "from train.config import TrainingConfig\nfrom pathlib import Path\n"
        f"made = prepare(TrainingConfig({str(place.root / 'models/tiny')!r}), open_source('v.pack', None))\n"
        "foreign = [n for n in sys.modules if n.startswith(('duckdb', 'curation.store'))]\n"
        "print(type(made.train).__name__, len(made.train), made.train.cache_files, foreign)"
    )
    env = {"PYTHONPATH": str(Path(__file__).resolve().parent.parent), "PATH": "/usr/bin:/bin", "OMP_NUM_THREADS": "1"}
    env |= {"HOME": str(tmp_path / "home")}
    done = subprocess.run([sys.executable, "-c", program], cwd=tmp_path, env=env, capture_output=True, text=True)
    rows = open_source("latest", place)
    assert done.stdout.strip() == f"Dataset {rows.tables['train'].num_rows} [] []", done.stderr
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == [tmp_path / "v.pack"]  # nor any cache
    packed = open_source("v.pack", None, tmp_path)
    assert list(packed.rows("train")) == list(rows.rows("train"))


def told(place: Workspace, **more: Any) -> tuple[Namespace, TrainingConfig, Prepared]:
    args = Namespace(directory=str(place.root), config=None, set=["base_model=models/tiny"], json=False)
    vars(args).update(more)
    config, root = chosen_config(args)
    return args, config, prepare(config, open_source("latest", place), root)


def test_check_shows_a_row_with_its_mask(place: Workspace, capsys: pytest.CaptureFixture[str]) -> None:
    args, config, made = told(place)
    assert check(args, config, made, "v1") == 0
    out = capsys.readouterr().out
    assert "⟦Its code is " in out
    assert ".<|end|>⟧" in out
    assert "⟦What" not in out
    assert "v1: ready to train" in out
    assert made.template.sha256[:8] in out
    assert len(out.splitlines()) <= 15


def test_check_for_machines_and_its_exit_code(place: Workspace, capsys: pytest.CaptureFixture[str]) -> None:
    args, config, made = told(place, json=True, set=["base_model=models/tiny", "max_length=5"])
    assert check(args, config, made, "v1") == 3
    data = json.loads(capsys.readouterr().out)
    assert data["errors"][0]["code"] == "overlong_rows"
    assert data["errors"][0]["row_ids"]
    assert data["config"]["max_length"] == 5


def test_the_workspaces_own_config_is_the_default(place: Workspace, tmp_path: Path) -> None:
    args = Namespace(directory=str(place.root), config=None, set=[], json=False)
    with pytest.raises(ConfigError, match="base_model is missing"):
        chosen_config(args)
    (place.root / "configs").mkdir(exist_ok=True)
    usual = place.root / "configs" / "training.yaml"
    usual.write_text("base_model: models/tied\nlora_r: 3\n")
    try:
        config, root = chosen_config(args)
    finally:
        usual.unlink()
    assert (config.base_model, config.lora_r, root) == ("models/tied", 3, place.root)
