"""Finds a template by name, or in a tokenizer's folder."""

from __future__ import annotations

from pathlib import Path

from curation.errors import ConfigError, did_you_mean
from curation.templates.layouts import LAYOUTS
from curation.templates.template import Template


def load_template(name: str | Path, *, bos: str | None = None, eos: str | None = None) -> Template:
    """A built-in template by name, or the chat template of a tokenizer's folder, .jinja, or .json file.

    `eos` ends each answer of a built-in that has no end of its own (alpaca, guanaco, plain); for a Jinja template
    it stands for eos_token, as `bos` for bos_token, where the folder does not say.
    """
    if str(name) in LAYOUTS:
        layout = LAYOUTS[str(name)].with_eos(eos or "")
        return Template(layout if bos is None else layout.with_bos(bos))
    path = Path(name)
    if not path.exists():
        raise ConfigError(
            f'template "{name}" is neither a file or folder nor built in{did_you_mean(str(name), LAYOUTS)}'
        )
    return _load_jinja(path, bos, eos)


def _load_jinja(path: Path, bos: str | None, eos: str | None) -> Template:
    # jinja2 is loaded only where a template needs it: a built-in one does not.
    from curation.templates.folder import read_chat_files
    from curation.templates.jinja import JinjaSource
    from curation.templates.jinja_template import JinjaTemplate

    files = read_chat_files(path)
    given = {key: token for key, token in (("bos_token", bos), ("eos_token", eos)) if token is not None}
    for key, token in given.items():
        files.tokens.setdefault(key, token)
    return JinjaTemplate(JinjaSource(path.name, files))
