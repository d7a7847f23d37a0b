"""The clients of all canaries: Poisson requests through the gateway, counted by second, canary, version and outcome.

Run as `python -m tests.bench.peers.world.load GATEWAY FILE`, where FILE is JSON: {host: [seed, requests/s]}. The counts
are in FILE with the suffix .counts every few seconds and at SIGTERM: [host, second, version, status, requests] each.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import random
import signal
import sys
import time
from collections import Counter
from pathlib import Path

WRITTEN = 5.0
"""Seconds between two writes of the counts."""
PATIENCE = 5.0
"""Seconds after which a request counts as failed."""

Counts = Counter[tuple[str, int, str, int]]


class Connection(asyncio.Protocol):
    """Keep-alive; one request at a time."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self.transport = transport
        self._kept = b""
        self._answer: asyncio.Future[tuple[int, str]] | None = None

    def ask(self, host: str) -> asyncio.Future[tuple[int, str]]:
        """(status, version)."""
        self._answer = asyncio.get_running_loop().create_future()
        head = f"POST /v2/models/{host.partition('.')[0]}/infer HTTP/1.1\r\nHost: {host}\r\n"
        self.transport.write(f"{head}Content-Type: application/json\r\nContent-Length: 2\r\n\r\n{{}}".encode())
        return self._answer

    def data_received(self, data: bytes) -> None:
        self._kept += data
        head, found, body = self._kept.partition(b"\r\n\r\n")
        fields = dict(line.lower().split(b": ", 1) for line in head.split(b"\r\n")[1:] if b": " in line)
        if found and len(body) >= int(fields.get(b"content-length", b"0")):
            self._kept = b""
            if self._answer is not None and not self._answer.done():
                self._answer.set_result((int(head.split(b" ", 2)[1]), fields.get(b"x-version", b"").decode()))

    def connection_lost(self, exc: Exception | None) -> None:
        if self._answer is not None and not self._answer.done():
            self._answer.set_result((0, ""))


class Load:
    def __init__(self, gateway: str, canaries: dict[str, tuple[str, float]]) -> None:
        host, _, port = gateway.rpartition(":")
        self._gateway, self._canaries = (host, int(port)), canaries
        self._idle: list[Connection] = []
        self.counts: Counts = Counter()

    def write(self, file: Path) -> None:
        half = file.with_suffix(".half")
        half.write_text(json.dumps([[*key, count] for key, count in self.counts.items()]))
        half.rename(file.with_suffix(".counts"))

    async def send_all(self) -> None:
        await asyncio.gather(
            *(self._send(host, random.Random(seed), rate) for host, (seed, rate) in self._canaries.items())
        )

    async def _send(self, host: str, chance: random.Random, rate: float) -> None:
        due = time.monotonic()
        pending: set[asyncio.Task[None]] = set()
        while True:
            due += chance.expovariate(rate)
            await asyncio.sleep(max(0.0, due - time.monotonic()))
            task = asyncio.create_task(self._one(host))
            pending.add(task)
            task.add_done_callback(pending.discard)

    async def _one(self, host: str) -> None:
        at, (status, version) = int(time.time()), (0, "")
        with contextlib.suppress(OSError, TimeoutError):
            async with asyncio.timeout(PATIENCE):
                connection = await self._connection()
                status, version = await connection.ask(host)
                if status:
                    self._idle.append(connection)
        self.counts[host, at, version, status] += 1

    async def _connection(self) -> Connection:
        while self._idle:
            found = self._idle.pop()
            if not found.transport.is_closing():
                return found
        return (await asyncio.get_running_loop().create_connection(Connection, *self._gateway))[1]


async def run(load: Load, file: Path) -> None:
    """Until SIGTERM."""
    over = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, over.set)
    sending = asyncio.create_task(load.send_all())
    while not over.is_set():
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(over.wait(), WRITTEN)
        load.write(file)
    sending.cancel()


if __name__ == "__main__":
    given = Path(sys.argv[2])
    asyncio.run(run(Load(sys.argv[1], json.loads(given.read_text())), given))
