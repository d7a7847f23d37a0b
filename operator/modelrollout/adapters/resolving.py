"""Each system outside has its name looked up in a thread of its own: a name server that hangs costs nobody else one.

Those that all share have other work to do, such as looking up the API server.
"""

from __future__ import annotations

import asyncio
import socket
from concurrent.futures import ThreadPoolExecutor
from functools import partial

from aiohttp.abc import AbstractResolver, ResolveResult


class OwnThread(AbstractResolver):
    """As aiohttp asks; `name` is what the system is called."""

    def __init__(self, name: str) -> None:
        self._thread = ThreadPoolExecutor(1, thread_name_prefix=f"names-{name}")

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET
    ) -> list[ResolveResult]:
        """Its addresses. Raises OSError."""
        asked = partial(socket.getaddrinfo, host, port, type=socket.SOCK_STREAM, family=family)
        infos = await asyncio.get_running_loop().run_in_executor(self._thread, asked)
        numeric = socket.AI_NUMERICHOST | socket.AI_NUMERICSERV
        return [
            ResolveResult(
                hostname=host, host=str(address[0]), port=int(address[1]), family=kind, proto=proto, flags=numeric
            )
            for kind, _, proto, _, address in infos
        ]

    async def close(self) -> None:
        """A thread that hangs ends with the process."""
        self._thread.shutdown(wait=False, cancel_futures=True)
