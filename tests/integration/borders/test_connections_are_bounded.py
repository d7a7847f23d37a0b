"""However many addresses a name has and whatever follows an answer: one exchange, in time, in a few descriptors."""

from __future__ import annotations

import asyncio
import contextlib
import gzip
import resource
import socket
import time
import tracemalloc
from collections.abc import Iterator
from typing import Any

import pytest

from modelrollout.ports import LedgerFailure
from tests.integration.borders.raw_server import dripping, response, saying, serving
from tests.integration.borders.test_no_answer_harms_the_ledger import EMPTY, asked, threads

MANY = 3000
GZIP = b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\n\r\n"


def resolved(monkeypatch: pytest.MonkeyPatch, *ports: int) -> None:
    """Every name has these ports of this machine for its addresses."""
    found = [(socket.AF_INET, socket.SOCK_STREAM, 6, "", ("127.0.0.1", port)) for port in ports]
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: found)


@pytest.fixture
def deaf() -> Iterator[int]:
    """A port at which a connection is never finished: its queue is full."""
    with socket.socket() as listening, contextlib.ExitStack() as callers:
        listening.bind(("127.0.0.1", 0))
        listening.listen(0)
        for _ in range(4):
            caller = callers.enter_context(socket.socket())
            caller.setblocking(False)
            caller.connect_ex(listening.getsockname())
        yield listening.getsockname()[1]


@pytest.fixture
def closed() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        number: int = free.getsockname()[1]
    return number


async def test_a_name_with_thousands_of_addresses_that_hang_keeps_no_place(ledger, monkeypatch, deaf):
    resolved(monkeypatch, *[deaf] * MANY)
    began = time.monotonic()
    got = await asked(ledger, "http://prometheus.test", timeout=0.5)
    assert (type(got), got.reason) == (LedgerFailure, "PrometheusTimeout")
    async with asyncio.timeout(10):
        while threads():  # noqa: ASYNC110 - nothing tells when a thread has ended
            await asyncio.sleep(0.02)
    assert time.monotonic() - began < 15


async def test_of_thousands_of_addresses_the_one_that_answers_is_asked_in_a_few_descriptors(
    ledger, monkeypatch, closed
):
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    async with serving(saying(response(EMPTY))) as url:
        resolved(monkeypatch, *[closed] * MANY, int(url.rpartition(":")[2]))
        with socket.socket() as newest:
            most = newest.fileno() + 200
        resource.setrlimit(resource.RLIMIT_NOFILE, (most, hard))
        try:
            assert await asked(ledger, "http://prometheus.test") == ()
        finally:
            resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


async def test_a_name_without_any_address_that_answers_is_unreachable(ledger, monkeypatch, closed):
    resolved(monkeypatch, closed, closed)
    assert (await asked(ledger, "http://prometheus.test")).reason == "PrometheusUnreachable"
    resolved(monkeypatch)
    assert (await asked(ledger, "http://prometheus.test")).reason == "PrometheusUnreachable"


async def test_an_address_of_ipv6_is_asked_as_it_is_written(ledger):
    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(response(EMPTY))
        writer.close()

    async with await asyncio.start_server(answer, "::1", 0) as server:
        assert await asked(ledger, f"http://[::1]:{server.sockets[0].getsockname()[1]}") == ()


async def test_what_follows_a_compressed_answer_is_kept_for_nobody(ledger):
    """What a decompressor does not need it keeps, and an endless rest with it."""

    async def endless(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(GZIP + gzip.compress(EMPTY))
        while True:
            writer.write(b"x" * 2**20)
            await writer.drain()

    async with serving(endless) as url:
        tracemalloc.start()
        got: Any = await asked(ledger, url)
        _, peak = tracemalloc.get_traced_memory()
        tracemalloc.stop()
    assert got.reason == "AnswerMalformed"
    assert peak < 8 * 2**20
    async with serving(dripping(GZIP + gzip.compress(EMPTY), gzip.compress(b" "))) as url:
        assert (await asked(ledger, url)).reason == "AnswerMalformed"
