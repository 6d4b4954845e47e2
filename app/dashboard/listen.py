"""The server of the dashboard: a socket that sends what it has at once, and Streamlit's application behind it."""

from __future__ import annotations

import os
import socket
import ssl
from pathlib import Path
from typing import Any, Final

from app.dashboard.configured import CONFIG, server_is_configured
from curation.errors import ConfigError

_BACKLOG: Final = 2048
_PING: Final = 30  # seconds
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


def page_address(at: socket.socket, host: str, workspace: Path) -> str:
    """What to type into a browser. Streamlit is loaded for it (half a second) only where something is configured."""
    scheme, path = "http", ""
    if server_is_configured(workspace):
        settle(at, workspace)
        from streamlit import get_option

        scheme = "https" if _certificate()[0] else scheme
        path = "/" + str(get_option("server.baseUrlPath")).strip("/")
    return f"{scheme}://{f'[{host}]' if ':' in host else host}:{at.getsockname()[1]}{path.rstrip('/')}"


def _certificate() -> tuple[str | None, str | None]:
    """The files of certificate and key; none where the configuration names none."""
    from streamlit import get_option

    certificate, key = get_option("server.sslCertFile"), get_option("server.sslKeyFile")
    if not certificate and not key:
        return None, None
    if not certificate or not key:
        raise ConfigError(
            f"{CONFIG}: server.sslCertFile and server.sslKeyFile go together, and only one of them is set"
        )
    try:
        ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).load_cert_chain(certificate, key)
    except OSError as error:
        why = error.strerror or str(error)
        both = f"server.sslCertFile {certificate} and server.sslKeyFile {key}"
        raise ConfigError(f"{CONFIG}: {both}: {why}; name a certificate and its key") from None
    return str(certificate), str(key)


def serve(at: socket.socket, workspace: Path) -> None:
    """Answer until somebody ends it (Ctrl-C, SIGTERM)."""
    settle(at, workspace)
    import streamlit as st
    import uvicorn

    certificate, key = _certificate()
    pause = int(st.get_option("server.websocketPingInterval") or _PING)
    config = uvicorn.Config(
        "app.dashboard.serve:app",
        ws="websockets-sansio",
        ws_max_size=int(st.get_option("server.maxMessageSize")) << 20,
        ws_ping_interval=pause,
        ws_ping_timeout=pause,
        ws_per_message_deflate=bool(st.get_option("server.enableWebsocketCompression")),
        ssl_certfile=certificate,
        ssl_keyfile=key,
        timeout_graceful_shutdown=_CLOSING,
        access_log=False,
        log_level="warning",
    )
    uvicorn.Server(config).run(sockets=[at])
