"""The door to the lab's API server: EndpointSlices come and go as v1 on loopback, and nothing else is changed.

Run as `python -m tests.lab.proxies.shim --help`; it is a process of its own, so that tests cannot slow it down.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import signal
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from tests.lab.components.certificates import Certificates
from tests.lab.install.kubernetes_release import Version
from tests.lab.proxies import slices
from tests.lab.proxies.proxy import Exchange, Proxy

if TYPE_CHECKING:
    import ssl
    from collections.abc import AsyncGenerator, AsyncIterator

    from aiohttp import web


class Shim(Proxy):
    """`as_v1` says how this server's EndpointSlices are shown."""

    def __init__(self, upstream: str, as_v1: slices.Slices, *, client_tls: ssl.SSLContext) -> None:
        super().__init__(upstream, client_tls=client_tls)
        self._slices = as_v1

    async def before(self, exchange: Exchange) -> web.StreamResponse | None:
        if not self._concerns(exchange):
            return None
        exchange.path, exchange.body = self._slices.asked(exchange.path, exchange.body)
        # Protobuf would hide the texts; so would compression.
        exchange.headers = {key: value for key, value in exchange.headers.items() if key.lower() != "accept-encoding"}
        accept = next((key for key in exchange.headers if key.lower() == "accept"), None)
        if accept and "protobuf" in exchange.headers[accept]:
            exchange.headers[accept] = "application/json"
        return None

    @staticmethod
    def _concerns(exchange: Exchange) -> bool:
        path = exchange.path.partition("?")[0].rstrip("/")
        return path in {"/apis", slices.GROUP} or path.startswith(f"{slices.GROUP}/")

    async def chunks(self, exchange: Exchange, source: AsyncIterator[bytes]) -> AsyncGenerator[bytes]:
        if not self._concerns(exchange):
            async for chunk in source:
                yield chunk
            return
        async with contextlib.aclosing(slices.shown(self._slices, source)) as translated:
            async for chunk in translated:
                yield chunk


def command(upstream: str, port: int, certificates: Certificates, version: Version) -> list[str]:
    """What runs it, from the repository's root."""
    return [
        sys.executable,
        "-m",
        __spec__.name,
        f"--upstream={upstream}",
        f"--kubernetes={version}",
        f"--port={port}",
        f"--certificates={certificates.authority.parent}",
    ]


async def serve(upstream: str, port: int, certificates: Certificates, version: Version) -> None:
    as_v1 = slices.LoopbackSlices() if version.has_slices_v1 else slices.OldSlices()
    shim = Shim(upstream, as_v1, client_tls=certificates.client_context())
    await shim.start(tls=certificates.server_context(), port=port)
    over = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, over.set)
    await over.wait()
    await shim.stop()


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.lab.proxies.shim", description=__doc__)
    parser.add_argument("--upstream", required=True, help="the API server, such as https://127.0.0.1:6443")
    parser.add_argument("--kubernetes", type=Version.read, required=True, help="its version, such as 1.36.3")
    parser.add_argument("--port", type=int, required=True, help="the port to listen on, on loopback")
    parser.add_argument("--certificates", type=Path, required=True, help="folder with ca.crt, server.crt, server.key")
    given = parser.parse_args()
    asyncio.run(serve(given.upstream, given.port, Certificates.read(given.certificates), given.kubernetes))


if __name__ == "__main__":
    main()
