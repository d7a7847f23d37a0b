"""The versions behind all canaries: real HTTP servers, many in one process, whose faults are set while they run.

Run as `python -m tests.bench.peers.world.backends FILE`, where FILE is JSON: a list of {address, model, version, seed}.
POST /behave with a Behaviour as JSON changes one of them; GET /metrics has its series of activation health; GETs are
answered at once, as readiness probes are, and POSTs after a time.
"""

from __future__ import annotations

import asyncio
import functools
import json
import math
import random
import signal
import sys
from dataclasses import dataclass, field
from pathlib import Path

from tests.bench.peers.story import MEDIAN, PORT, SPREAD, Behaviour

UNITS = 64
"""Values of the one layer whose activations are counted."""


@dataclass
class Arm:
    address: str
    model: str
    version: str
    seed: str
    behaviour: Behaviour = field(default_factory=Behaviour)
    answered: int = 0
    nan: int = 0

    def __post_init__(self) -> None:
        self.chance = random.Random(self.seed)

    def draw(self) -> tuple[int, float]:
        """(status, seconds) of the next request."""
        self.answered += 1
        self.nan += self.chance.random() < self.behaviour.nan
        failed = self.chance.random() < self.behaviour.errors
        seconds = self.chance.lognormvariate(math.log(MEDIAN), SPREAD) * self.behaviour.slower
        return (503 if failed else 200), seconds

    def metrics(self) -> str:
        labels = f'model="{self.model}",version="{self.version}",layer="hidden"'
        lines = [
            f"model_activation_{name}_total{{{labels}}} {value}"
            for name, value in (
                ("samples", self.answered),
                ("offered_samples", self.answered),
                ("observations", self.answered),
                ("elements", self.answered * UNITS),
            )
        ]
        name = "model_activation_nonfinite_elements_total"
        lines += [f'{name}{{{labels},kind="{kind}"}} {n}' for kind, n in (("nan", self.nan * UNITS), ("inf", 0))]
        return "\n".join(lines) + "\n"


class Server(asyncio.Protocol):
    """One connection: requests with Content-Length, one after the other."""

    def __init__(self, arm: Arm) -> None:
        self._arm, self._kept = arm, b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        self._kept += data
        while (end := self._kept.find(b"\r\n\r\n")) >= 0:
            head = self._kept[:end]
            size = _length(head)
            if len(self._kept) < end + 4 + size:
                return
            body, self._kept = self._kept[end + 4 : end + 4 + size], self._kept[end + 4 + size :]
            self._serve(head, body)

    def _serve(self, head: bytes, body: bytes) -> None:
        method, path = head.split(b" ", 2)[:2]
        if path == b"/behave":
            self._arm.behaviour = Behaviour(**json.loads(body))
            self._answer(200, b"")
        elif path == b"/metrics":
            self._answer(200, self._arm.metrics().encode())
        elif method == b"GET":
            self._answer(200, b"{}")
        else:
            status, seconds = self._arm.draw()
            asyncio.get_running_loop().call_later(seconds, self._answer, status, b"{}")

    def _answer(self, status: int, body: bytes) -> None:
        if not self._transport.is_closing():
            head = f"HTTP/1.1 {status} X\r\nContent-Type: text/plain\r\nX-Version: {self._arm.version}\r\n"
            self._transport.write(f"{head}Content-Length: {len(body)}\r\n\r\n".encode() + body)


def _length(head: bytes) -> int:
    for line in head.split(b"\r\n")[1:]:
        name, _, value = line.partition(b":")
        if name.lower() == b"content-length":
            return int(value)
    return 0


async def serve(arms: list[Arm]) -> None:
    """Until SIGTERM."""
    loop, over = asyncio.get_running_loop(), asyncio.Event()
    for arm in arms:
        await loop.create_server(functools.partial(Server, arm), arm.address, PORT)
    loop.add_signal_handler(signal.SIGTERM, over.set)
    await over.wait()


if __name__ == "__main__":
    asyncio.run(serve([Arm(**each) for each in json.loads(Path(sys.argv[1]).read_text())]))
