"""Whatever answers a webhook or the prober: an outcome in time, nothing kept in memory, no thread of others taken."""

from __future__ import annotations

import asyncio
import base64
import gzip
import socket
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from modelrollout.adapters.notifications import make_channel
from modelrollout.api.config.notifications import Sink
from modelrollout.ports import Channel, Undelivered
from modelrollout.prober.asking.ask import NoAnswerError, Question
from modelrollout.prober.asking.http import HttpAsker
from tests.integration.borders.raw_server import CHUNKED, Talk, dripping, response, saying, serving, silence
from tests.unit.notifications.told import notice

SECRET = "T0KEN-OF-OURS-THAT-IS-LONG"


def flooding(first: bytes, part: bytes) -> Talk:
    """Sends `first`, and then `part` for as long as somebody reads."""

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(1)
        writer.write(first)
        while True:
            writer.write(part)
            await writer.drain()

    return talk


async def half_open(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await reader.readuntil(b"\r\n\r\n")
    writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nab")
    writer.write_eof()
    await asyncio.sleep(30)


OK = b"HTTP/1.1 200 OK\r\n"
BOMB = response(gzip.compress(bytes(20_000_000)), "200 OK", b"Content-Encoding: gzip")
SHAPE = b'{"outputs":[{"name":"o","datatype":"FP32","shape":[1,99999999999],"data":[1]}]}'
TALKS: dict[str, Talk] = {
    "silence": silence,
    "one header without end": flooding(OK + b"X: ", b"a" * 65536),
    "headers without end": flooding(OK, b"X: y\r\n" * 5000),
    "a body without end": flooding(OK + b"\r\n", b"a" * 65536),
    "trailers without end": flooding(CHUNKED + b"0\r\n", b"X: y\r\n" * 5000),
    "the size of a chunk without end": flooding(CHUNKED + b"1;", b"a" * 65536),
    "a byte now and then": dripping(OK + b"Content-Length: 99999\r\n\r\n", b"{"),
    "a header byte by byte": dripping(OK + b"X: ", b"a"),
    "ten gigabytes said": saying(OK + b"Content-Length: 10000000000\r\n\r\n{}"),
    "a bomb": saying(BOMB),
    "no HTTP": saying(b"hello"),
    "a redirect": saying(b"HTTP/1.1 302 Found\r\nLocation: http://127.0.0.1:1/\r\nContent-Length: 0\r\n\r\n"),
    "no status": saying(b"HTTP/1.1 99999 X\r\nContent-Length: 0\r\n\r\n"),
    "half open": half_open,
    "HTML": saying(response(b"<html>it works</html>", "200 OK", b"Content-Type: text/html")),
    "a length beyond all": saying(
        response(b'{"outputs":[]}', "200 OK", b"Inference-Header-Content-Length: " + b"9" * 40)
    ),
    "a shape beyond memory": saying(response(SHAPE)),
    "outputs that are none": saying(response(b'{"outputs":[{"name":{},"datatype":7,"data":null},5,null]}')),
    "too deep": saying(response(b"[" * 100_000)),
}


def webhook(folder: Path, url: str, name: str = "hook") -> Channel:
    (folder / "url").write_text(f"{url}/{SECRET}")
    (folder / "key").write_text(base64.b64encode(b"k" * 32).decode())
    target = {"urlFile": str(folder / "url"), "keyFile": str(folder / "key")}
    return make_channel(Sink.model_validate({"name": name, "webhook": target, "timeout": "1s"}, by_alias=True))


def memory() -> int:
    """Megabytes that this process holds."""
    return int(Path("/proc/self/statm").read_text().split()[1]) // 256


@pytest.mark.alike(4)
@pytest.mark.parametrize("what", TALKS)
async def test_a_webhook_has_an_outcome(what: str, tmp_path: Path):
    before, began = memory(), time.monotonic()
    async with serving(TALKS[what]) as url:
        channel, said = webhook(tmp_path, url), ""
        try:
            async with asyncio.timeout(0.2):
                await channel.deliver(notice())
        except (Undelivered, TimeoutError) as error:
            said = str(error)
        finally:
            await channel.close()
    assert SECRET not in said
    assert url not in said
    assert time.monotonic() - began < 20, "what does not end would take for ever"
    assert memory() - before < 40


@pytest.mark.alike(4)
@pytest.mark.parametrize("what", TALKS)
async def test_the_prober_has_an_answer_or_a_reason(what: str):
    asker, row = HttpAsker(), {"x": np.zeros((1, 2), dtype=np.float32)}
    before, began, said = memory(), time.monotonic(), ""
    async with serving(TALKS[what]) as url:
        question = Question(url.removeprefix("http://"), "m", "1", row, {"x": "FP32"})
        try:
            for asked in (asker.ask, asker.facts):
                try:
                    async with asyncio.timeout(0.2):
                        await asked(question)
                except (NoAnswerError, TimeoutError) as error:
                    said = str(error)
        finally:
            await asker.close()
    assert time.monotonic() - began < 20, "what does not end would take for ever"
    assert len(said) < 200
    assert memory() - before < 40, "an answer may have 8 MiB, twice"


async def test_name_servers_that_hang_take_no_thread_of_others(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    resolve: Any = socket.getaddrinfo

    def hanging(host: Any, *rest: Any, **more: Any) -> Any:
        if str(host).startswith("hangs"):
            time.sleep(2)
        return resolve(host, *rest, **more)

    monkeypatch.setattr(socket, "getaddrinfo", hanging)
    channels = []
    for number in range(40):  # more than threads that all share
        (folder := tmp_path / str(number)).mkdir()
        channels.append(webhook(folder, f"http://hangs-{number}.example.com", f"hook{number}"))

    async def told(channel: Channel) -> None:
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.1):
                await channel.deliver(notice())

    await asyncio.gather(*map(told, channels))
    began = time.monotonic()
    await asyncio.to_thread(int)
    assert time.monotonic() - began < 1.5, "before any of the names is found"
    for channel in channels:
        await channel.close()
