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
    "llama2, llama3, chatml, alpaca, guanaco, plain, a tokenizer's folder, or a .jinja file (default: the recipe's)"
)


def chosen_template(args: Namespace, here: Workspace, chosen: VersionInfo) -> ChosenTemplate | None:
    """The template that was named, relative to the current folder, or else the one of the version's recipe."""
    from curation.recipe import TokensConfig
    from curation.templates.chosen import choose_template, choose_tokenizer, recipe_template

    tokens = TokensConfig(**(chosen.recipe.get("tokens") or {}))
    if args.template:
        return choose_template(args.template, folder(args), choose_tokenizer(tokens, here.root))
    return recipe_template(chosen.recipe.get("template"), tokens, here.root)
