"""The report of a run: all of it as one document, and as files."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from curation.store.files import disk_errors, replace_file
from reports.document import Block, Document, Figure, Section
from reports.figures import Drawing, unchecked
from reports.html import to_html
from reports.markdown import to_markdown
from reports.sections import data, errors, limits, metrics, provenance, training, verdict
from reports.sections.subject import Subject


@dataclass(frozen=True, slots=True)
class Written:
    html: Path
    markdown: Path
    figures: tuple[Path, ...]


Made = Mapping[str, list[Block]]  # section -> what is in it


def document(of: Subject, seen: Callable[[Figure], None] = lambda figure: None, made: Made | None = None) -> Document:
    """The verdict first; then what it rests on. `seen` is given each figure as soon as there is one.

    made: sections that there are already.
    """
    version = (of.run.version or {}).get("name")
    title = f"{of.folder.name}{f' on {version}' if version else ''}, from {of.run.base}"
    known = made or {}
    found = {**known, **_sections(of, [name for name in _SECTIONS if name not in known], seen)}
    return Document(title, verdict.summary(of), [Section(name, found[name]) for name in _SECTIONS if found[name]])


def sections_alone(of: Subject, seen: Callable[[Figure], None]) -> Made:
    """The sections that speak of the run and its version alone: there is no need to wait for a comparison."""
    with unchecked():
        return _sections(of, ("Data", "Confidence"), seen)


def _sections(of: Subject, names: Sequence[str], seen: Callable[[Figure], None]) -> Made:
    found = {}
    for name in names:
        found[name] = _SECTIONS[name](of)
        for block in found[name]:
            if isinstance(block, Figure):
                seen(block)
    return found


_SECTIONS: Final[Mapping[str, Callable[[Subject], list[Block]]]] = {
    "Verdict by metric": lambda of: [*metrics.compared(of), *limits.gates(of)],
    "Scores": metrics.stored,
    "Trade-off": metrics.trade_off,
    "What changed in the data": data.changed,
    "Items that changed most": errors.flips,
    "Errors and tags": errors.tags,
    "Confidence": errors.confidence,
    "Data": data.version,
    "Training": training.training,
    "Looks at test": limits.odometer,
    "Limitations": limits.limitations,
    "Provenance": provenance.provenance,
    "Again": provenance.commands,
}


def write_report(of: Subject, folder: Path, drawing: Drawing, made: Made | None = None) -> Written:
    """NAME.html (whole by itself), NAME.md and figures/NAME/*.png and *.svg in `folder`.

    made: sections that there are already, with their figures given to `drawing`.
    """
    with unchecked():
        page_of = document(of, drawing.add, made)
    ready = drawing.finish()
    drawn = {figure.name: ready[figure.name] for figure in page_of.figures()}
    pictures = f"figures/{of.name}"
    page = to_html(page_of, {name: one.svg for name, one in drawn.items()})
    files = {f"{of.name}.html": page.encode(), f"{of.name}.md": to_markdown(page_of, pictures).encode()}
    figures = {f"{pictures}/{name}.svg": one.svg.encode() for name, one in drawn.items()}
    figures |= {f"{pictures}/{name}.png": one.png for name, one in drawn.items()}
    with disk_errors(folder, "the report is not complete"):
        (folder / pictures).mkdir(parents=True, exist_ok=True)
        for old in set((folder / pictures).iterdir()) - {folder / name for name in figures}:
            if old.suffix in (".png", ".svg"):
                os.unlink(old)
        for name, content in {**figures, **files}.items():  # the page last: where it is, all is
            replace_file(folder / name, content)
    return Written(folder / f"{of.name}.html", folder / f"{of.name}.md", tuple(folder / name for name in figures))
