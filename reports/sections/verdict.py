"""The verdict first: what the comparison says, of what it speaks, and what it rests on."""

from __future__ import annotations

from math import inf

from eval.compare.comparison import Comparison, Headline
from reports.cells import number
from reports.document import Text
from reports.sections.subject import Subject
from reports.sections.words import change, sentence, tone


def summary(of: Subject) -> list[Text]:
    """The first lines of the report."""
    if of.comparison is None:
        return [Text(f"No verdict: {of.no_comparison}.", "note")]
    return summary_of(of.comparison)


def summary_of(found: Comparison) -> list[Text]:
    """The verdict, what it speaks of, the exam, and each benchmark."""
    lines = lead(found)
    lines += [Text(found.exam.suite.about)] if found.exam.suite.about else []
    lines.append(Text(exam(found)))
    for one in found.benchmarks:
        said = {"passed": "no loss", "failed": "a loss", "cannot tell": "cannot tell whether there is a loss"}
        words = f"{said[one.no_loss]} of {100 * one.margin:g} points"
        values = f"{number(one.diff.value_a)} -> {number(one.diff.value_b)}, {change(one.diff)}, {one.diff.n:,} items"
        lines.append(Text(f"{one.name}, {one.metric}: {values}: {words}.", tone(one.no_loss)))
    return lines


def lead(found: Comparison | Headline) -> list[Text]:
    """The verdict, and what it speaks of."""
    (a, b), main = found.labels, found.primary
    return [Text(sentence(a, b, main), tone(main.verdict)), Text(f"What this speaks of: {found.claim.words}.")]


def exam(found: Comparison) -> str:
    """On what the two were compared, what was left out of it, and what it could have shown."""
    sat, main = found.exam, found.primary
    told = f"Exam: {sat.told}, {sat.items.num_rows:,} of {sat.whole:,} items in {main.clusters:,} clusters"
    out = [f"{count:,} {why}" for why, count in sat.left_out.items()]
    out += [f"{main.left_out:,} without an output or reference"] * bool(main.left_out)
    told += f"; left out: {', '.join(out)}" if out else ""
    told += "; partial, its evaluation was limited" if sat.partial else ""
    if main.detectable == inf:
        return f"{told}; {main.undetectable}."
    return told + (f". It could have shown a difference of {number(main.detectable)}." if main.detectable > 0 else ".")
