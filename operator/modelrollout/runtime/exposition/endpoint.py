"""/metrics: what Prometheus scrapes. A scrape copies numbers on the event loop and writes text beside it.

Many rollouts make a long text, which holds the interpreter: it is written in a thread, once at a time, and whoever asks
meanwhile gets the same one. No pass waits for it.
"""

from __future__ import annotations

import asyncio
import gzip
import logging
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from aiohttp import web
from prometheus_client import CollectorRegistry, ProcessCollector
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.exposition import CONTENT_TYPE_LATEST, generate_latest

from modelrollout.runtime.exposition.lines import text_of
from modelrollout.runtime.exposition.rollouts import Rows
from modelrollout.runtime.metrics import Family, Samples

if TYPE_CHECKING:
    from modelrollout.runtime.metrics import MemoryMetrics

log = logging.getLogger(__name__)
_LEVEL = 1
"""Of compression: a third of the text goes in a tenth of the time that the best takes."""
PATH = "/metrics"


@dataclass(frozen=True, eq=False)
class _Copy:
    """A Collector of numbers that change no more."""

    families: list[tuple[Family, Samples]]

    def collect(self) -> Iterable[Metric]:
        for family, samples in self.families:
            kind = CounterMetricFamily if family.kind == "counter" else GaugeMetricFamily
            made = kind(family.name, f"{family.meaning}.", labels=family.labels)
            for labels, value in samples:
                made.add_metric(labels, value)
            yield made


@dataclass
class Exposition:
    """Answers scrapes. `rollouts` gives what is known of each; a process that stands by has none."""

    metrics: MemoryMetrics
    rollouts: Callable[[], list[Rows]] = list
    runner: web.AppRunner | None = None
    _under_way: asyncio.Task[bytes] | None = None
    _process: CollectorRegistry = field(default_factory=CollectorRegistry)

    def __post_init__(self) -> None:
        ProcessCollector(registry=self._process)

    async def answer(self, request: web.Request) -> web.Response:
        """The text, compressed for whoever takes it so."""
        if self._under_way is None or self._under_way.done():
            self._under_way = asyncio.create_task(self._written(self.metrics.families(), self.rollouts()))
        packed = await asyncio.shield(self._under_way)
        headers = {"Content-Type": CONTENT_TYPE_LATEST}
        if "gzip" in request.headers.get("Accept-Encoding", ""):
            return web.Response(body=packed, headers=headers | {"Content-Encoding": "gzip"})
        return web.Response(body=await asyncio.to_thread(gzip.decompress, packed), headers=headers)

    async def _written(self, families: list[tuple[Family, Samples]], rollouts: list[Rows]) -> bytes:
        return await asyncio.to_thread(lambda: gzip.compress(self.text(families, rollouts), _LEVEL))

    def text(self, families: list[tuple[Family, Samples]], rollouts: list[Rows]) -> bytes:
        """The exposition format; no I/O."""
        registry = CollectorRegistry()
        registry.register(_Copy(families))
        return generate_latest(registry) + text_of(rollouts) + generate_latest(self._process)

    async def serve(self, host: str, port: int) -> None:
        """Serve on `host`:`port`; port 0 serves nothing. A port that cannot be had is said: rollouts matter more."""
        if not port:
            return
        app = web.Application()
        app.router.add_get(PATH, self.answer)
        self.runner = web.AppRunner(app, access_log=None)
        await self.runner.setup()
        try:
            await web.TCPSite(self.runner, host, port).start()
        except OSError as error:
            log.error("no /metrics: --metrics-port %d cannot be had (%s); choose another one", port, error)  # noqa: TRY400

    async def stop(self) -> None:
        """Close the port."""
        if self.runner is not None:
            await self.runner.cleanup()
