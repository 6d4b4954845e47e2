"""`--template`, for the commands that render or bring one along."""

from __future__ import annotations

from argparse import Namespace
from typing import TYPE_CHECKING, Final

from app.cli.place import folder

if TYPE_CHECKING:
    from curation.store import VersionInfo
    from curation.templates.chosen import ChosenTemplate
    from curation.workspace import Workspace

TEMPLATE_HELP: Final = (
    "llama2, llama3, chatml, alpaca, guanaco, plain, a tokenizer's folder, or a .jinja file (default: the version's)"
)


def chosen_template(args: Namespace, here: Workspace, chosen: VersionInfo) -> ChosenTemplate | None:
    """The template that was named, relative to the current folder, or else the one of the version's recipe."""
    from curation.templates.chosen import version_template

    return version_template(args.template, chosen.recipe, here.root, folder(args))
