"""A real server on loopback whose every byte a test writes: it hangs, drips, lies about lengths or says nonsense."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Self

Script = Callable[[asyncio.StreamWriter], Awaitable[None]]


@dataclass
class FarSide:
    """Plays `scripts` one request after the other, the last one for ever."""

    scripts: list[Script]
    heads: list[bytes] = field(default_factory=list)
    bodies: list[bytes] = field(default_factory=list)

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        return self

    async def __aexit__(self, *_: object) -> None:
        self._server.close()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._server.sockets[0].getsockname()[1]}/judge?token=s3cr3t-of-this-address"

    @property
    def headers(self) -> dict[str, str]:
        """Of the last request, names in lower case."""
        lines = self.heads[-1].decode().split("\r\n")[1:]
        return {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines if line)}

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = await reader.readuntil(b"\r\n\r\n")
        length = next(int(line[15:]) for line in head.lower().split(b"\r\n") if line.startswith(b"content-length:"))
        self.heads.append(head)
        self.bodies.append(await reader.readexactly(length))
        script = self.scripts.pop(0) if len(self.scripts) > 1 else self.scripts[0]
        try:
            await script(writer)
        except ConnectionError:
            pass  # nobody listens any more
        finally:
            writer.close()


def answer(body: bytes, status: str = "200 OK", *headers: str, length: int | None = None) -> Script:
    """A whole answer; `length`: what it claims to have."""
    claimed = f"Content-Length: {len(body) if length is None else length}"
    head = "\r\n".join([f"HTTP/1.1 {status}", claimed, "Connection: close", *headers, "", ""]).encode()

    async def script(writer: asyncio.StreamWriter) -> None:
        writer.write(head + body)
        await writer.drain()

    return script


def verdict(word: str) -> Script:
    """As it should be."""
    return answer(f'{{"verdict": "{word}", "message": "by the test"}}'.encode())


async def hang(_writer: asyncio.StreamWriter) -> None:
    """Nothing comes, and nothing ends."""
    await asyncio.sleep(3600)


async def drip(writer: asyncio.StreamWriter) -> None:
    """A byte now and then, of an answer that would be right."""
    for byte in b'HTTP/1.1 200 OK\r\nContent-Length: 19\r\n\r\n{"verdict": "PASS"}':
        writer.write(bytes([byte]))
        await writer.drain()
        await asyncio.sleep(0.05)


async def endless(writer: asyncio.StreamWriter) -> None:
    """It begins as an answer should, and goes on for ever."""
    writer.write(b'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n14\r\n{"verdict": "PASS", \r\n')
    while True:
        writer.write(b"1000\r\n" + b" " * 4096 + b"\r\n")
        await writer.drain()
