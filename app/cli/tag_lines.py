"""One output after the other in the terminal: what is shown, and what a line of keys says."""

from __future__ import annotations

import re
import sys
from collections.abc import Callable, Mapping, Sequence
from io import TextIOWrapper
from typing import TYPE_CHECKING, Any, Final

from app.cli.patch_list import count_of_rows
from app.cli.render import Screen, clip, paragraphs, quote, visible
from curation.errors import ConfigError, CurateError

if TYPE_CHECKING:
    from eval.neighbours import Neighbour
    from eval.review.frame import Shown
    from eval.review.judgement import Judgement
    from eval.review.proposals import Proposal
    from eval.review.session import Review
    from eval.taxonomy import Taxonomy

_OP: Final = re.compile(r"(?P<op>[DSEA])(?P<number>[1-9])?(?:\s+(?P<text>.*))?")
_WIDE: Final = 160
HELP: Final = (
    "1 correct · 2 partly · 3 wrong · 4 cannot judge · o OK · n TEXT note · u undo · s skip · w nearest training rows "
    "· q end"
)
CHANGES: Final = (
    "after tags, in their line (3 D): D drop the first row of w · D2 the second · S its whole source · E TEXT another "
    "answer · A [QUESTION =>] TEXT a new row"
)


def review_all(review: Review, rules: Callable[[str], list[str]], *, allow_test: bool) -> None:
    """Until q, the end of the input, or nothing is left."""
    say(keys_line(review.taxonomy), HELP, CHANGES)
    while (shown := next(iter(review.ahead(1)), None)) is not None:
        show(shown, f"{review.done:,} of {len(review.frame):,} judged")
        if not _answered(review, shown, rules, allow_test):
            return
    say(visible(f"nothing more to review here: {review.nothing_left()}"))


def _answered(review: Review, shown: Shown, rules: Callable[[str], list[str]], allow_test: bool) -> bool:
    """Read lines until the output on screen is done with; False at the end of the session.

    Where what was said is stored and its patch is refused, the output stays: the next line may mend the patch.
    """
    stored = False
    while (line := read()) is not None and line != "q":
        if line == "w":
            say(*near_lines(review.near(shown.prediction_id)))
        elif line == "u":
            say("taken back" if review.undo() else "nothing to take back")
            return True
        elif stored and line in ("", "s"):
            return True
        elif line == "s":
            review.skip(shown.prediction_id)
            return True
        else:
            before, done = stored, _said(review, shown, line, allow_test)
            stored = not _waits(review, shown)
            if stored and not before and (found := rules(shown.prediction_id)):
                say(visible(f"rules said: {', '.join(found)}"))
            if done or (stored and parted(line)[1] is None and not before):  # another session was faster
                return True
            if stored:
                say("what you said is stored, without a patch: mend the line, Enter goes on, u takes it back")
    return False


def _waits(review: Review, shown: Shown) -> bool:
    return shown.prediction_id in (one.prediction_id for one in review.ahead(1))


def _said(review: Review, shown: Shown, line: str, allow_test: bool) -> bool:
    """Store a line; False where something was wrong with it, or with the patch it proposes, which is then told."""
    try:
        keys, op = parted(line)
        if op is not None and not keys.strip():
            raise ConfigError(f"say first what is wrong with it, in the same line: 3 {op}")
        said = judgement(shown.prediction_id, keys, review.taxonomy)
        if op is None:
            review.judge(said)
            return True
        made = review.change(said, proposed(op, review.near(shown.prediction_id)), allow_test=allow_test)
    except CurateError as error:
        say(visible(str(error)))
        return False
    say(*(visible(f"warning: {warning}") for warning in made.warnings))
    say(f"{made.patch} ({count_of_rows(made.rows)}); u takes it back, as does curate patch drop {made.patch}")
    return True


def parted(line: str) -> tuple[str, str | None]:
    """(keys and note, change of the data): "f3 D2" is ("f3 ", "D2"); a note takes the rest of its line."""
    note = (line + " ").find("n ")
    change = next((at for at, letter in enumerate(line) if letter in "DSEA"), -1)
    if change < 0 or 0 <= note < change:
        return line, None
    return line[:change], line[change:]


def proposed(text: str, near: list[Neighbour]) -> Proposal:
    """The change that "D", "S2", "E Hold it for five seconds." or "A What is it? => A belt." asks for."""
    from eval.review.proposals import OPS, Proposal, added

    found = _OP.fullmatch(text.strip())
    if found is None:
        raise ConfigError(f'"{text}" is no change; {CHANGES}')
    op, words = OPS[found["op"]], found["text"] or ""
    if op == "add":
        return added(words)
    number = int(found["number"] or 1)
    if number > len(near):
        raise ConfigError(f"there is no {number}. row near this output; w shows those there are")
    return Proposal(op, near[number - 1].row.row_id, words.strip())


def judgement(prediction_id: str, line: str, taxonomy: Taxonomy) -> Judgement:
    """What a line of keys says: "f3 n said 15 instead of 14" is a tag, a verdict and a note; a rubric's key pressed
    twice is its second level."""
    from eval.review.judgement import Judgement
    from eval.taxonomy import VERDICT_KEYS

    keys, scales = taxonomy.hotkeys(), taxonomy.rubric_keys()
    pressed, _, note = (line + " ").partition("n ")
    pressed = pressed.replace(" ", "")
    unknown = [
        key for key in pressed if key not in keys and key not in scales and key not in VERDICT_KEYS and key != "o"
    ]
    if unknown or not (pressed or note.strip()):
        raise ConfigError(f'"{unknown[0]}" is no key here' if unknown else "press a key, then Enter")
    verdicts = [VERDICT_KEYS[key] for key in pressed if key in VERDICT_KEYS]
    if len(verdicts) > 1:
        raise ConfigError(f"one verdict, not {len(verdicts)}")
    tags = tuple(dict.fromkeys(keys[key] for key in pressed if key in keys))
    if "o" in pressed and tags:
        raise ConfigError("OK and a tag contradict each other")
    return Judgement(
        prediction_id, tags, verdicts[0] if verdicts else "", note.strip(), _levels(pressed, scales, taxonomy)
    )


def _levels(pressed: str, scales: Mapping[str, str], taxonomy: Taxonomy) -> tuple[tuple[str, str], ...]:
    found = []
    for key, name in scales.items():
        if times := pressed.count(key):
            levels = taxonomy.rubrics[name].levels
            if times > len(levels):
                raise ConfigError(f"{name} has {len(levels)} levels, {key} was pressed {times} times")
            found.append((name, levels[times - 1]))
    return tuple(found)


def keys_line(taxonomy: Taxonomy) -> str:
    scales = [
        f"{key}={name}: {' '.join(f'{key * (i + 1)} {level}' for i, level in enumerate(taxonomy.rubrics[name].levels))}"
        for key, name in taxonomy.rubric_keys().items()
    ]
    return " · ".join([f"tags: {' '.join(f'{key}={name}' for key, name in taxonomy.hotkeys().items())}", *scales])


def near_lines(near: list[Neighbour]) -> list[str]:
    """The nearest rows: where from, how alike, loss and history, and what they say."""
    if not near:
        return ["no training row is near this output, or its training is not known here"]
    lines = []
    for number, one in enumerate(near, 1):
        loss = f", loss {one.row.loss:.2f}" if one.row.loss is not None else ""
        history = f", {', '.join(one.row.notes)}" if one.row.notes else ""
        said = f"{quote(one.row.prompt, 60)} -> {quote(one.row.answer, 60)}"
        told = f"{number}  {visible(one.row.place)}, {one.alike}{loss}{visible(history)}: {said}"
        lines.append(clip(told, _WIDE))
    return lines


def show(shown: Shown, progress: str) -> None:
    screen = Screen.of(sys.stderr)
    say("", screen.paint(progress, "dim"))
    asked(shown.messages, shown.reference, screen)
    say(f"{screen.paint('output', 'bold')}: {paragraphs(shown.output) or '(empty)'}")


def asked(messages: Sequence[Mapping[str, Any]], reference: str | None, screen: Screen) -> None:
    """What the output answers, and what it should say."""
    for message in messages:
        say(f"{screen.paint(visible(str(message['role'])), 'dim')}: {paragraphs(str(message.get('content') or ''))}")
    if reference is not None:
        say(f"{screen.paint('reference', 'dim')}: {paragraphs(reference)}")


def say(*lines: str) -> None:
    """For the person at the terminal; colours are ours, what comes from data was made visible before."""
    for line in lines:
        print(line, file=sys.stderr)


def read() -> str | None:
    """A line; None at the end of the input. One that is not UTF-8 is asked for again."""
    if isinstance(sys.stdin, TextIOWrapper) and sys.stdin.errors == "strict":
        sys.stdin.reconfigure(errors="surrogateescape")
    while True:
        print("> ", end="", file=sys.stderr, flush=True)
        line = sys.stdin.readline()
        if not any("\ud800" <= letter <= "\udfff" for letter in line):
            return line.strip() if line else None
        say("that line is not UTF-8, and was not taken; write it again")
