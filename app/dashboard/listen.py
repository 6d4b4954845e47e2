"""The server of the dashboard: a socket that sends what it has at once, and Streamlit's application behind it."""

from __future__ import annotations

import os
import socket
from pathlib import Path
from typing import Any, Final

from curation.errors import ConfigError

_BACKLOG: Final = 2048
_PORTS: Final = 65_535
_CLOSING: Final = 3  # seconds for what is still being answered when the server ends
# Above what a config.toml says, as flags of `streamlit run` are. (Its variables of the environment are flags', too.)
_OPTIONS: Final[dict[str, Any]] = {
    "server.headless": True,
    "browser.gatherUsageStats": False,
    "server.fileWatcherType": "none",
    "client.toolbarMode": "minimal",
    "client.showErrorDetails": "none",
}


def listening(address: str, port: int) -> socket.socket:
    """A socket at which browsers may knock from now on; they are answered as soon as `serve` is at work.

    `streamlit run` makes its socket without naming the protocol. asyncio then does not switch Nagle's algorithm off,
    and each small file or message waits for the last one's acknowledgement, up to 40 ms: 2.6 s for the 61 files of
    the first page one after another instead of .17 s.
    """
    if port > _PORTS:
        raise ConfigError(f"--port {port}: ports end at {_PORTS}")
    try:
        family, kind, _, _, where = socket.getaddrinfo(address, port, type=socket.SOCK_STREAM)[0]
    except (OSError, UnicodeError):
        raise ConfigError(f"--address {address}: no such address; leave it out for this machine alone") from None
    found = socket.socket(family, kind, socket.IPPROTO_TCP)
    try:
        if os.name != "nt":
            found.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        found.bind(where)
        found.listen(_BACKLOG)
    except OSError as error:
        found.close()
        why = error.strerror or str(error)
        raise ConfigError(f"cannot listen at {address}:{port}: {why}; name another port with --port") from None
    found.setblocking(False)
    return found


def settle(at: socket.socket, workspace: Path) -> None:
    """Tell Streamlit what holds here: no usage statistics, no menu, no traceback on the page."""
    address, port = at.getsockname()[:2]
    os.environ["CURATE_WORKSPACE"] = str(workspace)
    os.chdir(workspace)  # where .streamlit/ is looked for
    from streamlit import config

    told = {"server.address": str(address), "server.port": int(port)}
    config.get_config_options(force_reparse=True, options_from_flags=_OPTIONS | told)


def serve(at: socket.socket, workspace: Path) -> None:
    """Answer until somebody ends it (Ctrl-C, SIGTERM)."""
    settle(at, workspace)
    import streamlit as st
    import uvicorn

    config = uvicorn.Config(
        "app.dashboard.serve:app",
        ws="websockets-sansio",
        ws_max_size=int(st.get_option("server.maxMessageSize")) << 20,
        ws_ping_interval=30,
        ws_ping_timeout=30,
        ws_per_message_deflate=False,
        ssl_certfile=st.get_option("server.sslCertFile"),
        ssl_keyfile=st.get_option("server.sslKeyFile"),
        timeout_graceful_shutdown=_CLOSING,
        access_log=False,
        log_level="warning",
    )
    uvicorn.Server(config).run(sockets=[at])
