"""Whatever answers at a Pod's address, a status shows that it did, never what it said, for the answer is not ours."""

from __future__ import annotations

import asyncio
from typing import Any, cast

import pytest

from modelrollout.adapters.kubernetes.client import Api
from modelrollout.adapters.triton.readiness import TritonServer
from modelrollout.api.config import Probes
from tests.allowed import PROBES

SECRET = b"postgres://svc:hunter2@10.1.2.3/prod"
ANSWERS = {
    "an answer of 401 with a trace": (
        b"HTTP/1.1 401 Unauthorized\r\nContent-Length: 36\r\n\r\n" + SECRET,
        "answered 401",
    ),
    "a redirect": (b"HTTP/1.1 302 F\r\nLocation: http://169.254.169.254/\r\nContent-Length: 0\r\n\r\n", "answered 302"),
    "a long reason": (b"HTTP/1.1 503 " + SECRET * 190 + b"\r\nContent-Length: 0\r\n\r\n", "did not answer in HTTP"),
    "a body without an end": (b"HTTP/1.1 503 no\r\nContent-Length: 10000000\r\n\r\n" + SECRET * 9000, "answered 503"),
    "another protocol's banner": (b"SSH-2.0-" + SECRET + b"\r\n", "did not answer in HTTP"),
    "another protocol's error": (b"-ERR wrong number of arguments, " + SECRET + b"\r\n", "did not answer in HTTP"),
    "zeros": (b"\x00" * 60_000 + b"\r\n\r\n", "did not answer in HTTP"),
    "nothing": (b"", ""),
}


class OneService:
    """An API server that knows one Service with one address."""

    def __init__(self, port: int) -> None:
        endpoints = [{"addresses": ["127.0.0.1"]}]
        self.slices = [{"addressType": "IPv4", "ports": [{"name": "", "port": port}], "endpoints": endpoints}]

    async def get(self, _path: str) -> dict[str, Any]:
        return {"metadata": {"name": "s", "namespace": "a"}, "spec": {"ports": [{"port": 8000}]}}

    async def request(self, *_: Any, **__: Any) -> dict[str, Any]:
        return {"items": self.slices}


async def probed(port: int, probes: Probes = PROBES) -> tuple[int, str]:
    prober = TritonServer(cast("Api", OneService(port)), timeout=10.0, probes=probes)
    return await prober.probe("a", "s", 8000, "digits", "2")


@pytest.mark.parametrize("name", ANSWERS)
async def test_what_a_server_says_is_not_repeated(name: str):
    payload, says = ANSWERS[name]

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(payload)
        writer.close()

    server = await asyncio.start_server(answer, "127.0.0.1", 0)
    count, wrong = await probed(server.sockets[0].getsockname()[1])
    server.close()
    assert count == 1
    assert wrong.endswith(says)
    assert wrong
    assert len(wrong) < 120
    assert "hunter2" not in wrong


async def test_an_address_where_nobody_listens_says_why():
    server = await asyncio.start_server(lambda *_: None, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    server.close()
    await server.wait_closed()
    assert (await probed(port))[1].startswith(f"1 of 1 addresses of s are not ready: 127.0.0.1:{port}: ")
