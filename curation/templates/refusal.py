"""Why a template would not render a record, or could not read a text: a reason code and one line for people."""

from __future__ import annotations

from typing import Final

# Every reason that a refusal can carry; docs/decisions/0006-templates.md says when.
REASONS: Final = {
    "system_not_supported": "the template has no place for a system text of its own",
    "system_is_default": "the system text is the one the template writes by itself",
    "tools_not_supported": "the template writes no tools, tool calls, or tool results",
    "field_not_supported": "the template leaves out a name",
    "role_order": "the template does not take roles in this order",
    "multi_turn_not_supported": "the template takes one question and one answer",
    "contains_marker": "a message contains one of the template's own markers",
    "whitespace_not_kept": "the template trims white space around a message",
    "empty_content": "a message is empty, or has no content",
    "spans_unknown": "the template changes the contents of a message",
    "ambiguous": "the text could be read in another way",
    "template_error": "the template stopped with an error",
    "not_this_layout": "the text is not in the template's layout",
}


class TemplateRefusal(Exception):  # noqa: N818 -- a verdict on one row, not an error of the program
    """One row that a template cannot express; the build goes on without it."""

    def __init__(self, reason: str, detail: str) -> None:
        assert reason in REASONS, reason
        super().__init__(f"{reason}: {detail}")
        self.reason = reason
        self.detail = detail
