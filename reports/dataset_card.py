"""A dataset card for an exported version: README.md whose `configs:` name the files, and entries for trainers."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final, NamedTuple

import yaml

from curation.errors import ConfigError
from curation.export.manifest import Manifest, check_export, read_manifest
from curation.library import Version
from reports.cells import table
from reports.document import Block, Code, Document, Section, Table, Text
from reports.markdown import to_markdown
from reports.sections import data
from reports.tables import data as tables

_SIZES: Final = ((1_000, "n<1K"), (10_000, "1K<n<10K"), (100_000, "10K<n<100K"), (1_000_000, "100K<n<1M"))
_MESSAGES: Final = {
    **{"role_tag": "role", "content_tag": "content", "user_tag": "user", "assistant_tag": "assistant"},
    **{"system_tag": "system", "observation_tag": "tool"},
}


def dataset_card(
    version: Version, folder: Path, *, licence: str | None = None, name: str | None = None
) -> dict[str, str]:
    """README.md, dataset_info.json (LLaMA-Factory) and axolotl.yaml for the export of this version in `folder`.

    ConfigError where the folder holds no whole export of this version.
    """
    manifest = exported(version, folder)
    parts = parts_of(version)
    title = name or f"{folder.resolve().parent.name}-{version.name}"
    head = yaml.safe_dump(_head(version, manifest, licence, title), sort_keys=False, allow_unicode=True)
    files = {
        "dataset_info.json": json.dumps(llama_factory(manifest, title, parts), indent=2) + "\n",
        "axolotl.yaml": yaml.safe_dump({"datasets": axolotl(manifest, parts)}, sort_keys=False),
    }
    return {
        "README.md": f"---\n{head}---\n\n{to_markdown(_document(version, manifest, title, licence, files))}",
        **files,
    }


def exported(version: Version, folder: Path) -> Manifest:
    manifest = read_manifest(folder) if folder.is_dir() else None
    if manifest is None:
        raise ConfigError(f"{folder}: holds no export; write one with curate export {version.name} --to {folder}")
    if manifest.version_id != version.id:
        raise ConfigError(
            f"{folder}: holds {manifest.version}, not {version.name}; curate export {version.name} --to {folder}, "
            "or name another folder with --to"
        )
    if wrong := check_export(folder):
        raise ConfigError(wrong[0])
    return manifest


def _head(version: Version, manifest: Manifest, licence: str | None, title: str) -> dict[str, Any]:
    """As https://huggingface.co/docs/hub/datasets-manual-configuration has it; splits without rows are left out."""
    rows = sum(file.rows for file in manifest.files)
    known = tables.main_languages(version)
    splits = [{"split": file.split, "path": file.path} for file in manifest.files if file.rows]
    return {
        "pretty_name": title,
        **({"license": licence} if licence else {}),
        **({"language": known} if known else {}),
        "task_categories": ["text-generation"],
        "size_categories": [next((name for most, name in _SIZES if rows < most), "n>1M")],
        "tags": ["curate", "instruction-tuning"],
        "configs": [{"config_name": "default", "data_files": splits}],
    }


class Parts(NamedTuple):
    """What conversations of a version have beside one question and one answer."""

    system: bool
    history: bool
    tools: bool


def parts_of(version: Version) -> Parts:
    table = version.to_arrow()
    roles = [[message["role"] for message in messages] for messages in table["messages"].to_pylist()]
    turns = [len(each) - (each[:1] == ["system"]) for each in roles]
    return Parts(
        any("system" in each for each in roles), any(n > 2 for n in turns), any("tool" in each for each in roles)
    )


def llama_factory(manifest: Manifest, title: str, parts: Parts) -> dict[str, Any]:
    """The entries of dataset_info.json, one a split with rows."""
    found = {}
    for file in manifest.files:
        if file.rows:
            found[f"{title}-{file.split}".replace(" ", "-")] = {
                "file_name": file.path,
                **_columns(manifest.format, parts),
            }
    return found


def _columns(layout: str, parts: Parts) -> Mapping[str, Any]:
    """A column that the file has not would be an error there, so each is named only where it is."""
    if layout == "messages":
        return {"formatting": "sharegpt", "columns": {"messages": "messages"}, "tags": _MESSAGES}
    if layout == "sharegpt":
        tools = {"tools": "tools"} if parts.tools else {}
        return {
            "formatting": "sharegpt",
            "columns": {"messages": "conversations", **tools},
            "tags": {"observation_tag": "tool"},
        }
    if layout == "alpaca":
        columns = {"prompt": "instruction", "query": "input", "response": "output"}
        columns |= {"system": "system"} if parts.system else {}
        return {"columns": columns | ({"history": "history"} if parts.history else {})}
    if layout == "prompt_completion":
        return {"columns": {"prompt": "prompt", "response": "completion"}}
    return {"columns": {"prompt": "text"}}


def axolotl(manifest: Manifest, parts: Parts) -> list[dict[str, Any]]:
    """Entries of `datasets:`; the split train alone, the others are for measuring.

    None for Alpaca rows with a system text or a history, which its loader would lose without a word.
    """
    if manifest.format == "alpaca" and (parts.system or parts.history):
        return []
    train = [file for file in manifest.files if file.split == "train" and file.rows]
    return [{"path": file.path, "ds_type": _kind(file.path), **_axolotl(manifest.format)} for file in train]


def _kind(path: str) -> str:
    return "parquet" if path.endswith(".parquet") else "json"


def _axolotl(layout: str) -> Mapping[str, Any]:
    if layout == "messages":
        parts = {"field_messages": "messages", "message_property_mappings": {"role": "role", "content": "content"}}
        return {"type": "chat_template", **parts}
    if layout == "sharegpt":
        parts = {"field_messages": "conversations", "message_property_mappings": {"role": "from", "content": "value"}}
        return {"type": "chat_template", **parts}
    if layout == "alpaca":
        return {"type": "alpaca"}
    if layout == "prompt_completion":
        return {"type": {"field_instruction": "prompt", "field_output": "completion", "format": "{instruction}"}}
    return {"type": "completion", "field": "text"}


def _document(
    version: Version, manifest: Manifest, title: str, licence: str | None, files: Mapping[str, str]
) -> Document:
    rows = [[file.split, file.path, f"{file.rows:,}", file.sha256] for file in manifest.files]
    skipped = sum((manifest.skipped or {}).values())
    about = f"Version {version.name} ({version.id}), layout {manifest.format}, built by Curate."
    left: list[Block] = [Text(f"{skipped:,} rows that the layout cannot express were left out.")] if skipped else []
    reasons = tables.reasons(version)
    dropped: list[Block] = [table(reasons)] if not reasons.empty else []
    sections = [
        Section("Files", [Table(("split", "file", "rows", "sha256"), rows, frozenset({"rows"})), *left]),
        Section("What came in, and what went", [table(tables.sources(version)), *dropped]),
        Section("Leaks", data.leaks(version)),
        Section("Licence", [Text(f"{licence or 'Not stated'}. The sources keep the licences they came with.")]),
        Section(
            "For trainers",
            [
                Code(files["dataset_info.json"], "LLaMA-Factory, dataset_info.json:"),
                Code(files["axolotl.yaml"], "axolotl:"),
            ],
        ),
    ]
    return Document(title, [Text(about)], sections)
