"""Base and adapter answering one prompt; the run that was asked last stays loaded."""

from __future__ import annotations

from functools import lru_cache
from threading import Lock

from app.dashboard.place import here, place
from curation.runs import resolve_run
from eval.generation import Generated, GenerationSettings, generate_response
from train.model.of_run import Loaded, load_run, run_files

BASE = "base"
_LOCK = Lock()  # a model answers one session at a time


def answers(run: str, prompt: str, system: str | None, longest: int) -> dict[str, Generated]:
    """base -> its answer, run -> the adapter's; the template of the training, greedy."""
    settings = GenerationSettings(max_new_tokens=longest)
    with _LOCK:
        loaded = _loaded(run)
        with loaded.without_adapter():
            said = {BASE: generate_response(loaded, prompt, system, settings)}
        if loaded.has_adapter:
            said[run] = generate_response(loaded, prompt, system, settings)
    return said


@lru_cache(maxsize=1)
def _loaded(run: str) -> Loaded:
    return load_run(run_files(resolve_run(place().experiments, run), here().root))
