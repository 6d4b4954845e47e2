"""Whether a run is used with the template and the tokenizer it was trained with, and if not, what differs."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any, Final

from curation.errors import ConfigError
from curation.records import canonical
from curation.runs import Run
from curation.templates.folder import read_json, special_tokens
from curation.templates.hashing import template_hash
from curation.templates.layouts import LAYOUTS
from train.model.template import ModelTemplate

_TEXT: Final = "template"
_NAMED: Final = ("bos_token", "eos_token")  # padding is never seen by a model
# Of a tokenizer without a tokenizer.json. Whether it adds a BOS shows in the template's text.
_SETTINGS: Final = ("add_prefix_space", "legacy")
# What tokenizer.json says of a call, not of the tokens. The post-processor adds special tokens, which here the template
# writes; transformers makes one up on saving.
_ASIDE: Final = ("version", "truncation", "padding", "post_processor")
_WHOLE_FILES: Final = (
    *("tokenizer.model", "spiece.model", "sentencepiece.bpe.model", "vocab.json", "merges.txt", "vocab.txt"),
    "added_tokens.json",
)


def fingerprint(template: ModelTemplate, tokenizer: Path) -> dict[str, str]:
    """A hash of each part of template and tokenizer that has a say in a model's tokens, for run.json.

    `tokenizer` is its folder. Its name, the layout of its files and what they say of padding have no say.
    """
    parts: dict[str, Any] = {_TEXT: template_hash(template.template)}
    parts |= _fast(tokenizer) if (tokenizer / "tokenizer.json").is_file() else _slow(tokenizer)
    named = special_tokens(tokenizer)
    for key in _NAMED:
        parts[f"tokenizer_config.json: {key}"] = named.get(key)
    return {name: hashlib.sha256(canonical(value)).hexdigest()[:16] for name, value in parts.items()}


def check_template(run: Run, template: ModelTemplate, tokenizer: Path) -> None:
    """ConfigError where the run was trained with another template or tokenizer; it says which part differs."""
    same = (run.template or {}).get("sha256") == template.sha256 and run.tokenizer_sha256 == template.tokenizer_sha256
    if run.template is None or same:
        return
    now = fingerprint(template, tokenizer)
    changed = [name for name in sorted({*now, *run.fingerprint}) if now.get(name) != run.fingerprint.get(name)]
    if not changed and run.fingerprint:
        return  # other bytes that mean the same
    told = _template_told(run, template) if _TEXT in changed or not run.fingerprint else ""
    parts = [name for name in changed if name != _TEXT]
    if parts:
        told += f"{' and ' if told else ''}another tokenizer: {_listed(parts)} of {tokenizer} changed"
    raise ConfigError(
        f"{run.name}: was trained with {told} (template {template.sha256[:8]}, was {run.template['sha256'][:8]}); "
        "its answers would be worse than they are: use template and tokenizer as they were, or train again"
    )


def _template_told(run: Run, now: ModelTemplate) -> str:
    assert run.template is not None
    name = run.template["name"]
    built_in = name != now.name and (name in LAYOUTS or now.name in LAYOUTS)  # other names are those of folders
    told = f"another template ({name}, not {now.name})" if built_in else "another template"
    for key, what in (("bos", "begins a text with"), ("end_of_turn", "ends an answer with")):
        was, is_now = run.template.get(key), getattr(now.template, key)
        if was is not None and was != is_now:
            return f'{told}: it {what} "{is_now}", not "{was}"'
    return f"{told}: it writes conversations otherwise"


def _listed(parts: list[str]) -> str:
    return ", ".join(parts[:3]) + (f" and {len(parts) - 3} more" if len(parts) > 3 else "")


def _fast(folder: Path) -> dict[str, Any]:
    """The parts of a tokenizer.json; transformers looks at no other file for them."""
    told = read_json(folder / "tokenizer.json")
    model = told.get("model") if isinstance(told.get("model"), dict) else {}
    assert isinstance(model, dict)
    merges = [" ".join(merge) if isinstance(merge, list) else merge for merge in model.get("merges") or ()]
    parts = {"vocabulary": model.get("vocab"), "merges": merges}
    parts["model"] = {key: value for key, value in model.items() if key not in ("vocab", "merges")}
    parts |= {key: value for key, value in told.items() if key not in (*_ASIDE, "model")}
    return {f"tokenizer.json: {name}": value for name, value in parts.items()}


def _slow(folder: Path) -> dict[str, Any]:
    found = [name for name in _WHOLE_FILES if (folder / name).is_file()]
    settings = read_json(folder / "tokenizer_config.json")
    parts = {f"tokenizer_config.json: {key}": settings.get(key) for key in _SETTINGS}
    return parts | {name: hashlib.sha256((folder / name).read_bytes()).hexdigest() for name in found}
