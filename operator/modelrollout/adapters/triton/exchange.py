"""One readiness question: only the status line of the answer is read, and nothing of it is handed on but a number."""

from __future__ import annotations

import asyncio
import ipaddress
import re
import socket

LONGEST_LINE = 1024
"""Bytes that a status line may have; reading stops after twice as many."""
IPV6 = 6
_STATUS_LINE = re.compile(rb"HTTP/1\.[01] ([1-5][0-9]{2})[ \r\n]")


class NotHttpError(Exception):
    """What came is no answer of an HTTP server."""


async def status_at(target: str, path: str) -> int:
    """The status that `target` (address:port) answers to GET `path`. The caller bounds the time.

    Raises NotHttpError, or OSError where there is no connection. A new connection for every question: one left over
    from a process now gone proves nothing.
    """
    host, _, port = target.rpartition(":")
    address = ipaddress.ip_address(host.strip("[]"))  # a name would be resolved in threads that all share
    loop = asyncio.get_running_loop()
    family = socket.AF_INET6 if address.version == IPV6 else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as sock:  # whatever else it sends is not read
        sock.setblocking(False)
        await loop.sock_connect(sock, (str(address), int(port)))
        await loop.sock_sendall(
            sock, f"GET {path} HTTP/1.1\r\nHost: {target}\r\nAccept: */*\r\nConnection: close\r\n\r\n".encode()
        )
        line = await _first_line(loop, sock)
    found = _STATUS_LINE.match(line)
    if found is None:
        raise NotHttpError
    return int(found.group(1))


async def _first_line(loop: asyncio.AbstractEventLoop, sock: socket.socket) -> bytes:
    """With its end; reading stops where it is too long."""
    read = b""
    while b"\n" not in read:
        part = await loop.sock_recv(sock, LONGEST_LINE)
        read += part
        if not part or len(read) > 2 * LONGEST_LINE:
            raise NotHttpError
    end = read.index(b"\n") + 1
    if end > LONGEST_LINE:
        raise NotHttpError
    return read[:end]
