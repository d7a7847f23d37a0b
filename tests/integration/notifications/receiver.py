"""A real HTTP server on loopback that keeps what it gets, and answers, fails or hangs as a test says."""

from __future__ import annotations

import json
import threading
import time
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any, Self

if TYPE_CHECKING:
    from collections.abc import Callable


@dataclass(frozen=True)
class Got:
    path: str
    headers: dict[str, str]
    """Names in lower case."""
    body: bytes
    at: float
    """time.time()"""

    @property
    def json(self) -> Any:
        return json.loads(self.body)


@dataclass
class Receiver:
    """`answers` are statuses, with headers, for the first requests; 200 afterwards. `hang`: seconds before each.

    `says`: the body of an answer to a request.
    """

    answers: list[tuple[int, dict[str, str]]] = field(default_factory=list)
    hang: float = 0.0
    says: Callable[[Got], bytes] = lambda _: b""
    got: list[Got] = field(default_factory=list)

    def __enter__(self) -> Self:
        over = self._over = threading.Event()

        class Handler(BaseHTTPRequestHandler):
            def do_POST(handler) -> None:  # noqa: N805 - the library's name; the receiver is `self`
                body = handler.rfile.read(int(handler.headers.get("Content-Length", 0)))
                headers = {name.lower(): value for name, value in handler.headers.items()}
                got = Got(handler.path, headers, body, time.time())
                self.got.append(got)
                over.wait(self.hang)
                status, more = self.answers.pop(0) if self.answers else (200, {})
                handler.send_response(status)
                said = self.says(got)
                for name, value in {"Content-Length": str(len(said)), **more}.items():
                    handler.send_header(name, value)
                handler.end_headers()
                handler.wfile.write(said)

            def log_message(handler, *_: Any) -> None:  # noqa: N805 - as above
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._server.shutdown()
        self._server.server_close()

    @property
    def port(self) -> int:
        return int(self._server.server_address[1])

    def wait(self, true: Callable[[Got], bool] = lambda _: True, deadline: float = 20) -> Got:
        """The first request for which `true` holds."""
        end = time.monotonic() + deadline
        while time.monotonic() < end:
            if found := next((one for one in list(self.got) if true(one)), None):
                return found
            time.sleep(0.02)
        raise AssertionError(f"no such request; there were {[(one.path, one.body[:200]) for one in self.got]}")
