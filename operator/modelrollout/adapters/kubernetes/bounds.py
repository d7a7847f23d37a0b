"""What an answer of the API server may be: so many bytes, unpacked, from the server that was asked."""

from __future__ import annotations

from http import HTTPStatus
from typing import TYPE_CHECKING

import aiohttp

if TYPE_CHECKING:
    from aiohttp import ClientHandlerType, ClientRequest, ClientResponse

MAX_BYTES = 32 * 1024 * 1024
"""Of one answer: many times what an API server stores in one object."""


async def read_bounded(response: ClientResponse) -> bytes:
    """The body. Raises ValueError for one of more than MAX_BYTES, or one packed though that was not asked for."""
    if response.headers.get("Content-Encoding", "identity") != "identity":
        response.close()
        raise ValueError("the answer is compressed, which was not asked for")
    parts, size = [], 0
    try:
        async for part in response.content.iter_any():
            size += len(part)
            parts.append(part)
            if size > MAX_BYTES:
                break
    finally:  # also when the time is over: what was not read to its end is of no more use
        if not response.content.at_eof():
            response.close()
    if size > MAX_BYTES:
        raise ValueError(f"the answer is larger than {MAX_BYTES // 2**20} MiB")
    return b"".join(parts)


async def stay_here(request: ClientRequest, send: ClientHandlerType) -> ClientResponse:
    """No redirect is followed: it would carry the credentials to wherever an answer says."""
    response = await send(request)
    if HTTPStatus.MULTIPLE_CHOICES <= response.status < HTTPStatus.BAD_REQUEST:
        response.close()
        raise aiohttp.ClientError(f"the answer is a redirect ({response.status}), which is not followed")
    return response
