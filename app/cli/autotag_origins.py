"""What `curate autotag` says of where a run's faults come from: the rows that teach them, the sources they lie near."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, Final

from app.cli.render import next_commands, visible

if TYPE_CHECKING:
    from eval.blame import Blame
    from eval.lessons import Lesson, Lessons
    from eval.neighbours import Neighbours

SURE: Final = 0.05  # adjusted p under which a source stands out


@dataclass(frozen=True, slots=True)
class Origins:
    """lessons: sources that teach the fault; sources: those that the outputs lie near. Each most suspicious first."""

    lessons: Sequence[Lesson] = ()
    sources: Sequence[Blame] = ()

    @property
    def taught(self) -> Lesson | None:
        """The lesson of a source that stands out."""
        return next((lesson for lesson in self.lessons[:1] if lesson.p_adjusted <= SURE), None)

    def as_data(self) -> dict[str, Any]:
        return {"lessons": [asdict(one) for one in self.lessons], "sources": [asdict(one) for one in self.sources]}


def origins(outputs: Collection[str], near: Neighbours | None, lessons: Lessons | None) -> Origins:
    """Of these outputs; nothing where the training rows are not known."""
    from eval.blame import blame

    return Origins(lessons.of(outputs) if lessons else (), blame(outputs, near) if near else ())


def counts(lesson: Mapping[str, Any]) -> str:
    """Of a lesson's fields, in a reason: what the source's rows teach, beside the other sources."""
    mine = f"{lesson['taught']} of {lesson['asked']} outputs that it has rows on"
    return f"{mine} are wrong as those say, {lesson['others_taught']} of {lesson['others_asked']} for other sources"


def origin_lines(number: str, found: Mapping[str, Origins]) -> list[str]:
    """The source that teaches a tag most surely, and the command that drops it; found: by tag, commonest first."""
    more = next_commands("curate tag --as NAME")
    sure = [(one, tag) for tag, of in found.items() if (one := of.taught) is not None]
    if sure:
        lesson, tag = min(sure, key=lambda pair: pair[0].p_adjusted)
        return [_lesson_line(tag, lesson), next_commands(_command(number, tag, lesson))]
    if not found:
        return []
    tag, of = next(iter(found.items()))
    if not of.sources:
        return [more]
    first = of.sources[0]
    if first.p_adjusted > SURE:
        return [f"{tag}: no source stands out among its training neighbours", more]
    near = f"{first.near} of {first.n} '{tag}' near this source ({first.rest_near} of {first.rest_n} of the others)"
    return [f"{visible(first.source)}, {first.rows:,} rows: {near}, but none is known to teach them; look first", more]


def reviewed_lines(said: Mapping[str, tuple[int, Origins]]) -> list[str]:
    """What people said most often, and the source that it points at."""
    for tag, (count, of) in said.items():
        told = f"reviewed: {visible(tag)} {count:,}"
        if (lesson := of.taught) is not None:
            return [f"{told}, {lesson.taught} of them as rows of {visible(lesson.source)} say"]
        if of.sources and of.sources[0].p_adjusted <= SURE:
            near = of.sources[0]
            told += f", {near.near} of {near.n} near {visible(near.source)} ({near.rest_near} of {near.rest_n} others)"
        return [told]
    return []


def _lesson_line(tag: str, lesson: Lesson) -> str:
    about = f"{visible(lesson.source)} teaches '{tag}': {counts(asdict(lesson))}"
    return f"{about}; p {lesson.p_adjusted:.1g}; its row {visible(lesson.rows[0])} is one"


def _command(number: str, tag: str, lesson: Lesson) -> str:
    condition = f"source = '{lesson.source.replace(chr(39), chr(39) * 2)}'"
    return (
        f'curate patch add --drop --where "{visible(condition)}" --reason "{tag}: {counts(asdict(lesson))}" '
        f"--tags \"$(curate autotag {number} --events '{tag}')\""
    )
