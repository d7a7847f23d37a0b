"""An API server older than 1.21 serves EndpointSlices as v1beta1 only; the shim shows the same objects as v1.

Nothing else is changed. Replaced texts are padded to equal length, so that list, watch and Content-Length framing
survive. Run as `python -m tests.lab.proxies.shim --help`; it is a process of its own, so that tests cannot slow it
down.
"""

from __future__ import annotations

import argparse
import asyncio
import signal
from pathlib import Path
from typing import TYPE_CHECKING

from tests.lab.components.certificates import Certificates
from tests.lab.proxies.proxy import Exchange, Proxy

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, AsyncIterator

    from aiohttp import web

GROUP = "/apis/discovery.k8s.io"
_OLD, _NEW = b'"discovery.k8s.io/v1beta1"', b'"discovery.k8s.io/v1"'
_OLD_VERSION, _NEW_VERSION = b'"version":"v1beta1"', b'"version":"v1"'


def pad(new: bytes, old: bytes) -> bytes:
    """`new` followed by spaces (insignificant between JSON tokens) up to the length of `old`."""
    return new.ljust(len(old))


def translate(text: bytes) -> bytes:
    """v1beta1 to v1 in whole tokens; equal length."""
    found = text.replace(_OLD + b"," + _OLD_VERSION, pad(_NEW + b"," + _NEW_VERSION, _OLD + b"," + _OLD_VERSION))
    return found.replace(_OLD, pad(_NEW, _OLD))


def held_back(text: bytes) -> int:
    """How many trailing bytes may be the beginning of a token cut in two by chunking."""
    token = _OLD + b"," + _OLD_VERSION
    if text.endswith(token):
        # Its own last quote could be taken for the next one's first.
        return 0
    for size in range(min(len(token) - 1, len(text)), 0, -1):
        if token.startswith(text[-size:]):
            return size
    return 0


class Shim(Proxy):
    async def before(self, exchange: Exchange) -> web.StreamResponse | None:
        path, _, query = exchange.path.partition("?")
        if path == f"{GROUP}/v1" or path.startswith(f"{GROUP}/v1/"):
            path = f"{GROUP}/v1beta1{path[len(GROUP) + 3 :]}"
            exchange.path = f"{path}?{query}" if query else path
            exchange.body = exchange.body.replace(_NEW, _OLD)
        if self._concerns(exchange):
            # Protobuf would hide the texts; so would compression.
            exchange.headers = {
                key: value for key, value in exchange.headers.items() if key.lower() != "accept-encoding"
            }
            accept = next((key for key in exchange.headers if key.lower() == "accept"), None)
            if accept and "protobuf" in exchange.headers[accept]:
                exchange.headers[accept] = "application/json"
        return None

    @staticmethod
    def _concerns(exchange: Exchange) -> bool:
        path = exchange.path.partition("?")[0].rstrip("/")
        return path in {"/apis", GROUP} or path.startswith(f"{GROUP}/")

    async def chunks(self, exchange: Exchange, source: AsyncIterator[bytes]) -> AsyncGenerator[bytes]:
        if not self._concerns(exchange):
            async for chunk in source:
                yield chunk
            return
        kept = b""
        async for chunk in source:
            text = kept + chunk
            keep = held_back(text)
            kept = text[len(text) - keep :] if keep else b""
            if len(text) > keep:
                yield translate(text[: len(text) - keep])
        if kept:
            yield translate(kept)


async def serve(upstream: str, port: int, certificates: Certificates) -> None:
    shim = Shim(upstream, client_tls=certificates.client_context())
    await shim.start(tls=certificates.server_context(), port=port)
    over = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, over.set)
    await over.wait()
    await shim.stop()


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.lab.proxies.shim", description=__doc__)
    parser.add_argument("--upstream", required=True, help="the API server, such as https://127.0.0.1:6443")
    parser.add_argument("--port", type=int, required=True, help="the port to listen on, on loopback")
    parser.add_argument("--certificates", type=Path, required=True, help="folder with ca.crt, server.crt, server.key")
    given = parser.parse_args()
    asyncio.run(serve(given.upstream, given.port, Certificates.read(given.certificates)))


if __name__ == "__main__":
    main()
