"""A Pod that Prometheus scrapes and that exports whatever a test wants, in as many series as it wants."""

from __future__ import annotations

import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any, Self

from tests.lab.components.prometheus import remove_target, write_target

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from tests.lab.session.site import Site

Line = tuple[str, "Mapping[str, str]", float]
"""Metric, labels, value."""


class ScrapedPod:
    """`exports` is called at each scrape, with its number from 0. A context manager."""

    def __init__(self, site: Site, namespace: str, exports: Callable[[int], Iterable[Line]]) -> None:
        self._site, self._namespace, self._exports = site, namespace, exports
        self.scrapes = 0

    def __enter__(self) -> Self:
        pod = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                body = "".join(map(line, pod._exports(pod.scrapes))).encode()
                pod.scrapes += 1
                self.send_response(200)
                self.send_header("Content-Type", "text/plain; version=0.0.4")
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_: Any) -> None:
                """Silent: the scrapes are counted."""

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=self._server.serve_forever, daemon=True).start()
        self._name = f"{self._namespace}-pod-{self._server.server_port}"
        address = f"127.0.0.1:{self._server.server_port}"
        write_target(self._site.targets, self._name, address, {"namespace": self._namespace})
        return self

    def __exit__(self, *_: object) -> None:
        remove_target(self._site.targets, self._name)
        self._server.shutdown()
        self._server.server_close()


def line(one: Line) -> str:
    """One line of Prometheus's text format."""
    metric, labels, value = one
    named = (
        '{}="{}"'.format(name, text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n"))
        for name, text in labels.items()
    )
    return f"{metric}{{{','.join(named)}}} {value}\n"
