"""One hash for what a template and a tokenizer do, so that training and use can be shown to agree."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any, Final

from curation.errors import ConfigError
from curation.records import canonical
from curation.templates.folder import read_json
from curation.templates.refusal import TemplateRefusal
from curation.templates.template import Template

_TOOL: Final = {
    "type": "function",
    "function": {
        "name": "get_weather",
        "description": "The weather of a city.",
        "parameters": {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]},
    },
}
_CALL: Final = {"type": "function", "function": {"name": "get_weather", "arguments": {"city": "Iași", "days": 2}}}


def _chat(*turns: str, roles: str = "", **more: Any) -> dict[str, Any]:
    names = {"s": "system", "u": "user", "a": "assistant"}
    return {"messages": [{"role": names[r], "content": t} for r, t in zip(roles, turns, strict=True)], **more}


# What a hash looks at: shapes, scripts, white space, code, tools. A new one changes every hash ever stored.
PROBES: Final[tuple[dict[str, Any], ...]] = (
    _chat("What is 2 + 2?", "4", roles="ua"),
    _chat("Be brief.", "What is 2 + 2?", "4", roles="sua"),
    _chat("Hi", "Hello!", "And you?", "Fine, thanks.", "Good.", "Bye.", roles="uauaua"),
    _chat("Be brief.", "Hi", "Hello!", "And you?", "Fine.", roles="suaua"),
    _chat("Ce oră este? 几点了 كم الساعة 🕒 e\u0301", "Știu: țână. Это три часа.\u200b", roles="ua"),
    _chat("Print it:\n\n```py\nprint('{{ x }}')\n```", "\tindented\n\n# done", roles="ua"),
    _chat("  white space around  \n", "\n answer \n", roles="ua"),
    _chat("", "An answer to nothing", roles="ua"),
    _chat("Be brief.", "One question", roles="su"),
    _chat("One question", roles="u"),
    _chat("Two", "questions", "and", roles="uau"),
    _chat("<think>\nlet me see\n</think>\n\nYes?", "<think>\nhm\n</think>\n\nYes.", "And?", "No.", roles="uaua"),
    _chat("What is the weather?", "Where?", roles="ua", tools=[_TOOL]),
    {
        "messages": [
            {"role": "system", "content": "Be brief."},
            {"role": "user", "content": "What is the weather in Iași?"},
            {"role": "assistant", "content": None, "tool_calls": [_CALL]},
            {"role": "tool", "name": "get_weather", "content": "sunny, 21"},
            {"role": "assistant", "content": "Sunny, 21 degrees."},
        ],
        "tools": [_TOOL],
    },
)

# Files that decide how text becomes tokens. Weights, model settings and the chat template do not.
_TOKENIZER_FILES: Final = (
    *("tokenizer.json", "tokenizer.model", "spiece.model", "sentencepiece.bpe.model", "vocab.json", "merges.txt"),
    *("vocab.txt", "added_tokens.json", "special_tokens_map.json"),
)
_TOKENIZER_SETTINGS: Final = ("added_tokens_decoder", "add_bos_token", "add_eos_token", "bos_token", "eos_token")


def template_hash(template: Template, tokenizer_hash: str | None = None) -> str:
    """sha256 over what the template makes of the probes, refusals among them, and over the tokenizer's hash.

    Two sources that write the same have the same hash: reformatting a Jinja source changes nothing.
    """
    outcomes = [_outcome(template, probe) for probe in PROBES]
    told = {"bos": template.bos, "end_of_turn": template.end_of_turn, "probes": outcomes, "tokenizer": tokenizer_hash}
    return hashlib.sha256(canonical(told)).hexdigest()


def tokenizer_hash(path: Path) -> str:
    """sha256 over the files of a tokenizer's folder that decide how text becomes tokens, or over one such file."""
    if path.is_file():
        return hashlib.sha256(path.read_bytes()).hexdigest()
    files = {name: (path / name).read_bytes() for name in _TOKENIZER_FILES if (path / name).is_file()}
    if not any(name.startswith(("tokenizer.", "spiece", "sentencepiece", "vocab")) for name in files):
        raise ConfigError(f"{path}: no tokenizer here (tokenizer.json or tokenizer.model); name its folder or file")
    told: dict[str, Any] = {name: hashlib.sha256(content).hexdigest() for name, content in files.items()}
    told["settings"] = _settings(path)
    return hashlib.sha256(canonical(told)).hexdigest()


def _settings(folder: Path) -> dict[str, Any]:
    config = read_json(folder / "tokenizer_config.json")
    return {key: config[key] for key in _TOKENIZER_SETTINGS if key in config}


def _outcome(template: Template, probe: dict[str, Any]) -> dict[str, Any]:
    """Text, spans, segments and generation prompt of one probe, or why not."""
    told: dict[str, Any] = {}
    questions = probe["messages"][: -1 if probe["messages"][-1]["role"] == "assistant" else None]
    try:
        told["prompt"] = template.render({**probe, "messages": questions}, add_generation_prompt=True).text
    except TemplateRefusal as refusal:
        told["prompt_refused"] = refusal.reason
    try:
        rendered = template.render(probe, with_bos=True)
        told["text"], told["spans"] = rendered.text, [list(span) for span in rendered.spans]
        if template.end_of_turn:
            told["segments"] = [[len(piece), trained] for piece, trained in template.segments(probe)]
    except TemplateRefusal as refusal:
        told["refused"] = refusal.reason
    return told
