"""`curate eval --recompute`: every number of an evaluation anew from its stored answers, without a model."""

from __future__ import annotations

from argparse import Namespace
from typing import TYPE_CHECKING

from app.cli.output import emit
from app.cli.render import next_commands, visible
from curation.errors import ConfigError

if TYPE_CHECKING:
    from eval.prepare import Where


def recompute_latest(args: Namespace, where: Where) -> int:
    """The newest finished evaluation of a run, or RUN/eval-K itself; exit code 3 where a number came out otherwise."""
    from curation.runs import read_run
    from eval.folder import EvalFolder, latest_eval
    from eval.measuring import Trust
    from eval.prepare import find_run
    from eval.recompute import recompute
    from eval.verdicts import take_verdicts
    from reports.results import write_results

    run = find_run(args.run, where.place)
    folder = latest_eval(run) if run else None
    if run is not None and read_run(run).kind == "evaluation":
        folder = EvalFolder(run)
        run = folder.of
    if run is None or folder is None:
        raise ConfigError(f"{run.name if run else 'no run'}: was not evaluated yet; make one with curate eval")
    judged = take_verdicts(folder, where.place, where.near)
    told = recompute(folder, Trust(where.near, args.trust_metrics))
    write_results(run)
    lines = [f"{visible(folder.name)}: {told.numbers:,} numbers, largest difference {told.largest:.1g}"]
    if judged:
        lines.append(f"{judged:,} outputs were judged by people; auroc and aurc are of these")
    if told.changed:
        lines.append(f"{len(told.changed):,} came out otherwise, such as {visible(told.changed[0])}")
    data = {"folder": str(folder.path), "numbers": told.numbers, "largest": told.largest, "changed": told.changed}
    data["judged"] = judged
    emit(args, data, [*lines, next_commands("curate compare")])
    return 3 if told.changed else 0
