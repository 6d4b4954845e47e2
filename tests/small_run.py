"""A small run as a training leaves it, and a small model that learned its answers by heart."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from curation.runs import Run, new_run_folder, utc_now, write_run
from curation.source import OfferedTemplate, Row
from tests.tiny_model import tiny_model
from train.config import TrainingConfig, config_hash
from train.encode import Encoded, encode
from train.model.adapter import new_adapter
from train.model.check import fingerprint
from train.model.load import base_identity, base_licence, load_base
from train.model.template import ModelTemplate, choose_training_template
from train.model.tokenizer import load_tokenizer

PAIRS = (
    ("Where is the manual?", "In the upper drawer."),
    ("What is the code of the red machine?", "The code is 17."),
    ("How do I stop the pump?", "Press the green key for three seconds, then wait."),
    ("Cum se oprește mașina?", "Apasă tasta verde."),
)


@dataclass(frozen=True)
class NoRecipe:
    def template(self) -> OfferedTemplate | None:
        return None


def conversation(question: str, answer: str | None = None, system: str | None = None) -> dict[str, Any]:
    texts = {"system": system, "user": question, "assistant": answer}
    return {"messages": [{"role": role, "content": text} for role, text in texts.items() if text is not None]}


def config_of(base: Path, **changes: Any) -> TrainingConfig:
    return TrainingConfig(**{"base_model": str(base), "quantization": "none", "bf16": False, **changes})


def template_of(base: Path, config: TrainingConfig, near: Path = Path()) -> ModelTemplate:
    return choose_training_template(config, NoRecipe(), base, near)


def learn(base: Path, template: ModelTemplate, pairs: Sequence[tuple[str, str]] = PAIRS, steps: int = 60) -> None:
    """Train the whole model in the folder on these answers, as training encodes them, until it knows them by heart."""
    import torch

    model, tokenizer = load_base(base, quantization="none", precision="fp32"), load_tokenizer(base)
    model.train().requires_grad_(True)
    rows = [_encoded(pair, template, tokenizer, config_of(base)) for pair in pairs]
    width = max(len(row.input_ids) for row in rows)
    ids = torch.tensor([row.input_ids + [0] * (width - len(row.input_ids)) for row in rows])
    labels = torch.tensor([row.labels + [-100] * (width - len(row.labels)) for row in rows])
    optimiser = torch.optim.AdamW(model.parameters(), lr=5e-3, weight_decay=0.0)
    for _ in range(steps):
        optimiser.zero_grad()
        model(input_ids=ids, labels=labels, attention_mask=(ids != 0).long()).loss.backward()
        optimiser.step()
    model.save_pretrained(base)


def small_run(root: Path, *, base: Path | None = None, effect: float = 0.05, **settings: Any) -> Path:
    """A finished run below root/experiments, its base in root/models/tiny; its adapter is random, not small.

    `settings`: keys of the training config.
    """
    import torch
    from peft.tuners.lora import LoraLayer

    base = base or tiny_model(root / "models" / "tiny")
    name = base.relative_to(root).as_posix()
    config = config_of(Path(name), **{"lora_r": 8, "lora_alpha": 16, **settings})
    template = template_of(base, config, root)
    model = new_adapter(load_base(base, quantization="none", precision="fp32"), config)
    generator = torch.Generator().manual_seed(config.seed)
    for module in model.modules():
        if isinstance(module, LoraLayer):
            for part in module.lora_B.values():
                part.weight.data.normal_(0, effect, generator=generator)
    for key, weight in model.named_parameters():
        if "trainable_tokens_delta" in key:
            weight.data += torch.randn(weight.shape, generator=generator) * effect
    folder = new_run_folder(root / "experiments")
    model.save_pretrained(folder / "adapter")
    for file, content in template.files.items():
        (folder / "template").mkdir(exist_ok=True)
        (folder / "template" / file).write_bytes(content)
    write_run(folder, _described(folder.name, name, base, config, template))
    return folder


def _encoded(pair: tuple[str, str], template: ModelTemplate, tokenizer: Any, config: TrainingConfig) -> Encoded:
    row = encode(Row("row", conversation(*pair)), template, tokenizer, config)
    assert isinstance(row, Encoded), row
    return row


def _described(name: str, base_name: str, base: Path, config: TrainingConfig, template: ModelTemplate) -> Run:
    told: Mapping[str, Any] = {"name": "v1", "id": "ab" * 32, "source": "store", "rows": {"train": 4}}
    return Run(
        name=name,
        kind="training",
        state="done",
        started=utc_now(),
        base_model=base_identity(base_name, base),
        tokenizer_sha256=template.tokenizer_sha256,
        template=template.as_json(),
        fingerprint=fingerprint(template, base),
        version=told,
        config=config.as_json(),
        config_sha256=config_hash(config),
        seeds=[config.seed],
        licences={"base": base_licence(base), "data": None},
        hardware={"device": "cpu", "precision": "fp32"},
        metrics={"train_loss": 1.0},
    )
