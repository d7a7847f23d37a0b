from __future__ import annotations

import argparse
from collections.abc import AsyncIterator
from typing import Any, cast

import pytest
import pytest_asyncio
from aiohttp.test_utils import TestClient, TestServer
from aiohttp.web import Application, Request

from modelrollout.cli.report.live.guard import allowed
from modelrollout.cli.report.live.server import application
from modelrollout.cli.report.live.source import LiveSource
from tests.unit.cli.rollouts import NOW, stepping

TOKEN = "t" * 32


class OneRollout:
    """An API server with one ModelRollout, which says what was asked of it."""

    def __init__(self) -> None:
        self.asked: list[tuple[str, str]] = []
        self.clock = self

    def now(self) -> float:
        return NOW

    async def request(self, method: str, path: str, **_: Any) -> dict[str, Any]:
        self.asked.append((method, path))
        return {"items": [stepping()]}


@pytest_asyncio.fixture
async def client() -> AsyncIterator[TestClient[Request, Application]]:
    api: Any = OneRollout()
    port = [0]
    app = application(LiveSource(api, argparse.Namespace(), None, "default"), TOKEN, port)
    async with TestClient(TestServer(app)) as opened:
        port[0] = cast("int", opened.port)
        yield opened
    assert {method for method, _ in api.asked} <= {"GET"}


async def test_the_address_that_was_printed_shows_all_rollouts(client: TestClient[Request, Application]):
    answer = await client.get(f"/{TOKEN}/")
    assert answer.status == 200
    assert "digits" in await answer.text()
    assert answer.headers["Content-Security-Policy"].endswith("frame-ancestors 'none'")
    assert answer.headers["Cache-Control"] == "no-store"


@pytest.mark.parametrize("path", ["/", "/wrong/", f"/{TOKEN[:-1]}/", f"/{TOKEN}x/", "/%74/"])
async def test_without_the_token_nothing_is_there(client: TestClient[Request, Application], path: str):
    answer = await client.get(path)
    assert answer.status == 404
    assert await answer.text() == "use the address that kubectl modelrollout dashboard printed\n"


@pytest.mark.parametrize("host", ["evil.example.com", "127.0.0.1", "127.0.0.1:1", "localhost.evil.example.com:PORT"])
async def test_under_another_name_nobody_is_answered(client: TestClient[Request, Application], host: str):
    answer = await client.get(f"/{TOKEN}/", headers={"Host": host.replace("PORT", str(client.port))})
    assert answer.status == 421
    assert "digits" not in await answer.text()


@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "DELETE", "OPTIONS"])
async def test_nothing_can_be_written(client: TestClient[Request, Application], method: str):
    answer = await client.request(method, f"/{TOKEN}/")
    assert answer.status == 405


def test_the_names_of_this_machine():
    assert allowed("127.0.0.1:8080", 8080)
    assert allowed("localhost:8080", 8080)
    assert not allowed(None, 8080)
    assert not allowed("[::1]:8080", 8080)
