"""Whatever a registry answers is bounded and read strictly: nonsense writes nothing, and no secret is in a sentence."""

from __future__ import annotations

import base64
from typing import TYPE_CHECKING, Any, Self

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from modelrollout.adapters.registries import Mlflow
from modelrollout.adapters.registries.mlflow import LONGEST_ANSWER
from modelrollout.api.borders.secrecy import without_secrets
from modelrollout.api.config.registries import ModelRegistry
from modelrollout.ports import Undelivered
from tests.unit.registries.standings import standing, trying

if TYPE_CHECKING:
    from pathlib import Path

SECRET = "pa55-w0rd-0f-0urs"


class Server:
    """Answers everything alike, and keeps what it was asked."""

    def __init__(self, body: bytes, status: int = 200, **headers: str) -> None:
        self.asked: list[web.Request] = []

        async def answer(request: web.Request) -> web.Response:
            self.asked.append(request)
            return web.Response(body=body, status=status, headers=headers)

        app = web.Application()
        app.router.add_route("*", "/{any:.*}", answer)
        self._server = TestServer(app)

    async def __aenter__(self) -> Self:
        await self._server.start_server()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._server.close()

    async def told(self, **changes: Any) -> tuple[bool, tuple[str, ...]]:
        found = {"name": "mlflow", "url": str(self._server.make_url("/")).rstrip("/")} | changes
        way = Mlflow(ModelRegistry.model_validate(found, by_alias=True))
        try:
            return await way.follow(standing(trying()))
        finally:
            await way.close()


@pytest.mark.parametrize(
    ("body", "status", "headers", "said", "final"),
    [
        (b"<html>", 200, {}, "not one of MLflow's", False),
        (b"{}", 200, {}, "not one of MLflow's", False),
        (b"[" * 100_000, 200, {}, "not one of MLflow's", False),
        (b"[1]", 200, {}, "not one of MLflow's", False),
        (b"\x1f\x8b", 200, {"Content-Encoding": "gzip"}, "not one of MLflow's", False),
        (b" " * (LONGEST_ANSWER + 1), 200, {}, "more than 1024 KiB", False),
        (b"<html>", 404, {}, "it answered 404", True),
        (b"{}", 302, {"Location": "http://127.0.0.1:1/"}, "it answered 302", True),
        (b"", 401, {}, "it answered 401", False),
        (b"", 503, {"Retry-After": "7"}, "it answered 503", False),
    ],
)
async def test_nonsense_is_a_sentence_and_writes_nothing(
    body: bytes, status: int, headers: dict[str, str], said: str, final: bool
):
    async with Server(body, status, **headers) as server:
        with pytest.raises(Undelivered, match=said) as raised:
            await server.told()
    assert raised.value.final == final
    assert [request.method for request in server.asked] == ["GET"]


async def test_strange_values_in_a_right_answer_are_left_out():
    strange = b'{"registered_model": {"name": "digits", "aliases": [7, {"alias": "champion", "version": {"a": 1}}]},'
    strange += b'"model_version": {"name": "digits", "tags": [null, {"key": 3}, {"key": "modelrollout.rollout"}]}}'
    async with Server(strange) as server:
        written, left = await server.told()
    assert (written, left) == (True, ())
    assert {request.path.rsplit("/", 1)[-1] for request in server.asked if request.method == "POST"} == {
        "set-tag",
        "alias",
    }


@pytest.mark.parametrize("way", ["bearerTokenFile", "basicAuth"])
async def test_a_credential_is_in_the_header_and_in_no_sentence(tmp_path: Path, way: str):
    (tmp_path / "secret").write_text(f"{SECRET}\n")
    file = str(tmp_path / "secret")
    basic = base64.b64encode(f"rollouts:{SECRET}".encode()).decode()
    value: Any = file if way == "bearerTokenFile" else {"username": "rollouts", "passwordFile": file}
    async with Server(b"", 503) as server:
        with pytest.raises(Undelivered):
            await server.told(**{way: value})
    sent = server.asked[0].headers["Authorization"]
    assert sent == (f"Bearer {SECRET}" if way == "bearerTokenFile" else f"Basic {basic}")
    assert SECRET not in without_secrets(f"said {sent}")
    assert basic not in without_secrets(f"said {sent.split()[1]}")


async def test_without_its_file_nothing_is_sent(tmp_path: Path):
    async with Server(b"{}") as server:
        with pytest.raises(Undelivered, match=r"bearer token file .* cannot be read: No such file"):
            await server.told(bearerTokenFile=str(tmp_path / "none"))
    assert server.asked == []
