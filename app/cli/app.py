"""`curate app`: the review dashboard, on this machine alone unless told otherwise."""

from __future__ import annotations

import os
import subprocess
import sys
from argparse import Namespace
from pathlib import Path
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
    serve = Path(__file__).resolve().parent.parent / "dashboard" / "serve.py"
    options = {
        "server.port": args.port,
        "server.address": args.address,
        "server.headless": str(args.no_browser or not sys.stdout.isatty()).lower(),
        "browser.gatherUsageStats": "false",
        "server.fileWatcherType": "none",
        "client.toolbarMode": "minimal",
        "client.showErrorDetails": "none",
    }
    words = [
        sys.executable,
        "-m",
        "streamlit",
        "run",
        str(serve),
        *(f"--{key}={value}" for key, value in options.items()),
    ]
    root = Path(__file__).resolve().parents[2]
    paths = os.pathsep.join(filter(None, [str(root), os.environ.get("PYTHONPATH", "")]))
    environment = {**os.environ, "CURATE_WORKSPACE": str(here.root), "PYTHONPATH": paths}
    print(f"http://{args.address}:{args.port}  (Ctrl-C ends it)", file=sys.stderr)
    process = subprocess.Popen(words, env=environment, cwd=here.root)  # where .streamlit/ is looked for
    try:
        return process.wait()
    except KeyboardInterrupt:
        process.terminate()
        process.wait()
        return 0
