"""/metrics for Prometheus; it counts who asks, for a run begins only once it has been scraped."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from aiohttp import web
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.registry import Collector

from modelrollout.prober.counts import ArmCounts, Metric, metrics_of

CONTENT = "text/plain; version=0.0.4; charset=utf-8"


class Exposition(Collector):
    """Serves what `runs` returns."""

    def __init__(self, runs: Callable[[], Iterable[tuple[ArmCounts, ...]]]) -> None:
        self.scrapes = 0
        self._runs = runs
        self._registry = CollectorRegistry()
        self._registry.register(self)
        self._runner: web.AppRunner | None = None

    def collect(self) -> list[Metric]:
        """As prometheus_client asks."""
        return metrics_of(self._runs())

    async def serve(self, host: str, port: int) -> None:
        """Listen; port 0 for nobody."""
        if not port:
            return
        app = web.Application()
        app.router.add_get("/metrics", self._metrics)
        app.router.add_get("/healthz", self._health)
        self._runner = web.AppRunner(app, access_log=None)
        await self._runner.setup()
        await web.TCPSite(self._runner, host, port).start()

    async def stop(self) -> None:
        """Listen no more."""
        if self._runner is not None:
            await self._runner.cleanup()

    async def _metrics(self, _: web.Request) -> web.Response:
        text = generate_latest(self._registry)
        self.scrapes += 1
        return web.Response(body=text, headers={"Content-Type": CONTENT})

    async def _health(self, _: web.Request) -> web.Response:
        return web.Response(text="ok")
