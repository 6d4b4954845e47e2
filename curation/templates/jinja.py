"""Any tokenizer's own Jinja template: rendered by its own code, understood by rendering stand-ins for contents.

A conversation whose contents are unique stand-ins shows what the template writes around each content. Every real
rendering must then equal those texts with the real contents between them; where it does not, the template has
changed a content, and the record is refused.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

from jinja2.exceptions import TemplateError

from curation.errors import ConfigError
from curation.templates.folder import ChatFiles
from curation.templates.refusal import TemplateRefusal
from curation.templates.sandbox import compile_template, run
from curation.templates.skeleton import Literals
from curation.templates.template import ROLES

# <s>, <|im_end|>, [INST], <<SYS>>, <end_of_turn> and their like.
_LIKE_A_MARKER: Final = re.compile(r"<{1,2}/?[^<>\s]{1,60}>{1,2}|\[/?[A-Z][A-Z_]*\]")
STAND_IN: Final = "\ue0f1{}\ue0f2"  # private use: no template writes, trims, or changes it
FIND_STAND_IN: Final = re.compile("\ue0f1(\\d+)\ue0f2")
_PROBED: Final = ("ua", "sua", "uaua", "suaua", "u", "su")


class JinjaSource:
    """A Source whose literals come from rendering stand-ins."""

    def __init__(self, name: str, files: ChatFiles) -> None:
        self.name = name
        self._tokens = files.tokens
        try:
            self._template = compile_template(files.source)
        except TemplateError as error:
            raise ConfigError(f"template {name}: {_one_line(error)}; repair the template, or name another") from None
        self.bos, self.end = "", ""
        probes = self._probes()
        self.bos = self._find_bos(probes["ua"])
        self.end = self._find_end(probes["ua"][-1], files.tokens.get("eos_token", ""))
        self.markers = self._find_markers(probes, files.special)

    def literals(self, roles: str, generate: bool) -> Literals:
        stand_ins = [{"role": ROLES[role], "content": STAND_IN.format(i)} for i, role in enumerate(roles)]
        try:
            text = self.write(stand_ins, None, generate)
        except TemplateRefusal as refusal:
            raise self._blame(roles, generate, refusal) from None
        return _cut(text, len(roles), roles)

    def write(self, messages: Sequence[Mapping[str, Any]], tools: Any, generate: bool) -> str:
        """What the template writes, without the leading BOS; TemplateRefusal where it raises."""
        variables = {
            **self._tokens,
            "messages": messages,
            "tools": tools,
            "documents": None,
            "add_generation_prompt": generate,
        }
        size = sum(len(m["content"] or "") for m in messages) if tools is None else len(str(messages)) + len(str(tools))
        try:
            text = run(self._template, variables, size)
        except TemplateError as error:
            raise TemplateRefusal("template_error", _one_line(error)) from None
        return text.removeprefix(self.bos) if self.bos else text

    def _blame(self, roles: str, generate: bool, refusal: TemplateRefusal) -> TemplateRefusal:
        """The reason code of a shape at which the template raises: which part of it is to blame?"""
        if roles.startswith("s") and len(roles) > 1 and self._takes(roles[1:], generate):
            return TemplateRefusal("system_not_supported", refusal.detail)
        if "t" in roles:
            return TemplateRefusal("tools_not_supported", refusal.detail)
        if not re.fullmatch("s?(ua)*u?", roles):
            return TemplateRefusal("role_order", refusal.detail)
        if roles.count("u") > 1 and self._takes("ua", False):
            return TemplateRefusal("multi_turn_not_supported", refusal.detail)
        return refusal

    def _takes(self, roles: str, generate: bool) -> bool:
        try:
            self.literals(roles, generate)
        except TemplateRefusal:
            return False
        return True

    def _probes(self) -> dict[str, Literals]:
        probes: dict[str, Literals] = {}
        why = ""
        for roles in _PROBED:
            try:
                probes[roles] = self.literals(roles, roles.endswith("u"))
            except TemplateRefusal as refusal:
                why = why or refusal.detail
        if "ua" not in probes:
            raise ConfigError(
                f"template {self.name}: cannot render one question and its answer ({why}); repair it, or name another"
            )
        return probes

    def _find_bos(self, literals: Literals) -> str:
        bos = self._tokens.get("bos_token", "")
        return bos if bos and literals[0].startswith(bos) else ""

    def _find_end(self, last: str, eos: str) -> str:
        if not last.strip():
            raise ConfigError(
                f"template {self.name}: writes nothing after an answer, so a model could not learn to stop; "
                "write {{ eos_token }} after each assistant message"
            )
        if eos and eos in last:
            return last[: last.index(eos) + len(eos)]
        found = _LIKE_A_MARKER.search(last)
        return last[: found.end()] if found else last.rstrip()

    def _find_markers(self, probes: Mapping[str, Literals], special: Iterable[str]) -> tuple[str, ...]:
        """Special tokens, what looks like them, and any other text that alone stands between two contents."""
        markers = {self.end.strip(), *special}
        for literals in probes.values():
            markers.update(*map(_LIKE_A_MARKER.findall, literals))
        gaps = {gap for literals in probes.values() for gap in literals[1:-1]}
        markers |= {gap.strip() for gap in gaps if not any(marker in gap for marker in markers if marker)}
        return tuple(sorted(markers - {""}))


def _cut(text: str, n: int, roles: str) -> Literals:
    """What stands around the stand-ins; TemplateRefusal unless each stands there once and in order."""
    found = [int(number) for number in FIND_STAND_IN.findall(text)]
    if found == list(range(n)):
        return tuple(FIND_STAND_IN.split(text)[::2])
    if roles.startswith("s") and 0 not in found:
        raise TemplateRefusal("system_not_supported", "the template leaves the system text out")
    missing = next((i for i in range(n) if i not in found), None)
    if missing is not None:
        raise TemplateRefusal("role_order", f"the template leaves out message {missing + 1} ({ROLES[roles[missing]]})")
    if roles.startswith("s"):
        raise TemplateRefusal("system_not_supported", "the template does not write the system text first, and once")
    raise TemplateRefusal("spans_unknown", "the template writes a message twice, or out of order")


def _one_line(error: Exception) -> str:
    return " ".join(str(error).split())[:300] or type(error).__name__
