"""The template that a pack brings along, the same by its hash; needs no store."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from curation.errors import DataError
from curation.templates import LAYOUTS, Template, load_template, template_hash

if TYPE_CHECKING:
    from curation.pack.reading import Pack


def unpacked(pack: Pack) -> Template | None:
    """The template a pack names, its files or ours; DataError if it does not render as it did when packed."""
    told = pack.manifest["template"]
    if told is None:
        return None
    files = pack.templates()
    if files:
        with tempfile.TemporaryDirectory() as folder:
            for name, content in files.items():
                (Path(folder) / name).write_bytes(content)
            template = load_template(Path(folder))
    elif told["name"] in LAYOUTS:
        template = load_template(told["name"], eos=told.get("eos"))
    else:
        raise DataError(f"{pack.path}: brings no files for template {told['name']}; make it again with curate pack")
    if template_hash(template, told.get("tokenizer_sha256")) != told["sha256"]:
        raise DataError(
            f"{pack.path}: template {told['name']} renders otherwise than when it was packed; "
            "use the version of this package that packed it, or make it again with curate pack"
        )
    return template
