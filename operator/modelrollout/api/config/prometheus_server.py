"""A Prometheus server, or what speaks its API, as the operator's configuration names it."""

from __future__ import annotations

import re
from typing import Annotated, Self
from urllib.parse import urlsplit

from pydantic import Field, model_validator

from modelrollout.api.base import ApiModel, wrong
from modelrollout.api.config.credentials import BasicAuth, ClientCertificate, Header, OAuth2
from modelrollout.api.gates import Name
from modelrollout.api.quantities import Duration

URL = r"^https?://[^/?#]+"

_MATCHER = r'\s*[A-Za-z_][A-Za-z0-9_]*\s*(=|!=|=~|!~)\s*"([^"\\]|\\.)*"\s*'
_MATCHERS = re.compile(rf"({_MATCHER}(,{_MATCHER})*,?\s*)?")
_WAYS = {"bearer_token_file": "bearerTokenFile", "basic_auth": "basicAuth", "oauth2": "oauth2"}
"""Of these one at most: each makes the header Authorization."""


class PrometheusServer(ApiModel):
    """One server a resource may name; credentials come from files, never from a resource."""

    name: Name = "default"
    """The name that resources use in analysis.prometheus."""
    url: Annotated[str, Field(pattern=URL, max_length=2048)]
    """Where its HTTP API is, without /api/v1."""
    matchers: Annotated[str, Field(max_length=1024)] = 'namespace="{namespace}"'
    """Label matchers added to every built-in query on model series; {namespace} is the resource's."""
    gateway_matchers: Annotated[str, Field(max_length=1024)] = ""
    """Label matchers added to every built-in query on gateway series."""
    preflight_matchers: Annotated[str, Field(max_length=1024)] = ""
    """Label matchers added to every query on the prober's series, beside matchers, such as job="infra/prober"."""
    headers: Annotated[list[Header], Field(max_length=16)] = []
    """Headers of every query, such as X-Scope-OrgID of a store with several tenants."""
    bearer_token_file: str | None = None
    """A file with the bearer token, such as one mounted from a Secret."""
    basic_auth: BasicAuth | None = None
    """A user and a password, as HTTP's basic authentication has them."""
    oauth2: OAuth2 | None = None
    """Tokens from an authorization server, by OAuth 2.0's client credentials."""
    client_certificate: ClientCertificate | None = None
    """What the operator shows to an https server that asks who it is."""
    ca_file: str | None = None
    """A file with the certificate authority of an https URL."""
    timeout: Duration = 10.0
    """How long one query may take."""
    scrape_interval: Duration = 15.0
    """How often the server scrapes the models and the gateway."""
    exact_names: bool = False
    """Whether every query names one metric: for stores that take no pattern of names, at the price of more queries."""
    allow_queries: bool = False
    """Whether resources may carry Query gates."""

    @model_validator(mode="after")
    def _url_has_no_credentials(self) -> Self:
        if "@" in urlsplit(self.url).netloc:
            raise wrong("url", "leave user and password out of the URL; name files in basicAuth or bearerTokenFile")
        return self

    @model_validator(mode="after")
    def _matchers_are_matchers(self) -> Self:
        given = (("matchers", self.matchers), ("gatewayMatchers", self.gateway_matchers))
        for field, text in (*given, ("preflightMatchers", self.preflight_matchers)):
            if not _MATCHERS.fullmatch(text):
                raise wrong(field, 'write PromQL label matchers without braces, such as cluster="eu",env!="dev"')
        return self

    @model_validator(mode="after")
    def _one_way_to_log_in(self) -> Self:
        given = [name for field, name in _WAYS.items() if getattr(self, field)]
        if len(given) > 1:
            raise wrong(given[1], f"keep one of {' and '.join(given)}: a query carries one Authorization header")
        if self.client_certificate and not self.url.startswith("https:"):
            raise wrong("clientCertificate", "write an https url: nobody asks for a certificate over http")
        return self

    @model_validator(mode="after")
    def _headers_once(self) -> Self:
        names = [one.name.lower() for one in self.headers]
        for index, name in enumerate(names):
            if name in names[:index]:
                raise wrong(f"headers.{index}.name", "give every header once; upper and lower case are the same")
        return self

    @model_validator(mode="after")
    def _times_are_positive(self) -> Self:
        for field, seconds in (("timeout", self.timeout), ("scrapeInterval", self.scrape_interval)):
            if not seconds:
                raise wrong(field, 'choose more than "0s", such as "10s"')
        return self
