"""Tokens by OAuth 2.0's client credentials (RFC 6749, 4.4): asked for when needed, kept until just before the end."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from dataclasses import dataclass
from http import HTTPStatus
from time import monotonic
from typing import Any
from urllib.parse import quote_plus

import requests

from modelrollout.adapters.prometheus.credentials import basic, secret_in
from modelrollout.adapters.prometheus.failures import Refused
from modelrollout.api.borders.secrecy import remember_secret
from modelrollout.api.config.credentials import OAuth2

UNSAID = 300.0
"""Seconds that a token is kept whose server does not say how long it is valid."""
EARLY = 30.0
"""Seconds before its end at which a token is asked for anew; of a short life a third."""
LONGEST_ANSWER = 64 * 1024
_LONGEST_LIFE = 1e9
_TOKEN = re.compile(r"[A-Za-z0-9._~+/-]+=*")
"""RFC 6750, 2.1."""
_CODE = re.compile(r"[A-Za-z_]{1,64}")


@dataclass(frozen=True)
class _Token:
    value: str
    until: float
    """On the monotonic clock."""


class Tokens:
    """The newest token of one server. Several threads may ask at once: each asks for itself, and waits for no other."""

    def __init__(self, settings: OAuth2, send: Callable[[requests.PreparedRequest], tuple[int, bytes]]) -> None:
        """`send` gives the status and at most LONGEST_ANSWER + 1 bytes of the answer."""
        self._settings, self._send = settings, send
        self._known: _Token | None = None

    def bearer(self) -> str:
        """The value of the header Authorization. Raises Refused, and what `send` raises."""
        known = self._known
        if known is None or monotonic() >= known.until:
            known = self._known = self._fresh()
        return f"Bearer {known.value}"

    def forget(self) -> None:
        """The server did not take the token: the next query asks for another."""
        self._known = None

    def _fresh(self) -> _Token:
        status, body = self._send(self._request())
        if status != HTTPStatus.OK:
            raise Refused("PrometheusUnauthorized", f"{self._who} gave no token: HTTP status {status}{_said(body)}")
        found = _read(body)
        for one in ("access_token", "refresh_token", "id_token"):
            remember_secret(str(found.get(one, "")))
        token, kind = found.get("access_token"), str(found.get("token_type", "")).lower()
        if not isinstance(token, str) or kind != "bearer" or not _TOKEN.fullmatch(token):
            raise Refused("PrometheusUnauthorized", f"{self._who} gave no bearer token: its answer is not RFC 6749's")
        return _Token(token, monotonic() + _kept(found.get("expires_in")))

    @property
    def _who(self) -> str:
        return f"the token server {self._settings.token_url}"

    def _request(self) -> requests.PreparedRequest:
        one, headers = self._settings, {"Content-Type": "application/x-www-form-urlencoded"}
        secret = secret_in(one.client_secret_file, "client secret file")
        body = {**one.endpoint_params, "grant_type": "client_credentials"}
        if one.scopes:
            body["scope"] = " ".join(one.scopes)
        if one.client_auth == "Header":
            headers["Authorization"] = basic(quote_plus(one.client_id), quote_plus(secret))  # RFC 6749, 2.3.1
        else:
            body |= {"client_id": one.client_id, "client_secret": secret}
        return requests.Request("POST", one.token_url, headers=headers, data=body).prepare()


def _kept(seconds: object) -> float:
    """How long a token that is valid for so many seconds is kept."""
    valid = float(seconds) if isinstance(seconds, int | float) and 0 < seconds < _LONGEST_LIFE else UNSAID
    return valid - min(EARLY, valid / 3)


def _said(body: bytes) -> str:
    """RFC 6749's error code, a word of a few letters: nothing else of the answer is shown."""
    code = _read(body).get("error")
    return f" ({code})" if isinstance(code, str) and _CODE.fullmatch(code) else ""


def _read(body: bytes) -> dict[str, Any]:
    """The object in an answer; empty where there is none."""
    try:
        found = json.loads(body) if len(body) <= LONGEST_ANSWER else None
    except (ValueError, RecursionError):
        found = None
    return found if isinstance(found, dict) else {}
