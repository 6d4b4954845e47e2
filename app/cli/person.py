"""Who does it: the name of --as, or else the login name."""

from __future__ import annotations

import getpass
from argparse import Namespace


def person(args: Namespace) -> str:
    """ConfigError for what is nobody's name, and where no name is known."""
    from curation.errors import ConfigError
    from eval.review.names import reviewer_name

    if args.author is not None:
        return reviewer_name(args.author)
    try:
        login = getpass.getuser()
    except (OSError, KeyError):
        raise ConfigError("your name is not known here; say it with --as NAME") from None
    return reviewer_name(login)
