"""`curate generate`: what a run answers, beside its base model; or answers to many prompts, in a file."""

from __future__ import annotations

from argparse import ArgumentTypeError, Namespace
from typing import TYPE_CHECKING, Final

from app.cli.arguments import Parser, whole_number
from app.cli.extras import MODEL, require
from app.cli.output import emit
from app.cli.place import folder
from app.cli.render import Screen, columns, visible
from app.cli.runs import place
from curation.errors import ConfigError

if TYPE_CHECKING:
    from eval.generation import Generated, GenerationSettings
    from train.model.of_run import RunFiles

BASE: Final = "base"
_NARROWEST: Final = 30  # columns of one of two answers beside each other
_BAR: Final = " │ "


def add_parser(parser: Parser) -> None:
    command = parser.add_command(
        "generate",
        "ask a run: one prompt beside the base, or a whole file",
        examples=[
            'curate generate --prompt "How do I reset my badge?"',
            'curate generate 003 --prompt "How?" --system "Be brief."',
            "curate generate 003 --input prompts.jsonl --out responses.jsonl",
            "curate generate base --split validation -n 1000 --out base.jsonl",
        ],
        description="One prompt: base model and adapter answer side by side, same quantisation, same template. "
        "A file or a split: one line an answer, in batches; the same command again goes on where it was stopped.",
    )
    command.add_argument(
        "run", metavar="RUN", nargs="?", help="003, experiment_003, a folder, latest (the default), or base"
    )
    what = command.add_mutually_exclusive_group()
    what.add_argument("--prompt", metavar="TEXT", help="ask this one question")
    what.add_argument("--input", metavar="FILE", help=".jsonl with messages, prompt or question; .txt, one a line")
    what.add_argument("--split", metavar="NAME", help="ask the questions of a split of the run's version")
    command.add_argument("--version", dest="ref", metavar="REF", help="the version of --split (default: the run's)")
    command.add_argument("--system", metavar="TEXT", help="a system text (default: the training's, if it had one)")
    command.add_argument("-n", dest="limit", metavar="N", type=whole_number, help="only the first N")
    command.add_argument("--out", metavar="FILE.jsonl", help="where to; begun before: go on")
    command.add_argument("--max-new-tokens", metavar="N", type=whole_number, default=256, help="default: 256")
    command.add_argument("--batch-size", metavar="N", type=whole_number, default=8, help="default: 8")
    command.add_argument(
        "--temperature", metavar="T", type=_number, default=0.0, help="sample; 0 (the default): greedy"
    )
    command.add_argument("--top-p", metavar="P", type=_number, default=1.0, help="sample from the likeliest P")
    command.add_argument("--seed", metavar="N", type=whole_number, default=1, help="of the sampling (default: 1)")


def run(args: Namespace) -> int:
    if args.prompt is not None:
        _refuse(args, "--prompt", ("out", "limit", "ref"))
        if not args.prompt.strip():
            raise ConfigError("--prompt: is empty; say what to ask")
        require(MODEL, "eval")
        return _one(args)
    if args.input is None and args.split is None:
        raise ConfigError("nothing to ask; give --prompt TEXT, --input FILE or --split NAME")
    if args.out is None:
        raise ConfigError("many answers go into a file; name it with --out responses.jsonl")
    require(MODEL, "eval")
    if args.input is not None:
        _refuse(args, "--input", ("ref",))
    from app.cli.generate_many import answer_many

    return answer_many(args, chosen_files(args), settings(args))


def chosen_files(args: Namespace) -> RunFiles:
    """The run that is meant; for `base` the last one, whose base it is."""
    from curation.runs import resolve_run
    from curation.workspace import find_workspace
    from train.model.of_run import run_files

    here = find_workspace(folder(args))
    ref = "latest" if args.run in (None, BASE) else args.run
    return run_files(resolve_run(place(args).experiments, ref), here.root if here else folder(args))


def settings(args: Namespace) -> GenerationSettings:
    from eval.generation import GenerationSettings

    return GenerationSettings(args.max_new_tokens, args.batch_size, args.temperature, args.top_p, args.seed)


def _one(args: Namespace) -> int:
    from app.cli.progress import progress
    from eval.generation import generate_response
    from train.model.of_run import load_run
    from train.watch import TrainLog

    files, wanted, told = chosen_files(args), settings(args), progress()
    answers: dict[str, Generated] = {}
    try:
        with TrainLog():
            told.stage("loading the model")
            loaded = load_run(files, adapter=args.run != BASE)
            told.stage("answering")
            with loaded.without_adapter():
                answers[BASE] = generate_response(loaded, args.prompt, args.system, wanted)
            if loaded.has_adapter:
                answers[files.run.name] = generate_response(loaded, args.prompt, args.system, wanted)
    finally:
        told.stop()
    system = args.system if args.system is not None else loaded.system_prompt
    data = {
        "run": files.run.name,
        "base_model": files.run.base,
        "quantization": files.quantization,
        "template": files.template.name,
        "system": system,
        "prompt": args.prompt,
        "answers": {name: found.as_json() for name, found in answers.items()},
    }
    emit(args, data, _shown(answers, Screen.here()))
    return 0


def _shown(answers: dict[str, Generated], screen: Screen) -> list[str]:
    """Both answers beside each other where there is room, else one below the other."""
    room = (screen.width or 0) // len(answers) - len(_BAR)
    if len(answers) == 1 or room < _NARROWEST:
        parts = ([screen.paint(name, "bold"), *_lines(one, None), ""] for name, one in answers.items())
        return [line for part in parts for line in part][:-1]
    sides = [[name, *_lines(one, room)] for name, one in answers.items()]
    height = max(map(len, sides))
    left, right = (side + [""] * (height - len(side)) for side in sides)
    lines = [f"{a}{' ' * (room - columns(a))}{_BAR}{b}".rstrip() for a, b in zip(left, right, strict=True)]
    return [screen.paint(lines[0], "bold"), *lines[1:]]


def _lines(found: Generated, width: int | None) -> list[str]:
    """The answer as it is, then what there is to say of it."""
    cut = "" if found.finish_reason == "stop" else ", cut off"
    told = f"({found.tokens} tokens{cut}, log-probability {found.logprob_mean or 0:.2f} a token)"
    lines = [*(visible(line) for line in (found.text or "").split("\n")), told]
    return lines if width is None else [part for line in lines for part in _wrapped(line, width)]


def _wrapped(text: str, width: int) -> list[str]:
    lines, line = [], ""
    for word in text.split(" "):
        while columns(word) > width:  # a word longer than a line, or a script without spaces
            lines += [line] if line else []
            line, kept = "", width
            while columns(word[:kept]) > width:
                kept -= 1
            lines.append(word[:kept])
            word = word[kept:]
        if line and columns(line) + 1 + columns(word) > width:
            lines.append(line)
            line = word
        else:
            line = f"{line} {word}" if line else word
    return [*lines, line]


def _refuse(args: Namespace, chosen: str, others: tuple[str, ...]) -> None:
    names = {"out": "--out", "limit": "-n", "ref": "--version"}
    for name in others:
        if getattr(args, name) is not None:
            raise ConfigError(f"{names[name]} has no meaning with {chosen}; leave it out")


def _number(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        raise ArgumentTypeError(f'must be a number, not "{text}"') from None
