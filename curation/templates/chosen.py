"""The template that a recipe or a command names: found, hashed, and ready to go along with a pack."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from curation.errors import ConfigError, did_you_mean
from curation.records import canonical
from curation.templates.folder import read_chat_files
from curation.templates.hashing import template_hash, tokenizer_hash
from curation.templates.layouts import LAYOUTS
from curation.templates.load import load_template
from curation.templates.template import Template
from curation.tokens.load import TextTokenizer, load_tokenizer

if TYPE_CHECKING:
    from curation.recipe import TokensConfig

PLAIN: Final = "plain"


@dataclass(frozen=True, slots=True)
class ChosenTokenizer:
    name: str  # as the recipe says it
    tokenizer: TextTokenizer
    sha256: str
    eos: str
    path: Path


@dataclass(frozen=True, slots=True)
class ChosenTemplate:
    name: str  # as it was named
    template: Template
    sha256: str  # the template hash; it covers the tokenizer where the recipe names one
    path: Path | None = None  # of a Jinja template; None: built in
    tokenizer: ChosenTokenizer | None = None

    def as_json(self) -> dict[str, Any]:
        """Name and hashes, for statistics and manifests."""
        more = {"tokenizer_sha256": self.tokenizer.sha256} if self.tokenizer else {}
        return {"name": self.name, "sha256": self.sha256, **more}


def choose_tokenizer(config: TokensConfig, root: Path) -> ChosenTokenizer | None:
    """The tokenizer of a recipe, relative to the workspace; None where it names none."""
    if config.tokenizer is None:
        return None
    path = root / config.tokenizer
    try:
        tokenizer = load_tokenizer(path)
        return ChosenTokenizer(config.tokenizer, tokenizer, tokenizer_hash(path), config.eos or tokenizer.eos, path)
    except ConfigError as error:
        raise ConfigError(f"tokens.tokenizer: {error}") from None


def choose_template(name: str, root: Path, tokenizer: ChosenTokenizer | None = None) -> ChosenTemplate:
    """A built-in template, or the one of a tokenizer's folder or a .jinja file, relative to `root`."""
    path = None if name in LAYOUTS else root / name
    if path is not None and not path.exists():
        known = did_you_mean(name, LAYOUTS)
        raise ConfigError(f'template "{name}" is neither built in nor a file or folder{known}')
    bos = tokenizer.tokenizer.bos if tokenizer and path else None  # a built-in template has its own, or none
    template = load_template(path or name, bos=bos or None, eos=(tokenizer.eos if tokenizer else "") or None)
    return ChosenTemplate(
        name, template, template_hash(template, tokenizer.sha256 if tokenizer else None), path, tokenizer
    )


def recipe_template(name: str | None, tokens: TokensConfig, root: Path) -> ChosenTemplate | None:
    """What a recipe's rows are rendered with: its `template`, else its tokenizer's own, else plain.

    None where the recipe names neither a template nor a tokenizer.
    """
    tokenizer = choose_tokenizer(tokens, root)
    if name is None and tokenizer is None:
        return None
    if name is None and tokenizer is not None:
        name = tokenizer.name if _has_template(tokenizer.path) else PLAIN
    return choose_template(str(name), root, tokenizer)


def version_template(
    named: str | Path | None, recipe: Mapping[str, Any], root: Path, near: Path = Path()
) -> ChosenTemplate | None:
    """What a stored version is rendered with: the template named, a path of it relative to `near`, else its recipe's.

    `root` is the workspace, to which the paths in the version's recipe are relative.
    """
    from curation.recipe import TokensConfig  # it knows every stage, whose compiler takes half a second

    tokens = TokensConfig(**(recipe.get("tokens") or {}))
    if named:
        return choose_template(str(named), near, choose_tokenizer(tokens, root))
    return recipe_template(recipe.get("template"), tokens, root)


def template_files(chosen: ChosenTemplate) -> dict[str, bytes]:
    """A folder that loads as this template anywhere; empty for a built-in one."""
    if chosen.path is None:
        return {}
    files = read_chat_files(chosen.path)
    tokens = dict(files.tokens)
    if chosen.tokenizer:
        given = {"bos_token": chosen.tokenizer.tokenizer.bos, "eos_token": chosen.tokenizer.eos}
        tokens = {key: text for key, text in given.items() if text} | tokens
    added = {str(i): {"content": text, "special": True} for i, text in enumerate(files.special)}
    config: Mapping[str, Any] = {**tokens, "added_tokens_decoder": added}
    return {"chat_template.jinja": files.source.encode(), "tokenizer_config.json": canonical(config) + b"\n"}


def _has_template(path: Path) -> bool:
    """Whether a tokenizer's folder, or the folder around its file, has a chat template."""
    if not path.is_dir():
        return False
    try:
        read_chat_files(path)
    except ConfigError:
        return False
    return True
