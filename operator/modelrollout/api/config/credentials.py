"""How the operator says who it is to a Prometheus server: secrets are in files, which are read for every query."""

from __future__ import annotations

import re
from typing import Annotated, Literal, Self
from urllib.parse import urlsplit

from pydantic import Field, model_validator

from modelrollout.api.base import ApiModel, wrong

URL = r"^https?://[^/?#]+"
HEADER = r"^[A-Za-z0-9!#$%&'*+.^_`|~-]+$"
"""A token as RFC 9110, 5.6.2 has it."""
_TAKEN = frozenset(
    {
        "accept-encoding",
        "authorization",
        "connection",
        "content-encoding",
        "content-length",
        "content-type",
        "host",
        "proxy-authorization",
        "te",
        "trailer",
        "transfer-encoding",
        "upgrade",
    }
)
"""Headers that the operator or HTTP itself sets."""
_VISIBLE = re.compile(r"[ -~]+")

File = Annotated[str, Field(min_length=1, max_length=4096)]


class Header(ApiModel):
    """One header of every query to a server."""

    name: Annotated[str, Field(pattern=HEADER, max_length=128)]
    """Its name, such as X-Scope-OrgID."""
    value: Annotated[str, Field(max_length=1024)] | None = None
    """What it says, where that is no secret."""
    value_file: File | None = None
    """A file that holds what it says, such as one mounted from a Secret."""

    @model_validator(mode="after")
    def _may_be_set(self) -> Self:
        if self.name.lower() in _TAKEN:
            fix = "choose another: this one is set by the operator itself"
            raise wrong("name", f"{fix}; a token goes in bearerTokenFile, a password in basicAuth")
        if (self.value is None) == (self.value_file is None):
            raise wrong("value", "give every header either a value or a valueFile")
        if self.value is not None and not (_VISIBLE.fullmatch(self.value) and self.value == self.value.strip()):
            raise wrong("value", "write printable ASCII characters without spaces around them")
        return self


class BasicAuth(ApiModel):
    """HTTP's basic authentication (RFC 7617)."""

    username: Annotated[str, Field(min_length=1, max_length=256)]
    """The user's name, without a colon."""
    password_file: File
    """A file with the password; one line end after it is no part of it."""

    @model_validator(mode="after")
    def _can_be_told_apart(self) -> Self:
        if ":" in self.username or not self.username.isprintable():
            raise wrong("username", "write a name of printable characters without a colon")
        return self


class OAuth2(ApiModel):
    """Tokens by client credentials (RFC 6749, 4.4): asked for when needed, kept until shortly before they end."""

    token_url: Annotated[str, Field(pattern=URL, max_length=2048)]
    """Where tokens are given."""
    client_id: Annotated[str, Field(min_length=1, max_length=256)]
    """How that server calls the operator."""
    client_secret_file: File
    """A file with the secret that goes with it; one line end after it is no part of it."""
    client_auth: Literal["Header", "Body"] = "Header"
    """Where id and secret stand in the request: in the header Authorization, or among the parameters."""
    scopes: Annotated[list[Annotated[str, Field(min_length=1, max_length=256)]], Field(max_length=32)] = []
    """The scopes that are asked for."""
    endpoint_params: dict[str, Annotated[str, Field(max_length=1024)]] = {}
    """Further parameters of the request, such as audience."""
    ca_file: str | None = None
    """A file with the certificate authority of an https tokenUrl."""

    @model_validator(mode="after")
    def _has_no_secret(self) -> Self:
        if "@" in urlsplit(self.token_url).netloc:
            raise wrong("tokenUrl", "leave user and password out of the URL; name them in clientId, clientSecretFile")
        for index, scope in enumerate(self.scopes):
            if not re.fullmatch(r"[!#-\[\]-~]+", scope):
                raise wrong(f"scopes.{index}", "write one scope an entry, without spaces or quotes")
        reserved = {"grant_type", "client_id", "client_secret", "scope"} & self.endpoint_params.keys()
        if reserved:
            raise wrong(f"endpointParams.{min(reserved)}", "leave it out: the operator sets it from the other fields")
        return self


class ClientCertificate(ApiModel):
    """A certificate of the operator's own and its key, both PEM; read anew with every connection."""

    cert_file: File
    """The certificate, with those that lead to its authority."""
    key_file: File
    """Its private key, without a pass phrase."""
