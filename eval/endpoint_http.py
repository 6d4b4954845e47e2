"""One request to an OpenAI-compatible endpoint, and what its failure means: later, never, or not at all."""

from __future__ import annotations

import os
import time
import urllib.error
import urllib.request
from collections.abc import Mapping
from dataclasses import dataclass
from http.client import HTTPException
from ipaddress import ip_address
from typing import Any, Final
from urllib.parse import urlsplit

import orjson

from curation.errors import ConfigError
from eval.endpoint_reply import Nonsense

PATH: Final = "/chat/completions"
_AGAIN: Final = frozenset({408, 409, 425, 429, *range(500, 600)})  # statuses that may be otherwise a moment later
_LARGEST_REPLY: Final = 16 << 20  # bytes


@dataclass(frozen=True, slots=True)
class Address:
    """url: up to and with /v1. timeout: seconds for a whole answer."""

    url: str
    model: str
    key_variable: str
    timeout: float


class Later(Exception):  # noqa: N818 -- not an error yet
    """No answer this time; `after`: seconds that the endpoint asks to be left alone."""

    def __init__(self, why: str, after: float = 0.0) -> None:
        super().__init__(why)
        self.after = after


class Refused(Exception):  # noqa: N818
    """This request gets no answer, however often it is sent."""


class _NoRedirect(urllib.request.HTTPRedirectHandler):
    """A redirect would carry the key to a place that nobody named."""

    def redirect_request(self, *_: Any, **__: Any) -> None:
        return None


def post(address: Address, body: bytes) -> bytes:
    headers = {"Content-Type": "application/json", "Accept": "application/json", "User-Agent": "curate"}
    if key := _key(address.key_variable):
        headers["Authorization"] = f"Bearer {key}"
    request = urllib.request.Request(address.url + PATH, body, headers, method="POST")
    deadline = time.monotonic() + address.timeout
    try:
        with _opener(address).open(request, timeout=address.timeout) as response:
            return _read(response, deadline)
    except urllib.error.HTTPError as error:
        with error:
            raise _status(address, error) from None
    except (OSError, ValueError, HTTPException) as error:  # refused, timed out, cut, not HTTP
        raise Later(_reason(error)) from None


def _key(variable: str) -> str:
    """What the environment says, without the line end of the file it came from. Never part of a message."""
    key = os.environ.get(variable, "").strip()
    if not (key.isascii() and key.isprintable()):
        raise ConfigError(f"{variable}: holds characters that no key has; set it anew")
    return key


def _opener(address: Address) -> urllib.request.OpenerDirector:
    handlers: list[Any] = [_NoRedirect()]
    if _is_local(address.url):
        handlers.append(urllib.request.ProxyHandler({}))
    return urllib.request.build_opener(*handlers)


def _is_local(url: str) -> bool:
    host = urlsplit(url).hostname or ""
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _read(response: Any, deadline: float) -> bytes:
    """All of it before the deadline: a socket's own timeout starts anew with every byte."""
    parts, size = [], 0
    while part := response.read1(1 << 16):
        parts.append(part)
        size += len(part)
        if size > _LARGEST_REPLY:
            raise Nonsense(f"answers with more than {_LARGEST_REPLY >> 20} MiB")
        if time.monotonic() > deadline:
            raise TimeoutError("timed out")
    wanted = response.headers.get("Content-Length")
    if wanted is not None and wanted.isdigit() and size < int(wanted):
        raise Nonsense("its answer was cut short")
    return b"".join(parts)


def _status(address: Address, error: urllib.error.HTTPError) -> Exception:
    status, said = error.code, _said(error)
    if status in _AGAIN:
        after = error.headers.get("Retry-After") or ""
        return Later(f"status {status}{said}", float(after) if after.isdecimal() else 0.0)
    if status in (401, 403):
        told = "was refused" if _key(address.key_variable) else "is not set"
        return ConfigError(f"{address.url}: status {status}; the key in {address.key_variable} {told}")
    if status in (404, 405) or 300 <= status < 400:
        return ConfigError(
            f"{address.url}: status {status}{said}; is the address the one before {PATH}, and is the model "
            f'called "{address.model}"?'
        )
    return Refused(f"status {status}{said}")


def _said(error: urllib.error.HTTPError) -> str:
    """The beginning of what stands in an error's body, as one line."""
    try:
        body = error.read(4096)
    except (OSError, ValueError, HTTPException):  # cut short
        return ""
    try:
        told = orjson.loads(body)
        told = told.get("error") or {key: value for key, value in told.items() if value is not None}
        told = told.get("message", told) if isinstance(told, Mapping) else told
        text = str(told) if told else ""
    except (orjson.JSONDecodeError, AttributeError):
        return ""  # a page for people
    return f" ({' '.join(text.split())[:200]})" if text.strip() else ""


def parsed(body: bytes) -> dict[str, Any]:
    try:
        told = orjson.loads(body)
    except orjson.JSONDecodeError:
        raise Nonsense("its answer is not JSON") from None
    if not isinstance(told, dict):
        raise Nonsense("its answer is no JSON object")
    return told


def _reason(error: Exception) -> str:
    inner = getattr(error, "reason", error)
    if isinstance(inner, TimeoutError) or isinstance(error, TimeoutError):
        return "timed out"
    if isinstance(inner, OSError) and inner.strerror:
        return inner.strerror.lower()
    return " ".join(str(inner).split())[:100] or type(inner).__name__
