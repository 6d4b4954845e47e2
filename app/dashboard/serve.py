"""The dashboard as an ASGI application, with headers that forbid every request to elsewhere."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, MutableMapping
from pathlib import Path
from threading import Thread
from typing import Any, Final

import streamlit as st
from starlette.middleware import Middleware

from app.dashboard.ahead import hints, load_screens, with_hints

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
Application = Callable[[Message, Receive, Send], Awaitable[None]]

# Streamlit needs inline styles, eval (Vega) and blobs; nothing may come from or go to another host.
POLICY: Final = (
    "default-src 'self' 'unsafe-inline' 'unsafe-eval' data: blob:; img-src 'self' data: blob:; "
    "connect-src 'self' data: blob: ws: wss:; frame-src 'self'; font-src 'self' data:; object-src 'none'; "
    "base-uri 'self'; form-action 'self'; frame-ancestors 'none'"
)
HEADERS: Final = (
    (b"content-security-policy", POLICY.encode()),
    (b"x-frame-options", b"DENY"),
    (b"referrer-policy", b"no-referrer"),
    (b"x-content-type-options", b"nosniff"),
)


class SafeHeaders:
    """Adds HEADERS to every answer."""

    def __init__(self, app: Application) -> None:
        self.app = app

    async def __call__(self, scope: Message, receive: Receive, send: Send) -> None:
        async def with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                message["headers"] = [*message.get("headers", ()), *HEADERS]
            await send(message)

        await self.app(scope, receive, with_headers)


class Hints:
    """Adds to the page's own document which scripts its widgets will ask for."""

    def __init__(self, app: Application) -> None:
        self.app, self.links = app, hints()

    async def __call__(self, scope: Message, receive: Receive, send: Send) -> None:
        started: Message = {}
        page = b""

        async def with_links(message: Message) -> None:
            nonlocal started, page
            if message["type"] == "http.response.start" and _is_document(message):
                started = message
                return
            if not started or message["type"] != "http.response.body":
                await send(message)
                return
            page += message.get("body", b"")
            if not message.get("more_body", False):
                whole = with_hints(page, self.links)
                kept = [(name, value) for name, value in started["headers"] if name != b"content-length"]
                started["headers"] = [*kept, (b"content-length", str(len(whole)).encode())]
                await send(started)
                await send({**message, "body": whole})

        if not _asks_for_page(scope):
            await self.app(scope, receive, send)
            return
        # Told that nothing may be packed: what is packed takes no links.
        headers = [(name, value) for name, value in scope["headers"] if name != b"accept-encoding"]
        await self.app({**scope, "headers": headers}, receive, with_links)


def _asks_for_page(scope: Message) -> bool:
    if scope["type"] != "http" or scope["method"] != "GET":
        return False
    headers: dict[bytes, bytes] = dict(scope["headers"])
    return b"text/html" in headers.get(b"accept", b"")


def _is_document(start: Message) -> bool:
    headers: dict[bytes, bytes] = dict(start.get("headers", ()))
    return int(start["status"]) == 200 and headers.get(b"content-type", b"").startswith(b"text/html")


Thread(target=load_screens, daemon=True).start()
app = st.App(Path(__file__).with_name("main.py"), middleware=[Middleware(SafeHeaders), Middleware(Hints)])
