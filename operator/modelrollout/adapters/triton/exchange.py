"""One readiness question: only the status line of the answer is read, and nothing of it is handed on but a number."""

from __future__ import annotations

import asyncio
import ipaddress
import re

LONGEST_LINE = 1024
"""Bytes that a status line may have; reading stops after twice as many."""
_STATUS_LINE = re.compile(rb"HTTP/1\.[01] ([1-5][0-9]{2})[ \r\n]")


class NotHttpError(Exception):
    """What came is no answer of an HTTP server."""


async def status_at(target: str, path: str) -> int:
    """The status that `target` (address:port) answers to GET `path`. The caller bounds the time.

    Raises NotHttpError, or OSError where there is no connection. A new connection for every question: one left over
    from a process now gone proves nothing.
    """
    host, _, port = target.rpartition(":")
    address = str(ipaddress.ip_address(host.strip("[]")))  # a name would be resolved in threads that all share
    reader, writer = await asyncio.open_connection(address, int(port), limit=LONGEST_LINE)
    try:
        writer.write(f"GET {path} HTTP/1.1\r\nHost: {target}\r\nAccept: */*\r\nConnection: close\r\n\r\n".encode())
        line = await reader.readuntil(b"\n")
    except (asyncio.LimitOverrunError, asyncio.IncompleteReadError):
        raise NotHttpError from None
    finally:
        writer.transport.abort()  # whatever else it sends is not read
    found = _STATUS_LINE.match(line)
    if found is None:
        raise NotHttpError
    return int(found.group(1))
