"""Alive means that passes still happen: a process in which one is long overdue should be started again.

Anybody in the cluster may reach this port, so nothing is read but a short head, in a short time, and of few at once.
"""

from __future__ import annotations

import asyncio
import contextlib
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from modelrollout.runtime.service import Service

STALE = 180.0
PATIENCE = 3.0
"""Seconds that a caller has for its question and for taking the answer."""
LONGEST_HEAD = 8192
"""Bytes of a question."""
MOST_CALLERS = 32
"""At once; whoever comes more is shown out."""
PATHS = ("/healthz", "/readyz")


@dataclass
class Health:
    """Answers /healthz (are passes happening?) and /readyz (is the process up, leading or standing by?)."""

    server: asyncio.Server | None = None
    service: Service | None = None
    callers: int = 0

    def watch(self, service: Service) -> None:
        """From now on liveness means this service's passes."""
        self.service = service

    def state(self) -> tuple[int, str]:
        """(200 while standing by, while there is nothing to do, or while passes happen, else 503; a sentence)."""
        service = self.service
        if service is None or not service.watches:
            return 200, "standing by" if service is None else "leading, nothing to do"
        late = max(service.overdue(), 0.0)
        return 200 if late < STALE else 503, f"no pass is late by more than {late:.1f} s"

    async def stop(self) -> None:
        """Close the port."""
        if self.server is not None:
            self.server.close()

    async def answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One question and its answer; whatever goes wrong with a caller ends that caller's connection alone."""
        self.callers += 1
        try:
            if self.callers <= MOST_CALLERS:
                async with asyncio.timeout(PATIENCE):
                    writer.write(self._answer(await reader.readuntil(b"\r\n\r\n")))
                    await writer.drain()
        except (TimeoutError, OSError, asyncio.IncompleteReadError, asyncio.LimitOverrunError):
            pass
        finally:
            self.callers -= 1
            with contextlib.suppress(OSError):
                writer.close()

    def _answer(self, head: bytes) -> bytes:
        method, path, *_ = [*head.split(b"\r\n", 1)[0].decode("ascii", "replace").split(" "), "", ""]
        status, text = self.state() if path.partition("?")[0] in PATHS else (404, "ask for /healthz or /readyz")
        if method not in {"GET", "HEAD"}:
            status, text = 405, "only GET is answered"
        said = {200: "OK", 404: "Not Found", 405: "Method Not Allowed", 503: "Service Unavailable"}[status]
        body = f"{text}\n".encode()
        lines = f"HTTP/1.1 {status} {said}\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Length: {len(body)}"
        return f"{lines}\r\nConnection: close\r\n\r\n".encode() + (b"" if method == "HEAD" else body)


async def serve_health(host: str, port: int) -> Health:
    """Serve on `host`:`port`; port 0 serves nothing."""
    health = Health()
    if port:
        health.server = await asyncio.start_server(health.answer, host, port, limit=LONGEST_HEAD)
    return health
