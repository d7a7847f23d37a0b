"""Whatever goes wrong between us and a server has a reason and a sentence of ours; what it sent is not echoed."""

from __future__ import annotations

import json
import ssl
from http import HTTPStatus

import requests
import urllib3

from modelrollout.core.reasons import MetricsReason
from modelrollout.ports import LedgerFailure

LONGEST_REFUSAL = 300
"""Characters of what a server said that are handed on."""
_TIMED_OUT = (requests.Timeout, urllib3.exceptions.TimeoutError, TimeoutError)
_NO_ANSWER = (requests.RequestException, urllib3.exceptions.HTTPError, OSError)
_NO_JSON = requests.exceptions.JSONDecodeError


class Refused(Exception):  # noqa: N818 - carries a typed failure out of the client library
    """An answer, or a way to ask, that is not accepted."""

    def __init__(self, reason: MetricsReason, message: str) -> None:
        super().__init__(message)
        self.failure = LedgerFailure(reason, message)


def failure_of(error: BaseException, seconds: float, *, cut: bool) -> LedgerFailure:
    """The failure behind any exception. `cut`: the exchange was ended because its `seconds` were over."""
    if isinstance(error, Refused):
        return error.failure
    if cut or isinstance(error, _TIMED_OUT):
        return LedgerFailure("PrometheusTimeout", f"no complete answer within {seconds:g} s")
    what = _cause(error)
    if isinstance(error, MemoryError):
        return LedgerFailure("AnswerTooLarge", f"there is no memory for the answer ({what})")
    # JSON errors of the library are request errors too: they are asked for first
    if isinstance(error, _NO_ANSWER) and not isinstance(error, _NO_JSON):
        return LedgerFailure("PrometheusUnreachable", f"Prometheus cannot be reached: {what}")
    return LedgerFailure("AnswerMalformed", f"the answer is not Prometheus's JSON ({what})")


def refusal(code: int, body: bytes) -> Refused:
    """What an answer that is no success means."""
    text = f"HTTP status {code}{_said(body)}"
    if code in {HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN}:
        return Refused("PrometheusUnauthorized", f"Prometheus refused the credentials: {text}")
    if HTTPStatus.MULTIPLE_CHOICES <= code < HTTPStatus.BAD_REQUEST:
        return Refused("PrometheusError", f"{text} is a redirect, which is not followed: configure the final url")
    if HTTPStatus.BAD_REQUEST <= code < HTTPStatus.INTERNAL_SERVER_ERROR:
        return Refused("PrometheusRejected", f"Prometheus refused the query: {text}")
    return Refused("PrometheusError", f"Prometheus failed: {text}")


def _cause(error: BaseException) -> str:
    """Type and system message of the first cause: texts of the libraries quote what the server sent."""
    seen = [error]
    while (inner := _inside(seen[-1])) is not None and inner not in seen:
        seen.append(inner)
    last = seen[-1]
    said = getattr(last, "verify_message", "") if isinstance(last, ssl.SSLError) else getattr(last, "strerror", "")
    return f"{type(last).__name__}: {said}"[:LONGEST_REFUSAL] if said else type(last).__name__


def _inside(error: BaseException) -> BaseException | None:
    inner = [error.__cause__, getattr(error, "reason", None), *error.args]
    return next((one for one in inner if isinstance(one, BaseException)), None)


def _said(body: bytes) -> str:
    """Prometheus's own sentence, where the body is its JSON: other bodies say nothing that may be shown."""
    try:
        answer = json.loads(body[: 64 * 1024])
    except (ValueError, RecursionError):
        return ""
    said = answer.get("error") if isinstance(answer, dict) and answer.get("status") == "error" else None
    return f": {printable(said)}" if isinstance(said, str) else ""


def printable(text: str) -> str:
    """One line of at most LONGEST_REFUSAL characters that can be printed."""
    return " ".join("".join(c if c.isprintable() else " " for c in text[: 4 * LONGEST_REFUSAL]).split())[
        :LONGEST_REFUSAL
    ]
