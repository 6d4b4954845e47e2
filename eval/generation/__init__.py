"""Answers of a model to prompts: one, or many in batches, resumable."""

from eval.generation.generate import Generated, Item, generate, generate_batches, generate_response
from eval.generation.resume import Responses, answer_all, open_responses
from eval.generation.settings import GenerationSettings

__all__ = [
    "Generated",
    "GenerationSettings",
    "Item",
    "Responses",
    "answer_all",
    "generate",
    "generate_batches",
    "generate_response",
    "open_responses",
]
