"""What a query carries to say who asks: read from files each time, for secrets are rotated under a running operator."""

from __future__ import annotations

import base64
import ssl

from modelrollout.adapters.files import Unreadable, text_in
from modelrollout.adapters.prometheus.failures import Refused
from modelrollout.api.borders.secrecy import remember_secret
from modelrollout.api.config import PrometheusServer


def headers_of(server: PrometheusServer) -> dict[str, str]:
    """The headers of a query, but for a token that has to be asked for. Raises Refused."""
    found = {one.name: one.value if one.value is not None else _header(one.value_file or "") for one in server.headers}
    if server.bearer_token_file:
        found["Authorization"] = f"Bearer {token_in(server.bearer_token_file)}"
    if server.basic_auth:
        password = secret_in(server.basic_auth.password_file, "password file")
        found["Authorization"] = basic(server.basic_auth.username, password)
    return found


def basic(user: str, password: str) -> str:
    """The value of the header Authorization, in UTF-8 (RFC 7617)."""
    found = base64.b64encode(f"{user}:{password}".encode()).decode("ascii")
    remember_secret(found)
    return f"Basic {found}"


def token_in(path: str) -> str:
    """A bearer token: one word of ASCII on one line. Raises Refused."""
    text = _text(path, "bearer token file").strip()
    remember_secret(text)
    if (
        not text.isascii() or not text.isprintable() or " " in text
    ):  # a header cannot hold it, and an error would quote it
        raise Refused("CredentialsUnreadable", f"bearer token file {path} holds more than one token on one line")
    return text


def secret_in(path: str, what: str) -> str:
    """A password or the like: everything but the line end that an editor leaves. Raises Refused."""
    text = _text(path, what).removesuffix("\n").removesuffix("\r")
    remember_secret(text)
    if not text or "\n" in text or "\0" in text:
        raise Refused("CredentialsUnreadable", f"{what} {path} does not hold one line")
    return text


def certificate_of(server: PrometheusServer) -> tuple[str, str] | None:
    """Paths of the certificate and its key, seen to belong together. Raises Refused."""
    if server.client_certificate is None:
        return None
    paths = server.client_certificate.cert_file, server.client_certificate.key_file
    for path in paths:
        _text(path, "client certificate file")
    try:
        # a pass phrase would be asked for at the terminal: an empty one fails at once
        ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT).load_cert_chain(*paths, password=lambda: "")
    except (ssl.SSLError, ValueError) as error:
        why = getattr(error, "reason", None) or "it cannot be read"
        text = f"client certificate {paths[0]} and key {paths[1]} cannot be used together: {why}"
        raise Refused("CredentialsUnreadable", text) from None
    return paths


def _header(path: str) -> str:
    text = secret_in(path, "header file").strip()
    if not text.isascii() or not text.isprintable():
        raise Refused("CredentialsUnreadable", f"header file {path} holds what no header can: write printable ASCII")
    return text


def _text(path: str, what: str) -> str:
    try:
        return text_in(path, what)
    except Unreadable as error:
        raise Refused("CredentialsUnreadable", str(error)) from None
