"""Alive means that passes still happen: a process in which one is long overdue should be started again."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from aiohttp import web

if TYPE_CHECKING:
    from modelrollout.runtime.service import Service

STALE = 180.0


@dataclass
class Health:
    """Answers /healthz (are passes happening?) and /readyz (is the process up, leading or standing by?)."""

    runner: web.AppRunner | None = None
    service: Service | None = None

    def watch(self, service: Service) -> None:
        """From now on liveness means this service's passes."""
        self.service = service

    async def healthz(self, _request: web.Request) -> web.Response:
        """200 while standing by, while there is nothing to do, or while passes happen."""
        service = self.service
        if service is None or not service.watches:
            return web.Response(text="standing by\n" if service is None else "leading, nothing to do\n")
        late = max(service.overdue(), 0.0)
        return web.Response(text=f"no pass is late by more than {late:.1f} s\n", status=200 if late < STALE else 503)

    async def stop(self) -> None:
        """Close the port."""
        if self.runner is not None:
            await self.runner.cleanup()


async def serve_health(host: str, port: int) -> Health:
    """Serve on `host`:`port`; port 0 serves nothing."""
    health = Health()
    if not port:
        return health
    app = web.Application()
    app.router.add_get("/healthz", health.healthz)
    app.router.add_get("/readyz", health.healthz)
    health.runner = web.AppRunner(app, access_log=None)
    await health.runner.setup()
    await web.TCPSite(health.runner, host, port).start()
    return health
