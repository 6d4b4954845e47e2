"""`curate tag --adjudicate`: decide about outputs of which people say different things."""

from __future__ import annotations

from argparse import Namespace
from typing import TYPE_CHECKING

from app.cli.output import emit
from app.cli.render import next_commands, visible
from app.cli.tag_lines import HELP, judgement, keys_line, read, say, show
from curation.errors import ConfigError, CurateError

if TYPE_CHECKING:
    from curation.store.journal import Journal
    from eval.review.frame import Frame
    from eval.review.people import People
    from eval.taxonomy import Taxonomy


def adjudicate(args: Namespace, frame: Frame, journal: Journal, taxonomy: Taxonomy, author: str) -> int:
    from eval.review.adjudication import decide, take_back, to_decide
    from eval.review.people import people

    named = [name.strip() for name in (args.outputs or "").split(",") if name.strip()]
    for name in named:
        frame.shown(name)  # says it well if there is none
    todo = named or to_decide(frame, journal, taxonomy)
    said = people(journal, taxonomy)
    say(keys_line(taxonomy), HELP.replace(" · w nearest training rows", ""), "what you say now is what holds")
    done: list[str] = []
    place = 0
    while place < len(todo):
        prediction = todo[place]
        show(frame.shown(prediction), f"{place + 1:,} of {len(todo):,} to decide")
        say(*opinions(said, prediction))
        line = read()
        if line is None or line == "q":
            break
        if line == "u":
            if done and take_back(journal, author, done[-1]):
                place = todo.index(done.pop())
            else:
                say("nothing to take back")
        elif line == "s":
            place += 1
        else:
            try:
                decide(frame, journal, taxonomy, author, judgement(prediction, line, taxonomy))
            except CurateError as error:
                say(visible(str(error)))
                continue
            done.append(prediction)
            place += 1
    left = len(to_decide(frame, journal, taxonomy))
    told = f"{len(done):,} decided by {visible(author)}, {left:,} still disputed"
    emit(args, {"decided": len(done), "disputed": left}, [told, next_commands("curate patch add --tags ...")])
    return 0


def opinions(said: People, prediction: str) -> list[str]:
    """Who said what, a line a person, and what was decided before."""
    lines = []
    for author, held in said.given.get(prediction, {}).items():
        values = said.values.get(prediction, {}).get(author, {})
        lines.append(visible(f"{author}: {', '.join([*sorted(held), *(f'{k} {v}' for k, v in values.items())])}"))
    if decision := said.final.get(prediction):
        levels = [f"{k} {v}" for k, v in decision.values.items()]
        lines.append(visible(f"decided by {decision.author}: {', '.join([*sorted(decision.tags), *levels])}"))
    return lines


def check(args: Namespace) -> None:
    """ConfigError for what does not go together."""
    if args.outputs and not args.adjudicate:
        raise ConfigError("--outputs names what is decided: add --adjudicate")
    if (args.endpoint is None) != (args.model is None):
        raise ConfigError("--endpoint and --model go together: where the model is, and what it is called there")
    ways = [f"--{name}" for name in ("pairs", "adjudicate", "endpoint", "import", "export") if getattr(args, name)]
    if len(ways) > 1:
        raise ConfigError(f"{' and '.join(ways)} contradict each other; give one")
