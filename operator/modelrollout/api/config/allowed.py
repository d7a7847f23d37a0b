"""What reaches beyond a resource's own namespace, and whom a platform team lets do so: nobody, unless it says so."""

from __future__ import annotations

import ipaddress
from fnmatch import fnmatchcase
from typing import Annotated, Self

from pydantic import Field, model_validator

from modelrollout.api.base import ApiModel, wrong
from modelrollout.api.gates import DNS_LABEL

NAMESPACES = r"^[a-z0-9*]([-a-z0-9*]*[a-z0-9*])?$"
SERVER_NAME = r"^([A-Za-z0-9_.:-]|\{service\}|\{namespace\})+$"
Namespaces = Annotated[
    list[Annotated[str, Field(pattern=NAMESPACES, max_length=63)]], Field(min_length=1, max_length=256)
]
"""Names of namespaces; in each of them `*` stands for any characters."""


def among(namespace: str, patterns: list[str]) -> bool:
    """Whether one of the patterns is of this namespace."""
    return any(fnmatchcase(namespace, pattern) for pattern in patterns)


class AllowedAddresses(ApiModel):
    """Addresses behind Services that may be asked for readiness though they are no Pods of the Service's namespace."""

    cidr: Annotated[str, Field(max_length=64)]
    """The addresses, such as 10.20.0.0/16 or 2001:db8::/48."""
    namespaces: Namespaces = ["*"]
    """The namespaces whose Services may have them; `*` in a name stands for any characters."""

    @model_validator(mode="after")
    def _cidr_is_one(self) -> Self:
        try:
            ipaddress.ip_network(self.cidr)
        except ValueError:
            raise wrong("cidr", "write a network with its length and no host bits, such as 10.20.0.0/16") from None
        return self

    def holds(self, namespace: str, address: str) -> bool:
        """Whether a Service of that namespace may have that address."""
        return among(namespace, self.namespaces) and ipaddress.ip_address(address) in ipaddress.ip_network(self.cidr)


class ServerTls(ApiModel):
    """Services of model servers that speak TLS at these ports, and how they prove their name."""

    ports: Annotated[list[Annotated[int, Field(ge=1, le=65535)]], Field(min_length=1, max_length=64)]
    """Ports of the Services, such as 8443; what is asked there is asked over TLS alone."""
    namespaces: Namespaces = ["*"]
    """The namespaces of these Services; `*` in a name stands for any characters."""
    ca_file: Annotated[str, Field(min_length=1, max_length=4096)] | None = None
    """A file of the certificate authorities that are believed, in PEM; those of the image when unset."""
    server_name: Annotated[str, Field(pattern=SERVER_NAME, max_length=253)] = "{service}.{namespace}.svc"
    """The name that a certificate must be for; {service} and {namespace} are the Service's."""

    def name_of(self, namespace: str, service: str) -> str:
        """The name of a Service's servers."""
        return self.server_name.replace("{service}", service).replace("{namespace}", namespace)


class Probes(ApiModel):
    """How model servers are asked, by the operator and the prober: at which addresses, and where over TLS."""

    allowed: Annotated[list[AllowedAddresses], Field(max_length=64)] = []
    """Other addresses than Pods of the Service's own namespace, such as those of servers outside of the cluster."""
    tls: Annotated[list[ServerTls], Field(max_length=64)] = []
    """Where TLS is spoken; of several entries the first that fits. Elsewhere nothing is encrypted."""

    def allows(self, namespace: str, address: str) -> bool:
        """Whether an address that no Pod of the namespace has may be asked for a Service there."""
        return any(one.holds(namespace, address) for one in self.allowed)

    def tls_of(self, namespace: str, port: int) -> ServerTls | None:
        """How a Service's port proves who it is; None where it speaks no TLS."""
        return next((one for one in self.tls if port in one.ports and among(namespace, one.namespaces)), None)


HOSTS = r"^(\*|(\*\.)?([a-z0-9-]+|\{namespace\})(\.([a-z0-9-]+|\{namespace\}))*)$"
ANY = "*"
NAMED = r"^(\*|[a-z0-9]([-a-z0-9.]*[a-z0-9])?)$"


class AllowedGateway(ApiModel):
    """A Gateway, the namespaces whose ModelRollouts may use it, and for which host names."""

    namespace: Annotated[str, Field(pattern=DNS_LABEL, max_length=63)]
    """Where the Gateway is."""
    name: Annotated[str, Field(pattern=NAMED, max_length=253)] = ANY
    """Its name; "*" for every Gateway there."""
    namespaces: Namespaces = [ANY]
    """The namespaces that may use it; `*` in a name stands for any characters."""
    hostnames: Annotated[list[Annotated[str, Field(pattern=HOSTS, max_length=253)]], Field(min_length=1)] = [ANY]
    """The host names that they may ask for, such as "*.{namespace}.example.com"; "*" for any."""

    def is_about(self, namespace: str, name: str) -> bool:
        """Whether this is that Gateway."""
        return namespace == self.namespace and self.name in (ANY, name)

    def lets(self, namespace: str, host: str) -> bool:
        """Whether a resource of that namespace may ask for that host; `*.x` is every host below x, and `*.x` itself."""
        if not among(namespace, self.namespaces):
            return False
        patterns = [pattern.replace("{namespace}", namespace) for pattern in self.hostnames]
        below = [pattern[1:] for pattern in patterns if pattern.startswith("*.")]
        return ANY in patterns or host in patterns or host.endswith(tuple(below))
