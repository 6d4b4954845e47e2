"""Language of every turn: what is not in an allowed language, and answers in another language than their prompt."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final, Literal

import numpy as np
import numpy.typing as npt
import orjson
import pyarrow as pa
import pyarrow.compute as pc

from curation.errors import ConfigError, did_you_mean
from curation.language.codes import CODES
from curation.language.detect import UNDETERMINED, detect_languages
from curation.language.translation import asks_for_a_language
from curation.tables import DROPPED, FLAGGED, Verdict, dropped_table, empty, flagged_table

NOT_ALLOWED: Final = "language_not_allowed"
MISMATCH: Final = "language_mismatch"
_ACTIONS: Final = ("flag", "drop", "off")

# Columns that the stage adds: languages holds one code a message, separated by spaces; the other two are those of
# the message that is answered last, and of its answer. "und": cannot be told.
COLUMNS: Final = ("languages", "prompt_language", "answer_language")


@dataclass(frozen=True, slots=True)
class LanguageConfig:
    allowed: tuple[str, ...] = ()  # empty: all
    action: Literal["flag", "drop", "off"] = "flag"  # for rows in a language that is not allowed
    mismatch: Literal["flag", "drop", "off"] = "flag"
    min_confidence: float = 0.8

    def __post_init__(self) -> None:
        object.__setattr__(self, "allowed", tuple(self.allowed))
        if self.action not in _ACTIONS or self.mismatch not in _ACTIONS:
            raise ConfigError(
                f"language: no action {self.action!r} with mismatch {self.mismatch!r}; use flag, drop or off"
            )
        if wrong := [code for code in self.allowed if code not in CODES]:
            hint = did_you_mean(wrong[0], sorted(CODES))
            hint = hint if "did you mean" in hint else "; use codes such as en, ro, de"
            raise ConfigError(f'language.allowed: "{wrong[0]}" is no language that can be told{hint}')
        if not 0 <= self.min_confidence <= 1:
            raise ConfigError(f"language.min_confidence: {self.min_confidence} is not between 0 and 1")


@dataclass(frozen=True, slots=True)
class _Turns:
    """Every message of every row, in order."""

    row: npt.NDArray[np.int64]
    place: npt.NDArray[np.int64]  # of the message in its row
    role: npt.NDArray[np.str_]  # letters as in tables.ROWS
    code: npt.NDArray[np.object_]
    confidence: npt.NDArray[np.float64]
    asked: npt.NDArray[np.int64]  # for each row its last answered message, or -1
    answer: npt.NDArray[np.int64]  # for each row its last answer, or -1


def language(rows: Any, config: LanguageConfig) -> Verdict:
    """Add COLUMNS; flag or drop rows with a turn that is confidently in a language that is not allowed.

    A mismatch is an answer confidently in another language than the message it answers, where the prompt neither
    speaks of translating nor names a language. Turns whose language cannot be told are never held against a row.
    """
    if (config.action == "off" or not config.allowed) and config.mismatch == "off":
        return Verdict(rows, empty(DROPPED), empty(FLAGGED))
    turns = _detected(rows)
    foreign = _foreign(turns, config)
    crossed = _crossed(rows, turns, config)
    about = [
        (config.action, NOT_ALLOWED, foreign, turns.row[foreign], [_one(turns, k) for k in foreign.tolist()]),
        (config.mismatch, MISMATCH, turns.answer[crossed], crossed, [_two(turns, k) for k in crossed.tolist()]),
    ]
    return _verdict(_with_columns(rows, turns), rows["pos"].to_numpy(), turns, config.min_confidence, about)


def _detected(rows: Any) -> _Turns:
    """Nearly all rows are one prompt and one answer, whose texts are columns; only the others are parsed."""
    roles = rows["roles"].to_pylist()
    lengths = np.fromiter(map(len, roles), np.int64, len(roles))
    starts = np.cumsum(lengths) - lengths
    plain = np.fromiter((r == "ua" for r in roles), np.bool_, len(roles))
    codes = np.full(int(lengths.sum()), UNDETERMINED, object)
    confidence = np.zeros(len(codes))
    for side, name in enumerate(("prompt", "answer")):
        mask = pa.array(plain)
        codes[starts[plain] + side], confidence[starts[plain] + side] = detect_languages(rows[name].filter(mask))
    others = np.flatnonzero(~plain)
    texts = [
        message["content"] or ""
        for record in rows["record"].take(pa.array(others)).to_pylist()
        for message in orjson.loads(record)["messages"]
    ]
    places = np.flatnonzero(np.repeat(~plain, lengths))
    codes[places], confidence[places] = detect_languages(texts)
    row = np.repeat(np.arange(len(roles)), lengths)
    role = np.array(list("".join(roles)), "U1")
    asked, answer = _last_exchange(row, role, len(roles))
    return _Turns(row, np.arange(len(row)) - starts[row], role, codes, confidence, asked, answer)


def _last_exchange(
    row: npt.NDArray[np.int64], role: npt.NDArray[np.str_], rows: int
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """For each row its last answer, and the last user message before it; -1 where there is none."""
    answer, asked = np.full(rows, -1), np.full(rows, -1)
    places = np.flatnonzero(role == "a")
    answer[row[places]] = places  # the last of several assignments stays
    before = np.flatnonzero((role == "u") & (np.arange(len(row)) < answer[row]))
    asked[row[before]] = before
    return asked, answer


def _foreign(turns: _Turns, config: LanguageConfig) -> npt.NDArray[np.int64]:
    """The first turn of each row that is confidently in a language that is not allowed."""
    if config.action == "off" or not config.allowed:
        return np.zeros(0, np.int64)
    known = np.isin(turns.code.astype(str), [UNDETERMINED, *config.allowed])
    spoken = np.isin(turns.role, ["u", "a"])
    found = np.flatnonzero(~known & spoken & (turns.confidence >= config.min_confidence))
    first: npt.NDArray[np.int64] = found[np.unique(turns.row[found], return_index=True)[1]]
    return first


def _crossed(rows: Any, turns: _Turns, config: LanguageConfig) -> npt.NDArray[np.int64]:
    """Rows whose last answer is confidently in another language than what it answers."""
    if config.mismatch == "off":
        return np.zeros(0, np.int64)
    both = np.flatnonzero(turns.asked >= 0)
    asked, answer = turns.asked[both], turns.answer[both]
    sure = np.minimum(turns.confidence[asked], turns.confidence[answer]) >= config.min_confidence
    told = (turns.code[asked] != UNDETERMINED) & (turns.code[answer] != UNDETERMINED)
    differ = both[sure & told & (turns.code[asked] != turns.code[answer])]
    texts = rows.select(["system", "prompt"]).take(pa.array(differ)).to_pylist()
    meant = [asks_for_a_language(f"{text['system']}\n{text['prompt']}") for text in texts]
    crossed: npt.NDArray[np.int64] = differ[~np.array(meant, np.bool_)]
    return crossed


def _one(turns: _Turns, k: int) -> str:
    return f"turn {turns.place[k] + 1} is in {turns.code[k]}"


def _two(turns: _Turns, row: int) -> str:
    return f"asked in {turns.code[turns.asked[row]]}, answered in {turns.code[turns.answer[row]]}"


def _verdict(rows: Any, pos: Any, turns: _Turns, threshold: float, about: Sequence[tuple[Any, ...]]) -> Verdict:
    """Rows that go, with the first reason that takes them, and the flags of all that stay."""
    gone = np.zeros(rows.num_rows, np.bool_)
    dropped = []
    for action, reason, turn, row, detail in about:
        if action == "drop":
            new = ~gone[row]
            kept_detail = [text for text, is_new in zip(detail, new.tolist(), strict=True) if is_new]
            values = turns.confidence[turn[new]]
            dropped.append(dropped_table(pos[row[new]], reason, value=values, threshold=threshold, detail=kept_detail))
            gone[row] = True
    flagged = []
    for action, reason, turn, row, detail in about:
        if action == "flag":
            stays = ~gone[row]
            said = [text for text, is_kept in zip(detail, stays.tolist(), strict=True) if is_kept]
            values = turns.confidence[turn[stays]]
            flagged.append(flagged_table(pos[row[stays]], reason, value=values, threshold=threshold, detail=said))
    return Verdict(
        rows.filter(pa.array(~gone)) if gone.any() else rows,
        pa.concat_tables(dropped).sort_by("pos") if dropped else empty(DROPPED),
        pa.concat_tables(flagged).sort_by("pos") if flagged else empty(FLAGGED),
    )


def _with_columns(rows: Any, turns: _Turns) -> Any:
    codes = pa.array(turns.code, pa.string())
    bounds = np.r_[0, np.cumsum(np.bincount(turns.row, minlength=rows.num_rows))].astype(np.int32)
    joined = pc.binary_join(pa.ListArray.from_arrays(pa.array(bounds), codes), " ")
    columns = {"languages": joined}
    for name, turn in (("prompt_language", turns.asked), ("answer_language", turns.answer)):
        columns[name] = codes.take(pa.array(turn, mask=turn < 0)).fill_null(UNDETERMINED)
    for name, column in columns.items():
        rows = rows.append_column(name, column)
    return rows
