"""A chat-completions server on this machine that behaves, or misbehaves, as a test's script says."""

from __future__ import annotations

import json
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


@dataclass
class Reply:
    """drip: seconds between two bytes of the body; hang: seconds of silence before anything."""

    status: int = 200
    body: bytes = b""
    headers: dict[str, str] = field(default_factory=dict)
    hang: float = 0.0
    drip: float = 0.0
    claim: int | None = None  # a Content-Length that is not true
    cut: bool = False  # close without a word


Script = Callable[[str, int, dict[str, Any]], Reply]  # (question, how often it was asked before, request) -> reply


def said(text: str | None, **choice: Any) -> Reply:
    message = {"index": 0, "message": {"role": "assistant", "content": text}, "finish_reason": "stop", **choice}
    usage = {"prompt_tokens": 5, "completion_tokens": 3}
    return Reply(body=json.dumps({"choices": [message], "usage": usage}).encode())


@dataclass
class Server:
    url: str
    requests: list[dict[str, Any]] = field(default_factory=list)
    headers: list[dict[str, str]] = field(default_factory=list)
    asked: Counter[str] = field(default_factory=Counter)
    closing: threading.Event = field(default_factory=threading.Event)


@contextmanager
def chat_server(script: Script) -> Iterator[Server]:
    told = Server("")
    lock = threading.Lock()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            request = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            question = request["messages"][-1]["content"]
            with lock:
                before = told.asked[question]
                told.asked[question] += 1
                told.requests.append({"path": self.path, **request})
                told.headers.append(dict(self.headers))
            self._send(script(question, before, request))

        def _send(self, reply: Reply) -> None:
            told.closing.wait(reply.hang)
            if reply.cut:
                self.connection.close()
                return
            self.send_response(reply.status)
            for name, value in reply.headers.items():
                self.send_header(name, value)
            if "Transfer-Encoding" not in reply.headers:
                self.send_header("Content-Length", str(len(reply.body) if reply.claim is None else reply.claim))
            self.end_headers()
            try:
                for byte in (reply.body[i : i + 1] for i in range(len(reply.body))) if reply.drip else (reply.body,):
                    self.wfile.write(byte)
                    told.closing.wait(reply.drip)
            except OSError:  # who asked has gone
                pass

        def log_message(self, *_: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    told.url = f"http://127.0.0.1:{server.server_port}/v1"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
    thread.start()
    try:
        yield told
    finally:
        told.closing.set()
        server.shutdown()
        server.server_close()
        thread.join()
