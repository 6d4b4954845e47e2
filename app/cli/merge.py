"""`curate merge`: a run as one plain model folder that any server reads."""

from __future__ import annotations

from argparse import Namespace
from dataclasses import asdict

from app.cli.arguments import Parser
from app.cli.extras import TRAINING, require
from app.cli.output import emit
from app.cli.place import folder
from app.cli.render import next_commands, percent, visible
from curation.errors import ConfigError, CurateError

_DTYPES = ("float32", "bfloat16", "float16")


def add_parser(parser: Parser) -> None:
    command = parser.add_command(
        "merge",
        "write base and adapter as one plain model, compared",
        examples=["curate merge", "curate merge 003 --to served", "curate merge --dtype float16"],
        description="Merge a run's adapter into its dequantised base and write a folder for transformers, vLLM and "
        "llama.cpp: safetensors, tokenizer, chat template, card. Refused where the logits differ from the adapter's.",
    )
    command.add_argument("run", metavar="RUN", nargs="?", help="003, experiment_003, a folder, or latest (the default)")
    command.add_argument("--to", metavar="DIR", help="a new folder (default: merged, in the run's folder)")
    command.add_argument(
        "--dtype", choices=_DTYPES, metavar="TYPE", help=f"{', '.join(_DTYPES)} (default: as the base is stored)"
    )


def run(args: Namespace) -> int:
    require(TRAINING, "train")
    from app.cli.generate import chosen_files
    from app.cli.progress import progress
    from train.merge import merge
    from train.watch import TrainLog

    if args.run == "base":
        raise ConfigError("a base model has nothing to merge; name a run")
    files, told = chosen_files(args), progress()
    to = folder(args) / args.to if args.to else files.folder / "merged"
    try:
        with TrainLog():
            found = merge(files, to, args.dtype, told)
        told.finish()
    except RuntimeError as error:
        if "out of memory" not in str(error) and "can't allocate memory" not in str(error):
            raise
        raise CurateError(
            "out of memory: merging holds the model in 32 bits; put CUDA_VISIBLE_DEVICES= before the command (the CPU)"
        ) from error
    finally:
        told.stop()
    where = visible(str(found.folder))
    lines = [
        f"{where}: {files.run.name} merged, {found.dtype}",
        f"logits differ by {found.difference:.1e} before writing (allowed {found.tolerance:.0e}), as written by "
        f"{found.difference_written:.1e}; same likeliest token at {percent(found.same_token)} of {found.positions:,}",
        next_commands(f"transformers serve {where}", "docs/serving.md"),
    ]
    emit(args, {"run": files.run.name, **asdict(found)}, lines)
    return 0
