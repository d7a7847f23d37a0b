"""Anybody may reach the health port: few callers at once, a short time, a short head."""

from __future__ import annotations

import asyncio
from types import SimpleNamespace
from typing import Any, cast

import pytest

from modelrollout.runtime import health as module
from modelrollout.runtime.health import Health


async def serving(health: Health) -> tuple[asyncio.Server, int]:
    server = await asyncio.start_server(health.answer, "127.0.0.1", 0, limit=module.LONGEST_HEAD)
    return server, server.sockets[0].getsockname()[1]


async def asked(port: int, head: bytes) -> bytes:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        writer.write(head)
        async with asyncio.timeout(20):
            return await reader.read()
    except OSError:
        return b""
    finally:
        writer.close()


def service(late: float, watches: int = 1) -> Any:
    return SimpleNamespace(watches=range(watches), overdue=lambda: late)


async def test_it_says_whether_passes_happen():
    health = Health()
    server, port = await serving(health)
    found = [await asked(port, b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n")]
    for each in (service(0, 0), service(-5), service(module.STALE + 1)):
        health.watch(cast("Any", each))
        found.append(await asked(port, b"GET /readyz?x=1 HTTP/1.0\r\n\r\n"))
    assert [one.split()[1] for one in found] == [b"200", b"200", b"200", b"503"]
    assert [one.rpartition(b"\r\n\r\n")[2] for one in found] == [
        b"standing by\n",
        b"leading, nothing to do\n",
        b"no pass is late by more than 0.0 s\n",
        b"no pass is late by more than 181.0 s\n",
    ]
    server.close()


@pytest.mark.parametrize(
    ("head", "status"),
    [
        (b"GET / HTTP/1.1\r\n\r\n", b"404"),
        (b"GET /healthz/../../etc/passwd HTTP/1.1\r\n\r\n", b"404"),
        (b"POST /healthz HTTP/1.1\r\nContent-Length: 99999999\r\n\r\n", b"405"),
        (b"\x16\x03\x01\r\n\r\n", b"404"),
        (b"\r\n\r\n", b"404"),
        (b"GET /healthz HTTP/1.1\r\nX: " + b"a" * 20_000 + b"\r\n\r\n", None),
        (b"GET /healthz HTTP/1.1\r\n", None),
    ],
)
async def test_other_questions_get_a_status_or_nothing(
    head: bytes, status: bytes | None, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(module, "PATIENCE", 0.3)
    server, port = await serving(health := Health())
    answer = await asked(port, head)
    found = answer.split()[1] if answer else None
    assert found == status or (status == b"404" and found == b"405")
    assert health.callers == 0
    server.close()


@pytest.mark.slow
async def test_callers_that_say_nothing_are_few_and_soon_gone(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(module, "PATIENCE", 0.5)
    server, port = await serving(health := Health())
    silent = [await asyncio.open_connection("127.0.0.1", port) for _ in range(module.MOST_CALLERS)]
    while health.callers < module.MOST_CALLERS:  # noqa: ASYNC110 - nothing tells when a caller has come
        await asyncio.sleep(0.01)
    assert await asked(port, b"GET /healthz HTTP/1.1\r\n\r\n") == b""
    async with asyncio.timeout(20):
        for reader, _ in silent:
            assert await reader.read() == b""
    assert (await asked(port, b"HEAD /healthz HTTP/1.1\r\n\r\n")).endswith(b"\r\n\r\n")
    for _, writer in silent:
        writer.close()
    server.close()
