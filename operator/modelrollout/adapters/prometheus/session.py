"""What a session with Prometheus may take: bounded bytes, also once decompressed, no redirect, no environment."""

from __future__ import annotations

import zlib
from collections.abc import Iterator
from http import HTTPStatus
from typing import Any

import requests
from requests.adapters import HTTPAdapter

from modelrollout.adapters.kubernetes.server_clock import epoch_of
from modelrollout.adapters.prometheus import limits
from modelrollout.adapters.prometheus.answer import AnswerReader
from modelrollout.adapters.prometheus.credentials import certificate_of, headers_of
from modelrollout.adapters.prometheus.exchange import Exchange, WatchedAdapter, current
from modelrollout.adapters.prometheus.failures import Refused, refusal
from modelrollout.adapters.prometheus.tokens import LONGEST_ANSWER, Tokens
from modelrollout.adapters.prometheus.turns import Pace, Turns
from modelrollout.api.config import PrometheusServer
from modelrollout.ports import Clock

MAX_SKEW = 5.0
"""Seconds that a Prometheus server's clock may differ from ours: beyond it, samples are counted in the wrong step."""
_CHUNK = 64 * 1024
_GZIP = 31  # window bits of zlib for a gzip header


class BoundedSession(requests.Session):
    """A session for queries inside an Exchange; it follows no redirect and takes nothing from the environment."""

    def __init__(self, server: PrometheusServer, clock: Clock | None, turns: Turns, connections: int) -> None:
        super().__init__()
        self._server, self._clock, self._turns = server, clock, turns
        self.trust_env = False  # a .netrc or REQUESTS_CA_BUNDLE would silently replace what is configured
        self.verify = server.ca_file or True
        self.headers["Accept-Encoding"] = "gzip"
        self._adapter = WatchedAdapter(pool_maxsize=connections, max_retries=0)
        self._tokens = Tokens(server.oauth2, self._ask_for_token) if server.oauth2 else None

    def get_adapter(self, url: str | bytes) -> HTTPAdapter:  # noqa: ARG002 - whatever the address
        """Ours for every address: the library mounts one of its own."""
        return self._adapter

    def request(self, method: str, url: str, **kwargs: Any) -> requests.Response:  # type: ignore[override]  # the library passes keywords only
        """The answer, whose JSON is read series by series when it is asked for; raises Refused for no success."""
        exchange = current()
        sent = self._clock.now() if self._clock else 0.0
        kwargs["headers"] = {**(kwargs.get("headers") or {}), **self._credentials()}
        kwargs["timeout"], kwargs["cert"] = exchange.seconds, certificate_of(self._server)
        response = super().request(method, url, **kwargs, stream=True, allow_redirects=False)
        try:
            body = _read(response, exchange)
        finally:
            response.close()
        self._check_clock(response.headers.get("Date"), sent)
        if response.status_code != HTTPStatus.OK:
            if response.status_code == HTTPStatus.UNAUTHORIZED and self._tokens is not None:
                self._tokens.forget()
            raise refusal(response.status_code, bytes(body[: 64 * 1024]))
        limited = response.headers.get("M3-Results-Limited")
        response.json = lambda **_: {"data": {"result": self._series(body, limited, exchange)}}  # type: ignore[method-assign]
        return response

    def _series(self, body: bytearray, limited: str | None, exchange: Exchange) -> Any:
        """What was received, read and let go; a large answer in turn with those of other servers and namespaces."""
        if len(body) <= limits.SMALL:
            found = AnswerReader(take=exchange.lease.take, last=exchange.last).read(body, limited)
        else:
            with Pace(self._turns, f"{self._server.name} {exchange.tenant}", exchange.check) as pace:
                found = AnswerReader(pace.step, exchange.lease.take, exchange.last).read(body, limited)
        exchange.lease.give(len(body))
        body.clear()
        return found

    def _check_clock(self, date: str | None, sent: float) -> None:
        """Samples carry the server's time, steps ours: what differs by much would mix one step with another."""
        at = epoch_of(date)
        if self._clock is None or at is None:
            return
        ahead, behind = at - self._clock.now(), sent - at - 1
        if max(ahead, behind) > MAX_SKEW:
            off = f"{ahead:.0f} s ahead of" if ahead > 0 else f"{behind:.0f} s behind"
            text = f"the clock of Prometheus {self._server.name!r} is {off} the API server's; fix it (NTP)"
            raise Refused("ClockSkew", text)

    def _credentials(self) -> dict[str, str]:
        found = headers_of(self._server)
        if self._tokens is not None:
            found["Authorization"] = self._tokens.bearer()
        return found

    def _ask_for_token(self, request: requests.PreparedRequest) -> tuple[int, bytes]:
        """Status and the first bytes of the answer, within the exchange that needs the token."""
        exchange, settings = current(), self._server.oauth2
        verify = (settings.ca_file if settings else None) or True
        answer = self._adapter.send(request, stream=True, timeout=exchange.seconds, verify=verify)
        try:
            body = answer.raw.read(LONGEST_ANSWER + 1, decode_content=True)
        finally:
            answer.close()
        exchange.check()
        return answer.status_code, body


def _read(response: requests.Response, exchange: Exchange) -> bytearray:
    """The body, in room that is taken as it grows. Raises Refused."""
    unpacked, body = _Unpacked(response.headers.get("Content-Encoding", "")), bytearray()
    while part := response.raw.read1(_CHUNK, decode_content=False):
        for piece in unpacked.pieces(part):
            if len(body) + len(piece) > limits.MAX_BYTES:
                raise Refused("AnswerTooLarge", f"the answer is larger than {limits.MAX_BYTES // 2**20} MiB")
            exchange.grow(len(piece))
            body += piece
        exchange.check()
    body += unpacked.rest()
    return body


class _Unpacked:
    """What was received, decompressed in pieces of at most _CHUNK bytes: a bomb is met by its size."""

    def __init__(self, encoding: str) -> None:
        name = encoding.strip().lower()
        if name not in {"", "identity", "gzip"}:
            raise Refused("AnswerMalformed", "the answer is compressed in a way that was not asked for")
        self._zip = zlib.decompressobj(_GZIP) if name == "gzip" else None

    def pieces(self, part: bytes) -> Iterator[bytes]:
        if self._zip is None:
            yield part
            return
        while part:
            if self._zip.eof:  # kept for nobody, it would grow without bounds
                raise Refused("AnswerMalformed", "something follows the end of the compressed answer")
            yield self._zip.decompress(part, _CHUNK)
            part = self._zip.unconsumed_tail or self._zip.unused_data

    def rest(self) -> bytes:
        return self._zip.flush() if self._zip else b""
