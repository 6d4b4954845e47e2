"""A template as a Modelfile for Ollama: the texts around contents in Go's template language, and nothing sampled."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Final

from curation.templates.hashing import PROBES
from curation.templates.pieces import pieces
from curation.templates.refusal import TemplateRefusal
from curation.templates.template import Template

# Texts stand as string constants, so that no white space is anybody's to trim. BOS is left to the server, which puts it
# in front where the file of weights says so.
_CODE: Final = """\
{{- $before := "" }}
{{- range .Messages }}
{{- if eq .Role "system" }}SYSTEM
{{- else if eq .Role "user" }}
{{- if eq $before "assistant" }}{{ TO_USER }}{{ else if eq $before "" }}{{ FIRST }}{{ end }}{{ .Content }}
{{- else if eq .Role "assistant" }}{{ TO_ANSWER }}{{ .Content }}
{{- end }}
{{- $before = .Role }}
{{- end }}
{{- if eq $before "user" }}{{ PROMPT }}{{ end }}"""
_SYSTEM: Final = "{{ BEFORE_SYSTEM }}{{ .Content }}{{ AFTER_SYSTEM }}"


def as_go(template: Template) -> str:
    """Go code that writes what as_jinja's does, without the leading BOS.

    It cannot refuse: a system text that the template has no place for, or one in the middle, comes out wrong.
    """
    texts = pieces(template)
    for name in ("FIRST", "BEFORE_SYSTEM"):
        if name in texts:
            texts[name] = texts[name].removeprefix(template.bos)
    code = _CODE.replace("SYSTEM", _SYSTEM if "BEFORE_SYSTEM" in texts else "", 1)
    for name, text in texts.items():
        code = code.replace(f"{{{{ {name} }}}}", f"{{{{ {_constant(text)} }}}}")
    return code


def fixed_texts(template: Template) -> bool:
    """Whether fixed texts around contents are all that the template makes of a question, by the probes of its hash."""
    try:
        texts = pieces(template)
    except TemplateRefusal:
        return False
    return all(_same(template, texts, probe["messages"]) for probe in PROBES if "tools" not in probe)


def _same(template: Template, texts: Mapping[str, str], messages: Sequence[Mapping[str, str]]) -> bool:
    asked = messages[: -1 if messages[-1]["role"] == "assistant" else None]
    try:
        wanted = template.render({"messages": asked}, add_generation_prompt=True, with_bos=True).text
    except TemplateRefusal:
        return True
    found, before = "", ""
    for message in asked:
        user = {"assistant": "TO_USER", "": "FIRST"}.get(before)
        role = message["role"]
        found += texts.get({"system": "BEFORE_SYSTEM", "assistant": "TO_ANSWER"}.get(role, user or ""), "")
        found += message["content"] + (texts.get("AFTER_SYSTEM", "") if role == "system" else "")
        before = role
    return found + texts["PROMPT"] == wanted


def modelfile(template: Template, weights: str, stops: Sequence[str], system: str | None, context: int | None) -> str:
    """Text of a Modelfile for `weights` beside it. Ollama's own defaults sample, and punish repeated words."""
    lines = [f"FROM ./{weights}", f'TEMPLATE """{as_go(template)}"""']
    if system and '"""' not in system:
        lines.append(f'SYSTEM """{system}"""')
    lines += [f"PARAMETER stop {json.dumps(stop, ensure_ascii=False)}" for stop in stops]
    lines += ["PARAMETER temperature 0", "PARAMETER repeat_penalty 1"]
    if context:
        lines.append(f"PARAMETER num_ctx {context}")
    return "\n".join(lines) + "\n"


def _constant(text: str) -> str:
    """As Go reads it; three quotes in a row would end a Modelfile's text."""
    return json.dumps(text, ensure_ascii=False)
