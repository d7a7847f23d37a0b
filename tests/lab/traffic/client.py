"""Steady labelled traffic through the gateway; every answer is kept, so a test can say how many failed and when."""

from __future__ import annotations

import asyncio
import json
import time
from collections import Counter
from typing import TYPE_CHECKING, Any, Self

import aiohttp

from tests.lab.models.data import holdout
from tests.lab.traffic.noted import Answer

if TYPE_CHECKING:
    from concurrent.futures import Future

    from tests.lab.session.background import Background

#: Seconds after which a client ends unless it is stopped before or given another limit.
LIMIT = 900.0


def bodies(batch: int, *, labels: bool = True) -> list[bytes]:
    """Inference requests of `batch` hold-out rows each, covering the hold-out once; with labels the server counts."""
    rows, truth = holdout()
    made = []
    for start in range(0, len(rows) - batch + 1, batch):
        x, y = rows[start : start + batch], truth[start : start + batch]
        inputs: list[dict[str, Any]] = [
            {
                "name": "X",
                "datatype": "FP32",
                "shape": [batch, x.shape[1]],
                "data": [round(float(value), 4) for value in x.ravel()],
            }
        ]
        if labels:
            inputs.append({"name": "LABEL", "datatype": "INT32", "shape": [batch], "data": y.tolist()})
        # Without named outputs Triton sends all of them; the class is enough for a client.
        made.append(json.dumps({"inputs": inputs, "outputs": [{"name": "CLASS"}]}).encode())
    return made


class LoadClient:
    """`rate` requests a second, open loop: a slow server does not slow the sending. A context manager."""

    def __init__(
        self,
        background: Background,
        url: str,
        host: str,
        *,
        rate: float = 50.0,
        batch: int = 4,
        labels: bool = True,
        timeout: float = 5.0,
        headers: dict[str, str] | None = None,
        limit: float = LIMIT,
    ) -> None:
        self._background, self._url, self._limit = background, url, limit
        self._headers = {"Host": host, "Content-Type": "application/json"} | (headers or {})
        self._rate, self._timeout = rate, timeout
        self._bodies = bodies(batch, labels=labels)
        self._sender: Future[None] | None = None
        self._stopping = False
        self.answers: list[Answer] = []

    def start(self) -> Self:
        self._stopping = False
        self._sender = self._background.spawn(self._send_all())
        return self

    def stop(self) -> None:
        """Send nothing more and wait for the answers under way; idempotent."""
        self._stopping = True
        if self._sender is not None:
            self._sender.result(self._timeout + 10)
            self._sender = None

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(self, *_: object) -> None:
        self.stop()

    @property
    def failed(self) -> list[Answer]:
        """Everything but a 200."""
        return [answer for answer in list(self.answers) if answer.status != 200]

    def statuses(self, since: float = 0.0) -> Counter[str]:
        """How many answers of each status or failure kind to requests sent at `since` (time.time()) or later."""
        return Counter(answer.failure or str(answer.status) for answer in list(self.answers) if answer.at >= since)

    def versions(self, since: float = 0.0) -> Counter[str]:
        """How many 200s each model version gave to requests sent at `since` (time.time()) or later."""
        return Counter(answer.version for answer in list(self.answers) if answer.at >= since and answer.status == 200)

    def wait_for(self, count: int, deadline: float = 30.0) -> None:
        """Wait for `count` answers from now on. TimeoutError after `deadline` s."""
        aim, end = len(self.answers) + count, time.monotonic() + deadline
        while len(self.answers) < aim:
            if time.monotonic() > end:
                raise TimeoutError(f"{aim - len(self.answers)} of {count} answers missing after {deadline:.0f} s")
            time.sleep(0.02)

    async def _send_all(self) -> None:
        started, sent = time.monotonic(), 0
        pending: set[asyncio.Task[None]] = set()
        settings = aiohttp.ClientTimeout(total=self._timeout)
        async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0), timeout=settings) as session:
            while not self._stopping and time.monotonic() - started < self._limit:
                task = asyncio.create_task(self._send(session, self._bodies[sent % len(self._bodies)]))
                pending.add(task)
                task.add_done_callback(pending.discard)
                sent += 1
                await asyncio.sleep(max(0.0, started + sent / self._rate - time.monotonic()))
            await asyncio.gather(*pending)

    async def _send(self, session: aiohttp.ClientSession, body: bytes) -> None:
        at, started = time.time(), time.monotonic()
        status, version, failure = 0, "", ""
        try:
            async with session.post(self._url, data=body, headers=self._headers) as response:
                text = await response.read()
                status = response.status
                version = json.loads(text).get("model_version", "") if status == 200 else ""
        except TimeoutError:
            failure = "timeout"
        except aiohttp.ClientError:
            failure = "connection"
        self.answers.append(Answer(at, time.monotonic() - started, 0 if failure else status, version, failure))
