"""Notifications for programs: CloudEvents 1.0 in structured mode, signed; no redirect is followed, no body read."""

from __future__ import annotations

import json
import os
import ssl
import time
from http import HTTPStatus
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import aiohttp

from modelrollout.adapters.files import Unreadable, line_in, url_in
from modelrollout.adapters.notifications.resolving import OwnThread
from modelrollout.adapters.notifications.signing import key_in, signature_headers
from modelrollout.api.base import GROUP
from modelrollout.api.timestamps import format_timestamp
from modelrollout.ports import Undelivered

if TYPE_CHECKING:
    from collections.abc import Callable

    from modelrollout.api.config.notifications import Sink, WebhookTarget
    from modelrollout.core.notice import Notice

TYPE = ".".join(reversed(GROUP.split("."))) + ".rollout."
"""Before the kind, in lower case: the type of an event."""
_TRY_AGAIN = frozenset({HTTPStatus.REQUEST_TIMEOUT, HTTPStatus.CONFLICT, HTTPStatus.TOO_EARLY, 429})


def cloud_event(notice: Notice, title: str, text: str) -> dict[str, Any]:
    """The event as JSON has it."""
    return {
        "specversion": "1.0",
        "id": notice.ident,
        "source": notice.source,
        "type": TYPE + notice.kind.lower(),
        "subject": f"{notice.namespace}/{notice.name}",
        "time": format_timestamp(notice.at),
        "datacontenttype": "application/json",
        "data": {**notice.data, "kinds": sorted(notice.kinds), "title": title, "text": text},
    }


class Webhook:
    """A Channel of ports.py. `now` is the time that is signed, epoch seconds."""

    def __init__(self, sink: Sink, target: WebhookTarget, now: Callable[[], float] = time.time) -> None:
        self._sink, self._target, self._now = sink, target, now
        self._session: aiohttp.ClientSession | None = None
        self._names = OwnThread(sink.name)

    async def deliver(self, notice: Notice) -> None:
        """One POST; what it reads from files is read anew. Raises Undelivered."""
        body = json.dumps(cloud_event(notice, *self._sink.render(notice.kinds, notice.facts))).encode()
        try:
            url, trust = _address(self._target.url_file), self._trust()
            headers = self._headers(notice.ident, body)
        except Unreadable as error:
            raise Undelivered(str(error)) from None
        if self._session is None:
            apart = aiohttp.TCPConnector(resolver=self._names)
            self._session = aiohttp.ClientSession(connector=apart, cookie_jar=aiohttp.DummyCookieJar(), trust_env=False)
        limit = aiohttp.ClientTimeout(total=self._sink.timeout)
        send: dict[str, Any] = {
            "data": body,
            "headers": headers,
            "ssl": trust,
            "timeout": limit,
            "allow_redirects": False,
        }
        try:
            async with self._session.post(url, **send) as answer:
                _judge(answer.status, answer.headers.get("Retry-After", ""))
        except (aiohttp.ClientError, ValueError) as error:  # their texts hold the address
            raise Undelivered(f"no answer: {_cause(error)}") from None

    async def close(self) -> None:
        """Let connections go."""
        if self._session is not None:
            await self._session.close()
        await self._names.close()

    def _headers(self, ident: str, body: bytes) -> dict[str, str]:
        target = self._target
        keys = [key_in(path) for path in (target.key_file, target.previous_key_file) if path]
        made = signature_headers(keys, ident, int(self._now()), body)
        if target.bearer_token_file:
            made["Authorization"] = f"Bearer {line_in(target.bearer_token_file, 'bearer token file')}"
        return made | {"Content-Type": "application/cloudevents+json; charset=utf-8", "User-Agent": "modelrollout"}

    def _trust(self) -> ssl.SSLContext | bool:
        if not self._target.ca_file:
            return True
        try:
            return ssl.create_default_context(cafile=self._target.ca_file)
        except (OSError, ssl.SSLError):
            raise Unreadable(f"caFile {self._target.ca_file} holds no certificate that can be read") from None


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
