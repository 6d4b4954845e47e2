"""What the model reads before each choice, and what is scored: text, then tokens."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from random import Random
from typing import Any

from curation.errors import ConfigError
from curation.templates import Template
from eval.arc.questions import Question
from eval.arc.settings import ChoiceSettings

_BETWEEN = "\n\n"  # examples, as in the harness


@dataclass(frozen=True, slots=True)
class Branches:
    """Token ids of a context, and of the continuations that share it; `choices` says which ones these are."""

    question: int
    context: list[int]
    choices: list[int]
    continuations: list[list[int]]

    @property
    def length(self) -> int:
        """Tokens that one pass over all of it reads: a last token is predicted, not read."""
        return len(self.context) + sum(len(c) - 1 for c in self.continuations)

    @property
    def longest(self) -> int:
        return len(self.context) + max(len(c) for c in self.continuations) - 1


def asked(question: Question, settings: ChoiceSettings) -> str:
    """The question without its answer."""
    options = ""
    if settings.regime == "letters":
        pairs = zip(question.labels, question.choices, strict=True)
        options = "".join(f"\n{label}. {choice}" for label, choice in pairs)
    return f"Question: {question.stem}{options}\nAnswer:"


def answers(question: Question, settings: ChoiceSettings) -> tuple[str, ...]:
    """What is scored, one text a choice."""
    return question.labels if settings.regime == "letters" else question.choices


def contexts(
    questions: Sequence[Question], settings: ChoiceSettings, examples: Sequence[Question] = ()
) -> Iterator[str]:
    """One context a question; the examples are drawn anew for each, in the harness's order from the same seed."""
    if settings.shots > len(examples):
        raise ConfigError(f"{settings.shots} examples are asked for and {len(examples)} are there; name the train file")
    draw = Random(settings.seed)
    for question in questions:
        drawn = draw.sample(list(examples), settings.shots) if settings.shots else []
        before = "".join(f"{asked(e, settings)} {answers(e, settings)[e.right]}{_BETWEEN}" for e in drawn)
        yield before + asked(question, settings)


def branches(
    questions: Sequence[Question],
    settings: ChoiceSettings,
    tokenizer: Any,
    *,
    template: Template | None = None,
    examples: Sequence[Question] = (),
) -> list[Branches]:
    """Every question's context and continuations in tokens, cut as the harness cuts them.

    Context and choice are tokenised as one text and cut at the length of the context alone; where that makes the
    contexts of two choices differ, the question has two entries.
    """
    if settings.chat and template is None:
        raise ConfigError("a benchmark is to be asked through a chat template, and the model has none; set chat: false")
    found: list[Branches] = []
    for number, (question, context) in enumerate(zip(questions, contexts(questions, settings, examples), strict=True)):
        between = " "
        if settings.chat and template is not None:
            message = {"messages": [{"role": "user", "content": context}]}
            context, between = template.render(message, add_generation_prompt=True, with_bos=True).text, ""
        found += _cut(number, context, [between + a for a in answers(question, settings)], settings, tokenizer)
    return found


def _cut(
    number: int, context: str, continuations: Sequence[str], settings: ChoiceSettings, tokenizer: Any
) -> Iterator[Branches]:
    stripped = context.rstrip()
    if stripped != context:  # white space before a word belongs to its token
        continuations = [context[len(stripped) :] + c for c in continuations]
    whole = _tokens([stripped, *(stripped + c for c in continuations)], settings, tokenizer)
    length = len(whole[0])
    shared: dict[tuple[int, ...], Branches] = {}
    for choice, ids in enumerate(whole[1:]):
        if not ids[length:]:
            raise ConfigError(f"question {number + 1}, choice {choice + 1}: this tokenizer makes no token of it")
        entry = shared.setdefault(tuple(ids[:length]), Branches(number, ids[:length], [], []))
        entry.choices.append(choice)
        entry.continuations.append(ids[length:])
    yield from shared.values()


def _tokens(texts: Sequence[str], settings: ChoiceSettings, tokenizer: Any) -> list[list[int]]:
    by_itself = settings.bos == "tokenizer" and not settings.chat
    ids: list[list[int]] = tokenizer(list(texts), add_special_tokens=by_itself)["input_ids"]
    if settings.bos == "always" and not settings.chat:
        if tokenizer.bos_token_id is None:
            raise ConfigError("bos: always, and this tokenizer has no BOS token; use bos: never")
        ids = [[tokenizer.bos_token_id, *row] for row in ids]
    return ids


def fitted(entries: Sequence[Branches], limit: int | None, shots: int) -> list[Branches]:
    """Entries that fit the model's context of `limit` tokens; what is too long loses its beginning, as in the harness.

    With examples that would cut into them unseen, so it is a ConfigError instead.
    """
    longest = max((entry.longest for entry in entries), default=0)
    if not limit or longest <= limit:
        return list(entries)
    if shots:
        raise ConfigError(
            f"{shots} examples make prompts of up to {longest:,} tokens, the model reads {limit:,}; ask with fewer"
        )
    return [part for entry in entries for part in ([entry] if entry.longest <= limit else _cut_left(entry, limit))]


def _cut_left(entry: Branches, limit: int) -> Iterator[Branches]:
    for choice, tokens in zip(entry.choices, entry.continuations, strict=True):
        room = max(1, limit + 1 - len(tokens))
        yield Branches(entry.question, entry.context[-room:], [choice], [tokens])
