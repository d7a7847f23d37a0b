"""The port: one text for all who ask at once, written beside the event loop; a process that stands by answers too."""

from __future__ import annotations

import asyncio
import gzip
import threading
from typing import Any, cast

import aiohttp
import pytest
from aiohttp import web
from prometheus_client import CollectorRegistry
from prometheus_client.exposition import generate_latest

from modelrollout.runtime.exposition.endpoint import PATH, Exposition, _Copy
from modelrollout.runtime.exposition.lines import text_of
from modelrollout.runtime.exposition.rollouts import FAMILIES, rows_of
from modelrollout.runtime.lease import Lease
from modelrollout.runtime.metrics import MemoryMetrics
from modelrollout.runtime.run import process_metrics
from tests.unit.registries.standings import trying


class Asking:
    def __init__(self, encoding: str = "gzip") -> None:
        self.headers = {"Accept-Encoding": encoding}


def request(encoding: str = "gzip") -> web.Request:
    return cast("web.Request", Asking(encoding))


async def test_scrapes_at_once_share_one_text_and_the_loop_goes_on_meanwhile(monkeypatch: pytest.MonkeyPatch):
    written, held = [], threading.Event()
    exposition = Exposition(MemoryMetrics())

    def text(*_: Any) -> bytes:
        written.append(threading.current_thread())
        held.wait(10)
        return b"a 1\n"

    monkeypatch.setattr(exposition, "text", text)
    asked = [asyncio.create_task(exposition.answer(request(kind))) for kind in ("gzip", "", "gzip")]
    for _ in range(5):
        await asyncio.sleep(0)  # a loop that is held up would not come back from here
    held.set()
    async with asyncio.timeout(10):
        packed, plain, _ = await asyncio.gather(*asked)
    assert len(written) == 1
    assert written[0] is not threading.main_thread()
    assert gzip.decompress(cast("bytes", packed.body)) == cast("bytes", plain.body) == b"a 1\n"
    await exposition.answer(request())
    assert len(written) == 2


async def test_who_hangs_up_takes_nobody_elses_text_away():
    held = threading.Event()
    exposition = Exposition(MemoryMetrics())
    exposition.text = lambda *_: b"a 1\n" if held.wait(10) else b""  # type: ignore[method-assign]
    first, second = (asyncio.create_task(exposition.answer(request())) for _ in range(2))
    await asyncio.sleep(0)
    first.cancel()
    held.set()
    async with asyncio.timeout(10):
        assert (await second).status == 200


async def test_a_process_that_stands_by_says_so_on_its_port():
    lease = Lease(cast("Any", None), "rollouts", "operator", "me")
    exposition = Exposition(process_metrics((), lease))
    app_port = await _served(exposition)
    async with aiohttp.ClientSession() as session, session.get(f"http://127.0.0.1:{app_port}{PATH}") as answer:
        found = await answer.text()
    await exposition.stop()
    assert "modelrollout_operator_leading 0.0" in found
    assert "process_resident_memory_bytes" in found
    assert answer.headers["Content-Type"].startswith("text/plain")


async def _served(exposition: Exposition) -> int:
    """On a port that is free now."""
    server = await asyncio.start_server(lambda *_: None, "127.0.0.1", 0)
    port: int = server.sockets[0].getsockname()[1]
    server.close()
    await server.wait_closed()
    await exposition.serve("127.0.0.1", port)
    return port


async def test_port_0_serves_nothing():
    exposition = Exposition(MemoryMetrics())
    await exposition.serve("127.0.0.1", 0)
    await exposition.stop()
    assert exposition.runner is None


async def test_a_port_that_somebody_has_is_said_and_stops_nothing(caplog: pytest.LogCaptureFixture):
    server = await asyncio.start_server(lambda *_: None, "127.0.0.1", 0)
    port: int = server.sockets[0].getsockname()[1]
    exposition = Exposition(MemoryMetrics())
    await exposition.serve("127.0.0.1", port)
    await exposition.stop()
    server.close()
    assert f"--metrics-port {port} cannot be had" in caplog.text


def test_the_text_of_a_rollout_is_that_of_the_library_and_is_made_once():
    strange = ("vision", 'di"gi\\ts\n', "модель")
    rows = rows_of(strange[:2], None, strange[2], trying(), (None, None))
    exposition = Exposition(MemoryMetrics())
    assert rows.lines is None
    written = text_of([rows, rows])
    made = rows.lines
    assert made is not None
    registry = CollectorRegistry()
    registry.register(_Copy([(family, rows.get(family.name, ()) * 2) for family in FAMILIES]))
    assert written == generate_latest(registry)
    assert written in exposition.text([], [rows, rows])
    assert rows.lines is made
