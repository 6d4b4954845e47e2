"""What stands beside the weights of a merged model: tokenizer, chat template, ends of an answer, licence, card."""

from __future__ import annotations

import re
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import orjson

from curation.errors import CurateError
from curation.licences import in_words, of_run
from curation.templates.as_go import fixed_texts, modelfile
from curation.templates.as_jinja import as_jinja
from curation.templates.folder import read_json, special_tokens
from curation.templates.hashing import PROBES
from curation.templates.refusal import TemplateRefusal
from train.model.of_run import RunFiles
from train.model.tokenizer import load_tokenizer

TEMPLATE: Final = "chat_template.jinja"
MODELFILE: Final = "Modelfile"
WEIGHTS: Final = "model.gguf"  # as the Modelfile expects them, beside it
_CONFIG: Final = "tokenizer_config.json"
# special_tokens_map.json goes into tokenizer_config.json; licences ask to be passed on.
_COPIED: Final = re.compile(
    r"tokenizer\.(json|model)|added_tokens\.json|vocab\..*|merges\.txt|\w+\.model|(LICEN[CS]E|NOTICE|USE_POLICY).*"
)


def write_beside(folder: Path, files: RunFiles, tokenizer: Any, difference: float) -> None:
    """All but the weights. The tokenizer is the base's, except that it names the training's end of turn as its end."""
    for path in sorted(files.base.iterdir()):
        if path.is_file() and _COPIED.fullmatch(path.name):
            shutil.copyfile(path, folder / path.name)
    named = special_tokens(files.base)
    ends = end_ids(files, tokenizer)
    if ends:
        named["eos_token"] = tokenizer.convert_ids_to_tokens(ends[0])
    settings = {key: value for key, value in read_json(files.base / _CONFIG).items() if key != "chat_template"}
    # llama.cpp and Ollama put BOS in front themselves, if the file says so.
    bos = {"add_bos_token": first_is_bos(files, tokenizer)} if tokenizer.bos_token_id is not None else {}
    _write_json(folder / _CONFIG, {**settings, **named, **bos})
    (folder / TEMPLATE).write_bytes(chat_template(files, named))
    _write_json(folder / "generation_config.json", _generation(ends, tokenizer))
    _write_json(folder / "config.json", {**read_json(folder / "config.json"), "eos_token_id": _one_or_all(ends)})
    ollama = ollama_file(files, tokenizer)
    if ollama:
        (folder / MODELFILE).write_text(ollama, "utf-8")
    (folder / "README.md").write_text(_card(files, difference), "utf-8")


def chat_template(files: RunFiles, named: Mapping[str, str]) -> bytes:
    """The run's template as Jinja, which writes BOS too; `named`: the special tokens that a server will know."""
    source = files.template.files.get(TEMPLATE) or as_jinja(files.template.template).encode()
    used = special_tokens(files.folder / "template")
    changed = {key: text for key, text in sorted(used.items()) if named.get(key) != text and key.encode() in source}
    sets = "".join(f"{{%- set {key} = {orjson.dumps(text).decode()} -%}}\n" for key, text in changed.items())
    return sets.encode() + source


def first_is_bos(files: RunFiles, tokenizer: Any) -> bool:
    ids = files.template.prompt_ids(tokenizer, {"messages": [{"role": "user", "content": "a"}]})
    return bool(ids[:1] == [tokenizer.bos_token_id])


def ollama_file(files: RunFiles, tokenizer: Any) -> str | None:
    """A Modelfile; None where fixed texts around contents do not make all that the template makes."""
    template = files.template.template
    if not fixed_texts(template):
        return None
    config = read_json(files.base / "config.json")
    told = files.run.config or {}
    known = {tokenizer.convert_ids_to_tokens(one) for one in end_ids(files, tokenizer)}
    stops = sorted({end for end in (template.end_of_turn, *known) if end})
    context = config.get("max_position_embeddings")
    return modelfile(template, WEIGHTS, stops, told.get("system_prompt"), context)


def end_ids(files: RunFiles, tokenizer: Any) -> list[int]:
    """Tokens that end an answer: the template's end of turn, if it is one token, and the tokenizer's own end."""
    end = files.template.template.end_of_turn
    ids = tokenizer(end, add_special_tokens=False)["input_ids"]
    known = {tokenizer.eos_token_id: None} if tokenizer.eos_token_id is not None else {}
    return [*dict.fromkeys([*(ids if len(ids) == 1 else []), *known])]


def require_same_prompts(folder: Path, files: RunFiles) -> None:
    """CurateError where a server that reads the folder would make other prompts than the training did."""
    served, used = load_tokenizer(folder), load_tokenizer(files.base)
    for probe in PROBES:
        messages = probe["messages"][: -1 if probe["messages"][-1]["role"] == "assistant" else None]
        try:
            wanted = files.template.prompt_ids(used, {**probe, "messages": messages})
        except TemplateRefusal:
            continue
        found = served.apply_chat_template(
            messages, tools=probe.get("tools"), add_generation_prompt=True, return_dict=False
        )
        if found != wanted:
            raise CurateError(
                f"{files.run.name}: the chat template written for servers makes other prompts than the training's "
                f"({files.template.name}); nothing was written; serve the adapter on its base instead"
            )


def _generation(ends: list[int], tokenizer: Any) -> dict[str, Any]:
    """Greedy, as evaluated; the base's own sampling settings were not."""
    told = {"bos_token_id": tokenizer.bos_token_id, "pad_token_id": tokenizer.pad_token_id, "do_sample": False}
    return {"eos_token_id": _one_or_all(ends), **told}


def _one_or_all(ends: list[int]) -> int | list[int] | None:
    return ends[0] if len(ends) == 1 else ends or None


def _card(files: RunFiles, difference: float) -> str:
    run = files.run
    version = run.version or {}
    licence, on_hub = run.licences.get("base"), files.base.parent.name == "snapshots"
    head = ["---", "library_name: transformers", "pipeline_tag: text-generation"]
    head += [f"base_model: {run.base}"] if on_hub else []
    head += [f"license: {licence}"] if licence else []
    template = files.template
    system = (run.config or {}).get("system_prompt")
    lines = [
        *(*head, "---", f"# {run.name}, merged", ""),
        f"- base model: {Path(run.base).name if not on_hub else run.base}, licence {licence or 'not stated'}",
        f"- data: version {version.get('name', 'unknown')} ({str(version.get('id', ''))[:12] or 'unknown'}), licence "
        f"{in_words(of_run(run.licences.get('data')))}",
        f"- template: {template.name} ({template.sha256[:12]}), in {TEMPLATE}; an answer ends with "
        f"`{template.template.end_of_turn}`",
        *([f"- system prompt of the training, to be sent by whoever asks: `{system}`"] if system else []),
        f"- merged on the dequantised base ({files.quantization}): logits differ by {difference:.1e} from base and "
        "adapter",
        "",
        "Made by `curate merge`; run.json of the training says how.",
        "",
    ]
    return "\n".join(lines)


def _write_json(path: Path, told: dict[str, Any]) -> None:
    path.write_bytes(orjson.dumps(told, option=orjson.OPT_INDENT_2) + b"\n")
