"""A version's splits as files that trainers read, with a manifest of their hashes."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final
from uuid import UUID

import pyarrow as pa
import pyarrow.compute as pc

from curation.errors import ConfigError, DataError, did_you_mean
from curation.export.containers import parquet_schema, write_jsonl, write_parquet, write_spliced
from curation.export.layouts import LAYOUTS, TEXT, CannotExpressError, Layout, text_layout
from curation.export.manifest import MANIFEST, ExportedFile, Manifest
from curation.export.members import SPLITS, Members
from curation.export.placing import place, refuse_foreign, staging
from curation.licences import of_version, stated
from curation.records import canonical
from curation.store import Store, VersionInfo
from curation.store.files import disk_errors, file_sha256

if TYPE_CHECKING:
    from curation.templates.chosen import ChosenTemplate

FILE_NAMES: Final = {
    "jsonl": "{}.jsonl",
    "parquet": "{}.parquet",
    "datasets": "data/{}-00000-of-00001.parquet",  # what load_dataset("FOLDER") takes for splits by itself
}
_NAMED_ROWS: Final = 3


def export(
    store: Store,
    version: str | VersionInfo,
    destination: Path,
    *,
    format: str = "messages",  # noqa: A002 - the recipe's word for it
    container: str = "jsonl",
    template: ChosenTemplate | None = None,
    skip_refused: bool = False,
) -> Manifest:
    """Write the splits of a version into a folder, all or nothing; equal versions give equal bytes.

    format: messages | alpaca | sharegpt | prompt_completion, or text, which needs a template;
    container: jsonl | parquet | datasets.
    A record that the format cannot express is a DataError, and nothing is written; with `skip_refused` it is left out,
    and the manifest counts it.
    """
    layout = _layout(format, template)
    names = written_names(container)
    chosen = store.resolve(version) if isinstance(version, str) else version
    destination = Path(destination).resolve()
    refuse_foreign(destination, names)
    members = Members(store, chosen)
    with disk_errors(destination, "the export is not complete; run it again"), staging(destination) as staged:
        refused = Refused(store, chosen)
        files = tuple(_write_splits(members, layout, container, staged, refused))
        if not skip_refused:
            refused.raise_if_any(layout)
        recipe = hashlib.sha256(canonical(dict(chosen.recipe))).hexdigest()
        rendered_with = template.as_json() if template and layout.template else None
        licences = of_version(chosen.stats)
        manifest = Manifest(
            version=chosen.name,
            version_id=chosen.id,
            recipe_sha256=recipe,
            format=layout.name,
            container=container,
            files=files,
            template=rendered_with,
            skipped=refused.by_split(),
            licences=licences if stated(licences) else None,
        )
        (staged / MANIFEST).write_bytes(manifest.content())
        place(staged, destination, manifest)
    return manifest


def written_names(container: str) -> list[str]:
    """The files that an export writes, relative to its folder."""
    pattern = FILE_NAMES[_known("container", container, FILE_NAMES)]
    return [MANIFEST, *(pattern.format(split) for split in SPLITS)]


def _layout(name: str, template: ChosenTemplate | None) -> Layout:
    if _known("format", name, (*LAYOUTS, TEXT)) != TEXT:
        return LAYOUTS[name]
    if template is None:
        raise ConfigError("export: text needs a template; name one with --template llama2, or template: in the recipe")
    return text_layout(template)


def _write_splits(
    members: Members, layout: Layout, container: str, folder: Path, refused: Refused
) -> Iterator[ExportedFile]:
    pattern = FILE_NAMES[container]
    schema = None if pattern.endswith(".jsonl") else parquet_schema(layout, members)
    for split in SPLITS:
        path = folder / pattern.format(split)
        path.parent.mkdir(exist_ok=True)
        if schema is not None:
            rows = write_parquet(path, _rendered(members, split, layout, refused), schema)
        elif layout.name == "messages":
            rows = write_spliced(path, members.chunks(split))
        else:
            rows = write_jsonl(path, _rendered(members, split, layout, refused))
        if rows == 0 and container == "datasets":
            path.unlink()  # load_dataset refuses a whole folder for one empty split
            continue
        yield ExportedFile(pattern.format(split), split, rows, path.stat().st_size, file_sha256(path))


def _rendered(members: Members, split: str, layout: Layout, refused: Refused) -> Iterator[list[dict[str, Any]]]:
    for chunk in members.chunks(split):
        part = []
        for record, row_id in zip(chunk.records.to_pylist(), chunk.row_ids.to_pylist(), strict=True):
            try:
                row = layout.rendered(record)
                part.append(row if layout.template else row | {"row_id": row_id})
            except CannotExpressError as error:
                refused.add(split, str(error), row_id)
        yield part


class Refused:
    """Counts records that a layout cannot express, by reason and split; keeps the first few ids."""

    def __init__(self, store: Store, version: VersionInfo) -> None:
        self._store, self._version = store, version
        self.splits: Counter[str] = Counter()
        self.reasons: Counter[str] = Counter()
        self.first: list[str] = []

    def by_split(self) -> dict[str, int] | None:
        return {split: self.splits[split] for split in SPLITS if self.splits[split]} or None

    def _places(self) -> str:
        """The first few as FILE:LINE, by which `curate why` finds them."""
        ledger = self._store.table(self._version, "ledger", ["row_id", "source", "line", "verdict"])
        lines = ledger.filter(pc.equal(ledger["verdict"], "kept"))
        named = pa.array([UUID(row_id).bytes for row_id in self.first], pa.binary(16))
        lines = lines.filter(pc.is_in(lines["row_id"], named)).to_pylist()
        places = {str(UUID(bytes=line["row_id"])): f"{line['source']}:{line['line']}" for line in lines}
        return ", ".join(places.get(row_id, row_id) for row_id in self.first)

    def add(self, split: str, reason: str, row_id: str) -> None:
        self.splits[split] += 1
        self.reasons[reason] += 1
        if len(self.first) < _NAMED_ROWS:
            self.first.append(row_id)

    def raise_if_any(self, layout: Layout) -> None:
        if not self.reasons:
            return
        count = self.reasons.total()
        reasons = ", ".join(
            f"{reason} ({n:,})" for reason, n in sorted(self.reasons.items(), key=lambda x: (-x[1], x[0]))
        )
        name = f"{layout.name} under {layout.template.name}" if layout.template else layout.name
        advice = "use another --template, " if layout.template else ""
        advice += "drop or edit these rows by a patch, leave them out with --skip-refused, or use "
        raise DataError(
            f"export: {count:,} {'row' if count == 1 else 'rows'} cannot be written as {name}: {reasons};"
            f" first: {self._places()}; nothing was written, {advice}--format messages, which holds every row"
        )


def _known(what: str, value: str, known: Any) -> str:
    if value not in known:
        raise ConfigError(f'export: {what} "{value}" is not known{did_you_mean(value, known)}')
    return value
