"""The template a model is trained and used with: which one it is, what begins and ends its text, and its tokens."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final, Literal, Protocol

from curation.errors import ConfigError, did_you_mean
from curation.records import canonical
from curation.source import OfferedTemplate
from curation.templates.folder import ChatFiles, read_chat_files, read_json, special_tokens
from curation.templates.hashing import template_hash, tokenizer_hash
from curation.templates.layouts import LAYOUTS
from curation.templates.template import Template
from curation.tokens.load import load_tokenizer

Origin = Literal["config", "model", "recipe"]

# Stands before text that continues other text, as in curation.tokens: it is in no vocabulary and joins with nothing.
_BEFORE: Final = "\ue0f1"


class Wanted(Protocol):
    """What of a training's config decides about its template."""

    @property
    def template(self) -> str | None: ...
    @property
    def end_token(self) -> str | None: ...


class Offering(Protocol):
    def template(self) -> OfferedTemplate | None: ...


@dataclass(frozen=True, slots=True)
class ModelTemplate:
    name: str
    origin: Origin
    template: Template  # its `bos` begins every text; "" for a model without one
    sha256: str
    tokenizer_sha256: str
    files: Mapping[str, bytes]  # a folder that loads as this template; empty for a built-in one
    end_token: str | None = None  # given in place of the template's own

    def as_json(self) -> dict[str, Any]:
        """For run.json."""
        told = {"name": self.name, "origin": self.origin, "sha256": self.sha256, "bos": self.template.bos}
        return {**told, "end_of_turn": self.template.end_of_turn, "end_token": self.end_token}

    def prompt_ids(self, tokenizer: Any, record: Mapping[str, Any]) -> list[int]:
        """The tokens a model gets to answer `record`, whose last message is the user's; TemplateRefusal if it cannot.

        Training puts the answer behind the very same tokens.
        """
        text = self.template.render(record, add_generation_prompt=True, with_bos=True).text
        return token_ids(tokenizer, [text])[0]


def choose_training_template(wanted: Wanted, source: Offering, tokenizer: Path, near: Path = Path()) -> ModelTemplate:
    """The config's template (a path of it relative to `near`), else the model's own, else the recipe's.

    `tokenizer` is the model's folder. Of a built-in template, end and beginning are the model's where the layout has
    none of its own. ConfigError where there is no template, or `end_token` is no token of the model.
    """
    model = _Model(tokenizer)
    if wanted.template in LAYOUTS:
        return _built_in(str(wanted.template), "config", wanted.end_token, model)
    if wanted.template is not None:
        path = near / wanted.template
        if not path.exists():
            known = did_you_mean(wanted.template, LAYOUTS)
            raise ConfigError(f'template: "{wanted.template}" is neither built in nor a file or folder{known}')
        return _jinja(path.name, "config", read_chat_files(path), wanted.end_token, model)
    if has_template(tokenizer):
        return _jinja(tokenizer.name, "model", read_chat_files(tokenizer), wanted.end_token, model)
    offered = source.template()
    if offered is None:
        raise ConfigError(
            f"{tokenizer}: the model brings no chat template and the recipe names none; set template: to "
            f"{', '.join(LAYOUTS)}, a tokenizer's folder, or a .jinja file"
        )
    if not offered.files:
        return _built_in(offered.name, "recipe", wanted.end_token, model)
    return _jinja(offered.name, "recipe", _unpacked(offered.files), wanted.end_token, model)


def stored_template(told: Mapping[str, Any], folder: Path, model: Path) -> ModelTemplate:
    """The template of a run again: `told` stands in its run.json, `folder` holds its files if it is not built in.

    `model` is the folder whose tokenizer goes with it; train.model.check says whether all is as it was.
    """
    made, end = _Model(model), told.get("end_token")
    if told["name"] in LAYOUTS and not folder.is_dir():
        return _built_in(told["name"], told["origin"], end, made)
    return _jinja(told["name"], told["origin"], read_chat_files(folder), end, made)


def has_template(folder: Path) -> bool:
    """Whether a model's folder brings a chat template, be it a broken one."""
    if (folder / "chat_template.jinja").is_file():
        return True
    return any(read_json(folder / n).get("chat_template") for n in ("tokenizer_config.json", "chat_template.json"))


def with_system(record: Mapping[str, Any], system: str | None) -> Mapping[str, Any]:
    """The record with a system text first, unless it has its own; training and use call this alike."""
    if system is None or record["messages"][0]["role"] == "system":
        return record
    return {**record, "messages": [{"role": "system", "content": system}, *record["messages"]]}


def token_ids(tokenizer: Any, texts: Sequence[str]) -> list[list[int]]:
    """The tokens of rendered texts; a tokenizer of transformers adds none of its own here."""
    ids: list[list[int]] = tokenizer(list(texts), add_special_tokens=False, verbose=False)["input_ids"]
    return ids


def continued_ids(tokenizer: Any, text: str) -> list[int]:
    """The tokens of a text that follows other text: a tokenizer that puts a space before every text does not here."""
    before, both, alone = token_ids(tokenizer, [_BEFORE, _BEFORE + text, text])
    return both[len(before) :] if both[: len(before)] == before else alone


class _Model:
    """What a model's folder says of its tokens."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._counter = load_tokenizer(folder)
        self.tokens = special_tokens(folder)
        self.sha256 = tokenizer_hash(folder)
        self.bos = self.tokens.get("bos_token", "") if self._adds_bos() else ""

    def require_token(self, text: str) -> None:
        if self._counter.counts([text]) != [1]:
            raise ConfigError(f'end_token: "{text}" is not one token of {self.folder}; name one of its special tokens')

    def _adds_bos(self) -> bool:
        """Whether the model learned with a BOS that its tokenizer, and not its template, puts first."""
        said = read_json(self.folder / "tokenizer_config.json").get("add_bos_token")
        file = self.folder / "tokenizer.json"
        if isinstance(said, bool) or not file.is_file():
            return said is not False
        from tokenizers import Tokenizer

        tokenizer = Tokenizer.from_file(str(file))
        return tokenizer.encode("a").ids[:1] == [tokenizer.token_to_id(self.tokens.get("bos_token", ""))]


def _built_in(name: str, origin: Origin, end_token: str | None, model: _Model) -> ModelTemplate:
    layout = LAYOUTS[name]
    if end_token and layout.end:
        own = layout.end.strip()
        markers = tuple({*layout.markers, end_token} - {own})
        layout = replace(layout, end=layout.end.replace(own, end_token), markers=markers)
    layout = layout.with_eos(end_token or model.tokens.get("eos_token", ""))
    if model.bos and not layout.bos:
        layout = layout.with_bos(model.bos)
    return _finished(name, origin, Template(layout), end_token, model, {})


def _jinja(name: str, origin: Origin, files: ChatFiles, end_token: str | None, model: _Model) -> ModelTemplate:
    """A template of Jinja code, with BOS in front and the end token in place where its own code has them not."""
    from curation.templates.jinja import JinjaSource
    from curation.templates.jinja_template import JinjaTemplate

    tokens = model.tokens | files.tokens
    files = replace(files, tokens=tokens, special=tuple(sorted({*files.special, *tokens.values()})))
    template = JinjaTemplate(JinjaSource(name, files))
    if model.bos and not template.bos:
        files = replace(files, source="{{ bos_token }}" + files.source)
    if end_token and end_token != template.end_of_turn:
        source = files.source.replace(template.end_of_turn, end_token)
        files = ChatFiles(source, files.tokens | {"eos_token": end_token}, tuple(sorted({*files.special, end_token})))
    template = JinjaTemplate(JinjaSource(name, files))
    if end_token and template.end_of_turn != end_token:
        raise ConfigError(f'template {name}: "{end_token}" cannot take the place of its end; name another template')
    return _finished(name, origin, template, end_token, model, _folder(files))


def _finished(
    name: str, origin: Origin, template: Template, end_token: str | None, model: _Model, files: Mapping[str, bytes]
) -> ModelTemplate:
    template.require_end_of_turn()
    template.require_answer()
    if end_token:
        model.require_token(end_token)
    sha256 = template_hash(template, model.sha256)
    return ModelTemplate(name, origin, template, sha256, model.sha256, files, end_token)


def _folder(files: ChatFiles) -> dict[str, bytes]:
    added = {str(i): {"content": text, "special": True} for i, text in enumerate(files.special)}
    config = canonical({**files.tokens, "added_tokens_decoder": added})
    return {"chat_template.jinja": files.source.encode(), "tokenizer_config.json": config + b"\n"}


def _unpacked(files: Mapping[str, bytes]) -> ChatFiles:
    with tempfile.TemporaryDirectory() as folder:
        for name, content in files.items():
            (Path(folder) / name).write_bytes(content)
        return read_chat_files(Path(folder))
