"""Any template as Jinja code that other programs render: what stands around contents, read off and written out."""

from __future__ import annotations

import json
import re
from typing import Final

from curation.templates.pieces import pieces
from curation.templates.template import Template

_CODE: Final = """\
{%- if messages and messages[0].role == "system" -%}
  SYSTEM{%- set turns = messages[1:] -%}
{%- else -%}
  {{- FIRST -}}{%- set turns = messages -%}
{%- endif -%}
{%- for message in turns -%}
  {%- if message.role != ("user" if loop.index0 % 2 == 0 else "assistant") -%}
    {{- raise_exception("user and assistant take turns, behind at most one system text") -}}
  {%- endif -%}
  {%- if not loop.first -%}{{- TO_USER if message.role == "user" else TO_ANSWER -}}{%- endif -%}
  {{- message.content -}}
{%- endfor -%}
{%- if not turns or (add_generation_prompt and turns[-1].role != "user") -%}
  {{- raise_exception("an answer follows a user's text") -}}
{%- endif -%}
{{- AFTER_ANSWER if turns[-1].role == "assistant" else PROMPT if add_generation_prompt else AFTER_USER -}}
"""
_SYSTEM: Final = "{{- BEFORE_SYSTEM -}}{{- messages[0].content -}}{{- AFTER_SYSTEM -}}"
_NO_SYSTEM: Final = '{{- raise_exception("no place for a system text") -}}'


def as_jinja(template: Template) -> str:
    """Code that writes what render(record, with_bos=True) does, for every record without tools that render accepts.

    Meant for built-in layouts; what a Jinja template does beyond fixed text around contents is not in it.
    """
    texts = pieces(template)
    system = _SYSTEM if "BEFORE_SYSTEM" in texts else _NO_SYSTEM
    names = re.compile(rf"\b({'|'.join(texts)})\b")
    code = _CODE.replace("SYSTEM", system, 1)
    return names.sub(lambda name: json.dumps(texts[name[0]]), code)  # Jinja reads JSON's escapes
