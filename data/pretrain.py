"""Makes the demo model in data/demo_model/: `python -m data.pretrain --out data/demo_model`."""

from __future__ import annotations

import argparse
import hashlib
import sys
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from data.draw import Draw
from data.pretrain_text import code_words, documents, vocabulary
from data.pretrain_tokenizer import BOS, END, PAD, SPECIAL, VOCABULARY, train_tokenizer, write_json, write_tokenizer

if TYPE_CHECKING:
    import torch
    from transformers import LlamaForCausalLM

SEED: Final = 7
MAX_LENGTH: Final = 1024  # positions; pretraining sees the first 300


@dataclass(frozen=True, slots=True)
class Plan:
    """How the model is trained; written into manifest.json."""

    batch: int = 1024  # tokens a step, padding counted
    learning_rate: float = 2.5e-3
    warmup: int = 60  # steps
    weight_decay: float = 0.1
    epochs: int = 1


def pretrain(out: Path, seed: int, threads: int, plan: Plan) -> dict[str, Any]:
    """Write tokenizer, model and manifest into `out`; returns the manifest. One thread gives the same weights again."""
    import torch

    torch.set_num_threads(threads)
    torch.use_deterministic_algorithms(True)
    torch.manual_seed(seed)
    out.mkdir(parents=True, exist_ok=True)
    texts = [document.rendered() for document in documents(seed)]
    words = dict.fromkeys(vocabulary(), 3) | dict.fromkeys(code_words(), 200)
    tokenizer = train_tokenizer(texts, words | dict.fromkeys(map(str, range(1000)), 1000))
    write_tokenizer(tokenizer, out, MAX_LENGTH)
    encoded = [e.ids for e in tokenizer.encode_batch(texts, add_special_tokens=False)]
    model = _new_model()
    loss = _train(model, encoded, plan, seed)
    _save(model, out)
    manifest = {
        "about": "Written by data/pretrain.py together with the other files.",
        "seed": seed,
        "plan": asdict(plan),
        "parameters": sum(p.numel() for p in model.parameters()),
        "documents": len(texts),
        "tokens": sum(len(ids) for ids in encoded),
        "texts_sha256": texts_hash(texts),
        "last_loss": round(loss, 4),
        "sha256": {name: _file_hash(out / name) for name in ("model.safetensors", "tokenizer.json", "config.json")},
    }
    write_json(out / "manifest.json", manifest)
    return manifest


def texts_hash(texts: list[str]) -> str:
    """Identifies the pretraining texts, in their order."""
    return hashlib.sha256("\0".join(texts).encode()).hexdigest()


def _file_hash(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def _new_model() -> LlamaForCausalLM:
    from transformers import LlamaConfig, LlamaForCausalLM

    config = LlamaConfig(
        vocab_size=VOCABULARY,
        hidden_size=192,
        intermediate_size=768,
        num_hidden_layers=3,
        num_attention_heads=6,
        num_key_value_heads=6,
        # 1 / sqrt(hidden size): numbers start far enough apart to be told from each other.
        initializer_range=0.07,
        max_position_embeddings=MAX_LENGTH,
        tie_word_embeddings=True,
        pad_token_id=SPECIAL.index(PAD),
        bos_token_id=SPECIAL.index(BOS),
        eos_token_id=SPECIAL.index(END),
    )
    return LlamaForCausalLM(config)


def _train(model: LlamaForCausalLM, encoded: list[list[int]], plan: Plan, seed: int) -> float:
    """Train on every block once an epoch; the mean loss of the last 50 steps."""
    import torch

    batches = [batch for epoch in range(plan.epochs) for batch in _batches(encoded, plan.batch, seed + epoch)]
    steps = len(batches)
    optimizer = torch.optim.AdamW(
        model.parameters(), lr=plan.learning_rate, betas=(0.9, 0.95), weight_decay=plan.weight_decay
    )
    schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda step: _rate(step, steps, plan.warmup))
    losses: list[float] = []
    began = time.monotonic()
    model.train()
    for step, rows in enumerate(batches):
        ids, labels = _padded(rows)
        # Padding stands on the right, where causal attention never looks at it.
        loss = model(input_ids=ids, labels=labels, use_cache=False).loss
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        optimizer.zero_grad()
        schedule.step()
        losses.append(loss.item())
        if step % 50 == 49 or step == steps - 1:
            _tell(step + 1, steps, losses[-50:], time.monotonic() - began)
    return sum(losses[-50:]) / len(losses[-50:])


def _batches(encoded: list[list[int]], tokens: int, seed: int) -> list[list[list[int]]]:
    """Every document once, apart from the others: neighbours in length together, the batches in random order.

    Not end to end in one sequence: what stands before a document would be noise to copying and looking up.
    """
    draw = Draw(seed, "batches")
    batches: list[list[list[int]]] = [[]]
    for ids in sorted(draw.shuffled(encoded), key=len):
        if (len(batches[-1]) + 1) * len(ids) > tokens and batches[-1]:
            batches.append([])
        batches[-1].append(ids)
    return draw.shuffled(batches)


def _padded(rows: list[list[int]]) -> tuple[torch.Tensor, torch.Tensor]:
    """Token ids and labels; padding is not trained on."""
    import torch

    longest = max(len(ids) for ids in rows)
    pad = SPECIAL.index(PAD)
    ids = torch.tensor([row + [pad] * (longest - len(row)) for row in rows])
    labels = torch.tensor([row + [-100] * (longest - len(row)) for row in rows])
    return ids, labels


def _rate(step: int, steps: int, warmup: int) -> float:
    """Linear up, then linear down to nothing."""
    return min((step + 1) / warmup, (steps - step) / max(steps - warmup, 1))


def _tell(step: int, steps: int, losses: list[float], seconds: float) -> None:
    left = seconds / step * (steps - step)
    print(f"step {step:,}/{steps:,}  loss {sum(losses) / len(losses):.3f}  {left:.0f} s left", file=sys.stderr)


def _save(model: LlamaForCausalLM, out: Path) -> None:
    """Weights in 16 bits, half the size; config.json asks for 32 when they are loaded."""
    import torch

    model.to(torch.float16).save_pretrained(out)
    model.config.dtype = torch.float32
    model.config.save_pretrained(out)
    tokens = {name: SPECIAL.index(token) for name, token in (("pad", PAD), ("bos", BOS), ("eos", END))}
    write_json(out / "generation_config.json", {f"{name}_token_id": number for name, number in tokens.items()})


def main(argv: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m data.pretrain", description="Pretrain the demo model.")
    parser.add_argument("--out", type=Path, required=True, help="folder to write into; its files are replaced")
    parser.add_argument("--seed", type=int, default=SEED, help=f"default {SEED}, the one of the committed model")
    parser.add_argument("--threads", type=int, default=1, help="default 1; with more, weights differ in the last bits")
    args = parser.parse_args(argv)
    manifest = pretrain(args.out, args.seed, args.threads, Plan())
    print(f"{manifest['parameters']:,} parameters, {manifest['tokens']:,} tokens, loss {manifest['last_loss']}")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
