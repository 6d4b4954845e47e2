"""The recipe: what a build does, as one YAML file, checked against schemas/recipe.schema.json."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields, is_dataclass
from pathlib import Path
from typing import Any, Final, Literal

from curation.config_file import check_config, key_lines, load_config, schema
from curation.errors import ConfigError
from curation.reading.sources import SourceSpec
from curation.selection.config import SelectConfig
from curation.settings import as_yaml
from curation.splits.config import SplitConfig
from curation.stages.conflicts import ConflictsConfig
from curation.stages.decontaminate import DecontaminateConfig
from curation.stages.exact import ExactConfig
from curation.stages.filters import FiltersConfig
from curation.stages.language import LanguageConfig
from curation.stages.near import NearConfig
from curation.stages.normalise import NormaliseConfig
from curation.stages.turns import TurnsConfig
from curation.stages.user import StageSpec

_SCHEMA: Final = "recipe.schema.json"
# The one thing about a source that only its owner knows, and that every card of a model needs.
_OF_A_SOURCE: Final = (
    "    # licence: cc-by-4.0  # under which these rows came to you; kept with every version and run",
)


@dataclass(frozen=True, slots=True)
class ExportConfig:
    format: Literal["messages", "alpaca", "sharegpt", "prompt_completion", "text"] = "messages"
    container: Literal["jsonl", "parquet", "datasets"] = "jsonl"


@dataclass(frozen=True, slots=True)
class TokensConfig:
    """With what tokens are counted; nothing is counted without a tokenizer."""

    tokenizer: str | None = None
    context: int | None = None
    eos: str | None = None

    def __post_init__(self) -> None:
        if self.tokenizer is None and (self.context is not None or self.eos is not None):
            unused = "context" if self.context is not None else "eos"
            raise ConfigError(f"tokens.{unused}: has no effect without a tokenizer; name one with tokens.tokenizer")


@dataclass(frozen=True, slots=True)
class Recipe:
    sources: tuple[SourceSpec, ...]
    id_field: str | None = None
    reviewed_field: str | None = None
    normalise: NormaliseConfig = field(default_factory=NormaliseConfig)
    turns: TurnsConfig = field(default_factory=TurnsConfig)
    filters: FiltersConfig = field(default_factory=FiltersConfig)
    language: LanguageConfig = field(default_factory=LanguageConfig)
    conflicts: ConflictsConfig = field(default_factory=ConflictsConfig)
    exact: ExactConfig = field(default_factory=ExactConfig)
    near: NearConfig = field(default_factory=NearConfig)
    decontaminate: DecontaminateConfig = field(default_factory=DecontaminateConfig)
    select: SelectConfig = field(default_factory=SelectConfig)
    stages: tuple[StageSpec, ...] = ()
    split: SplitConfig = field(default_factory=SplitConfig)
    template: str | None = None
    tokens: TokensConfig = field(default_factory=TokensConfig)
    export: ExportConfig = field(default_factory=ExportConfig)

    def resolved(self) -> dict[str, Any]:
        """Every setting, defaults included, as plain JSON values: what a version stores and its id covers."""
        plain: dict[str, Any] = _plain(self)
        return plain


_SECTIONS: Final[dict[str, Any]] = {
    "normalise": NormaliseConfig,
    "turns": TurnsConfig,
    "filters": FiltersConfig,
    "language": LanguageConfig,
    "conflicts": ConflictsConfig,
    "exact": ExactConfig,
    "near": NearConfig,
    "decontaminate": DecontaminateConfig,
    "select": SelectConfig,
    "split": SplitConfig,
    "tokens": TokensConfig,
    "export": ExportConfig,
}


def load_recipe(path: Path) -> Recipe:
    return _recipe(load_config(path, _SCHEMA), str(path))


def recipe_from(value: Mapping[str, Any], where: str = "recipe") -> Recipe:
    """A recipe from plain values, checked like the file."""
    check_config(value, _SCHEMA, where=where)
    return _recipe(value, where)


def _recipe(value: Mapping[str, Any], where: str) -> Recipe:
    try:
        sections = {name: _SECTIONS[name](**(value[name] or {})) for name in _SECTIONS if name in value}
        sources = tuple(SourceSpec(**source) for source in value["sources"])
        stages = tuple(StageSpec(**stage) for stage in value.get("stages", ()))
    except ConfigError as error:
        raise ConfigError(f"{where}: {error}") from None
    return Recipe(
        sources=sources,
        id_field=value.get("id_field"),
        reviewed_field=value.get("reviewed_field"),
        stages=stages,
        template=value.get("template"),
        **sections,
    )


def _plain(value: Any) -> Any:
    if is_dataclass(value):
        return {f.name: _plain(getattr(value, f.name)) for f in fields(value)}
    if isinstance(value, Mapping):
        return {str(k): _plain(v) for k, v in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(v) for v in value]
    return value


def commented_recipe(paths: Sequence[str]) -> str:
    """A recipe.yaml that reads `paths` and shows every default, commented out, with what it means."""
    lines = ["# What `curate build` does. Every setting below stands at its default; uncomment to change."]
    lines += ["# Sources in order: of equal rows that of the first source stays.", "sources:"]
    for number, path in enumerate(paths):
        lines += [f"  - path: {as_yaml(path)}", *(_OF_A_SOURCE if number == 0 else ())]
    properties = schema(_SCHEMA)["properties"]
    for name, config in _SECTIONS.items():
        lines += ["", f"# {name}:"]
        lines += _commented(_plain(config()), properties[name].get("properties", {}), depth=1)
    return "\n".join(lines) + "\n"


def copied_recipe(path: Path, paths: Sequence[str]) -> str:
    """The text of a recipe, checked, with `paths` instead of its sources if there are any.

    A recipe of one source says how to read it (format, mapping, ...); that stays.
    """
    load_recipe(path)
    text = path.read_text("utf-8")
    if not paths:
        return text
    sources = load_config(path, _SCHEMA)["sources"]
    settings = {key: value for key, value in sources[0].items() if key != "path"} if len(sources) == 1 else {}
    block = ["sources:", *(f"  - {as_yaml({'path': path, **settings})}" for path in paths)]
    lines = text.splitlines()
    start, end = key_lines(text, "sources")
    return "\n".join([*lines[:start], *block, *lines[end:]]) + "\n"


def _commented(values: Mapping[str, Any], described: Mapping[str, Any], depth: int) -> list[str]:
    lines = []
    for key, value in values.items():
        entry = described.get(key, {})
        if "$ref" in entry:
            entry = schema(_SCHEMA)["$defs"][entry["$ref"].rsplit("/", 1)[1]]
        note, choices = entry.get("description"), entry.get("enum")
        tail = note or (" | ".join(str(c) for c in choices) if choices else None)
        text = f"# {'  ' * depth}{key}: {as_yaml(value)}"
        lines.append(f"{text}  # {tail}" if tail else text)
    return lines
