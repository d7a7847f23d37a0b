"""A call to the API server needs no thread: the pool of evaluations may be full, and a lowering is sent at once."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest

from modelrollout.adapters.kubernetes.client import connect

PROXIES = ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "http_proxy", "https_proxy", "all_proxy")
ANSWER = b'{"metadata":{"name":"x"}}'


async def answering(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    asked = await reader.readuntil(b"\r\n\r\n")
    assert asked
    writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(ANSWER) + ANSWER)
    await writer.drain()
    writer.close()


def kubeconfig(folder: Path, port: int) -> str:
    about = {
        "clusters": [{"name": "c", "cluster": {"server": f"http://127.0.0.1:{port}"}}],
        "users": [{"name": "u", "user": {"token": "t"}}],
        "contexts": [{"name": "x", "context": {"cluster": "c", "user": "u"}}],
        "current-context": "x",
    }
    file = folder / "kubeconfig"
    file.write_text(json.dumps({"apiVersion": "v1", "kind": "Config", **about}))
    return str(file)


@pytest.mark.slow
async def test_a_call_is_answered_while_no_thread_is_free(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    for name in PROXIES:
        monkeypatch.delenv(name, raising=False)
    server = await asyncio.start_server(answering, "127.0.0.1", 0)
    async with await connect(kubeconfig(tmp_path, server.sockets[0].getsockname()[1])) as api:

        async def none_is_free(*_: Any) -> Any:
            pytest.fail("the call asked for a thread")

        monkeypatch.setattr(asyncio.get_running_loop(), "run_in_executor", none_is_free)
        assert await api.get("/x") == {"metadata": {"name": "x"}}
    server.close()


@pytest.mark.slow
async def test_a_proxy_in_the_environment_is_used(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    server = await asyncio.start_server(answering, "127.0.0.1", 0)
    for name in ("NO_PROXY", "no_proxy"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HTTP_PROXY", f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}")
    async with await connect(kubeconfig(tmp_path, 9)) as api:  # nobody listens there
        assert await api.get("/x") == {"metadata": {"name": "x"}}
    server.close()
