"""The report of a run: all of it as one document, and as files."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from curation.errors import ConfigError
from curation.store.files import disk_errors, replace_file
from reports.document import Block, Document, Figure, Section
from reports.figures import Drawing, unchecked
from reports.html import to_html
from reports.markdown import to_markdown
from reports.sections import data, errors, limits, metrics, provenance, training, verdict
from reports.sections.subject import Subject

INSTALL: Final = 'pip install "curate[app]"'


@dataclass(frozen=True, slots=True)
class Written:
    html: Path
    markdown: Path
    figures: tuple[Path, ...]


def document(of: Subject, seen: Callable[[Figure], None] = lambda figure: None) -> Document:
    """The verdict first; then what it rests on. `seen` is given each figure as soon as there is one."""
    version = (of.run.version or {}).get("name")
    title = f"{of.folder.name}{f' on {version}' if version else ''}, from {of.run.base}"
    sections = []
    for name, make in _SECTIONS.items():
        blocks = make(of)
        for block in blocks:
            if isinstance(block, Figure):
                seen(block)
        if blocks:
            sections.append(Section(name, blocks))
    return Document(title, verdict.summary(of), sections)


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


def write_report(of: Subject, folder: Path, drawing: Drawing) -> Written:
    """NAME.html (whole by itself), NAME.md and figures/NAME/*.png and *.svg in `folder`."""
    with unchecked():
        made = document(of, drawing.add)
    drawn = drawing.finish()
    pictures = f"figures/{of.name}"
    page = to_html(made, {name: one.svg for name, one in drawn.items()})
    files = {f"{of.name}.html": page.encode(), f"{of.name}.md": to_markdown(made, pictures).encode()}
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


def require_drawing() -> None:
    """ConfigError where the packages that draw charts are not installed."""
    try:
        import altair  # noqa: F401
        import vl_convert  # noqa: F401
    except ImportError as error:
        raise ConfigError(f"{error.name} is not installed; {INSTALL}") from None
