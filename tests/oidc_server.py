"""A provider of OpenID Connect on this machine: whoever comes is Ana, until she logs out."""

from __future__ import annotations

import base64
import hashlib
import json
import secrets
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from importlib import import_module
from typing import Any
from urllib.parse import parse_qs, urlencode, urlsplit

CLIENT, SECRET = "curate", "known to both"


@dataclass
class Provider:
    """asked: the paths that were asked for, in order; logouts: what came with each logout."""

    url: str = ""
    name: str = "Ana Example"
    asked: list[str] = field(default_factory=list)
    logouts: list[dict[str, str]] = field(default_factory=list)
    codes: dict[str, dict[str, str]] = field(default_factory=dict)
    refuse: bool = False  # to let her in


@contextmanager
def oidc_server() -> Iterator[Provider]:
    jwt, jwk = (import_module(f"joserfc.{name}") for name in ("jwt", "jwk"))  # which comes with authlib
    told, key = Provider(), jwk.RSAKey.generate_key(2048, {"kid": "one", "use": "sig", "alg": "RS256"})

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            path, query = urlsplit(self.path).path, _one(urlsplit(self.path).query)
            told.asked.append(path)
            match path:
                case "/.well-known/openid-configuration":
                    self._json(_metadata(told.url))
                case "/jwks":
                    self._json({"keys": [key.as_dict(private=False)]})
                case "/authorize":
                    self._authorize(query)
                case "/logout":
                    told.logouts.append(query)
                    self._go(query["post_logout_redirect_uri"])
                case _:
                    self.send_error(404)

        def do_POST(self) -> None:
            told.asked.append(self.path)
            form = _one(self.rfile.read(int(self.headers["Content-Length"])).decode())
            asked = told.codes.pop(form.get("code", ""), None)
            expected = "Basic " + base64.b64encode(f"{CLIENT}:{SECRET}".encode()).decode()
            if asked is None or self.headers.get("Authorization") != expected or not _proves(asked, form):
                self._json({"error": "invalid_grant"}, 400)
                return
            now = int(time.time())
            claims = {"iss": told.url, "sub": "1", "aud": CLIENT, "iat": now, "exp": now + 600, "name": told.name}
            claims |= {"email": "ana@example.org", "nonce": asked.get("nonce", "")}
            token = jwt.encode({"alg": "RS256", "kid": "one"}, claims, key)
            self._json({"access_token": "a", "token_type": "Bearer", "expires_in": 600, "id_token": token})

        def _authorize(self, query: dict[str, str]) -> None:
            if told.refuse:
                self._go(query["redirect_uri"], error="access_denied", state=query["state"])
                return
            code = secrets.token_hex(8)
            told.codes[code] = query
            self._go(query["redirect_uri"], code=code, state=query["state"])

        def _go(self, where: str, **query: str) -> None:
            self.send_response(302)
            self.send_header("Location", where + (f"?{urlencode(query)}" if query else ""))
            self.end_headers()

        def _json(self, value: Any, status: int = 200) -> None:
            body = json.dumps(value).encode()
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    told.url = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield told
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def _metadata(url: str) -> dict[str, Any]:
    return {
        "issuer": url,
        "authorization_endpoint": f"{url}/authorize",
        "token_endpoint": f"{url}/token",
        "jwks_uri": f"{url}/jwks",
        "end_session_endpoint": f"{url}/logout",
        "response_types_supported": ["code"],
        "subject_types_supported": ["public"],
        "id_token_signing_alg_values_supported": ["RS256"],
        "code_challenge_methods_supported": ["S256"],
    }


def _proves(asked: dict[str, str], form: dict[str, str]) -> bool:
    """Whether who brings the code is who asked for it (PKCE)."""
    digest = hashlib.sha256(form.get("code_verifier", "").encode()).digest()
    return base64.urlsafe_b64encode(digest).rstrip(b"=").decode() == asked.get("code_challenge")


def _one(query: str) -> dict[str, str]:
    return {name: values[0] for name, values in parse_qs(query).items()}
