"""Every dialect by its name and by the controllers that speak it; a new one is its own file and one line here."""

from __future__ import annotations

from modelrollout.dialects.agentgateway import AGENTGATEWAY
from modelrollout.dialects.dialect import Dialect
from modelrollout.dialects.envoy import CILIUM, ENVOY_GATEWAY, KGATEWAY
from modelrollout.dialects.istio import ISTIO
from modelrollout.dialects.traefik import TRAEFIK

DIALECTS: tuple[Dialect, ...] = (TRAEFIK, ISTIO, ENVOY_GATEWAY, CILIUM, KGATEWAY, AGENTGATEWAY)

NO_DIALECT = "None"
"""The name that stands for a gateway whose series are not read: the model's own count."""

_BY_NAME = {one.name: one for one in DIALECTS}


def dialect_called(name: str) -> Dialect | None:
    """The dialect of that name; None for NO_DIALECT and for names that are not known."""
    return _BY_NAME.get(name)


def names() -> tuple[str, ...]:
    """What the operator's configuration may write."""
    return (*_BY_NAME, NO_DIALECT)


def by_controller() -> dict[str, str]:
    """The dialect's name for each controllerName of a GatewayClass, where the configuration says nothing else."""
    return {controller: one.name for one in DIALECTS for controller in one.controllers}
