"""What the adapters meet: a small HTTP server in this event loop, and what they log, without ports and libraries."""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
import re
import tempfile
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any

import yaml
from aiohttp import web

from modelrollout.ports import Conflict, Unreachable

Answer = Callable[[web.BaseRequest], Awaitable[web.StreamResponse]]
_PORT = re.compile(r"127\.0\.0\.1:[0-9]+")
_LIBRARY = re.compile(
    r"(?:Cannot connect to host|Server disconnected|HTTPConnectionPool|[A-Za-z.]*(?:Error|Timeout): ).*"
)
"""Where a sentence of ours ends with a library's, which changes from version to version."""


def plain(text: object) -> str:
    """The text without what differs from run to run, or from library to library."""
    return _LIBRARY.sub("(what the library says)", _PORT.sub("127.0.0.1:PORT", str(text)))


def failure(error: BaseException) -> str:
    """A typed outcome as a line: its reason, its sentence."""
    reason = error.reason if isinstance(error, Unreachable) else "Conflict" if isinstance(error, Conflict) else "defect"
    return f"{reason}: {plain(error)}"


async def failing(call: Awaitable[object]) -> str:
    """How a call that must fail fails."""
    try:
        found = await call
    except (Conflict, Unreachable) as error:
        return failure(error)
    raise AssertionError(f"it did not fail: {found}")


class Local:
    """A server whose answer can be exchanged at any time."""

    def __init__(self) -> None:
        self.url = ""
        self.answer: Answer = hangs

    async def respond(self, request: web.BaseRequest) -> web.StreamResponse:
        """What the server is made to answer now."""
        return await self.answer(request)


@contextlib.asynccontextmanager
async def serving() -> AsyncIterator[Local]:
    """A Local that listens on a port of its own."""
    local = Local()
    runner = web.ServerRunner(web.Server(local.respond), shutdown_timeout=0.01)
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        local.url = "http://{}:{}".format(*runner.addresses[0][:2])
        yield local
    finally:
        await runner.cleanup()


async def hangs(_request: web.BaseRequest) -> web.StreamResponse:
    """No answer while the caller can wait."""
    await asyncio.Event().wait()
    raise AssertionError


def sends(status: int, body: object = None, **headers: str) -> Answer:
    """The same answer to everything; `body` is JSON unless it is bytes or a text."""
    raw = body if isinstance(body, bytes) else body.encode() if isinstance(body, str) else json.dumps(body).encode()

    async def answer(_request: web.BaseRequest) -> web.StreamResponse:
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        return web.Response(status=status, body=raw, headers={"Content-Type": "application/json"} | named)

    return answer


def by_path(answers: dict[str, Answer]) -> Answer:
    """The answer of the first key that method and path contain, as in `PATCH /apis/`; else as for a kind not served."""

    async def answer(request: web.BaseRequest) -> web.StreamResponse:
        asked = f"{request.method} {request.path_qs}"
        for part, each in answers.items():
            if part in asked:
                return await each(request)
        return await sends(404, "404 page not found")(request)

    return answer


def refusal(status: int, message: str, reason: str = "", **more: Any) -> Answer:
    """An API server's Status."""
    return sends(status, {"kind": "Status", "message": message, "reason": reason, **more})


def gone(kind: str, name: str) -> Answer:
    """An API server's answer for an object that does not exist."""
    return refusal(404, f'{kind} "{name}" not found', "NotFound", details={"name": name})


@contextlib.contextmanager
def kubeconfig(url: str) -> Iterator[str]:
    """The path of a kubeconfig for the server at `url`."""
    content = {
        "apiVersion": "v1",
        "kind": "Config",
        "current-context": "it",
        "clusters": [{"name": "it", "cluster": {"server": url}}],
        "users": [{"name": "it", "user": {}}],
        "contexts": [{"name": "it", "context": {"cluster": "it", "user": "it"}}],
    }
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "kubeconfig")
        path.write_text(yaml.safe_dump(content))
        yield str(path)


@contextlib.contextmanager
def logged() -> Iterator[list[str]]:
    """What the operator logs meanwhile, a line each, with the failure behind it."""
    lines: list[str] = []

    class Lines(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            lines.append(f"{record.levelname.lower()}: {plain(record.getMessage())}")
            if record.exc_info and record.exc_info[1]:
                lines.append(f"  because: {failure(record.exc_info[1])}")

    handler, logger = Lines(), logging.getLogger("modelrollout")
    before = logger.level
    logger.addHandler(handler)
    logger.setLevel(logging.INFO)
    try:
        yield lines
    finally:
        logger.removeHandler(handler)
        logger.setLevel(before)


@contextlib.contextmanager
def instead(module: object, **values: object) -> Iterator[None]:
    """Other values of a module's or class's attributes meanwhile."""
    before = {name: getattr(module, name) for name in values}
    try:
        for name, value in values.items():
            setattr(module, name, value)
        yield
    finally:
        for name, value in before.items():
            setattr(module, name, value)
