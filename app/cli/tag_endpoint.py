"""`curate tag --endpoint URL --model NAME`: a model judges, and is shown only beside what people say."""

from __future__ import annotations

from argparse import Namespace
from typing import TYPE_CHECKING, Final

from app.cli.output import emit
from app.cli.render import Cell, next_commands, page, percent, visible

if TYPE_CHECKING:
    from curation.store.journal import Journal
    from eval.review.frame import Frame
    from eval.taxonomy import Taxonomy

_LIMIT: Final = 100


def judge_by_endpoint(args: Namespace, frame: Frame, journal: Journal, taxonomy: Taxonomy) -> int:
    from app.cli.progress import progress
    from eval.endpoint import EndpointModel
    from eval.review.beside_people import beside_people
    from eval.review.model_judge import judge_by_model
    from eval.review.people import people

    endpoint = EndpointModel(args.endpoint, args.model)
    by_people = [one for one in people(journal, taxonomy).given if one in frame.at]
    chosen = list(dict.fromkeys([*by_people, *sorted(frame.at)]))[: args.limit or _LIMIT]
    told = progress()
    told.stage(f"judged by {args.model}", len(chosen), "outputs")
    try:
        found = judge_by_model(endpoint, frame, journal, taxonomy, chosen, told.advance)
        told.finish()
    except KeyboardInterrupt:
        raise KeyboardInterrupt("stopped; what was judged is kept, the same command again goes on") from None
    finally:
        told.stop()
    table = [row for row in beside_people(journal, taxonomy) if row.judge == found.author]
    said = [f"{visible(found.author)}: {found.asked - found.missing:,} judged now, {found.missing:,} missing"]
    if found.missing:
        said[0] += f" ({visible(found.why)}); the same command asks for those again"
    if not table:
        said.append("what it said is not shown: no person has judged any of these outputs")
        said.append(next_commands("curate tag --as NAME"))
    rows: list[list[Cell]] = [
        [
            visible(row.tag),
            row.items,
            row.by_people,
            row.by_judge,
            f"{row.value:.2f} [{row.low:.2f}, {row.high:.2f}]",
            f"{row.among_people:.2f}",
            f"{row.given:,} of {row.judged:,} ({percent(row.given / row.judged)})",
        ]
        for row in table
    ]
    data = {
        "judge": found.author,
        "asked": found.asked,
        "missing": found.missing,
        "why": found.why or None,
        "beside_people": [row.as_json() for row in table],
    }
    headers = ("tag", "outputs of both", "people", "model", "agreement 95 %", "among people", "model in all")
    emit(args, data, page(headers, rows, said))
    return 0
