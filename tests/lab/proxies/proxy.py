"""A streaming HTTP proxy that changes nothing by itself; the shim and the fault injector are hooks on it."""

from __future__ import annotations

import asyncio
import contextlib
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import aiohttp
from aiohttp import web
from multidict import CIMultiDict
from yarl import URL

if TYPE_CHECKING:
    import ssl
    from collections.abc import AsyncGenerator, AsyncIterator

#: Headers that belong to one connection, plus those the two libraries set themselves.
_HOP = {
    "connection",
    "keep-alive",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
    "host",
    "content-length",
    "proxy-authorization",
}
_NOT_ADDED = ("Content-Type", "User-Agent", "Accept", "Accept-Encoding")


@dataclass
class Exchange:
    """One request on its way up and its answer on its way down; hooks may change any field.

    `status` is 0 until the upstream has answered; `dropped` says that the caller was cut off; `note` belongs to hooks.
    """

    request: web.Request
    method: str
    path: str  # with the query string, as it came
    headers: dict[str, str]
    body: bytes
    at: float = field(default_factory=time.time)
    status: int = 0
    dropped: bool = False
    note: Any = None

    @property
    def is_watch(self) -> bool:
        return "watch=1" in self.path or "watch=true" in self.path.lower()

    def drop(self) -> web.Response:
        """Close the caller's connection without a word; the answer returned only ends the handler."""
        self.dropped = True
        if self.request.transport is not None:
            self.request.transport.abort()
        return web.Response(status=500)


class Proxy:
    """Forward everything to `upstream`; subclasses override `before`, `rewrites` and `chunks`."""

    def __init__(self, upstream: str, *, client_tls: ssl.SSLContext | None = None) -> None:
        self.upstream = upstream.rstrip("/")
        self._client_tls = client_tls
        self._session: aiohttp.ClientSession | None = None
        self._runner: web.AppRunner | None = None
        self.port = 0

    async def start(self, *, tls: ssl.SSLContext | None = None, port: int = 0) -> int:
        """Listen on loopback (`port` 0: any free one) and return the port."""
        connector = aiohttp.TCPConnector(limit=0, ssl=self._client_tls or True)
        # No total timeout: watches last; the caller's own timeout closes the connection, which cancels the handler.
        self._session = aiohttp.ClientSession(
            connector=connector,
            auto_decompress=False,
            trust_env=False,
            timeout=aiohttp.ClientTimeout(total=None, sock_connect=5),
        )
        app = web.Application(client_max_size=64 * 2**20)
        app.router.add_route("*", "/{any:.*}", self._handle)
        self._runner = web.AppRunner(app, handler_cancellation=True, access_log=None, shutdown_timeout=0.5)
        await self._runner.setup()
        site = web.TCPSite(self._runner, "127.0.0.1", port, ssl_context=tls, reuse_address=True)
        await site.start()
        self.port = self._runner.addresses[0][1]
        return self.port

    async def stop(self) -> None:
        if self._runner is not None:
            await self._runner.cleanup()
            self._runner = None
        if self._session is not None:
            await self._session.close()
            await asyncio.sleep(0.1)  # a closed connection is let go in a later turn of the loop, which may end now

    async def before(self, exchange: Exchange) -> web.StreamResponse | None:
        """Called before forwarding; an answer returned here is given instead of the upstream's."""
        return None

    async def chunks(self, exchange: Exchange, source: AsyncIterator[bytes]) -> AsyncGenerator[bytes]:
        """The answer's body on its way down."""
        async for chunk in source:
            yield chunk

    def keeps_length(self, exchange: Exchange) -> bool:
        """Whether `chunks` leaves the body's length alone, so that Content-Length can be passed on."""
        return True

    async def committed(self, exchange: Exchange) -> web.StreamResponse | None:
        """Called when the upstream has answered and the caller does not know yet; an answer here replaces it."""
        return None

    def after(self, exchange: Exchange, answer: web.StreamResponse | None) -> None:
        """Called once for every request when it is over; `answer` is None when the caller gave up."""

    async def _handle(self, request: web.Request) -> web.StreamResponse:
        headers = {key: value for key, value in request.headers.items() if key.lower() not in _HOP}
        if "Host" in request.headers and not self.upstream.startswith("https"):
            headers["Host"] = request.headers["Host"]
        exchange = Exchange(request, request.method, request.raw_path, headers, await request.read())
        answer: web.StreamResponse | None = None
        try:
            answer = await self.before(exchange) or await self._forward(exchange)
        finally:
            # Also when the handler is cancelled, because the caller gave up.
            self.after(exchange, answer)
        return answer

    async def _forward(self, exchange: Exchange) -> web.StreamResponse:
        assert self._session is not None
        try:
            upstream = await self._session.request(
                exchange.method,
                URL(self.upstream + exchange.path, encoded=True),
                headers=exchange.headers,
                # An empty body would make aiohttp add a Content-Type, which the API server refuses with 406.
                data=exchange.body or None,
                skip_auto_headers=_NOT_ADDED,
                allow_redirects=False,
            )
        except aiohttp.ClientError as error:
            return web.Response(status=502, text=f"proxy: {error}\n")
        async with upstream:
            exchange.status = upstream.status
            return await self.committed(exchange) or await self._answer(exchange, upstream)

    async def _answer(self, exchange: Exchange, upstream: aiohttp.ClientResponse) -> web.StreamResponse:
        headers = [(key, value) for key, value in upstream.headers.items() if key.lower() not in _HOP]
        answer = web.StreamResponse(status=upstream.status, reason=upstream.reason, headers=CIMultiDict(headers))
        if upstream.content_length is not None and self.keeps_length(exchange):
            answer.content_length = upstream.content_length
        await answer.prepare(exchange.request)
        try:
            async with contextlib.aclosing(self.chunks(exchange, upstream.content.iter_any())) as body:
                async for chunk in body:
                    await answer.write(chunk)
            await answer.write_eof()
        except (ConnectionError, aiohttp.ClientError):
            # A body that broke off must not look complete to the caller.
            exchange.drop()
        return answer
