"""One POST of a CloudEvent 1.0 in structured mode, signed; addresses and keys are files, read anew each time.

No redirect is followed, no cookie kept, no proxy of the environment asked, and no address stands in a sentence.
"""

from __future__ import annotations

import asyncio
import json
import os
import ssl
import time
from contextlib import asynccontextmanager
from http import HTTPStatus
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import aiohttp

from modelrollout.adapters.files import Unreadable, line_in, url_in
from modelrollout.adapters.webhooks.signing import key_in, signature_headers
from modelrollout.ports import Undelivered

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

    from modelrollout.api.config.notifications import WebhookTarget

_TRY_AGAIN = frozenset({HTTPStatus.REQUEST_TIMEOUT, HTTPStatus.CONFLICT, HTTPStatus.TOO_EARLY, 429})


class Posting:
    """Connections of one user of it. `now` is the time that is signed, epoch seconds."""

    def __init__(self, now: Callable[[], float] = time.time) -> None:
        self._now = now
        self._session: aiohttp.ClientSession | None = None

    @asynccontextmanager
    async def sent(
        self, target: WebhookTarget, event: dict[str, Any], seconds: float
    ) -> AsyncIterator[aiohttp.ClientResponse]:
        """The answer, where it was taken; all of it must have been read within `seconds`. Raises Undelivered."""
        body = json.dumps(event).encode()
        try:
            url, trust = _address(target.url_file), _trust(target.ca_file)
            headers = self._headers(target, str(event["id"]), body)
        except Unreadable as error:
            raise Undelivered(str(error)) from None
        if self._session is None:
            self._session = _session()
        send: dict[str, Any] = {"data": body, "headers": headers, "ssl": trust, "allow_redirects": False}
        try:
            async with asyncio.timeout(seconds), self._session.post(url, **send) as answer:
                _judge(answer.status, answer.headers.get("Retry-After", ""))
                yield answer
        except TimeoutError:
            raise Undelivered(f"it took longer than {seconds:g} s") from None
        except (aiohttp.ClientError, ValueError) as error:  # their texts hold the address
            raise Undelivered(f"no answer: {_cause(error)}") from None

    async def close(self) -> None:
        """Let connections go."""
        if self._session is not None:
            await self._session.close()

    def _headers(self, target: WebhookTarget, ident: str, body: bytes) -> dict[str, str]:
        keys = [key_in(path) for path in (target.key_file, target.previous_key_file) if path]
        made = signature_headers(keys, ident, int(self._now()), body)
        if target.bearer_token_file:
            made["Authorization"] = f"Bearer {line_in(target.bearer_token_file, 'bearer token file')}"
        kinds = {"Content-Type": "application/cloudevents+json; charset=utf-8", "Accept-Encoding": "identity"}
        return made | kinds | {"User-Agent": "modelrollout"}


def _session() -> aiohttp.ClientSession:
    """Callers bound how many connections there are; what is compressed stays so, and is not blown up here."""
    return aiohttp.ClientSession(
        connector=aiohttp.TCPConnector(limit=0),
        cookie_jar=aiohttp.DummyCookieJar(),
        trust_env=False,
        auto_decompress=False,
        timeout=aiohttp.ClientTimeout(total=None),
    )


def _trust(path: str | None) -> ssl.SSLContext | bool:
    if not path:
        return True
    try:
        return ssl.create_default_context(cafile=path)
    except (OSError, ssl.SSLError):
        raise Unreadable(f"caFile {path} holds no certificate that can be read") from None


def _address(path: str) -> str:
    url = url_in(path)
    if not url.startswith(("http://", "https://")) or not urlsplit(url).hostname:
        raise Unreadable(f"URL file {path} holds no http or https URL")
    return url


def _judge(status: int, retry_after: str) -> None:
    """Raise Undelivered unless it was taken."""
    if HTTPStatus.OK <= status < HTTPStatus.MULTIPLE_CHOICES:
        return
    after = float(retry_after) if retry_after.isdecimal() and len(retry_after) < 7 else None  # noqa: PLR2004 - days
    final = status < HTTPStatus.INTERNAL_SERVER_ERROR and status not in _TRY_AGAIN
    raise Undelivered(f"it answered {status}", final=final, retry_after=after)


def _cause(error: Exception) -> str:
    """What is wrong, in words that no address is in."""
    number = getattr(getattr(error, "os_error", None), "errno", None)
    return os.strerror(number) if isinstance(number, int) and number > 0 else type(error).__name__
