"""`curate app`: the review dashboard, on this machine alone unless told otherwise."""

from __future__ import annotations

import sys
import webbrowser
from argparse import Namespace
from contextlib import suppress
from typing import Final

from app.cli.arguments import Parser, whole_number
from app.cli.extras import require
from app.cli.place import workspace

_LOCAL: Final = "127.0.0.1"
_NEEDS: Final = ("streamlit", "altair", "torch")


def add_parser(parser: Parser) -> None:
    command = parser.add_command(
        "app",
        "open the review dashboard in the browser",
        examples=["curate app", "curate app --port 8600 --no-browser"],
        description="Listens on this machine alone. To let others in, put it behind a proxy with a login, or name "
        "an address with --address and configure st.login in .streamlit/secrets.toml.",
    )
    command.add_argument("--port", metavar="N", type=whole_number, default=8501, help="default: 8501")
    command.add_argument("--address", metavar="HOST", default=_LOCAL, help=f"default: {_LOCAL}, this machine alone")
    command.add_argument("--no-browser", action="store_true", help="do not open a browser")


def run(args: Namespace) -> int:
    here = workspace(args)
    require(_NEEDS, "app")
    from app.dashboard.configured import check_login
    from app.dashboard.listen import listening, page_address, serve

    check_login(here.root)
    with listening(args.address, args.port) as at, suppress(KeyboardInterrupt):
        address = page_address(at, args.address, here.root)
        print(f"{address}  (Ctrl-C ends it)", file=sys.stderr, flush=True)
        if sys.stdout.isatty() and not args.no_browser:
            webbrowser.open(address)  # it waits at the door while the dashboard is loaded
        serve(at, here.root)
    return 0
