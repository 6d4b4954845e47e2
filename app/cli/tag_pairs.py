"""`curate tag RUN RUN --pairs`: which of two outputs is better, blind and in random order."""

from __future__ import annotations

from argparse import Namespace
from collections.abc import Sequence
from typing import TYPE_CHECKING

from app.cli.output import emit
from app.cli.render import Cell, Screen, page, paragraphs, percent, visible
from app.cli.tag_lines import asked, read, say
from curation.errors import ConfigError, CurateError

if TYPE_CHECKING:
    from curation.store.journal import Journal
    from eval.folder import EvalFolder
    from eval.review.pairwise import Pair


def judge_pairs(args: Namespace, folders: Sequence[EvalFolder], journal: Journal, author: str) -> int:
    import sys

    from eval.review.pairwise import CHOICES, Pairs, no_pairs, outcome, raters_agree, same_outputs

    if len(folders) != 2:
        raise ConfigError(f"--pairs is for two runs, not {len(folders)}: curate tag 3 5 --pairs")
    pairs = Pairs(folders[0], folders[1], journal, author)
    if not pairs.total:
        raise ConfigError(no_pairs(folders[0], folders[1]))
    same = same_outputs(folders[0], folders[1]) if pairs.same else ""
    keys = " · ".join(f"{key} {choice}" for key, choice in CHOICES.items())
    say(f"{keys} · u undo · q end")
    judged = 0
    while (pair := pairs.next()) is not None:
        _show(pair, Screen.of(sys.stderr))
        line = read()
        if line is None or line == "q":
            break
        if line == "u":
            if pairs.undo():
                judged -= 1
                say("taken back")
            else:
                say("nothing to take back")
        elif line in CHOICES:
            try:
                pairs.judge(pair, CHOICES[line])
                judged += 1
            except CurateError as error:
                say(visible(str(error)))
        else:
            say(f'"{visible(line)}" is no key here: {keys}')
    else:
        say("all pairs are judged")
    table = outcome(journal, folders[0], folders[1])
    rows: list[list[Cell]] = [
        [row["what"], percent(row["share"]), f"{percent(row['low'])} to {percent(row['high'])}", row["n"], row["pairs"]]
        for row in table.to_dict("records")
    ]
    agree = raters_agree(journal, folders[0], folders[1]).to_dict("records")
    said = [f"{judged:,} pairs judged now", *([same] if same else [])]
    said += [f"{r['coefficient']} of {r['raters']} people on {r['items']:,} pairs: {r['value']:.3f}" for r in agree]
    data = {"judged": judged, "same": pairs.same, "result": table.to_dict("records"), "agreement": agree}
    emit(args, data, page(("by all reviewers", "share", "95 %", "judgements", "pairs"), rows, said))
    return 0


def _show(pair: Pair, screen: Screen) -> None:
    say("")
    asked(pair.messages, pair.reference, screen)
    for name, text in (("A", pair.a), ("B", pair.b)):
        say(f"{screen.paint(name, 'bold')}: {paragraphs(text) or '(empty)'}")
