"""A comparison in words: one screen that ends in what to do, all of it with --full, and its data for machines."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING, Any, Final

from app.cli.render import LINES, Cell, Screen, Style, clip, next_commands, quote, ratio, table, visible

if TYPE_CHECKING:
    from eval.compare.benchmarks import Benchmarked
    from eval.compare.changed_rows import DataDiff
    from eval.compare.comparison import Comparison
    from eval.compare.flips import Flip
    from eval.compare.sides import Side
    from eval.compare.trade_off import Trade
    from eval.stats.compare import Difference

_STYLES: Final[dict[str, Style]] = {"better": "good", "worse": "bad", "passed": "good", "failed": "bad"}
_IS: Final = {
    "better": "is better than",
    "worse": "is worse than",
    "higher": "is higher than",
    "lower": "is lower than",
    "same within the margin": "is the same within the margin as",
}
_ENOUGH: Final = 30  # clusters; from here on "same" can be said
_SURE: Final = 0.05
_SHOWN_OTHERS: Final = 4
_WHYS: Final = 3
_WIDE: Final = 200


def screen(found: Comparison, on: Screen, gated: bool, looks: str) -> list[str]:
    """At most fifteen lines: the sentence, what it rests on, benchmarks, the data, flips, gates, what to do next."""
    head = [_sentence(found, on), f"claim: {visible(found.claim.words)}", _exam(found), *_cannot_tell(found)]
    head += [*_floor(found), *_others(found), *_benchmark_lines(found.benchmarks, on), *_baselines(found)]
    head += _data(found.data)
    tail = [*_gates(found, on, gated), *([looks] if looks else []), next_commands(*_next(found))]
    tail = [clip(visible(f"note: {note}"), _WIDE) for note in found.notes[:1]] + tail
    room = max(LINES - len(head) - len(tail), 0)
    return [*head[: LINES - len(tail)], *[_flip(flip) for flip in found.flips][:room], *tail]


def full(found: Comparison, on: Screen, gated: bool, looks: str) -> list[str]:
    """Everything, with no limit on lines."""
    lines = [_sentence(found, on), f"claim: {visible(found.claim.words)}", _exam(found), *_cannot_tell(found)]
    lines += [
        *_floor(found),
        *_baselines(found),
        *_data(found.data),
        "",
        *_metric_table(found, on),
        "",
        *_trade_table(found, on),
    ]
    lines += _touched(found.benchmarks)
    for flip in found.flips:
        lines += ["", *_whole_flip(flip)]
    lines += [visible(f"note: {note}") for note in found.notes]
    return [*lines, *_gates(found, on, gated), *([looks] if looks else []), next_commands(*_next(found))]


def data_lines(found: Comparison) -> dict[str, Any]:
    """Everything, for machines."""
    exam = found.exam
    return {
        "a": _side(found.a, found.labels[0]),
        "b": _side(found.b, found.labels[1]),
        "exam": {
            "split": exam.split,
            "version": exam.version,
            "suite": exam.suite.name,
            "items": exam.items.num_rows,
            "whole": exam.whole,
            "left_out": exam.left_out,
            "partial": exam.partial,
            "evaluations": [source.folder.name for source in exam.sources],
        },
        "claim": asdict(found.claim),
        "sentence": _sentence(found, Screen()),
        "primary": difference(found.primary),
        "secondary": [difference(one) for one in found.others],
        "slices": {name: difference(one) for name, one in found.slices.items()},
        "benchmarks": [
            {
                **asdict(one),
                "at_chance": one.at_chance,
                "diff": difference(one.diff),
                "clean": difference(one.clean) if one.clean else None,
            }
            for one in found.benchmarks
        ],
        "baselines": [{**asdict(one), "diff": difference(one.diff)} for one in found.baselines],
        "noise_floor": asdict(found.floor) if found.floor else None,
        "flips": [asdict(flip) for flip in found.flips],
        "data": asdict(found.data) if found.data else None,
        "trade_off": {"against": found.trades_against, "runs": [asdict(trade) for trade in found.trades]},
        "gates": [asdict(check) for check in found.checks],
        "notes": found.notes,
    }


def difference(one: Difference) -> dict[str, Any]:
    """With the reason where the exam's reach is null."""
    return {**asdict(one), "undetectable": one.undetectable or None}


def _side(side: Side, label: str) -> dict[str, Any]:
    models = [{"run": one.name, "version": one.version_name, "seed": one.seed} for one in side.models]
    return {"label": label, "models": models}


def _sentence(found: Comparison, on: Screen) -> str:
    main = found.primary
    a, b = map(visible, found.labels)
    if main.verdict == "cannot tell":
        words = f"cannot tell whether {b} or {a} is better on {main.name}"
    else:
        words = f"{b} {_IS[main.verdict]} {a} on {main.name}{_but(main)}"
    numbers = f"{_value(main.value_a)} -> {_value(main.value_b)}, {_interval(main)}, {_p(main.p)}, {main.n:,} items"
    return f"{on.paint(words, _STYLES.get(main.verdict, 'bold'))}: {numbers}"


def _but(main: Difference) -> str:
    """A difference that is one, and too small to matter."""
    if main.verdict != "same within the margin" or main.low <= 0 <= main.high or main.p > _SURE:
        return ""
    way = "higher" if main.diff > 0 else "lower"
    return f" ({way}, by less than the {main.margin:g} that matters)"


def _exam(found: Comparison) -> str:
    exam, main = found.exam, found.primary
    told = f"exam: {exam.told}, {exam.items.num_rows:,} of {exam.whole:,} items in {main.clusters:,} clusters"
    out = [f"{count:,} {why}" for why, count in exam.left_out.items()]
    out += [f"{main.left_out:,} without an output or reference"] * bool(main.left_out)
    told += f"; left out: {', '.join(out)}" if out else ""
    told += "; partial, its evaluation was limited" if exam.partial else ""
    if main.detectable == math.inf:
        return visible(f"{told}; {main.undetectable}")
    return visible(told + (f"; it could have shown {_value(main.detectable)}" if main.detectable > 0 else ""))


def _cannot_tell(found: Comparison) -> list[str]:
    """What would be needed, where nothing can be said."""
    from eval.compare.claim import needed

    main = found.primary
    if main.verdict != "cannot tell":
        return []
    wanted = needed(main)
    margin = f"a difference of the margin, {main.margin:g}"
    if main.clusters < _ENOUGH:
        items = f"{main.clusters} cluster{'' if main.clusters == 1 else 's'} of items"
        more = f"; {margin}, takes about {wanted:,}" if wanted is not None and wanted > _ENOUGH else ""
        how = f"{_ENOUGH - main.clusters} more questions with answers make {_ENOUGH}, the fewest that can"
        if not _pooled(found):
            how = f"hold out {_ENOUGH} or more, or let folds take turns (curate folds)"
        return [f"that is no fault of either: {items} cannot carry a verdict; {how}{more}"]
    if wanted is None:
        return ["more seeds or more items are needed (curate train --seeds 3)"] if max(main.seeds) > 1 else []
    if wanted <= main.clusters:
        return []
    return [f"to show {margin}, about {wanted:,} clusters of items are needed"]


def _pooled(found: Comparison) -> bool:
    return found.a.is_pooled or found.b.is_pooled


def _floor(found: Comparison) -> list[str]:
    floor = found.floor
    if floor is None:
        return []
    size = f"{_value(floor.widest)} apart at most, two more stay within {_value(floor.floor)}"
    return [f"noise floor: {floor.seeds} seeds of one training are {size} (19 times of 20)"]


def _others(found: Comparison) -> list[str]:
    """Those with something to say first; none of them decides."""
    named = [(one.name, one) for one in found.others] + list(found.slices.items())
    if not named:
        return []
    told = [(name, one) for name, one in named if one.verdict != "cannot tell"]
    shown = [f"{name} {_signed(one.diff)} {one.verdict}" for name, one in told[:_SHOWN_OTHERS]]
    more = [f"{len(told) - _SHOWN_OTHERS} more (--full)"] * (len(told) > _SHOWN_OTHERS)
    rest = [f"cannot tell of {len(named) - len(told)} others"] * (len(told) < len(named))
    return [visible("also, under Holm: " + " · ".join([*shown, *more, *rest]))]


def _baselines(found: Comparison) -> list[str]:
    """What was stored of them, and how the second side stands against each."""
    b = found.labels[1]
    told = [
        f"{one.name} {_value(one.diff.value_a)} ({b} {_signed(one.diff.diff)}, {one.diff.verdict})"
        for one in found.baselines
    ]
    several = len(found.b.models) > 1
    how = f", each of the {len(found.b.models)} models of {b} alone" if several else ""
    return [visible(f"beside, by {found.primary.name}{how}: {' · '.join(told)}")] if told else []


def _benchmark_lines(benchmarks: Sequence[Benchmarked], on: Screen) -> list[str]:
    lines = []
    for one in benchmarks:
        loss = {"passed": "no loss", "failed": "a loss", "cannot tell": "cannot tell whether a loss"}[one.no_loss]
        numbers = (
            f"{_value(one.diff.value_a)} -> {_value(one.diff.value_b)}, {_interval(one.diff)}, {one.diff.n:,} items"
        )
        chance = f"; both at chance level ({_value(one.chance)}), which says nothing" if one.at_chance else ""
        of_accuracy = one.metric in ("acc", "acc_norm")  # what the margin is of
        words = f"{loss} of {100 * one.margin:g} points" if of_accuracy else one.diff.verdict
        words = on.paint(words, _STYLES.get(one.no_loss, "bold")) if of_accuracy else words
        lines.append(f"{visible(one.name)} {one.metric}: {numbers}: {words}{chance}")
    return lines


def _data(data: DataDiff | None) -> list[str]:
    if data is None:
        return []
    if data.same:
        return [f"data {data.old} -> {data.new}: the same rows"]
    signs = {"added": "+", "removed": "-", "edited": "~", "moved": ">"}
    rows = " ".join(f"{sign}{data.counts[name]:,}" for name, sign in signs.items() if data.counts[name])
    train = " ".join(f"{sign}{data.train[name]:,}" for name, sign in signs.items() if data.train[name])
    whys = [f"{line['change']}: {_why(line)} {line['rows']:,}" for line in data.whys[:_WHYS]]
    more = ["..."] * (len(data.whys) > _WHYS)
    return [
        visible(
            f"data {data.old} -> {data.new}: rows {rows} (train {train or 'as it was'}); {' · '.join([*whys, *more])}"
        )
    ]


def _why(line: dict[str, Any]) -> str:
    reason = f" {line['reason'].replace('_', ' ')}" if line["reason"] and line["why"] != "patch" else ""
    return f"{line['why']}{reason}"


def _flip(flip: Flip) -> str:
    """`.12 -> .98 "question" | "before" -> "after" | near + raw.jsonl:17 (.61)`."""
    way = "" if flip.better is None else "+ " if flip.better else "- "
    values = f"{way}{_value(flip.value_a)} -> {_value(flip.value_b)}"
    outputs = f"{_said(flip.output_a, 34)} -> {_said(flip.output_b, 34)}"
    near = f" | near {_row(flip)}" if flip.near else ""
    return f"  {values} {quote(flip.question, 40)} | {outputs}{near}"


def _whole_flip(flip: Flip) -> list[str]:
    lines = [f"{flip.item_id}  {_value(flip.value_a)} -> {_value(flip.value_b)}  {quote(flip.question, 160)}"]
    lines += [f"  reference {_said(flip.reference, 160)}"]
    lines += [f"  before    {_said(flip.output_a, 160)}", f"  after     {_said(flip.output_b, 160)}"]
    if flip.near:
        lines += [f"  near      {_row(flip)} {quote(flip.near.row.prompt, 70)} {_said(flip.near.row.answer, 70)}"]
    return lines


def _row(flip: Flip) -> str:
    """Near, and no more: nobody has shown that the row made the difference."""
    assert flip.near is not None
    row = flip.near.row
    place = f"{row.source}:{row.line}" if row.source else row.row_id[:8]
    return visible(f"{row.sign}{' ' if row.sign else ''}{place} ({ratio(flip.near.similarity)} alike)")


def _said(text: str | None, width: int) -> str:
    return "(no output)" if text is None else quote(text, width)


def _metric_table(found: Comparison, on: Screen) -> list[str]:
    named = [(found.primary.name, found.primary), *((one.name, one) for one in found.others)]
    named += [(f"{found.primary.name}, {name}", one) for name, one in found.slices.items()]
    for one in found.benchmarks:
        named.append((f"{one.name} {one.metric}", one.diff))
        if one.clean:
            named.append((f"{one.name} {one.metric}, clean", one.clean))
    rows: list[list[Cell]] = [
        [
            name,
            _value(one.value_a),
            _value(one.value_b),
            _signed(one.diff),
            f"[{_signed(one.low)}, {_signed(one.high)}]",
            f"{one.p_adjusted:.3g}",
            one.n,
            "none" if one.detectable == math.inf else _value(one.detectable),
            one.verdict,
        ]
        for name, one in named
    ]
    headers = (
        "metric",
        *found.labels,
        "diff",
        "95 % interval",
        "p (Holm)",
        "n",
        "could show",
        "verdict",
    )
    return table(headers, rows, screen=on)


def _trade_table(found: Comparison, on: Screen) -> list[str]:
    """What each run won on its own job and lost elsewhere."""
    names = list(dict.fromkeys(name for trade in found.trades for name in trade.elsewhere))
    headers = ("run", "version", "seed", f"{found.primary.name} against {found.trades_against}", *names)
    rows = [_trade(trade, names) for trade in found.trades]
    floor = [f"noise floor of {found.primary.name}: {_value(found.floor.floor)}"] if found.floor else []
    return [*table(headers, rows, screen=on), *floor] if rows else []


def _trade(trade: Trade, names: Sequence[str]) -> list[Cell]:
    elsewhere = [_interval(trade.elsewhere[name]) if name in trade.elsewhere else None for name in names]
    return [trade.run, trade.version, trade.seed, _interval(trade.domain), *elsewhere]


def _touched(benchmarks: Sequence[Benchmarked]) -> list[str]:
    return [
        visible(f"{one.name}: training held {len(one.touched):,} of its items ({', '.join(one.touched[:5])} ...)")
        for one in benchmarks
        if one.touched
    ]


def _gates(found: Comparison, on: Screen, gated: bool) -> list[str]:
    if not gated:
        return []
    told = [
        f"{check.name} {check.rule}: {on.paint(check.result, _STYLES.get(check.result, 'bad'))}"
        for check in found.checks
    ]
    whole = "passed" if all(check.passed for check in found.checks) else "not passed"
    return [f"gates {whole}: {' · '.join(told)}"]


def _next(found: Comparison) -> list[str]:
    sides = (found.a, found.b)
    told = [f"curate compare {' '.join(map(_named, sides))}{' --pooled' * _pooled(found)} --full"]
    if found.data and not found.data.same:
        told.append(f"curate diff {found.data.old} {found.data.new}")
    if max(found.primary.seeds) == 1 and any(side.is_trained for side in sides):
        told.append(f"curate {'folds' if _pooled(found) else 'train'} --seeds 3")
    return told


def _named(side: Side) -> str:
    """As it is typed."""
    if side.is_base:
        return "base"
    if side.is_pooled:
        return str(side.models[0].version_name)
    return ",".join(model.name for model in side.models)


def _interval(one: Difference) -> str:
    return f"{_signed(one.diff)} [{_signed(one.low)}, {_signed(one.high)}]"


def _p(p: float) -> str:
    return "p < .001" if p < 0.001 else f"p = {p:.3f}".replace("0.", ".")


def _value(value: float) -> str:
    if not math.isfinite(value):
        return "-"
    return f"{value:.3f}" if abs(value) < 10 else f"{value:,.1f}"


def _signed(value: float) -> str:
    if not math.isfinite(value):
        return "-"
    return f"{value:+.3f}" if abs(value) < 10 else f"{value:+,.1f}"
