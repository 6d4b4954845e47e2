"""ARC and other multiple-choice benchmarks, scored by the likelihood of the choices, as the usual harness does."""

from eval.arc.questions import Benchmark, Question, load_benchmark
from eval.arc.score import Scored, score
from eval.arc.settings import ChoiceSettings

__all__ = ["Benchmark", "ChoiceSettings", "Question", "Scored", "load_benchmark", "score"]
