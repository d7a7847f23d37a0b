"""An HTTP server that does whatever a test tells it to: right, wrong or nothing."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, urlparse

Behaviour = Callable[[BaseHTTPRequestHandler], None]


class Misbehaving:
    """A real HTTP server that does what `behave` says."""

    def __init__(self) -> None:
        self.behave: Behaviour = answer([])
        self.requests: list[tuple[dict[str, list[str]], dict[str, str], str]] = []
        self.behave_posted: Behaviour = send(404, b"")
        self.posted: list[tuple[dict[str, list[str]], dict[str, str], str]] = []
        self.let_go = threading.Event()
        outer = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self) -> None:
                url = urlparse(self.path)
                outer.requests.append((parse_qs(url.query), dict(self.headers), url.path))
                outer.behave(self)

            def do_POST(self) -> None:
                length = int(self.headers.get("Content-Length", 0))
                url, form = urlparse(self.path), parse_qs(self.rfile.read(length).decode())
                outer.posted.append((form, dict(self.headers), url.path))
                outer.behave_posted(self)

            def log_message(self, *_: object) -> None:
                pass

        class Server(ThreadingHTTPServer):
            def handle_error(self, *_: object) -> None:
                """Callers that give up are the point of these tests."""

        self.server = Server(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        threading.Thread(target=self.server.serve_forever, args=(0.02,), daemon=True).start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server.server_address[1]}"

    def close(self) -> None:
        self.let_go.set()
        self.server.shutdown()
        self.server.server_close()


def send(
    status: int, body: bytes, *, kind: str = "application/json", headers: Mapping[str, str] | None = None
) -> Behaviour:
    def behave(handler: BaseHTTPRequestHandler) -> None:
        handler.send_response(status)
        handler.send_header("Content-Type", kind)
        handler.send_header("Content-Length", str(len(body)))
        for name, value in (headers or {}).items():
            handler.send_header(name, value)
        handler.end_headers()
        handler.wfile.write(body)

    return behave


def answer(result: object, **more: object) -> Behaviour:
    body = {"status": "success", "data": {"resultType": "matrix", "result": result}, **more}
    return send(200, json.dumps(body, separators=(",", ":")).encode())
