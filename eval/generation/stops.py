"""Where an answer ends, and what of the tokens up to there is its text."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final, NamedTuple

from curation.templates.refusal import TemplateRefusal
from curation.templates.template import Template

_STAND_IN: Final = "\ue0f1"  # private use: no template writes, trims, or changes it


class TextStop(NamedTuple):
    text: str
    before: str  # of the template too: between the answer's content and the stop


@dataclass(frozen=True, slots=True)
class Stops:
    """`ids`: tokens that end an answer; `texts`: what ends it where the tokenizer has no token for it.

    `lead` and `tail` are the template's own, around the content of an answer: the model writes them too.
    """

    ids: frozenset[int]
    texts: tuple[TextStop, ...]
    lead: str
    tail: str

    def reached(self, tokenizer: Any, ids: Sequence[int]) -> bool:
        """Whether the last of these tokens ended the answer."""
        if ids[-1] in self.ids:
            return True
        if not self.texts:
            return False
        # A token is at least a byte of a stop; some more, for one may reach over its beginning.
        last = _decoded(tokenizer, ids[-max(len(stop.text.encode()) for stop in self.texts) - 4 :])
        return any(stop.text in last for stop in self.texts)

    def text(self, tokenizer: Any, ids: Sequence[int]) -> str:
        """The answer in these tokens, without what ended it; special tokens that the model wrote are shown."""
        ended = ids[-1] in self.ids
        text = _decoded(tokenizer, ids[:-1] if ended else ids)
        text = text.removesuffix(self.tail) if ended else text
        places = [(place, stop.before) for stop in self.texts if (place := text.find(stop.text)) >= 0]
        if places:
            place, before = min(places)
            text = text[:place].removesuffix(before)
        return text.removeprefix(self.lead)


def stops_of(template: Template, model: Any, tokenizer: Any) -> Stops:
    """The template's end of turn, the beginning of a next turn, and what model and tokenizer call an end."""
    lead, tail = _around_answer(template)
    found = [TextStop(template.end_of_turn, tail), *_next_turn(template)]
    named = zip(tokenizer.all_special_tokens, tokenizer.all_special_ids, strict=True)
    special = {**tokenizer.get_added_vocab(), **dict(named)}
    ids = {special[stop.text] for stop in found if stop.text in special}
    for holder in (tokenizer, getattr(model, "generation_config", None), model.config):
        told = getattr(holder, "eos_token_id", None)
        ids.update(told if isinstance(told, list | tuple) else [told] if told is not None else [])
    return Stops(frozenset(ids), tuple(stop for stop in found if stop.text not in special), lead, tail)


def _next_turn(template: Template) -> list[TextStop]:
    """The first marker behind an end of turn: no answer contains one, but a base model goes on with the next turn."""
    try:
        between = template.skeleton("uau", False).literals[2]
    except TemplateRefusal:
        return []
    rest = between.partition(template.end_of_turn)[2]
    found = [(rest.index(marker), -len(marker), marker) for marker in template.markers if marker in rest]
    if not found:
        return []
    place, _, marker = min(found)
    return [TextStop(marker, rest[:place])]


def _around_answer(template: Template) -> tuple[str, str]:
    messages = [{"role": "user", "content": "?"}, {"role": "assistant", "content": _STAND_IN}]
    answer = next(text for text, trained in template.segments({"messages": messages}) if trained)
    lead, _, end = answer.partition(_STAND_IN)
    return lead, end.partition(template.end_of_turn)[0]


def _decoded(tokenizer: Any, ids: Sequence[int]) -> str:
    text: str = tokenizer.decode(ids, skip_special_tokens=False, clean_up_tokenization_spaces=False)
    return text
