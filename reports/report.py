"""The report of a run: all of it as one document, and as files."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from curation.errors import ConfigError
from curation.store.files import disk_errors, replace_file
from reports.document import Block, Document, Section
from reports.figures import drawn, to_png, unchecked
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


def document(of: Subject) -> Document:
    """The verdict first; then what it rests on."""
    version = (of.run.version or {}).get("name")
    title = f"{of.folder.name}{f' on {version}' if version else ''}, from {of.run.base}"
    sections = [
        ("Verdict by metric", [*metrics.compared(of), *limits.gates(of)]),
        ("Scores", metrics.stored(of)),
        ("Trade-off", metrics.trade_off(of)),
        ("What changed in the data", data.changed(of)),
        ("Items that changed most", errors.flips(of)),
        ("Errors and tags", errors.tags(of)),
        ("Confidence", errors.confidence(of)),
        ("Data", data.version(of)),
        ("Training", training.training(of)),
        ("Looks at test", limits.odometer(of)),
        ("Limitations", limits.limitations(of)),
        ("Provenance", provenance.provenance(of)),
        ("Again", provenance.commands(of)),
    ]
    return Document(title, verdict.summary(of), [_section(name, blocks) for name, blocks in sections if blocks])


def _section(title: str, blocks: list[Block]) -> Section:
    return Section(title, blocks)


def write_report(of: Subject, folder: Path) -> Written:
    """NAME.html (whole by itself), NAME.md and figures/NAME/*.png and *.svg in `folder`."""
    require_drawing()
    with unchecked():
        made = document(of)
        svgs = drawn(made)
    pictures = f"figures/{of.name}"
    files = {f"{of.name}.html": to_html(made, svgs).encode(), f"{of.name}.md": to_markdown(made, pictures).encode()}
    figures = {f"{pictures}/{name}.svg": svg.encode() for name, svg in svgs.items()}
    figures |= {f"{pictures}/{name}.png": to_png(svg) for name, svg in svgs.items()}
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
