"""`curate tag --export FILE` and `--import FILE`: reviews that outlive the run they were made of."""

from __future__ import annotations

from argparse import Namespace
from typing import TYPE_CHECKING

from app.cli.output import emit
from app.cli.place import folder, workspace
from app.cli.render import next_commands, visible
from curation.errors import ConfigError

if TYPE_CHECKING:
    from curation.store.journal import Journal
    from eval.review.frame import Frame
    from eval.taxonomy import Taxonomy


def export_reviews(args: Namespace, frame: Frame, journal: Journal, taxonomy: Taxonomy, author: str) -> int:
    from curation.reading.reach import refuse_to_write
    from curation.store.files import disk_errors, replace_file
    from eval.review.portable import as_lines, reviews_of

    found = reviews_of(frame, journal, taxonomy, author)
    if not found:
        raise ConfigError(f"{visible(author)} has judged none of these {len(frame):,} outputs; name who did: --as NAME")
    path = folder(args) / args.export
    refuse_to_write(workspace(args), {}, [path])
    with disk_errors(path, "nothing was written"):
        replace_file(path, as_lines(found))
    told = f"{visible(str(path))}: {len(found):,} outputs as {visible(author)} judged them"
    emit(args, {"file": str(path), "outputs": len(found)}, [told, next_commands("curate tag RUN --import FILE")])
    return 0


def import_reviews(args: Namespace, frame: Frame, journal: Journal, taxonomy: Taxonomy, author: str) -> int:
    from eval.review.portable import apply_reviews, read_reviews

    path = folder(args) / getattr(args, "import")
    found = apply_reviews(read_reviews(path, taxonomy), frame, journal, taxonomy, author)
    data = {
        "file": str(path),
        "lines": found.lines,
        "used": found.used,
        "other_output": found.other_output,
        "not_asked": found.not_asked,
        "outputs": len(found.tagged),
        "stored": found.stored,
    }
    skipped = f"{found.other_output:,} skipped, the output is another now; {found.not_asked:,} skipped, no such item"
    told = f"{visible(path.name)}: {found.used:,} of {found.lines:,} reviews apply, to {len(found.tagged):,} outputs"
    emit(args, data, [f"{told} ({skipped}) · {found.stored:,} tags stored as {visible(author)}"])
    return 0
