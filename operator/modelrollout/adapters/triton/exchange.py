"""One readiness question: only the status line of the answer is read, and nothing of it is handed on but a number."""

from __future__ import annotations

import asyncio
import ipaddress
import re
import socket

from modelrollout.adapters.triton.tls import Secured, told

LONGEST_LINE = 1024
"""Bytes that a status line may have; reading stops after twice as many."""
IPV6 = 6
Address = ipaddress.IPv4Address | ipaddress.IPv6Address
_STATUS_LINE = re.compile(rb"HTTP/1\.[01] ([1-5][0-9]{2})[ \r\n]")


class NotHttpError(Exception):
    """What came is no answer of an HTTP server."""


async def status_at(target: str, path: str, proof: Secured | None = None) -> int:
    """The status that `target` (address:port) answers to GET `path`, over TLS with `proof`. The caller bounds the time.

    Raises NotHttpError, TlsError where `proof` is given, or OSError where there is no connection. A new connection for
    every question: one left over from a process now gone proves nothing.
    """
    host, _, port = target.rpartition(":")
    address = ipaddress.ip_address(host.strip("[]"))  # a name would be resolved in threads that all share
    name = target if proof is None else proof.name
    request = f"GET {path} HTTP/1.1\r\nHost: {name}\r\nAccept: */*\r\nConnection: close\r\n\r\n".encode()
    line = await (
        _plainly(address, int(port), request) if proof is None else _over_tls(address, int(port), request, proof)
    )
    found = _STATUS_LINE.match(line)
    if found is None:
        raise NotHttpError
    return int(found.group(1))


async def _plainly(address: Address, port: int, request: bytes) -> bytes:
    loop = asyncio.get_running_loop()
    family = socket.AF_INET6 if address.version == IPV6 else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as sock:  # whatever else it sends is not read
        sock.setblocking(False)
        await loop.sock_connect(sock, (str(address), port))
        await loop.sock_sendall(sock, request)
        return await _first_line(loop, sock)


async def _over_tls(address: Address, port: int, request: bytes, proof: Secured) -> bytes:
    with told(proof):
        reader, writer = await asyncio.open_connection(
            str(address), port, ssl=proof.context, server_hostname=proof.name, limit=LONGEST_LINE
        )
        try:
            writer.write(request)
            return await reader.readuntil(b"\n")
        except (asyncio.IncompleteReadError, asyncio.LimitOverrunError):
            raise NotHttpError from None
        finally:
            writer.transport.abort()  # whatever else it sends is not read


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
