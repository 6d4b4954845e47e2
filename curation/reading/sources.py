"""From the recipe's sources to a sorted list of files with their content hash; nothing is read twice."""

from __future__ import annotations

import glob
import hashlib
import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, Literal

from curation.errors import DataError, did_you_mean
from curation.reading.sniff import layout_of, read_head, refuse_wrong_kind
from curation.reading.stream import Compression, open_source, stored_blocks, unreadable

Container = Literal["jsonl", "json", "csv", "parquet", "dataset", "hub"]

_ENDINGS: Final = {
    ".jsonl": "jsonl",
    ".ndjson": "jsonl",
    ".json": "json",
    ".csv": "csv",
    ".tsv": "csv",
    ".parquet": "parquet",
}
_PACKED: Final = (".gz", ".zst")
_KNOWN: Final = ".jsonl, .ndjson, .json, .csv, .tsv (each also .gz or .zst), .parquet"


@dataclass(frozen=True, slots=True)
class SourceSpec:
    """One item of the recipe's `sources`; see schemas/recipe.schema.json."""

    path: str
    format: str = "auto"
    mapping: Mapping[str, Any] | None = None
    split: str | None = None
    priority: int = 0
    reviewed: bool = False
    schema: str | None = None
    max_bad: float = 0.01
    licence: str | None = None


@dataclass(frozen=True, slots=True)
class Source:
    """One file (or one split of a dataset) to read. `sha256` and `bytes` are of what is stored, compressed or not."""

    name: str
    path: Path | None
    container: Container
    compression: Compression
    sha256: str
    bytes: int
    spec: SourceSpec = field(compare=False)


def expand(specs: Sequence[SourceSpec], root: Path, notes: list[str] | None = None) -> list[Source]:
    """The sources of a recipe, in its order, then by path. What was left out or is odd is told in `notes`."""
    root = root.resolve()
    said = notes if notes is not None else []
    sources: list[Source] = []
    seen: dict[str, str] = {}
    for spec in specs:
        for source in _expand_one(spec, root, said):
            identity = str(source.path.resolve()) if source.path else source.name
            if identity not in seen:
                sources.append(source)
            elif seen[identity] != spec.path:
                said.append(
                    f"{source.name}: named by {seen[identity]} and by {spec.path}; read once, as {seen[identity]}"
                )
            seen.setdefault(identity, spec.path)
    return sources


def source_name(path: Path, root: Path) -> str:
    """Posix path relative to root if it lies inside, else absolute."""
    return path.relative_to(root).as_posix() if path.is_relative_to(root) else path.as_posix()


def _expand_one(spec: SourceSpec, root: Path, notes: list[str]) -> Iterator[Source]:
    if spec.path.startswith("hf:"):
        from curation.reading.hub import hub_sources

        yield from hub_sources(spec)
        return
    for path in files_of(spec, root, notes):
        yield from _file_sources(path, spec, root, notes)


def files_of(spec: SourceSpec, root: Path, notes: list[str]) -> list[Path]:
    """The files and dataset folders that an item of `sources` names, by name; none where it is on the hub."""
    if spec.path.startswith("hf:"):
        return []
    path = located(spec.path, root)
    if os.path.lexists(path):
        named = [path]
    elif glob.has_magic(spec.path):
        named = sorted(Path(os.path.normpath(found)) for found in glob.iglob(str(path), recursive=True))
        if not named:
            raise DataError(f"{spec.path}: no file matches this pattern; check it from {root}")
    else:
        raise DataError(f"{spec.path}: is not there{_suggestion(path, root)}")
    try:
        found, ignored = _files(named, several=len(named) > 1)
    except PermissionError as error:
        raise unreadable(source_name(Path(error.filename), root), error) from None
    if ignored:
        notes.append(
            f"{spec.path}: {_listed([source_name(path, root) for path in ignored])} ignored, not a known ending"
        )
    if not found:
        raise DataError(f"{spec.path}: holds no file that can be read; known endings: {_KNOWN}")
    return sorted(set(found), key=lambda path: source_name(path, root))


def located(name: str, root: Path) -> Path:
    """Where a source's path leads; ~ is the home folder, unless a file is called so."""
    plain = Path(os.path.normpath(root / name))
    if not name.startswith("~") or os.path.lexists(plain):
        return plain
    try:
        return Path(os.path.normpath(Path(name).expanduser()))
    except RuntimeError:  # no such user, or no home: the name is taken as it stands
        return plain


def _files(named: Iterable[Path], several: bool) -> tuple[list[Path], list[Path]]:
    """(readable, ignored) files; a single file named outright is taken whatever its ending."""
    found: list[Path] = []
    ignored: list[Path] = []
    for path in named:
        if path.is_dir() and not _is_dataset(path):
            inside, rest = _walk(path)
            found += inside
            ignored += rest
        elif path.is_dir() or container_of(path) or not several:
            found.append(path)
        else:
            ignored.append(path)
    return found, ignored


def _walk(folder: Path) -> tuple[list[Path], list[Path]]:
    found: list[Path] = []
    ignored: list[Path] = []

    def refuse(error: OSError) -> None:
        raise unreadable(str(error.filename), error)

    for parent, folders, names in os.walk(folder, onerror=refuse):
        here = Path(parent)
        datasets = [name for name in folders if _is_dataset(here / name)]
        found += [here / name for name in datasets]
        folders[:] = sorted(name for name in folders if name not in datasets and not name.startswith("."))
        for name in sorted(names):
            if not name.startswith("."):
                (found if container_of(here / name) else ignored).append(here / name)
    return found, ignored


def _is_dataset(folder: Path) -> bool:
    """A folder that Hugging Face `datasets` wrote with save_to_disk."""
    return (folder / "dataset_dict.json").is_file() or (
        (folder / "state.json").is_file() and (folder / "dataset_info.json").is_file()
    )


def container_of(path: Path) -> str | None:
    """What a file's ending says that it is; None for an ending that a folder's walk passes over."""
    name = path.name.lower()
    for packed in _PACKED:
        inner = name.removesuffix(packed)
        if inner != name and not inner.endswith(".parquet"):
            name = inner
            break
    return next((kind for ending, kind in _ENDINGS.items() if name.endswith(ending)), None)


def _file_sources(path: Path, spec: SourceSpec, root: Path, notes: list[str]) -> Iterator[Source]:
    name = source_name(path, root)
    if not is_text(name):
        raise DataError(f"{name}: its name is not UTF-8; rename it")
    if path.is_dir():
        from curation.reading.arrow import dataset_splits

        for split in dataset_splits(name, path):
            digest, size = hash_folder(split)
            yield Source(source_name(split, root), split, "dataset", None, digest, size, spec)
        return
    if not path.exists():
        raise DataError(f"{name}: is a link to nothing; mend the link, or leave it out")
    if not path.is_file():
        raise DataError(f"{name}: is not a regular file; copy what it gives into one")
    yield _file_source(name, path, spec, notes)


def _file_source(name: str, path: Path, spec: SourceSpec, notes: list[str]) -> Source:
    digest, size = hash_file(name, path)
    container = container_of(path)
    if size == 0:
        notes.append(f"{name}: is empty")
        return Source(name, path, _as_container(container or "jsonl"), None, digest, 0, spec)
    if container == "parquet":
        return Source(name, path, "parquet", None, digest, size, spec)
    head, compression = read_head(name, path)
    refuse_wrong_kind(name, head, container or "json")
    if container == "csv":
        return Source(name, path, "csv", compression, digest, size, spec)
    layout = layout_of(head)
    if layout != "lines" and container == "jsonl":
        what = "one JSON array" if layout == "array" else "JSON objects that span lines"
        notes.append(f"{name}: is named like JSON lines but holds {what}; read as such")
    if container is None:
        _refuse_unknown(name, head)
    return Source(name, path, "jsonl" if layout == "lines" else "json", compression, digest, size, spec)


def is_text(name: str) -> bool:
    """Whether a file's name can be written down: bytes that are not UTF-8 reach us as lone surrogates."""
    return name.isascii() or name.encode(errors="replace").decode() == name


def _as_container(kind: str) -> Container:
    kinds: dict[str, Container] = {"jsonl": "jsonl", "json": "json", "csv": "csv", "parquet": "parquet"}
    return kinds[kind]


def _refuse_unknown(name: str, head: bytes) -> None:
    if not head.lstrip(b"\xef\xbb\xbf \t\r\n").startswith((b"{", b"[")):
        raise DataError(f"{name}: its ending is not known and it does not look like JSON; known endings: {_KNOWN}")


def hash_file(name: str, path: Path) -> tuple[str, int]:
    """(sha256, bytes) of a file as stored."""
    digest = hashlib.sha256()
    size = 0
    with open_source(name, path) as file:
        for block in stored_blocks(name, file):
            digest.update(block)
            size += len(block)
    return digest.hexdigest(), size


def hash_folder(folder: Path) -> tuple[str, int]:
    """(sha256, bytes) over the sorted relative names and contents of a dataset folder."""
    digest = hashlib.sha256()
    total = 0
    for path in sorted(path for path in folder.rglob("*") if path.is_file()):
        name = path.relative_to(folder).as_posix()
        content, size = hash_file(name, path)
        digest.update(f"{name}\0{content}\n".encode())
        total += size
    return digest.hexdigest(), total


def _suggestion(path: Path, root: Path) -> str:
    """The nearest existing name beside the missing one."""
    if not path.parent.is_dir():
        return f"; the folder {source_name(path.parent, root)} is not there either"
    names = [entry.name for entry in path.parent.iterdir()]
    return did_you_mean(path.name, names) if names else f"; {source_name(path.parent, root)} is empty"


def _listed(names: list[str]) -> str:
    shown = ", ".join(names[:3])
    return shown if len(names) <= 3 else f"{shown} and {len(names) - 3} more"
