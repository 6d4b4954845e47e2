"""Tasks of lm-evaluation-harness as benchmarks: found offline, asked of a model that is loaded already."""

from typing import Final

PREFIX: Final = "lm_eval:"
EXTRA: Final = 'pip install "curate[lm-eval]"'


def is_task(name: str) -> bool:
    return name.startswith(PREFIX)
