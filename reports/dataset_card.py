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
from curation.licences import NOT_STATED, by_licence, of_version, stated
from reports import dataset_words
from reports.cells import table
from reports.document import Block, Code, Document, Section, Table, Text
from reports.licences import against_data, for_hub
from reports.markdown import to_markdown
from reports.sections import data
from reports.tables import data as tables

_SIZES: Final = ((1_000, "n<1K"), (10_000, "1K<n<10K"), (100_000, "10K<n<100K"), (1_000_000, "100K<n<1M"))
# What the two loaders do was read in LLaMA-Factory (data/README.md at 2ad9871, parser.py at 85b0f31, converter.py at
# 02e2fb3) and axolotl (conversation.qmd at 5035f0f, chat_template.py at 01f6a5c, user_defined.py at 0e0b6f1,
# schemas/datasets.py at 07e83ab).
# All of them: LLaMA-Factory takes a tag that an entry with `tags` leaves out for none, not for its default.
_MESSAGES: Final = {
    **{"role_tag": "role", "content_tag": "content", "user_tag": "user", "assistant_tag": "assistant"},
    **{"system_tag": "system", "observation_tag": "tool", "function_tag": "function_call"},
}
_SHAREGPT: Final = {
    **_MESSAGES,
    "role_tag": "from",
    "content_tag": "value",
    "user_tag": "human",
    "assistant_tag": "gpt",
}


def dataset_card(
    version: Version, folder: Path, *, licence: str | None = None, name: str | None = None
) -> dict[str, str]:
    """README.md, dataset_info.json (LLaMA-Factory) and axolotl.yaml for the export of this version in `folder`.

    ConfigError where the folder holds no whole export of this version.
    """
    manifest = exported(version, folder)
    parts = parts_of(version)
    licence = licence or _of_all(version)
    title = name or f"{folder.resolve().parent.name}-{version.name}"
    head = yaml.safe_dump(_head(version, manifest, licence, title), sort_keys=False, allow_unicode=True)
    files = {
        "dataset_info.json": json.dumps(llama_factory(manifest, title, parts), indent=2) + "\n",
        "axolotl.yaml": yaml.safe_dump({"datasets": axolotl(manifest, parts)}, sort_keys=False),
    }
    return {
        "README.md": f"---\n{head}---\n\n{to_markdown(_document(version, manifest, folder, title, licence, files))}",
        **files,
    }


def _of_all(version: Version) -> str | None:
    """The licence of the whole: what every source is under, None where they differ or one does not say."""
    told = set(of_version(version.stats).values())
    return told.pop() if len(told) == 1 else None


def licence_conflicts(version: Version, licence: str | None) -> list[str]:
    """Where a claim for the whole says more than the licences of the sources allow."""
    told = of_version(version.stats)
    sources = {name: where for name, where in by_licence(told).items() if name and len(told) > 1}
    return against_data(dict.fromkeys(stated(told).values()), licence or _of_all(version), sources)


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
        **for_hub(licence),
        **({"language": known} if known else {}),
        "task_categories": ["text-generation"],
        "size_categories": [next((name for most, name in _SIZES if rows < most), "n>1M")],
        "tags": ["curate", "instruction-tuning"],
        "configs": [{"config_name": "default", "data_files": splits}],
    }


class Parts(NamedTuple):
    """What conversations of a split have beside one question and one answer."""

    system: bool = False
    history: bool = False
    turns_of_tools: bool = False
    tools: bool = False  # definitions of tools, a column of their own

    @property
    def any_tools(self) -> bool:
        return self.turns_of_tools or self.tools


def parts_of(version: Version) -> dict[str, Parts]:
    """By split, for each is a file of its own."""
    return {split: _parts(version.to_arrow(split)) for split, rows in version.rows.items() if rows}


def _parts(table: Any) -> Parts:
    messages = table["messages"].to_pylist()
    roles = [[message["role"] for message in each] for each in messages]
    turns = [len(each) - (each[:1] == ["system"]) for each in roles]
    called = any(message.get("tool_calls") for each in messages for message in each)
    return Parts(
        system=any("system" in each for each in roles),
        history=any(n > 2 for n in turns),
        turns_of_tools=called or any("tool" in each for each in roles),
        tools="tools" in table.column_names and table["tools"].null_count < table.num_rows,
    )


def llama_factory(manifest: Manifest, title: str, parts: Mapping[str, Parts]) -> dict[str, Any]:
    """The entries of dataset_info.json, one a split with rows.

    None for messages with tools: its sharegpt reads neither calls nor a list of tools, and its openai, which
    data/README.md does not name, stops at a message without calls beside one with them and adds a system text.
    """
    found = {}
    for file in manifest.files:
        if file.rows and not (manifest.format == "messages" and parts[file.split].any_tools):
            found[f"{title}-{file.split}".replace(" ", "-")] = {
                "file_name": file.path,
                **_columns(manifest.format, parts[file.split]),
            }
    return found


def _columns(layout: str, parts: Parts) -> Mapping[str, Any]:
    """A column that the file has not would be an error there, so each is named only where it is."""
    tools = {"tools": "tools"} if parts.tools else {}
    if layout == "messages":
        return {"formatting": "sharegpt", "columns": {"messages": "messages"}, "tags": _MESSAGES}
    if layout == "sharegpt":
        return {"formatting": "sharegpt", "columns": {"messages": "conversations", **tools}, "tags": _SHAREGPT}
    if layout == "alpaca":
        columns = {"prompt": "instruction", "query": "input", "response": "output"}
        columns |= {"system": "system"} if parts.system else {}
        return {"columns": columns | ({"history": "history"} if parts.history else {})}
    if layout == "prompt_completion":
        return {"columns": {"prompt": "prompt", "response": "completion"}}
    return {"columns": {"prompt": "text"}}


def axolotl(manifest: Manifest, parts: Mapping[str, Parts]) -> list[dict[str, Any]]:
    """Entries of `datasets:`; the split train alone, the others are for measuring.

    None for rows that its loaders would lose parts of without a word, Alpaca's system text and history, ShareGPT's
    calls of tools, or stop at: tools and calls as JSON text, where it wants lists.
    """
    train = [file for file in manifest.files if file.split == "train" and file.rows]
    told = parts["train"] if train else Parts()
    if manifest.format == "alpaca" and (told.system or told.history):
        return []
    as_text = manifest.format == "sharegpt" or any(_kind(file.path) == "parquet" for file in train)
    if as_text and told.any_tools:
        return []
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
        fields = {"field_instruction": "prompt", "field_output": "completion"}
        asked = "{instruction}\n"  # nothing else parts a question from its answer there
        return {"type": {**fields, "format": asked, "no_input_format": asked}}
    return {"type": "completion", "field": "text"}


def _document(
    version: Version, manifest: Manifest, folder: Path, title: str, licence: str | None, files: Mapping[str, str]
) -> Document:
    rows = [[file.split, file.path, f"{file.rows:,}", file.sha256] for file in manifest.files]
    skipped = sum((manifest.skipped or {}).values())
    left: list[Block] = [Text(f"{skipped:,} rows that the layout cannot express were left out.")] if skipped else []
    reasons = tables.reasons(version)
    dropped: list[Block] = [table(reasons)] if not reasons.empty else []
    load = Code("from datasets import load_dataset\n\nsplits = load_dataset('.')", "Read in the folder of this card:")
    sections = [
        Section("What a row holds", dataset_words.fields(manifest, folder)),
        Section("Files", [Table(("split", "file", "rows", "sha256"), rows, frozenset({"rows"})), *left, load]),
        Section("What came in, and what went", [table(tables.sources(version)), *dropped]),
        Section("Leaks", data.leaks(version)),
        Section("Licence", _licence(version, licence)),
        Section(
            "For trainers",
            [
                Code(files["dataset_info.json"], "LLaMA-Factory, dataset_info.json:"),
                Code(files["axolotl.yaml"], "axolotl:"),
                *_left_out(version, manifest),
            ],
        ),
    ]
    return Document(title, [Text(dataset_words.about(version, manifest))], sections)


def _left_out(version: Version, manifest: Manifest) -> list[Block]:
    """Why a trainer has no entry, and what to export for it."""
    parts = parts_of(version)
    lines = []
    if any(file.rows for file in manifest.files) and not llama_factory(manifest, "", parts):
        lines.append("LLaMA-Factory has no entry: it reads tools from ShareGPT alone; curate export --format sharegpt.")
    if parts.get("train") and not axolotl(manifest, parts):
        other = "messages as JSON lines; curate export --format messages --container jsonl"
        lines.append(f"axolotl has no entry: its loader for this layout loses parts of these rows. It reads {other}.")
    return [Text(line, "note") for line in lines]


def _licence(version: Version, licence: str | None) -> list[Block]:
    told = of_version(version.stats)
    rows = [[source, stated_ or NOT_STATED] for source, stated_ in told.items()]
    blocks: list[Block] = [
        Text(f"{licence or 'Not stated for the whole'}. The sources keep the licences they came with.")
    ]
    blocks += [Table(("source", "licence"), rows)] if rows else []
    return [*blocks, *(Text(f"Conflict: {line}.", "bad") for line in licence_conflicts(version, licence))]
