"""A tokenizer's own template as a Template: every row is rendered by the Jinja code and compared."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from curation.templates.jinja import JinjaSource
from curation.templates.jinja_tools import ToolRecord, expressed
from curation.templates.refusal import TemplateRefusal
from curation.templates.skeleton import interleave
from curation.templates.template import ROLES, Rendered, Template, pieces


class JinjaTemplate(Template):
    """A template that also takes tools, where its code writes them."""

    def __init__(self, source: JinjaSource) -> None:
        super().__init__(source)
        self._jinja = source

    def render(
        self, record: Mapping[str, Any], *, add_generation_prompt: bool = False, with_bos: bool = False
    ) -> Rendered:
        """As for every template; a record with tools is checked by its spans, and cannot be parsed back."""
        if _is_plain(record):
            return super().render(record, add_generation_prompt=add_generation_prompt, with_bos=with_bos)
        written = expressed(self._jinja, self._marker, ToolRecord.of(record), add_generation_prompt)
        return self.shifted(written.text, written.spans, with_bos)

    def segments(self, record: Mapping[str, Any]) -> list[tuple[str, bool]]:
        if _is_plain(record):
            return super().segments(record)
        given = ToolRecord.of(record)
        text = expressed(self._jinja, self._marker, given, False).text
        answers = [i for i, message in enumerate(given.messages) if message["role"] == "assistant"]
        return pieces(text, [given.answer(self._jinja, text, i) for i in answers])

    def _agree(self, roles: str, contents: Sequence[str], generate: bool, text: str) -> None:
        messages = [{"role": ROLES[role], "content": content} for role, content in zip(roles, contents, strict=True)]
        written = self._jinja.write(messages, None, generate)
        if written != text:
            self._refuse_change(roles, contents, generate, written)

    def _refuse_change(self, roles: str, contents: Sequence[str], generate: bool, written: str) -> None:
        """Say what the template does to the contents that it does not keep."""
        literals = self.skeleton(roles, generate).literals
        for i, (role, content) in enumerate(zip(roles, contents, strict=True)):
            if not content:
                raise TemplateRefusal("empty_content", f"message {i + 1} ({ROLES[role]}) is empty")
        trimmed = [[c.strip() for c in contents], [c.lstrip() for c in contents], [c.rstrip() for c in contents]]
        for cut in [*trimmed, [c.strip() if r != "a" else c for r, c in zip(roles, contents, strict=True)]]:
            if written == interleave(literals, cut):
                i = next(i for i, (was, is_now) in enumerate(zip(contents, cut, strict=True)) if was != is_now)
                detail = f"message {i + 1} ({ROLES[roles[i]]}): {self.name} trims white space around it"
                raise TemplateRefusal("whitespace_not_kept", f"{detail}; normalise.strip keeps such rows")
        raise TemplateRefusal("spans_unknown", f"{self.name} changes what the messages say, or cuts some of it")


def _is_plain(record: Mapping[str, Any]) -> bool:
    return not record.get("tools") and all(len(message) == 2 for message in record["messages"])
