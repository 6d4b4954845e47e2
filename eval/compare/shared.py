"""Which evaluation of a run the other side sat too, so that stored answers alone can be compared."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

import pyarrow.compute as pc

from eval.compare.exam import newer, ranked
from eval.compare.sides import Model, Part, Side
from eval.compare.trained import Exposure
from eval.folder import EvalFolder

_PROMPT: Final = "prompt_sha256"


@dataclass(frozen=True, slots=True)
class Shared:
    """exam: what the sides are compared on, of the newer one. over: what would have been taken before it, had the
    model `lacking` been asked it."""

    exam: EvalFolder
    over: EvalFolder | None = None
    lacking: str = ""

    @property
    def suite(self) -> str | None:
        return _suite(self.exam)


def shared(sides: Sequence[Side], exposure: Exposure) -> Shared | None:
    """The evaluation that a comparison takes, or where a model was not asked it, the first that all were asked; None
    where the newer side has none, or is made of folds."""
    (part, *folds) = newer(sides, exposure).models[0].parts
    first = next(iter(ranked(part.evals)), None)
    if folds or first is None:
        return None
    others = [model for side in sides for model in side.models if model.name != part.name]
    lacking = _lacking(first, others)
    if lacking is None:
        return Shared(first)
    newest = dict[str | None, EvalFolder]()
    for one in part.evals:
        newest.setdefault(_suite(one), one)
    rest = [one for one in ranked([*newest.values()]) if _suite(one) != _suite(first)]
    found = next((one for one in rest if _lacking(one, others) is None), None)
    return Shared(found, first, lacking) if found else Shared(first)


def _suite(folder: EvalFolder) -> str | None:
    return folder.run.settings.get("suite")


def _lacking(exam: EvalFolder, models: Sequence[Model]) -> str | None:
    """The first model that was asked no item of the exam in the same way."""
    asked = exam.items([_PROMPT])[_PROMPT].combine_chunks()
    how = exam.suite.generation.as_json()
    return next((one.name for one in models if not any(_asked(part, asked, how) for part in one.parts)), None)


def _asked(part: Part, prompts: Any, how: object) -> bool:
    alike = [one for one in part.evals if one.run.settings.get("generation") in (None, how)]
    return any(bool(pc.any(pc.is_in(one.items([_PROMPT])[_PROMPT], value_set=prompts)).as_py()) for one in alike)
