"""A watch of the API server: its events one by one, each bounded in size; whoever reads them bounds the time."""

from __future__ import annotations

import json
from contextlib import aclosing
from typing import TYPE_CHECKING, Any

from aiohttp import ClientError

from modelrollout.api.borders.cleaning import mapping

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Mapping

    from aiohttp import ClientResponse

    from modelrollout.adapters.kubernetes.client import Api

LONGEST_EVENT = 4 * 1024 * 1024
"""Bytes; an API server stores no object of half this size."""
GRACE = 5.0
"""Seconds after which a watch is given up that its server should have ended."""


class WatchBroken(Exception):  # noqa: N818 - an outcome: list again
    """The watch tells no more, or not what can be followed: everything must be listed again."""


async def events(
    api: Api, path: str, query: Mapping[str, str], seconds: int
) -> AsyncGenerator[tuple[str, dict[str, Any]]]:
    """(type, object) of each event for `seconds` at the most; first ("OPEN", {}) once the server has taken the watch.

    Raises WatchBroken, or Unreachable as Api does.
    """
    asked = {**query, "watch": "true", "allowWatchBookmarks": "true", "timeoutSeconds": str(seconds)}
    response = await api.open(path, asked, timeout=seconds + GRACE)
    try:
        yield "OPEN", {}
        async with aclosing(_lines(response)) as lines:
            async for line in lines:
                yield _event(line)
    except (ClientError, OSError, TimeoutError, ValueError) as error:
        raise WatchBroken(f"the watch of {path} broke: {type(error).__name__}") from None
    finally:
        response.close()


def _event(line: bytes) -> tuple[str, dict[str, Any]]:
    try:
        event = mapping(json.loads(line))
    except RecursionError:
        raise WatchBroken("an event cannot be read") from None
    kind, found = str(event.get("type")), mapping(event.get("object"))
    if kind == "ERROR":  # such as 410: what happened since is not known any more
        raise WatchBroken(f"the API server ended the watch with {str(found.get('code'))[:8]}")
    return kind, found


async def _lines(response: ClientResponse) -> AsyncGenerator[bytes]:
    rest = b""
    async for part in response.content.iter_any():
        *whole, rest = (rest + part).split(b"\n")
        for line in whole:
            if line.strip():
                yield line
        if len(rest) > LONGEST_EVENT:
            raise WatchBroken("an event is too long")


async def listed(api: Api, path: str, query: Mapping[str, str], most: int) -> tuple[list[dict[str, Any]], str]:
    """(every object, the resourceVersion from which to watch), read in pages. Raises WatchBroken beyond `most`."""
    found: list[dict[str, Any]] = []
    asked = {**query, "limit": "500"}
    while True:
        page = await api.request("GET", path, query=asked)
        items, meta = page.get("items"), mapping(page.get("metadata"))
        found += [one for one in items if isinstance(one, dict)] if isinstance(items, list) else []
        if len(found) > most:
            raise WatchBroken(f"more than {most} objects are too many to be followed")
        token = meta.get("continue")
        if not token:
            return found, str(meta.get("resourceVersion") or "")
        asked = {**query, "limit": "500", "continue": str(token)}
