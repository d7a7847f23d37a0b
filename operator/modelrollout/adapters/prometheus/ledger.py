"""Prometheus is the ledger: an answer is samples or a typed failure, in bounded time, size and number of threads."""

from __future__ import annotations

import asyncio
import json
import math
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime
from http import HTTPStatus
from pathlib import Path
from typing import Any

import requests
import urllib3
from prometheus_api_client import PrometheusConnect
from urllib3.util.retry import Retry

from modelrollout.adapters.kubernetes.server_clock import epoch_of
from modelrollout.api.config import PrometheusServer
from modelrollout.core.analysis.metrics.series import Series, make_series
from modelrollout.core.reasons import MetricsReason
from modelrollout.ports import Clock, LedgerFailure

THREADS = 8
THREADS_PER_SERVER = 4
MAX_SERIES = 10_000
MAX_BYTES = 64 * 1024 * 1024
LONGEST_REFUSAL = 300
"""Characters of what a server said that are handed on."""
_CHUNK = 64 * 1024
_GRACE = 1.0
MAX_SKEW = 5.0
"""Seconds that a Prometheus server's clock may differ from ours: beyond it, samples are counted in the wrong step."""


class _Refused(Exception):  # noqa: N818 - carries a typed failure out of the client library
    def __init__(self, reason: MetricsReason, message: str) -> None:
        super().__init__(message)
        self.failure = LedgerFailure(reason, message)


class _BoundedSession(requests.Session):
    """A session whose answers are limited in size and in the time of the whole exchange, not of each read."""

    def __init__(self, server: PrometheusServer, clock: Clock | None = None) -> None:
        super().__init__()
        self._clock = clock
        self.trust_env = False  # a .netrc or REQUESTS_CA_BUNDLE would silently replace what is configured
        self.max_redirects = 3
        self.verify = server.ca_file or True
        self._server = server

    def request(self, method: str, url: str, **kwargs: Any) -> requests.Response:  # type: ignore[override]  # the library passes keywords only
        deadline = time.monotonic() + self._server.timeout
        sent = self._clock.now() if self._clock else 0.0
        kwargs["headers"] = {**(kwargs.get("headers") or {}), **self._credentials()}
        kwargs["timeout"] = self._server.timeout
        response = super().request(method, url, **kwargs, stream=True)
        try:
            body = self._read(response, deadline)
        finally:
            response.close()
        if response.ok and b',"warnings":[' in body[-_CHUNK:]:
            raise _Refused("PartialAnswer", f"the answer may be incomplete: {_warnings(body)}")
        self._check_clock(response.headers.get("Date"), sent)
        if response.status_code != HTTPStatus.OK:
            raise _refusal(response.status_code, body)
        response._content = body  # noqa: SLF001 - the library reads .content and .json()
        return response

    def _check_clock(self, date: str | None, sent: float) -> None:
        """Samples carry the server's time, steps ours: what differs by much would mix one step with another."""
        at = epoch_of(date)
        if self._clock is None or at is None:
            return
        ahead, behind = at - self._clock.now(), sent - at - 1
        if max(ahead, behind) > MAX_SKEW:
            off = f"{ahead:.0f} s ahead of" if ahead > 0 else f"{behind:.0f} s behind"
            text = f"the clock of Prometheus {self._server.name!r} is {off} the API server's; fix it (NTP)"
            raise _Refused("ClockSkew", text)

    def _credentials(self) -> dict[str, str]:
        path = self._server.bearer_token_file
        if not path:
            return {}
        try:
            return {"Authorization": f"Bearer {Path(path).read_text().strip()}"}
        except (OSError, UnicodeDecodeError) as error:
            raise _Refused("CredentialsUnreadable", f"bearer token file {path} cannot be read: {error}") from error

    def _read(self, response: requests.Response, deadline: float) -> bytes:
        parts, size = [], 0
        while part := response.raw.read1(_CHUNK, decode_content=True):
            size += len(part)
            if size > MAX_BYTES:
                raise _Refused("AnswerTooLarge", f"the answer is larger than {MAX_BYTES // 2**20} MiB")
            if time.monotonic() > deadline:
                raise _Refused("PrometheusTimeout", f"no complete answer within {self._server.timeout:g} s")
            parts.append(part)
        return b"".join(parts)


def _warnings(body: bytes) -> str:
    try:
        found = json.loads(body).get("warnings", [])
    except (ValueError, AttributeError):
        return "it carries warnings"
    return "; ".join(str(one) for one in found)[:LONGEST_REFUSAL]


@dataclass
class _Connection:
    client: Any
    places: asyncio.Semaphore


class PrometheusLedger:
    """Raw samples and grid values from any configured server; never raises for what a server does.

    With a `clock`, answers from a server whose own clock is more than MAX_SKEW off are refused: ClockSkew.
    """

    def __init__(self, clock: Clock | None = None) -> None:
        self._clock = clock
        self._pool = ThreadPoolExecutor(THREADS, thread_name_prefix="ledger")
        self._connections: dict[str, _Connection] = {}

    async def range(
        self, server: PrometheusServer, selector: str, start: float, end: float
    ) -> tuple[Series, ...] | LedgerFailure:
        """Raw samples of `selector` in (start, end], epoch seconds, by an instant query of a range vector."""
        window = max(1, round((end - start) * 1000))
        params = {"time": f"{end:.3f}"}
        return await self._ask(server, lambda c: c.custom_query(f"{selector}[{window}ms]", params=params))

    async def steps(
        self, server: PrometheusServer, query: str, start: float, end: float, step: float
    ) -> tuple[Series, ...] | LedgerFailure:
        """Values of `query` at start, start + step, ... up to end, all in one query."""
        edges = datetime.fromtimestamp(start, UTC), datetime.fromtimestamp(end, UTC)
        # the library rounds its own start and end to whole seconds; these replace them
        params = {"start": f"{start:.3f}", "end": f"{end + 0.0005:.3f}", "step": f"{step:.3f}"}
        return await self._ask(server, lambda c: c.custom_query_range(query, *edges, params["step"], params=params))

    def close(self) -> None:
        """Give the threads back; what is still under way is abandoned."""
        self._pool.shutdown(wait=False, cancel_futures=True)

    async def _ask(self, server: PrometheusServer, call: Any) -> tuple[Series, ...] | LedgerFailure:
        connection = self._connection(server)
        loop = asyncio.get_running_loop()
        try:
            async with asyncio.timeout(server.timeout + _GRACE), connection.places:
                return await loop.run_in_executor(self._pool, _answer, connection.client, call)
        except TimeoutError:
            return LedgerFailure(
                "PrometheusTimeout", f"Prometheus {server.name!r} gave no answer within {server.timeout:g} s"
            )

    def _connection(self, server: PrometheusServer) -> _Connection:
        key = server.model_dump_json()
        if key not in self._connections:
            session = _BoundedSession(server, self._clock)
            client = PrometheusConnect(url=server.url.rstrip("/"), session=session, retry=Retry(0, read=False))
            self._connections[key] = _Connection(client, asyncio.Semaphore(THREADS_PER_SERVER))
        return self._connections[key]


_TIMED_OUT = (requests.Timeout, urllib3.exceptions.TimeoutError, TimeoutError)
_NO_JSON = (requests.exceptions.JSONDecodeError, KeyError, TypeError, ValueError, AttributeError)
_NO_ANSWER = (requests.RequestException, urllib3.exceptions.HTTPError, OSError)


def _answer(client: Any, call: Any) -> tuple[Series, ...] | LedgerFailure:
    """One call, with every way in which it can go wrong as its own reason."""
    try:
        return _series(call(client))
    except _Refused as refused:
        return refused.failure
    except (*_NO_ANSWER, *_NO_JSON) as error:
        return _fault(error)


def _fault(error: Exception) -> LedgerFailure:
    what = f"{type(error).__name__}: {error}"[:LONGEST_REFUSAL]
    if isinstance(error, _TIMED_OUT):
        return LedgerFailure("PrometheusTimeout", f"Prometheus did not answer in time: {what}")
    # JSON errors of the library are request errors too: they are asked for first
    if isinstance(error, requests.exceptions.JSONDecodeError) or not isinstance(error, _NO_ANSWER):
        return LedgerFailure("AnswerMalformed", f"the answer is not Prometheus's JSON: {what}")
    return LedgerFailure("PrometheusUnreachable", f"Prometheus cannot be reached: {what}")


def _series(result: Any) -> tuple[Series, ...]:
    if not isinstance(result, list):
        raise TypeError(f"result is {type(result).__name__}, not a list of series")
    if len(result) > MAX_SERIES:
        raise _Refused(
            "TooManySeries",
            f"{len(result)} series, more than {MAX_SERIES}: narrow the matchers or drop labels when scraping",
        )
    # a native histogram has "histograms" where others have "values": no gate reads one
    return tuple(make_series(entry["metric"], map(_sample, entry.get("values", ()))) for entry in result)


def _sample(point: Any) -> tuple[float, float]:
    """One sample; a value that is no number is NaN, so that one bad sample is left out and not the answer."""
    at, value = point
    try:
        return float(at), float(value)
    except (TypeError, ValueError):
        return float(at), math.nan


def _refusal(code: int, body: bytes) -> _Refused:
    """What an answer that is no success means."""
    text = f"HTTP Status Code {code} ({body!r})"[:LONGEST_REFUSAL]
    if code in {HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN}:
        return _Refused("PrometheusUnauthorized", f"Prometheus refused the credentials: {text}")
    if HTTPStatus.BAD_REQUEST <= code < HTTPStatus.INTERNAL_SERVER_ERROR:
        return _Refused("PrometheusRejected", f"Prometheus refused the query: {text}")
    return _Refused("PrometheusError", f"Prometheus failed: {text}")
