"""What was looked up, as plain values: the operator's installation, and the server that it reads."""

from __future__ import annotations

import re
from dataclasses import dataclass
from urllib.parse import urlsplit

from modelrollout.api.config import OperatorConfig, PrometheusServer
from modelrollout.dialects.dialect import Dialect
from modelrollout.dialects.registry import DIALECTS

_SAY = "say where it is with --operator-namespace NAMESPACE, or give its configuration with --config FILE"
_INSIDE = re.compile(
    r"(?P<service>[a-z0-9][-a-z0-9]*)\.(?P<namespace>[a-z0-9][-a-z0-9]*)(?P<svc>\.svc(?:\.[-a-z0-9.]+)?)?\.?"
)
_PORTS = {"http": 80, "https": 443}
_FORWARDED = 9090
"""The port on the desk that is suggested."""


@dataclass(frozen=True)
class Installation:
    """One release of the chart: its ConfigMap, Deployment and Lease have one name."""

    namespace: str
    name: str
    config: OperatorConfig | None = None
    problem: str = ""
    """Why the configuration cannot be used, where it cannot."""

    @property
    def where(self) -> str:
        """For sentences."""
        return f"ConfigMap {self.namespace}/{self.name}"


@dataclass(frozen=True)
class Unknown:
    """It cannot be said which operator serves: why, and what to do."""

    why: str
    fix: str = _SAY


@dataclass(frozen=True)
class Source:
    """The server to ask, with the configuration that names it, if any."""

    server: PrometheusServer
    config: OperatorConfig | None = None
    origin: str = "--prometheus"
    """Where the address is from, for sentences."""
    needs_token: bool = False
    """Whether the operator shows this server credentials that are not known here."""

    @property
    def dialects(self) -> tuple[Dialect, ...]:
        """The gateways whose series may be there, the configuration's own first."""
        own = () if self.config is None else tuple(one.dialect() for one in self.config.custom_dialects)
        return (*own, *DIALECTS)

    @property
    def reach(self) -> str:
        """What to do where the server cannot be reached."""
        return reach(self.server.url)


def reach(url: str) -> str:
    """How to reach `url` from here: by a forwarded port where only the cluster knows its name."""
    parts = urlsplit(url)
    inside = _INSIDE.fullmatch(parts.hostname or "")
    if inside is None:
        return f"check that {url} answers from here, or name another address with --prometheus URL"
    try:
        port = parts.port or _PORTS[parts.scheme]
    except (ValueError, KeyError):
        port = _PORTS["http"]
    local = f"{parts.scheme}://localhost:{_FORWARDED}{parts.path.rstrip('/')}"
    forward = f"kubectl port-forward -n {inside['namespace']} service/{inside['service']} {_FORWARDED}:{port}"
    where = "from outside the cluster" if inside["svc"] else "if that is a Service of the cluster"
    return f"{where}, run `{forward}`, then add --prometheus {local}"
