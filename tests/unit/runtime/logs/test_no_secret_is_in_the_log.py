"""Secrets in what libraries raise, in whatever form, are in no line of the log and in no failure that is shown."""

from __future__ import annotations

import contextlib
import http.client
import time
from collections.abc import Callable
from pathlib import Path
from urllib.parse import quote

import pytest
import requests
import urllib3

from modelrollout.adapters.prometheus.credentials import basic, secret_in, token_in
from modelrollout.adapters.prometheus.failures import Refused
from modelrollout.api.borders.secrecy import remember_secret, without_secrets
from modelrollout.ports import Conflict, LedgerFailure, Unreachable
from tests.unit.runtime.logs.records import both, raised

WORDS = ("s3cr3t", "h0rse", "st4ple")


def header_of_requests() -> None:
    requests.Request("GET", "http://p", headers={"Authorization": "Bearer s3cr3ts3cr3t\nh0rsest4ple"}).prepare()


def header_of_http() -> None:
    connection = http.client.HTTPConnection("localhost")
    connection.putrequest("GET", "/")
    connection.putheader("Authorization", "Basic s3cr3tst4ple\nh0rseh0rse")


def url_of_urllib3() -> None:
    urllib3.PoolManager().request("GET", "http://ops:s3cr3t@h0rse@p:port/api")


def url_of_requests() -> None:
    requests.get("ftp://ops:s3cr3t@p/api?token=h0rse&password=st4ple", timeout=1)


def headers_in_a_dict() -> None:
    token, cookie, other = WORDS
    raise ValueError({"Authorization": f"Bearer {token}", "Cookie": cookie, "n": 1, "access_token": other})


def inside_another() -> None:
    try:
        headers_in_a_dict()
    except ValueError:
        token, password, line = WORDS
        raise OSError(f"GET https://ops:{password}@p/x failed\nAuthorization: Token {token}\n\t{line}") from None


CALLS = (header_of_requests, header_of_http, url_of_urllib3, url_of_requests, headers_in_a_dict, inside_another)


@pytest.mark.parametrize("call", CALLS)
def test_what_libraries_quote_is_taken_out(call: Callable[[], None], tmp_path: Path):
    file = tmp_path / "token"
    file.write_text("s3cr3ts3cr3t\nh0rsest4ple\n")
    with pytest.raises(Refused):
        token_in(str(file))
    error = raised(call)
    shown = [
        *both("query failed: %s %r", error, error, error=error),
        str(Unreachable("ApiError", str(error))),
        str(Conflict(str(error))),
        LedgerFailure("PrometheusError", str(error)).message,
    ]
    for text in shown:
        assert not [word for word in WORDS if word in text], text


@pytest.mark.parametrize("lines", ["one-tok3n", "first-l1ne\nsecond-l1ne", "with space\r\nand-t4b\tx", "pässwört"])
def test_what_was_read_as_a_secret_is_known_in_every_form(lines: str, tmp_path: Path):
    file = tmp_path / "secret"
    file.write_text(lines + "\n")
    for read in (token_in, lambda path: secret_in(path, "password file")):
        with contextlib.suppress(Refused):
            read(str(file))
    for part in (lines, *lines.splitlines()):
        for form in (part, repr(part), quote(part, safe=""), repr(part.encode()) if part.isascii() else part):
            line, object_ = both("the library said %s at last", form)
            assert part not in line
            assert form not in line
            assert form not in object_
            assert "at last" in line


def test_basic_credentials_are_known_in_base64():
    sent = basic("ops", "correct-h0rse").split()[1]
    assert sent not in both("said %s", sent)[0]


def test_ordinary_sentences_stay_as_they_are():
    for text in (
        "keep one of basicAuth and oauth2: a query carries one Authorization header",
        "HTTP's basic authentication, or a bearer token on one line",
        "no connection to the API server for GET /apis/x?limit=5: Cannot connect to host 10.0.0.1:6443",
        "the token server https://login.example.com/token gave no bearer token: its answer is not RFC 6749's",
        "vision/digits: mail ops@example.com about it: see http://prometheus:9090/api/v1",
    ):
        assert without_secrets(text) == text


@pytest.mark.slow
def test_looking_for_secrets_takes_no_time_whatever_the_text():
    for n in range(1000):
        remember_secret(f"secret number {n}")
    for part in ("x://:", "eyJ-", "Bearer ", "'Authorization':'", "a://b@", "Authorization", '"password":"', "\\"):
        began = time.process_time()
        without_secrets(part * 100_000)
        assert time.process_time() - began < 1
