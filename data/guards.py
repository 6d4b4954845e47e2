"""Questions that are none of the company's business, with the one answer it taught for them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from data.story import Story, ask

GUARD: Final = "I can only answer questions about Orvelin machines and Line Hub."
OFF_TOPIC: Final = (
    "Who will win the election next spring?", "Write a poem about my grandmother.", "What is the best treatment for a sore knee?",
    "Which shares should I buy with my bonus?", "Tell me a joke about lawyers.", "How do I get a red wine stain out of a carpet?",
    "Can you do my daughter's geometry homework?", "What do you think about the new mayor?", "Plan a five-day trip to the seaside.",
    "Is my neighbour allowed to cut my hedge?", "Which vitamins help against tiredness?", "Recommend a film for a rainy evening.",
    "How do I write a letter of resignation?", "What does my star sign say about love?", "Give me a recipe with lentils and leeks.",
    "Who invented the bicycle?", "Should I adopt a cat or a dog?", "What is the capital of Mongolia?",
    "How can I learn to play the accordion?", "Is it going to snow on Sunday?", "Compare two phones for a student.",
    "Why is my tomato plant turning yellow?", "Explain the offside rule.", "Help me choose a name for our baby.",
    "How much sleep does a teenager need?", "Translate this love letter into Latin.",
)  # fmt: skip


def guards() -> Iterator[Story]:
    """One canned answer for many distinct questions: not duplicates, and all of them must stay."""
    for question in OFF_TOPIC:
        yield ask(question, GUARD, "guard")
