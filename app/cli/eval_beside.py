"""What `curate eval` asks beside runs: a model behind an endpoint, and the baselines of a run."""

from __future__ import annotations

from argparse import Namespace
from typing import TYPE_CHECKING, Final

from app.cli.output import emit
from app.cli.render import Cell, next_commands, page, visible
from curation.errors import ConfigError

if TYPE_CHECKING:
    from curation.progress import Progress
    from eval.exam import Exam
    from eval.prepare import Prepared, Where
    from eval.recorded import Sat
    from eval.suite import Suite

_OF_RUNS: Final = ("run", "no_base", "unquantised", "baselines", "benchmark")


def ask_endpoint(args: Namespace, where: Where, suite: Suite) -> int:
    """Evaluate the model behind --endpoint on the exam of the last training's version; needs no torch."""
    from app.cli.progress import progress
    from eval.endpoint import EndpointModel, evaluate_endpoint
    from eval.exam import open_exam
    from eval.measuring import Trust
    from eval.odometer import count_looks, told
    from eval.prepare import last_version
    from reports.results import write_results

    if args.endpoint is None or args.model is None:
        raise ConfigError("--endpoint and --model go together: where the model is, and what it is called there")
    other = next((name for name in _OF_RUNS if getattr(args, name)), None)
    if other:
        shown = "a RUN" if other == "run" else f"--{other.replace('_', '-')}"
        raise ConfigError(f"--endpoint asks another model, so {shown} has no part in it; leave it out")
    if suite.is_test and not args.final:
        raise ConfigError(f"suite {suite.name}: asks test, which is for the end; add --final, and this look is counted")
    model = EndpointModel(args.endpoint, args.model)
    source = None if suite.file else where.source(suite.pinned or last_version(where.place))
    opened = open_exam(suite, source, where.near, args.limit)
    drawn = progress()
    try:
        trust = Trust(where.workspace.root if where.workspace else None, args.trust_metrics)
        sat = evaluate_endpoint(where.place, model, opened, suite, drawn, trust)
        drawn.finish()
    except KeyboardInterrupt:
        raise KeyboardInterrupt("stopped; the answers so far are kept, the same command again goes on") from None
    finally:
        drawn.stop()
    write_results(sat.folder.of)
    looks = ""
    if suite.is_test and source is not None:
        looks = told(count_looks(where.place.journal, source, opened.exam, sat.folder.name))
    return _report(args, sat, opened.exam, looks)


def run_baselines(prepared: Prepared, where: Where, told: Progress) -> tuple[list[Sat], list[str]]:
    """The baselines of the run that was evaluated, on its exam, and why one of them is not there."""
    from eval.untrained import sit_baselines
    from reports.results import write_results

    found, notes = sit_baselines(prepared, where, told)
    for one in found:
        write_results(one.folder.of)
    return found, notes


def told_baseline(sat: Sat, primary: str) -> str:
    """nearest training answer: chrf 22.1 [20.3, 23.9]."""
    rows = [row for row in sat.folder.metrics().to_pylist() if row["slice"] == "all"]
    row = next((row for row in rows if row["metric"] == primary), rows[0])
    name = visible(str(sat.folder.of.name)) + " " + visible(str(sat.folder.run.base))
    shots = sat.folder.run.settings.get("shots")
    name += f" with {shots} examples" if shots else ""
    return f"baseline {name}: {row['metric']} {row['value']:.3f} {_interval(row['ci_low'], row['ci_high'])}"


def _report(args: Namespace, sat: Sat, exam: Exam, looks: str) -> int:
    table = sat.folder.metrics().to_pylist()
    reasons = sat.folder.predictions(["finish_reason", "detail"]).to_pylist()
    missing = [row["detail"] for row in reasons if row["finish_reason"] == "missing"]
    data = {
        "run": sat.folder.of.name,
        "folder": str(sat.folder.path),
        "exam": exam.as_json(),
        "known": sat.known,
        "missing": len(missing),
        "left_out": dict(sat.left_out),
        "looks": looks or None,
        "metrics": table,
    }
    head = [f"{sat.folder.name}  {visible(args.model)} on {visible(exam.told())}"]
    after = []
    if missing:
        after.append(f"{len(missing):,} items got no answer and are missing ({visible(missing[0])}); run it again")
    if sat.left_out:
        after.append(f"not measured, for an endpoint does not give what it takes: {', '.join(sat.left_out)}")
    if exam.limit is not None:
        after.append(f"partial: {exam.items:,} of {exam.whole:,} items; without --limit all are asked")
    after += [looks] if looks else []
    after.append(next_commands(f"curate compare {sat.folder.of.name} latest"))
    rows: list[list[Cell]] = [
        [row["metric"], f"{row['value']:.3f}", _interval(row["ci_low"], row["ci_high"]), row["n"]]
        for row in table
        if row["slice"] == "all"
    ]
    emit(args, data, [*head, *page(("metric", "value", "95 % interval", "n"), rows, after, reserved=1)])
    return 0


def _interval(low: float | None, high: float | None) -> str:
    return "-" if low is None or high is None else f"[{low:.3f}, {high:.3f}]"
