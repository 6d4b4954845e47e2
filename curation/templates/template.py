"""A chat template: records into text and back, with the place of every content and of what is trained."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, NamedTuple, Protocol

from curation.errors import ConfigError
from curation.records import ROLE_LETTERS
from curation.templates.refusal import TemplateRefusal
from curation.templates.skeleton import Answer, Literals, Skeleton, content_spans, interleave, match

ROLES: Final = {letter: role for role, letter in ROLE_LETTERS.items()}
_SHAPES_KEPT: Final = 1000  # skeletons held in memory; a corpus has a few dozen shapes


class Span(NamedTuple):
    """Characters start..end of a text hold the content of a message of this role."""

    start: int
    end: int
    role: str


@dataclass(frozen=True, slots=True)
class Rendered:
    text: str
    spans: tuple[Span, ...]  # in the order of the messages; a message without content has none


class Source(Protocol):
    """What stands around contents, by roles (one letter a message)."""

    @property
    def name(self) -> str: ...
    @property
    def bos(self) -> str: ...
    @property
    def markers(self) -> tuple[str, ...]: ...
    @property
    def end(self) -> str: ...  # what the model writes after an answer; "" if nothing
    def literals(self, roles: str, generate: bool) -> Literals: ...


class Template:
    """Rendered text never contains the leading BOS unless it is asked for (`with_bos`).

    For every record that `render` accepts without a generation prompt and without tools,
    `parse(render(record).text)` gives back its roles and contents: render checks it, row by row.
    """

    def __init__(self, source: Source) -> None:
        self._source = source
        self.name: str = source.name
        self.bos: str = source.bos
        self.bos_in_template: bool = bool(source.bos)
        self.markers: tuple[str, ...] = tuple(sorted({*source.markers}, key=lambda m: (-len(m), m)))
        self.end_of_turn: str = source.end.strip()
        self._marker: Final = re.compile("|".join(map(re.escape, self.markers)))
        self._shapes: Final[dict[tuple[str, bool], Skeleton | TemplateRefusal]] = {}

    def render(
        self, record: Mapping[str, Any], *, add_generation_prompt: bool = False, with_bos: bool = False
    ) -> Rendered:
        """The record as text; raises TemplateRefusal for one that the template cannot express."""
        roles, contents = self.contents(record)
        skeleton = self.skeleton(roles, add_generation_prompt)
        text = self.text(roles, contents, add_generation_prompt)
        places = content_spans(skeleton.literals, contents)
        return self.shifted(text, [Span(a, b, ROLES[r]) for (a, b), r in zip(places, roles, strict=True)], with_bos)

    def segments(self, record: Mapping[str, Any]) -> list[tuple[str, bool]]:
        """The text without BOS cut into (piece, trained); joined, the pieces are render(record).text.

        Trained are the answers, each from the end of its generation prompt to its end of turn, both included.
        """
        self.require_end_of_turn()
        roles, contents = self.contents(record)
        text = self.text(roles, contents, False)
        skeleton = self.skeleton(roles, False)
        spans = content_spans(skeleton.literals, contents)
        answers = [self._answer(roles, i, skeleton.literals) for i, role in enumerate(roles) if role == "a"]
        return pieces(text, [(spans[a.index][0] - a.lead, spans[a.index][1] + a.end) for a in answers])

    def parse(self, text: str) -> list[dict[str, str]]:
        """The messages of a rendered text (BOS or not); TemplateRefusal if it is not in this layout."""
        bare = text.removeprefix(self.bos) if self.bos else text
        found = self._read(bare, len(self._marker.findall(bare)))
        if found is None:
            raise TemplateRefusal("not_this_layout", f"the text does not read as {self.name}")
        return [{"role": ROLES[role], "content": content} for role, content in zip(*found, strict=True)]

    def require_end_of_turn(self) -> None:
        """ConfigError where nothing tells the model to stop."""
        if not self.end_of_turn:
            raise ConfigError(
                f'template {self.name}: nothing ends an answer; give the tokenizer\'s end token (eos: "</s>")'
            )

    def require_answer(self) -> None:
        """ConfigError where not even one question and its answer can be written and read again."""
        messages = [{"role": "user", "content": "?"}, {"role": "assistant", "content": "."}]
        try:
            self.segments({"messages": messages})
        except TemplateRefusal as refusal:
            raise ConfigError(
                f"template {self.name}: cannot tell a question from its answer ({refusal.detail}); write something "
                "of its own before each answer, or name another template"
            ) from None

    def contents(self, record: Mapping[str, Any]) -> tuple[str, list[str]]:
        """Role letters and contents of a record of plain messages."""
        messages = record["messages"]
        if record.get("tools"):
            raise TemplateRefusal("tools_not_supported", f"{self.name} has no place for tools")
        for i, message in enumerate(messages):
            if len(message) > 2:
                self._refuse_fields(i, message)
            if message["content"] is None:
                raise TemplateRefusal("empty_content", f"message {i + 1} ({message['role']}) has no content")
        return "".join([ROLE_LETTERS[m["role"]] for m in messages]), [m["content"] for m in messages]

    def text(self, roles: str, contents: Sequence[str], generate: bool) -> str:
        """The text of a conversation without tools, checked: every refusal is decided here."""
        skeleton = self.skeleton(roles, generate)
        text = interleave(skeleton.literals, contents)
        self._agree(roles, contents, generate, text)
        if len(self._marker.findall(text)) != skeleton.markers:
            self._refuse_marker(contents)
        if not generate:
            self._check_law(roles, contents, text, skeleton.markers)
        return text

    def skeleton(self, roles: str, generate: bool) -> Skeleton:
        """What stands around the contents of these roles; kept, as is a refusal."""
        found = self._shapes.get((roles, generate))
        if found is None:
            try:
                found = self._make_skeleton(roles, generate)
            except TemplateRefusal as refusal:
                found = refusal
            if len(self._shapes) >= _SHAPES_KEPT:
                self._shapes.clear()
            self._shapes[roles, generate] = found
        if isinstance(found, TemplateRefusal):
            raise TemplateRefusal(found.reason, found.detail)
        return found

    def shifted(self, text: str, spans: Sequence[Span], with_bos: bool) -> Rendered:
        """The result, with BOS in front where it is wanted."""
        by = len(self.bos) if with_bos else 0
        moved = tuple(Span(a + by, b + by, role) for a, b, role in spans) if by else tuple(spans)
        return Rendered(self.bos + text if by else text, moved)

    def _agree(self, roles: str, contents: Sequence[str], generate: bool, text: str) -> None:
        """Raise unless the template's own code writes this text; a layout has no other code."""

    def _refuse_fields(self, i: int, message: Mapping[str, Any]) -> None:
        if message.get("tool_calls") or "tool_call_id" in message:
            raise TemplateRefusal("tools_not_supported", f"message {i + 1} calls a tool, or is its result")
        if "name" in message:
            detail = f"message {i + 1} ({message['role']}) has a name, which {self.name} does not write"
            raise TemplateRefusal("field_not_supported", detail)

    def _make_skeleton(self, roles: str, generate: bool) -> Skeleton:
        literals = self._source.literals(roles, generate)
        return Skeleton(literals, len(self._marker.findall("\0".join(literals))))

    def _answer(self, roles: str, i: int, literals: Literals) -> Answer:
        """What is trained around answer i: what follows its generation prompt, and its end of turn."""
        end = len(self._source.end) if literals[i + 1].startswith(self._source.end) else 0
        try:
            before = self.skeleton(roles[:i], True).literals
        except TemplateRefusal:
            return Answer(i, 0, end)
        same = literals[:i] == before[:-1] and literals[i].startswith(before[-1])
        return Answer(i, len(literals[i]) - len(before[-1]) if same else 0, end)

    def _check_law(self, roles: str, contents: Sequence[str], text: str, markers: int) -> None:
        read = self._read(text, markers)
        if read is not None and read[0] == roles and read[1] == list(contents):
            return
        if read is not None and "s" + read[0] == roles:
            if read[1] == list(contents[1:]):
                raise TemplateRefusal(
                    "system_is_default", f"{self.name} writes this system text by itself; leave it out"
                )
            detail = f"{self.name} joins the system text to a message, where no reader can find it again"
            raise TemplateRefusal("system_not_supported", detail)
        raise TemplateRefusal("ambiguous", f'a reader could not tell these {len(roles)} messages apart ("{roles}")')

    def _read(self, text: str, markers: int) -> tuple[str, list[str]] | None:
        """Roles and contents: the first shape that fits with no marker in a content; `markers` counts the text's."""
        for roles in self._candidates(markers):
            contents = match(self.skeleton(roles, False).literals, text)
            if contents is not None and not any(map(self._marker.search, contents)):
                return roles, contents
        return None

    def _candidates(self, markers: int) -> Iterator[str]:
        """Shapes with so many markers, without a system text first. Each further pair of turns adds equally many."""
        for first, last in (("", ""), ("s", ""), ("", "u"), ("s", "u")):
            one, two = (self._markers_of(first + "ua" * pairs + last) for pairs in (1, 2))
            more = (two or 0) - (one or 0)
            pairs = 1 + (markers - one) // more if one is not None and more > 0 else 1
            shapes = [first + last, *(first + "ua" * n + last for n in sorted({1, pairs}) if n > 0)]
            yield from (s for s in shapes if s.strip("s") and self._markers_of(s) == markers)

    def _markers_of(self, roles: str) -> int | None:
        """How many markers stand around contents of these roles; None where the template refuses them."""
        try:
            return self.skeleton(roles, False).markers if roles.strip("s") else None
        except TemplateRefusal:
            return None

    def _refuse_marker(self, contents: Sequence[str]) -> None:
        for i, content in enumerate(contents):
            if found := self._marker.search(content):
                where = f"message {i + 1}, character {found.start() + 1}"
                raise TemplateRefusal("contains_marker", f'{where}: "{found[0].strip()}" is a marker of {self.name}')
        raise TemplateRefusal("contains_marker", "a marker arises where a message meets the template's own text")


def pieces(text: str, trained: Sequence[tuple[int, int]]) -> list[tuple[str, bool]]:
    """The text cut at these places; empty pieces are left out."""
    cut, at = [], 0
    for start, end in trained:
        cut += [(text[at:start], False), (text[start:end], True)]
        at = end
    return [piece for piece in [*cut, (text[at:], False)] if piece[0]]
