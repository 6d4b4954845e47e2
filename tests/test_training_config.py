"""A training's config: every key means something, and every mistake is one line."""

from __future__ import annotations

import json
from dataclasses import fields
from pathlib import Path
from typing import Any

import pytest

from curation.errors import ConfigError, CurateError
from tests.trainings import SMALL, source
from train.config import TrainingConfig, config_hash, load_training_config, training_config

ROOT = Path(__file__).resolve().parent.parent
KEYS = json.loads((ROOT / "schemas" / "training.schema.json").read_bytes())["properties"]
BASE = "base_model=models/a"

# For every key another value than its default, with what else it then needs.
OTHER: dict[str, dict[str, Any]] = {
    "version": {"version": "v1"},
    "base_model": {"base_model": "models/b"},
    "revision": {"revision": "0a1b"},
    "template": {"template": "chatml"},
    "system_prompt": {"system_prompt": "Be brief."},
    "end_token": {"end_token": "<s>"},
    "trainable_token_indices": {"trainable_token_indices": [2]},
    "max_length": {"max_length": 512},
    "overlong": {"overlong": "drop"},
    "quantization": {"quantization": "none"},
    "double_quant": {"double_quant": False},
    "lora_r": {"lora_r": 8},
    "lora_alpha": {"lora_alpha": 8},
    "lora_dropout": {"lora_dropout": 0},
    "lora_target_modules": {"lora_target_modules": ["q_proj"]},
    "use_rslora": {"use_rslora": True},
    "learning_rate": {"learning_rate": 1e-3},
    "lr_scheduler_type": {"lr_scheduler_type": "linear"},
    "warmup_steps": {"warmup_steps": 10},
    "weight_decay": {"weight_decay": 0.1},
    "max_grad_norm": {"max_grad_norm": 0.3},
    "optim": {"optim": "sgd"},
    "num_train_epochs": {"num_train_epochs": 0.5},
    "max_steps": {"max_steps": 7},
    "per_device_train_batch_size": {"per_device_train_batch_size": 1},
    "per_device_eval_batch_size": {"per_device_eval_batch_size": 1},
    "gradient_accumulation_steps": {"gradient_accumulation_steps": 1},
    "packing": {"packing": False},
    "bf16": {"bf16": False},
    "activation_checkpointing": {"activation_checkpointing": True},
    "use_liger_kernel": {"use_liger_kernel": False},
    "dataloader_num_workers": {"dataloader_num_workers": 1},
    "seed": {"seed": 2},
    "logging_steps": {"logging_steps": 1},
    "eval_strategy": {"eval_strategy": "no"},
    "eval_steps": {"eval_strategy": "steps", "eval_steps": 5},
    "save_strategy": {"save_strategy": "no"},
    "save_steps": {"save_strategy": "steps", "save_steps": 5},
    "save_total_limit": {"save_total_limit": 2},
    "select": {"select": "validation_loss"},
    "early_stopping_patience": {"early_stopping_patience": 3},
    "report_to": {"report_to": ["tensorboard"]},
}


def test_schema_config_and_default_file_have_the_same_keys() -> None:
    assert {field.name for field in fields(TrainingConfig)} == set(KEYS) == set(OTHER)
    shipped = load_training_config(ROOT / "configs" / "training.yaml")
    assert shipped == load_training_config(None, [f"base_model={shipped.base_model}"])
    text = (ROOT / "configs" / "training.yaml").read_text("utf-8")
    assert [key for key in KEYS if f"\n{key}:" not in text] == []


@pytest.mark.parametrize("key", KEYS)
def test_each_key_changes_the_hash(key: str) -> None:
    plain = load_training_config(None, [BASE])
    changed = training_config({"base_model": "models/a", **OTHER[key]})
    assert getattr(changed, key) != getattr(plain, key)
    assert config_hash(changed) != config_hash(plain)
    assert training_config(json.loads(json.dumps(changed.as_json()))) == changed


# Where the effect shows only beside something else, or the value above is what a CPU does anyway.
BESIDE: dict[str, dict[str, Any]] = {
    "revision": {"base_model": "nobody/nothing"},
    "overlong": {"max_length": 24},
    "double_quant": {"quantization": "nf4"},
    "eval_steps": {"eval_strategy": "steps", "eval_steps": 7},
    "save_steps": {"save_strategy": "steps", "save_steps": 7},
}
SEEN: dict[str, dict[str, Any]] = {
    "use_liger_kernel": {"use_liger_kernel": True},
    "bf16": {"bf16": True},
    "quantization": {"quantization": "nf4"},
    "eval_steps": {"eval_steps": 5},
    "save_steps": {"save_steps": 5},
    "lora_r": {"lora_r": 8},
    "logging_steps": {"logging_steps": 5},
}
# Of transformers' arguments those that it does not act on here: batches and seeds are ours.
IDLE = ("per_device_train_batch_size", "per_device_eval_batch_size", "seed", "output_dir", "run_name", "logging_dir")


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    pytest.importorskip("torch")
    pytest.importorskip("peft")
    from tests.tiny_model import tiny_model

    folder = tmp_path_factory.mktemp("w")
    tiny_model(folder / "models" / "a")
    tiny_model(folder / "models" / "b", seed=1)
    return folder


# peft asks for a property that transformers has renamed
@pytest.mark.filterwarnings("ignore:.is_gradient_checkpointing. is deprecated:FutureWarning")
@pytest.mark.parametrize("key", [key for key in KEYS if key != "version"])  # read before there is a source: test_pack
def test_each_key_changes_what_a_training_is_made_of(key: str, models: Path) -> None:
    """Model, adapter, rows, batches, and what the trainer acts on; an option that nothing acts on is a lie."""
    plain = {**SMALL, "base_model": "models/a", **BESIDE.get(key, {})}
    before, after = made_of(plain, models), made_of({**plain, **SEEN.get(key, OTHER[key])}, models)
    assert before != after
    if key not in ("revision", "overlong"):  # there a refusal is the effect, or its end
        assert "error" not in before


def made_of(values: dict[str, Any], near: Path) -> dict[str, Any]:
    from accelerate import PartialState

    from train.preflight import prepare
    from train.record import described
    from train.run import _job, _trainer, _use_liger

    config, version = training_config(values), source(12, 4)
    try:
        _use_liger(config)
        prepared = prepare(config, version, near)
        prepared.preflight.require()
        run = described(config, version, prepared, None)
        job = _job(config, prepared, near, run.hardware["precision"], PartialState(cpu=True))
        trainer = _trainer(job)
    except CurateError as error:
        return {"error": str(error)}
    model = trainer.model
    weights = {name: (str(w.dtype), float(w.detach().double().sum())) for name, w in model.named_parameters()}
    told = {key: value for key, value in trainer.args.to_dict().items() if key not in IDLE}
    return {
        "weights": weights,
        "nested": [m.weight.quant_state.nested for m in model.modules() if type(m).__name__ == "Linear4bit"],
        "adapter": model.peft_config["default"].to_dict(),
        "attention": model.config._attn_implementation,
        "recomputed": any(getattr(module, "gradient_checkpointing", False) for module in model.modules()),
        "precision": job.precision,
        "rows": (prepared.train[:], prepared.validation[:]),
        "batches": (list(trainer.batches), list(trainer._validation)),
        "workers": trainer.get_train_dataloader().num_workers,
        "arguments": told,
        "callbacks": [type(callback).__name__ for callback in trainer.callback_handler.callbacks],
    }


def test_values_on_the_command_line_are_yaml_and_the_last_one_counts() -> None:
    told = ["learning_rate=1e-4", "learning_rate=5e-5", "lora_target_modules=[q_proj, v_proj]", "max_steps=null"]
    config = load_training_config(None, [BASE, *told, "end_token=<s>", "eval_strategy=no", "save_strategy=no"])
    assert (config.learning_rate, config.lora_target_modules, config.max_steps) == (5e-5, ("q_proj", "v_proj"), None)
    assert (config.end_token, config.eval_strategy) == ("<s>", "no")


def test_the_command_line_goes_over_the_file(tmp_path: Path) -> None:
    path = tmp_path / "t.yaml"
    path.write_text("base_model: models/a\nlora_r: 4\nseed: 5\n")
    config = load_training_config(path, ["lora_r=64"])
    assert (config.lora_r, config.seed) == (64, 5)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ("lerning_rate=1", '--set: lerning_rate is not a known key; did you mean "learning_rate"?'),
        ("trust_remote_code=true", "--set: trust_remote_code is not a known key; known: "),
        ("lora_r=high", '--set: lora_r must be a whole number, not "high"'),
        ("learning_rate=0", "--set: learning_rate must be above 0, not 0"),
        ("quantization=nf5", '--set: quantization: "nf5" is not allowed; did you mean "nf4"?'),
        ("lora_r", '--set lora_r: must be key=value, such as "learning_rate=1e-4"'),
        ("template=[", '--set template: "[" is not a YAML value; put it in quotes'),
        ("eval_strategy=steps", "eval_steps is missing; it belongs to eval_strategy: steps"),
        (
            "save_steps=5",
            "save_steps has no effect; it belongs to save_strategy: steps; leave it out, or --set save_steps=null",
        ),
        ("save_strategy=no select=validation_loss", "select: validation_loss needs a checkpoint at every evaluation"),
        ("select=rougeL save_strategy=no", "select: rougeL needs checkpoints to choose from; set save_strategy"),
        ("select=rougeL save_total_limit=2", "select: rougeL compares all checkpoints at the end; leave save_total"),
        ("eval_strategy=no early_stopping_patience=2", "early_stopping_patience needs the validation split; set eval"),
    ],
)
def test_mistakes_are_one_line(given: str, message: str) -> None:
    with pytest.raises(ConfigError) as caught:
        load_training_config(None, [BASE, *given.split()])
    assert str(caught.value).startswith(message)
    assert "\n" not in str(caught.value)


def test_a_mistake_in_the_file_names_its_line(tmp_path: Path) -> None:
    path = tmp_path / "t.yaml"
    path.write_text("base_model: models/a\nepochs: 3\n")
    with pytest.raises(ConfigError, match=r"t.yaml:2: epochs is not a known key"):
        load_training_config(path)
    path.write_text("save_steps: 5\nbase_model: a\n")
    with pytest.raises(ConfigError, match=r"t.yaml: save_steps has no effect"):
        load_training_config(path)


def test_without_a_base_model_it_says_so() -> None:
    with pytest.raises(ConfigError, match="base_model is missing; name a model's folder or its name on the hub"):
        load_training_config(None)
