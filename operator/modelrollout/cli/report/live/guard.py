"""Who is answered: requests to this machine by its own name, with the token of this run; and what answers carry.

A page of somebody else in the same browser can send requests to 127.0.0.1, by a name of its own even (DNS rebinding).
It cannot know the token, and its name is not ours. Nothing here writes anything, whoever asks.
"""

from __future__ import annotations

import secrets
from collections.abc import Awaitable, Callable
from http import HTTPStatus
from typing import Any

from aiohttp import web

from modelrollout.cli.report.page.document import policy

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]
HOSTS = ("127.0.0.1", "localhost")
HEADERS = {
    "Cache-Control": "no-store",
    "Content-Security-Policy": f"{policy(live=True)}; frame-ancestors 'none'",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
}


def new_token() -> str:
    """Of one run; 192 bits."""
    return secrets.token_urlsafe(24)


def allowed(host: str | None, port: int) -> bool:
    """Whether a Host header names this machine and this port."""
    return host in {f"{name}:{port}" for name in HOSTS}


def guard(token: str, port: Callable[[], int]) -> Any:
    """The middleware of aiohttp that refuses everybody else, without saying more than that."""

    @web.middleware
    async def check(request: web.Request, handler: Handler) -> web.StreamResponse:
        if not allowed(request.headers.get("Host"), port()):
            return _refused(HTTPStatus.MISDIRECTED_REQUEST, "ask for 127.0.0.1, as printed")
        given = request.path.split("/")[1]
        if not secrets.compare_digest(given.encode(), token.encode()):
            return _refused(HTTPStatus.NOT_FOUND, "use the address that kubectl modelrollout dashboard printed")
        if request.method not in {"GET", "HEAD"}:
            return _refused(HTTPStatus.METHOD_NOT_ALLOWED, "this page only shows")
        try:
            answer = await handler(request)
        except web.HTTPException as error:
            answer = _refused(HTTPStatus(error.status), error.reason)
        answer.headers.update(HEADERS)
        return answer

    return check


def _refused(status: HTTPStatus, text: str) -> web.Response:
    return web.Response(status=status, text=f"{text}\n", headers=HEADERS)
