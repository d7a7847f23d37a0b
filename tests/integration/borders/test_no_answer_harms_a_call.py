"""Whatever answers in the API server's place: a typed outcome, in time, and the credentials go nowhere else."""

from __future__ import annotations

import asyncio
import contextlib
import gzip
import json
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from modelrollout.adapters.kubernetes import bounds
from modelrollout.adapters.kubernetes.client import connect
from modelrollout.ports import Conflict, Unreachable
from tests.integration.borders.raw_server import CHUNKED, Talk, dripping, response, saying, serving, silence

LARGE = b'{"a": 1}' + b" " * 300_000
"""An object, but for its size."""


def kubeconfig(folder: Path, url: str) -> str:
    """A file that names `url` as the API server."""
    cluster, user = {"name": "c", "cluster": {"server": url}}, {"name": "u", "user": {"token": "hunter2"}}
    context = {"name": "x", "context": {"cluster": "c", "user": "u"}}
    path = folder / "kubeconfig"
    path.write_text(json.dumps({"clusters": [cluster], "users": [user], "contexts": [context], "current-context": "x"}))
    return str(path)


async def failure(folder: Path, talk: Talk, seconds: float = 10.0) -> Unreachable:
    """A server that answers may be slow on a busy machine; only where it never does are the seconds few."""
    async with serving(talk) as url, await connect(kubeconfig(folder, url), timeout=seconds) as api:
        with pytest.raises(Unreachable) as failed:
            await asyncio.wait_for(api.get("/api/v1/x"), 20)
    return failed.value


@pytest.mark.parametrize(
    "talk",
    [
        silence,
        dripping(b"HTTP/1.1 200 OK\r\nX: ", b"a"),
        dripping(b"HTTP/1.1 200 OK\r\n", b"X: y\r\n"),
        dripping(b"HTTP/1.1 200 OK\r\nContent-Length: 9999999\r\n\r\n", b"{"),
        dripping(CHUNKED, b"1\r\n \r\n"),
        dripping(b"", b"HTTP/1.1 100 Continue\r\n\r\n"),
    ],
)
async def test_an_answer_that_does_not_end_is_given_up(tmp_path, talk):
    assert (await failure(tmp_path, talk, seconds=0.5)).reason in {"ApiTimeout", "ApiUnreachable"}


async def test_a_redirect_carries_the_token_nowhere(tmp_path):
    visited = []

    async def elsewhere(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        visited.append(await reader.readuntil(b"\r\n\r\n"))
        writer.write(response(b"{}"))

    async with serving(elsewhere) as target:
        for status in ("301 M", "302 F", "307 T", "308 P"):
            got = await failure(tmp_path, saying(response(b"", status, f"Location: {target}/x".encode())))
            assert got.reason == "ApiUnreachable"
            assert "not followed" in str(got)
    assert visited == []


@pytest.mark.parametrize(
    "said",
    [
        response(LARGE),
        CHUNKED + b"%X\r\n" % len(LARGE) + LARGE + b"\r\n0\r\n\r\n",
        response(gzip.compress(b'{"a": 1}', mtime=0), "200 OK", b"Content-Encoding: gzip"),
        response(b"[" * 100_000),
        response(b"[1]"),
        response(b"\xff"),
        response(b'{"reason": "NotFound", "details": ["name"]}', "404 N"),
        response(b'{"reason": "NotFound", "details": "name"}', "404 N"),
        response(b"{}", "429 T", "Retry-After: \u00b2".encode()),
        response(b"{}", "200 OK", b"Date: Thu, 99 Foo 99999999999 99:99:99 GMT"),
        b"SSH-2.0-x\r\n",
        b"",
    ],
)
async def test_what_is_no_answer_is_unreachable(tmp_path, monkeypatch, said):
    monkeypatch.setattr(bounds, "MAX_BYTES", 200_000)
    got = await failure(tmp_path, saying(said))
    assert len(str(got)) < 2500


async def test_no_more_is_read_than_an_answer_may_have(tmp_path, monkeypatch):
    async def endless(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(CHUNKED)
        while True:
            writer.write(b"FFFF\r\n" + b" " * 0xFFFF + b"\r\n")
            await writer.drain()

    monkeypatch.setattr(bounds, "MAX_BYTES", 200_000)
    assert "larger than" in str(await failure(tmp_path, endless))


async def test_a_server_cannot_ask_for_a_wait_without_end(tmp_path):
    got = await failure(tmp_path, saying(response(b"{}", "429 T", b"Retry-After: " + b"9" * 400)))
    assert got.retry_after is not None
    assert got.retry_after <= 300


@given(said=st.binary(max_size=200), body=st.binary(max_size=100), status=st.sampled_from(["200 O", "404 N", "409 C"]))
@settings(deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_no_bytes_raise_anything_else(tmp_path, said, body, status):
    async def once(sent: bytes) -> None:
        async with serving(saying(sent)) as url, await connect(kubeconfig(tmp_path, url), timeout=10) as api:
            with contextlib.suppress(Conflict, Unreachable):
                assert isinstance(await asyncio.wait_for(api.request("GET", "/api/v1/x"), 20), dict)

    asyncio.run(once(said))
    asyncio.run(once(response(body, status)))
