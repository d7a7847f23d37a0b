"""Headers, passwords, client certificates and tokens of a store: what is sent, and what is said where it cannot be."""

from __future__ import annotations

import base64
import json
import ssl
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import Any

import pytest
import trustme
from cryptography.hazmat.primitives import serialization

from modelrollout.adapters.prometheus import tokens
from modelrollout.api.config import PrometheusServer
from modelrollout.ports import LedgerFailure
from tests.integration.misbehaving import Behaviour, Misbehaving, send


@pytest.fixture
def server() -> Iterator[Misbehaving]:
    found = Misbehaving()
    yield found
    found.close()


def configured(server: Misbehaving, **fields: Any) -> PrometheusServer:
    return PrometheusServer.model_validate({"url": server.url, "timeout": "30s", **fields})


def file_with(folder: Path, text: str | bytes, name: str = "secret") -> str:
    path = folder / name
    path.write_bytes(text.encode() if isinstance(text, str) else text)
    return str(path)


async def sent(server: Misbehaving, ledger: Any, **fields: Any) -> dict[str, str]:
    """The headers of one query that was answered."""
    assert await ledger.range(configured(server, **fields), "c", 0, 10) == ()
    return server.requests[-1][1]


async def refusal(ledger: Any, server: PrometheusServer) -> LedgerFailure:
    got = await ledger.range(server, "c", 0, 10)
    assert isinstance(got, LedgerFailure)
    return got


async def test_configured_headers_go_with_every_query(server, ledger, tmp_path):
    path = file_with(tmp_path, "k-1\n")
    headers = [{"name": "X-Scope-OrgID", "value": "vision|speech"}, {"name": "X-API-Key", "valueFile": path}]
    found = await sent(server, ledger, headers=headers)
    assert (found["X-Scope-OrgID"], found["X-API-Key"]) == ("vision|speech", "k-1")
    file_with(tmp_path, "k-2")
    assert (await sent(server, ledger, headers=headers))["X-API-Key"] == "k-2"


@pytest.mark.parametrize("password", ["pass word", " edges ", "ä:ö€", "one\n", "two\r\n"])
async def test_a_password_is_sent_as_it_is_in_the_file(server, ledger, tmp_path, password):
    found = await sent(server, ledger, basicAuth={"username": "me", "passwordFile": file_with(tmp_path, password)})
    kind, _, text = found["Authorization"].partition(" ")
    assert kind == "Basic"
    assert base64.b64decode(text).decode() == "me:" + password.rstrip("\r\n")


SECRET = "s3same"


@pytest.mark.parametrize(
    "content", [None, "", "\n", f"{SECRET}\n{SECRET}", f"{SECRET}\0", b"\xff" + SECRET.encode(), SECRET * 20_000]
)
@pytest.mark.parametrize(
    "of",
    [
        lambda path: {"basicAuth": {"username": "me", "passwordFile": path}},
        lambda path: {"headers": [{"name": "X-API-Key", "valueFile": path}]},
        lambda path: {"oauth2": {"tokenUrl": "http://127.0.0.1:1", "clientId": "me", "clientSecretFile": path}},
    ],
)
async def test_a_file_that_holds_no_secret_is_named_and_never_shown(server, ledger, tmp_path, of, content):
    path = str(tmp_path / "secret") if content is None else file_with(tmp_path, content)
    got = await refusal(ledger, configured(server, **of(path)))
    assert got.reason == "CredentialsUnreadable"
    assert path in got.message
    assert SECRET not in got.message
    assert server.requests == []


def tokens_of(*answers: tuple[int, object]) -> Behaviour:
    """Each answer once, the last for ever."""
    left = list(answers)

    def behave(handler: BaseHTTPRequestHandler) -> None:
        status, body = left.pop(0) if len(left) > 1 else left[0]
        send(status, body if isinstance(body, bytes) else json.dumps(body).encode())(handler)

    return behave


def oauth2(server: Misbehaving, folder: Path, **fields: Any) -> dict[str, Any]:
    secret = file_with(folder, "c/1 &=\n")
    return {"tokenUrl": server.url + "/token", "clientId": "me:you", "clientSecretFile": secret, **fields}


GIVEN = {"access_token": "t-1", "token_type": "Bearer", "expires_in": 3600}


async def test_a_token_is_asked_for_once_and_kept(server, ledger, tmp_path):
    server.behave_posted = tokens_of((200, GIVEN))
    settings = oauth2(server, tmp_path, scopes=["read", "metrics"], endpointParams={"audience": "store"})
    for _ in range(3):
        assert (await sent(server, ledger, oauth2=settings))["Authorization"] == "Bearer t-1"
    ((form, headers, path),) = server.posted
    assert path == "/token"
    assert form == {"grant_type": ["client_credentials"], "scope": ["read metrics"], "audience": ["store"]}
    # RFC 6749, 2.3.1: both are form-encoded before they are joined
    assert base64.b64decode(headers["Authorization"].split()[1]).decode() == "me%3Ayou:c%2F1+%26%3D"


async def test_id_and_secret_can_stand_in_the_body(server, ledger, tmp_path):
    server.behave_posted = tokens_of((200, GIVEN))
    await sent(server, ledger, oauth2=oauth2(server, tmp_path, clientAuth="Body"))
    ((form, headers, _),) = server.posted
    assert (form["client_id"], form["client_secret"]) == (["me:you"], ["c/1 &="])
    assert "Authorization" not in headers


async def test_a_token_that_is_about_to_end_is_replaced(server, ledger, tmp_path, monkeypatch):
    now = [1000.0]
    monkeypatch.setattr(tokens, "monotonic", lambda: now[0])
    server.behave_posted = tokens_of((200, GIVEN), (200, {**GIVEN, "access_token": "t-2", "expires_in": 9}))
    settings = oauth2(server, tmp_path)
    seen = []
    for now[0] in (1000.0, 4569.0, 4571.0, 4576.0, 4578.0):
        seen.append((await sent(server, ledger, oauth2=settings))["Authorization"])
    assert seen == ["Bearer t-1"] * 2 + ["Bearer t-2"] * 3
    assert len(server.posted) == 3


async def test_a_token_that_is_refused_is_not_used_again(server, ledger, tmp_path):
    server.behave_posted = tokens_of((200, GIVEN), (200, {**GIVEN, "access_token": "t-2"}))
    settings, fine = oauth2(server, tmp_path), server.behave
    server.behave = send(401, b"")
    assert (await refusal(ledger, configured(server, oauth2=settings))).reason == "PrometheusUnauthorized"
    server.behave = fine
    assert (await sent(server, ledger, oauth2=settings))["Authorization"] == "Bearer t-2"


@pytest.mark.parametrize(
    ("status", "body", "said"),
    [
        (401, {"error": "invalid_client", "error_description": SECRET}, "HTTP status 401 (invalid_client)"),
        (400, {"error": f"<b>{SECRET}"}, "HTTP status 400"),
        (302, b"", "HTTP status 302"),
        (500, SECRET.encode(), "HTTP status 500"),
        (200, b"<html>" + SECRET.encode(), "RFC 6749"),
        (200, [], "RFC 6749"),
        (200, {"access_token": SECRET}, "RFC 6749"),
        (200, {**GIVEN, "access_token": f"a\r\nX: {SECRET}"}, "RFC 6749"),
        (200, {**GIVEN, "access_token": ""}, "RFC 6749"),
        (200, {**GIVEN, "access_token": ["t"]}, "RFC 6749"),
        (200, {**GIVEN, "token_type": "mac"}, "RFC 6749"),
        (200, {**GIVEN, "access_token": "t" * tokens.LONGEST_ANSWER}, "RFC 6749"),
        (200, b"[" * 100_000, "RFC 6749"),
    ],
)
async def test_a_token_server_that_gives_none_is_named(server, ledger, tmp_path, status, body, said):
    server.behave_posted = tokens_of((status, body))
    got = await refusal(ledger, configured(server, oauth2=oauth2(server, tmp_path)))
    assert got.reason == "PrometheusUnauthorized"
    assert f"{server.url}/token" in got.message
    assert said in got.message
    assert SECRET not in got.message
    assert server.requests == []


@pytest.mark.parametrize("valid", [None, "3600", -1, 0, 1e300, True, [], 10**400])
async def test_a_life_that_is_no_number_of_seconds_harms_nothing(server, ledger, tmp_path, valid):
    server.behave_posted = tokens_of((200, {**GIVEN, "expires_in": valid}))
    assert (await sent(server, ledger, oauth2=oauth2(server, tmp_path)))["Authorization"] == "Bearer t-1"


async def test_a_token_server_that_hangs_ends_with_the_query(server, ledger, tmp_path):
    server.behave_posted = lambda _: server.let_go.wait(60) and None
    got = await refusal(ledger, configured(server, timeout="1s", oauth2=oauth2(server, tmp_path)))
    assert got.reason == "PrometheusTimeout"


async def test_a_client_certificate_is_shown_to_who_asks_for_it(ledger, tmp_path):
    authority, found = trustme.CA(), Misbehaving()
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.verify_mode = ssl.CERT_REQUIRED
    authority.issue_cert("127.0.0.1").configure_cert(context)
    authority.configure_trust(context)
    found.server.socket = context.wrap_socket(found.server.socket, server_side=True)
    ca, own = file_with(tmp_path, authority.cert_pem.bytes(), "ca"), authority.issue_cert("operator")
    cert = file_with(tmp_path, own.cert_chain_pems[0].bytes(), "cert")
    key = file_with(tmp_path, own.private_key_pem.bytes(), "key")
    other = file_with(tmp_path, authority.issue_cert("x").private_key_pem.bytes(), "other")
    locked = file_with(tmp_path, _encrypted(own.private_key_pem.bytes()), "locked")
    fields = {"url": found.url.replace("http:", "https:"), "caFile": ca, "timeout": "30s"}

    def showing(**certificate: str) -> PrometheusServer:
        return PrometheusServer.model_validate({**fields, "clientCertificate": certificate})

    try:
        assert await ledger.range(showing(certFile=cert, keyFile=key), "c", 0, 10) == ()
        assert (await refusal(ledger, PrometheusServer.model_validate(fields))).reason == "PrometheusUnreachable"
        for wrong in (other, locked, str(tmp_path / "none"), cert):
            got = await refusal(ledger, showing(certFile=cert, keyFile=wrong))
            assert got.reason == "CredentialsUnreadable"
            assert wrong in got.message
    finally:
        found.close()


async def test_a_token_server_is_known_by_its_own_ca_file(server, ledger, tmp_path):
    """The id and the secret go to nobody whose certificate the file does not vouch for."""
    authority, found = trustme.CA(), Misbehaving()
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("127.0.0.1").configure_cert(context)
    found.server.socket = context.wrap_socket(found.server.socket, server_side=True)
    found.behave_posted = tokens_of((200, GIVEN))
    secret = file_with(tmp_path, "c", "own secret")
    fields = {"tokenUrl": found.url.replace("http:", "https:") + "/token", "clientId": "me", "clientSecretFile": secret}
    ca = file_with(tmp_path, authority.cert_pem.bytes(), "ca")
    other = file_with(tmp_path, trustme.CA().cert_pem.bytes(), "other")
    try:
        for wrong in ({}, {"caFile": other}):
            await refusal(ledger, configured(server, oauth2={**fields, **wrong}))
            assert found.posted == server.requests == []
        token = (await sent(server, ledger, oauth2={**fields, "caFile": ca}))["Authorization"]
    finally:
        found.close()
    assert token == "Bearer t-1"


def _encrypted(pem: bytes) -> bytes:
    key = serialization.load_pem_private_key(pem, None)
    how = serialization.BestAvailableEncryption(b"pass phrase")
    return key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, how)
