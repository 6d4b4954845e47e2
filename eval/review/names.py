"""Names under which people judge; what is nobody's name is refused in one line, wherever it was given."""

from __future__ import annotations

import unicodedata
from typing import Final

from curation.errors import ConfigError
from eval.review.queues import SECOND_LOOK

RULES: Final = "rules"  # the author of every automatic tag: what the rules did not tag, they looked at and let pass
ENDPOINT: Final = "endpoint:"  # before the name of a model that judges
LONGEST: Final = 80  # characters


def reviewer_name(given: str) -> str:
    """The name as it is stored: without space around it, its letters spelt one way; two spellings would be two people.

    ConfigError for an empty one, a very long one, one with characters that cannot be seen, and those that rules,
    models and second looks sign with.
    """
    name = unicodedata.normalize("NFC", given.strip())
    if not name:
        raise ConfigError("a reviewer needs a name; say who you are (--as NAME)")
    if len(name) > LONGEST:
        raise ConfigError(f"a name of {len(name):,} characters is too long; use {LONGEST} at most")
    if not name.isprintable():
        raise ConfigError(f"the name {name!r} has characters that cannot be seen; write it without them")
    if name.casefold() == RULES or name.casefold().startswith(ENDPOINT) or SECOND_LOOK in name:
        raise ConfigError(
            f'the name "{name}" is kept for rules, models and second looks (rules, {ENDPOINT}..., ...{SECOND_LOOK}); '
            "choose another"
        )
    return name
