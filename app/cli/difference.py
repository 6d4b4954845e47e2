"""Two texts side by side, what differs in brackets (and in colour on a terminal), long equal stretches left out."""

from __future__ import annotations

import re
from collections.abc import Sequence
from difflib import SequenceMatcher
from typing import Final

from app.cli.render import Screen, Style, clip, visible

# A character of a script without spaces, a word, a run of white space, or one other character.
_TOKEN: Final = re.compile(
    r"[\u0e00-\u0eff\u3040-\u30ff\u3400-\u9fff]|[^\W\u0e00-\u0eff\u3040-\u9fff]+|\s+|.", re.DOTALL
)
_CONTEXT: Final = 8  # tokens shown on each side of a difference
_LIMIT: Final = 2000  # tokens compared; the matcher is quadratic
_LINE: Final = 150  # columns where the terminal does not say


def difference(mine: str, other: str, screen: Screen) -> list[str]:
    """`= text` if the texts are equal, else `- mine` and `+ other` with what differs marked."""
    room = (screen.width or _LINE) - 4
    if mine == other:
        return [f"  = {clip(visible(mine), room)}"]
    left, right = _TOKEN.findall(mine)[:_LIMIT], _TOKEN.findall(other)[:_LIMIT]
    steps = SequenceMatcher(None, left, right, autojunk=False).get_opcodes()
    mine_spans = _joined([(kind != "equal", left[a:b]) for kind, a, b, _, _ in steps])
    other_spans = _joined([(kind != "equal", right[c:d]) for kind, _, _, c, d in steps])
    return [
        f"  - {_line(mine_spans, 'bad', room, screen)}",
        f"  + {_line(other_spans, 'good', room, screen)}",
    ]


def _joined(spans: Sequence[tuple[bool, list[str]]]) -> list[tuple[bool, list[str]]]:
    """Differences with nothing but white space between them are one difference."""
    joined: list[tuple[bool, list[str]]] = []
    for place, (differs, tokens) in enumerate(spans):
        between = 0 < place < len(spans) - 1 and "".join(tokens).isspace()
        if joined and joined[-1][0] and (differs or between):
            joined[-1][1].extend(tokens)
        else:
            joined.append((differs, list(tokens)))
    return joined


def _line(spans: Sequence[tuple[bool, list[str]]], style: Style, room: int, screen: Screen) -> str:
    """The spans on one line; colour codes are added after clipping, for they take no room."""
    shown: list[tuple[bool, str]] = []
    used = 0
    for place, (differs, tokens) in enumerate(spans):
        text = visible("".join(tokens if differs else _shortened(tokens, place == 0, place == len(spans) - 1)))
        text = f"[{text}]" if differs and text else text
        clipped = clip(text, room - used)
        shown.append((differs, clipped))
        used += len(clipped)
        if clipped != text:
            break
    return "".join(screen.paint(text, style) if differs else text for differs, text in shown)


def _shortened(tokens: list[str], first: bool, last: bool) -> list[str]:
    """An equal stretch, without its middle if that is long; beginning and end of the whole text need less context."""
    head, tail = (0 if first else _CONTEXT), (0 if last else _CONTEXT)
    if len(tokens) <= head + tail + _CONTEXT:
        return tokens
    return [*tokens[:head], "...", *tokens[len(tokens) - tail :]]
