"""What is wrong with a training before it has cost anything: tokens, labels, the end of a turn, lengths, memory."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from itertools import groupby
from pathlib import Path
from typing import Any, Final, NamedTuple

import pyarrow.compute as pc

from curation.errors import DataError
from curation.source import Source
from train.config import TrainingConfig
from train.encode import IGNORED, Encoded, EncodedSplit, encode_all
from train.estimate import Estimate, estimate, free_memory
from train.model.folder import model_folder, tensor_shapes
from train.model.template import ModelTemplate, choose_training_template, token_ids
from train.model.tokenizer import load_tokenizer
from train.token_rows import read_head, untrained

_LIKE_A_TOKEN: Final = re.compile(r"<[^<>\s]+>")
_OFFERED: Final = 8  # special tokens that are looked at for one that could end an answer


class Finding(NamedTuple):
    code: str
    message: str  # what, and what to do
    row_ids: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Preflight:
    errors: list[Finding]
    warnings: list[Finding]
    template: ModelTemplate
    splits: Mapping[str, EncodedSplit]
    estimate: Estimate
    sample: list[tuple[str, bool]]  # a rendered row of the training split: (text, trained)

    def require(self) -> None:
        """DataError for the first error, with the number of the others."""
        if self.errors:
            more = f" (and {len(self.errors) - 1} more; see curate train --check)" if self.errors[1:] else ""
            raise DataError(self.errors[0].message + more)

    def as_json(self) -> dict[str, Any]:
        return {
            "errors": [finding._asdict() for finding in self.errors],
            "warnings": [finding._asdict() for finding in self.warnings],
            "template": self.template.as_json(),
            "tokenizer_sha256": self.template.tokenizer_sha256,
            "splits": {name: _counts(split) for name, split in self.splits.items()},
            "estimate": self.estimate.as_json(),
            "sample": [list(part) for part in self.sample],
        }


@dataclass(frozen=True, slots=True)
class Prepared:
    """All that a training needs besides the model."""

    folder: Path  # of the base model
    tokenizer: Any
    template: ModelTemplate
    train: Any  # a datasets.Dataset of train.encode.Encoded
    validation: Any
    preflight: Preflight


def prepare(
    config: TrainingConfig, source: Source, near: Path = Path(), progress: Callable[[int], None] = lambda done: None
) -> Prepared:
    """Encode the version and look for what would spoil the training; `preflight.require()` raises for it.

    `near`: what paths in the config are relative to. DataError where the training split is empty.
    """
    rows = {"train": source.required("train"), "validation": source.rows("validation")}
    folder = model_folder(config.base_model, near, config.revision)
    template = choose_training_template(config, source, folder, near)
    tokenizer = load_tokenizer(folder)
    splits = {name: encode_all(some, template, tokenizer, config, progress) for name, some in rows.items()}
    checked = preflight(config, folder, template, tokenizer, splits)
    return Prepared(folder, tokenizer, template, splits["train"].rows, splits["validation"].rows, checked)


def preflight(
    config: TrainingConfig, folder: Path, template: ModelTemplate, tokenizer: Any, splits: Mapping[str, EncodedSplit]
) -> Preflight:
    """The checks themselves, on rows that were encoded."""
    shapes = tensor_shapes(folder)
    train = splits["train"]
    cost = estimate(config, folder, shapes, train.sizes)
    errors, warnings = _row_findings(config, splits)
    more, less = _token_findings(config, template, tokenizer, read_head(folder, shapes), splits)
    warnings += [*less, *_memory_findings(config, cost)]
    sample = _sample(Encoded(**train.rows[0]), tokenizer) if train.rows else []
    return Preflight([*errors, *more], warnings, template, splits, cost, sample)


def _row_findings(config: TrainingConfig, splits: Mapping[str, EncodedSplit]) -> tuple[list[Finding], list[Finding]]:
    """(errors, warnings) about rows that have nothing to train, are too long, or cannot be rendered."""
    errors, warnings = [], []
    for name, split in splits.items():
        if split.untrained:
            what = f"of {name} have not one trained token; give them an answer, or drop them"
            errors.append(_finding("untrained_rows", what, split.untrained))
        for reason, refused in groupby(sorted(split.refused, key=lambda r: r.reason), lambda r: r.reason):
            rows = list(refused)
            what = f"of {name} are left out, for the template cannot express them: {reason} ({rows[0].detail})"
            warnings.append(_finding("refused_rows", what, [row.row_id for row in rows]))
        wrong, told = _overlong_findings(config, name, split)
        errors += wrong
        warnings += told
    if not splits["train"].rows and not errors:
        errors.append(Finding("no_rows", _nothing_left(config, splits["train"])))
    if not splits["validation"].rows and config.eval_strategy != "no":
        needed = config.select != "last" or config.early_stopping_patience is not None
        what = "select and early_stopping_patience need it" if needed else "there will be no validation loss"
        (errors if needed else warnings).append(Finding("no_validation", f"the validation split has no rows; {what}"))
    return errors, warnings


def _nothing_left(config: TrainingConfig, split: EncodedSplit) -> str:
    reasons = (
        [f"{len(split.refused):,} are refused by the template ({split.refused[0].detail})"] if split.refused else []
    )
    if split.overlong:
        shortest = min(row.tokens for row in split.overlong)
        over = f"{len(split.overlong):,} are over max_length ({config.max_length:,})"
        reasons.append(f"{over}, the shortest with {shortest:,} tokens")
    return f"no row of train is left: {'; '.join(reasons)}"


def _overlong_findings(config: TrainingConfig, name: str, split: EncodedSplit) -> tuple[list[Finding], list[Finding]]:
    if not split.overlong:
        return [], []
    cut = [row.row_id for row in split.overlong if row.kept]
    out = [row.row_id for row in split.overlong if not row.kept]
    over = f"over max_length ({config.max_length:,}), the longest with {max(r.tokens for r in split.overlong):,} tokens"
    told = [_finding("cut_rows", f"of {name} are {over}; their oldest text is left out", cut)] if cut else []
    if config.overlong == "drop":
        return [], [_finding("overlong_rows", f"of {name} are left out: {over}", out)]
    alone, remedy = "", "raise max_length, or set overlong: drop"
    if config.overlong == "error":
        remedy += " or truncate-prompt-left"
    else:
        alone = "; system text and answer alone do not fit"
    return [_finding("overlong_rows", f"of {name} are {over}{alone}; {remedy}", out)] if out else [], told


def _token_findings(
    config: TrainingConfig, template: ModelTemplate, tokenizer: Any, head: Any, splits: Mapping[str, EncodedSplit]
) -> tuple[list[Finding], list[Finding]]:
    """(errors, warnings) about the end of a turn, and tokens that template and model do not share."""
    end = template.template.end_of_turn
    markers = [marker for marker in template.template.markers if _LIKE_A_TOKEN.fullmatch(marker) and marker != end]
    ids, *others = token_ids(tokenizer, [end, *markers])
    parts = [marker for marker, tokens in zip(markers, others, strict=True) if len(tokens) != 1]
    warnings = []
    if parts:
        known = f"the model knows {', '.join(parts[:3])} not as one token"
        warnings.append(Finding("unknown_markers", f"{known}; is {template.name} a template for this model?"))
    if head is None:
        warnings.append(Finding("head_unknown", "the head was not found in safetensors files; its rows are unchecked"))
        return _end_findings(config, template, tokenizer, None, ids, splits), warnings
    highest = max(pc.max(pc.list_flatten(s.rows.data["input_ids"])).as_py() or 0 for s in splits.values())
    if highest >= len(head):
        what = f"token {highest} has no row in the model, which knows {len(head):,}; its tokenizer is another model's"
        return [Finding("no_such_row", what)], warnings
    return _end_findings(config, template, tokenizer, head, ids, splits), warnings


def _end_findings(
    config: TrainingConfig,
    template: ModelTemplate,
    tokenizer: Any,
    head: Any,
    ids: Sequence[int],
    splits: Mapping[str, EncodedSplit],
) -> list[Finding]:
    end = template.template.end_of_turn
    if len(ids) != 1:
        offer = _offer(tokenizer, head, -1)
        return [Finding("end_not_one_token", f'"{end}" ends an answer and is {len(ids)} tokens of this model{offer}')]
    without = [row["row_id"] for split in splits.values() for row in split.rows if ids[0] not in row["labels"]]
    if without:
        return [
            _finding("end_not_trained", f'do not train "{end}", the end of an answer; name another template', without)
        ]
    why = untrained(head, ids[0]) if head is not None and ids[0] not in config.trainable_token_indices else None
    if why is None:
        return []
    remedy = f"{_offer(tokenizer, head, ids[0])}, or train its row: trainable_token_indices: [{ids[0]}]"
    return [Finding("end_untrained", f'"{end}" (token {ids[0]}) ends an answer and was never trained: {why}{remedy}')]


def _offer(tokenizer: Any, head: Any, end: int) -> str:
    """A special token that was trained and can end an answer instead."""
    named = [(token, tokenizer.convert_tokens_to_ids(token)) for token in tokenizer.all_special_tokens[:_OFFERED]]
    good = [token for token, i in named if i != end and head is not None and untrained(head, i) is None]
    return f'; set end_token: "{good[0]}"' if good else "; set end_token to one that was trained"


def _memory_findings(config: TrainingConfig, cost: Estimate) -> list[Finding]:
    free, needed = free_memory(), cost.total(checkpointing=config.activation_checkpointing is not False)
    if free is None or needed <= free:
        return []
    what = f"about {needed / 2**30:.1f} GiB are needed and {free / 2**30:.1f} GiB are free"
    remedy = "lower per_device_train_batch_size or max_length, or set quantization: nf4"
    return [Finding("memory", f"{what}; {remedy}")]


def _sample(row: Encoded, tokenizer: Any) -> list[tuple[str, bool]]:
    """A row cut where training begins and ends, as the tokenizer writes it back."""
    pairs = zip(row.input_ids, (label != IGNORED for label in row.labels), strict=True)
    return [(tokenizer.decode([i for i, _ in part]), trained) for trained, part in groupby(pairs, lambda pair: pair[1])]


def _counts(split: EncodedSplit) -> dict[str, Any]:
    told = {name: _spread([size[i] for size in split.sizes]) for i, name in enumerate(("tokens", "trained"))}
    return {
        "rows": len(split.rows),
        **told,
        "refused": [asdict(row) for row in split.refused],
        "untrained": split.untrained,
        "overlong": [asdict(row) for row in split.overlong],
    }


def _spread(values: Sequence[int]) -> dict[str, int]:
    ordered = sorted(values) or [0]
    return {"sum": sum(ordered), "min": ordered[0], "median": ordered[len(ordered) // 2], "max": ordered[-1]}


def _finding(code: str, what: str, row_ids: Sequence[str]) -> Finding:
    named = ", ".join(row_ids[:3]) + (" ..." if len(row_ids) > 3 else "")
    return Finding(code, f"{len(row_ids):,} rows {what} [{named}]", tuple(row_ids))
