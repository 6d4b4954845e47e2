"""Which format a source is in, from a sample of its rows, with the evidence on one line."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

from curation.errors import DataError
from curation.formats.known import NAMES, Format, known

SAMPLE: Final = 200
NOTHING_FITS: Final = "no known format fits its rows"
_SHOWN: Final = 8
# Field names that mean a side of a record in sets we do not know, for the proposed mapping; likeliest first.
_SIDES: Final = {
    "prompt": ("instruction", "prompt", "question", "query", "input", "problem", "title", "text", "user", "source"),
    "answer": ("answer", "response", "output", "completion", "solution", "reply", "target", "assistant", "body"),
    "context": ("context", "input", "passage", "document"),
}


@dataclass(frozen=True, slots=True)
class Detected:
    format: Format
    evidence: str


def spread(rows: Sequence[Any], count: int = SAMPLE) -> list[Any]:
    """Up to `count` of the rows, evenly spaced: the first rows of a file are often not like the rest."""
    if len(rows) <= count:
        return list(rows)
    return [rows[i * len(rows) // count] for i in range(count)]


def detect(samples: Sequence[dict[str, Any]], name: str, spec: Any) -> Detected:
    """The format that most samples are valid under; ties go to the narrower one.

    A format named in the recipe is taken at its word. DataError if no sample fits any.
    """
    if spec.format == "mapping" or (spec.format == "auto" and spec.mapping):
        found = mapped(name, spec.mapping)
        _refuse_unknown_fields(samples, name, spec.mapping)
        return Detected(found, "set in the recipe")
    if spec.format != "auto":
        chosen = known(spec.format)
        return Detected(chosen, _with_note(chosen, samples, "set in the recipe"))
    fits = {name: sum(map(known(name).validator.is_valid, samples)) for name in NAMES}
    ranked = sorted(fits, key=lambda name: -fits[name])  # sorted is stable: ties stay in order of NAMES
    if not fits[ranked[0]]:
        raise DataError(_nothing_fits(samples, name))
    best, second = known(ranked[0]), ranked[1]
    rival = f"{second} {fits[second]}" if fits[second] else "none"
    met = [field for field in best.fields if any(field in obj for obj in samples)]
    fields = f"field{'s' * (len(met) > 1)} {', '.join(met)}"
    seen = f"{fields} in {fits[best.name]} of {len(samples)} rows; next best: {rival}"
    return Detected(best, _with_note(best, samples, seen))


def mapped(name: str, mapping: Any) -> Format:
    """The recipe's own mapping as a format: every object may try, `convert` says what is missing."""
    from curation.errors import ConfigError
    from curation.formats.mapping import converter
    from curation.validate import format_validator

    if not mapping:
        raise ConfigError(
            f"{name}: format is mapping, but the recipe gives no mapping; add mapping: {{prompt, answer}}"
        )
    return Format("mapping", (), format_validator("formats/mapping.schema.json"), converter(mapping))


def _refuse_unknown_fields(samples: Sequence[dict[str, Any]], name: str, mapping: Any) -> None:
    """A field of the mapping that no row has is a slip in the recipe, not a fault of the rows."""
    from curation.errors import ConfigError, did_you_mean

    fields = fields_of(samples)
    for side in ("prompt", "answer", "system"):
        asked = mapping.get(side) or []
        for field in [asked] if isinstance(asked, str) else asked:
            if field not in fields and field.split(".")[0] not in fields:
                raise ConfigError(f'{name}: mapping.{side}: no row has a field "{field}"{did_you_mean(field, fields)}')


def fields_of(rows: Sequence[dict[str, Any]]) -> list[str]:
    """Top-level fields in the order first met."""
    return list(dict.fromkeys(str(key) for row in rows for key in row))


def _with_note(chosen: Format, samples: Sequence[dict[str, Any]], evidence: str) -> str:
    said = chosen.note(list(samples)) if chosen.note else ""
    return f"{evidence}; {said}" if said else evidence


def _nothing_fits(samples: Sequence[dict[str, Any]], name: str) -> str:
    fields = fields_of(samples)
    shown = ", ".join(fields[:_SHOWN]) + (f" and {len(fields) - _SHOWN} more" if len(fields) > _SHOWN else "")
    prompt, answer = _proposed(fields)
    return (
        f"{name}: {NOTHING_FITS}, which have the fields {shown or '(none)'}; say in recipe.yaml which "
        f"hold prompt and answer: {{path: {name}, format: mapping, mapping: {{prompt: {prompt}, answer: {answer}}}}}"
    )


def _proposed(fields: Sequence[str]) -> tuple[str, str]:
    """Names for the mapping, as YAML; a side that no field name suggests is left for the user to fill."""
    lower = {field.lower(): field for field in reversed(fields)}
    answer = next((lower[word] for word in _SIDES["answer"] if word in lower), "ANSWER_FIELD")
    prompt = next((lower[word] for word in _SIDES["prompt"] if word in lower and lower[word] != answer), "PROMPT_FIELD")
    taken = (prompt, answer)
    context = next((lower[word] for word in _SIDES["context"] if word in lower and lower[word] not in taken), None)
    return (f"[{prompt}, {context}]" if context else prompt), answer
