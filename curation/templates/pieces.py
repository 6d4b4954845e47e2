"""What a template writes around contents, as named texts that it can be written down with in another language."""

from __future__ import annotations

from curation.templates.refusal import TemplateRefusal
from curation.templates.template import Template


def pieces(template: Template) -> dict[str, str]:
    """FIRST, TO_ANSWER, TO_USER, AFTER_ANSWER, PROMPT, AFTER_USER; BEFORE_SYSTEM and AFTER_SYSTEM where it takes one.

    FIRST and BEFORE_SYSTEM begin with BOS, where the template has it.
    """
    user, both, more = (template.skeleton(roles, False).literals for roles in ("u", "ua", "uau"))
    prompt = template.skeleton("u", True).literals[-1]
    texts = {"FIRST": template.bos + user[0], "TO_ANSWER": both[1], "TO_USER": more[2]}
    texts |= {"AFTER_ANSWER": both[2], "PROMPT": prompt, "AFTER_USER": user[1]}
    try:
        before, after = template.skeleton("su", False).literals[:2]
    except TemplateRefusal:
        return texts
    return texts | {"BEFORE_SYSTEM": template.bos + before, "AFTER_SYSTEM": after}
