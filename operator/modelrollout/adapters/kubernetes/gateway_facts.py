"""Which controller serves a Gateway: asked for every five minutes, and what was known outlives a failure."""

from __future__ import annotations

import logging
import time
from typing import TYPE_CHECKING, Any

from modelrollout.adapters.kubernetes.client import Api, path_of
from modelrollout.api.borders.cleaning import LONGEST_SAID, clean, mapping
from modelrollout.ports import Unreachable

if TYPE_CHECKING:
    from modelrollout.api.spec import Spec

GATEWAYS = "gateway.networking.k8s.io/v1"
MOST_FEATURES = 256
REMEMBER = 300.0
"""Seconds for which a Gateway's controller is taken to be the same."""

log = logging.getLogger(__name__)


class KubernetesGatewayFacts:
    """The GatewayFacts of ports.py."""

    def __init__(self, api: Api) -> None:
        self._api = api
        self._controllers: dict[tuple[str, str], tuple[float, str]] = {}
        self._features: dict[tuple[str, str], frozenset[str]] = {}
        self._said: dict[tuple[str, str], str] = {}

    async def controller_of(self, namespace: str, spec: Spec) -> str:
        """The controllerName of the GatewayClass behind the spec's Gateway; "" when it cannot be known."""
        gateway = spec.traffic.gateway
        key = (gateway.namespace or namespace, gateway.name)
        at, known = self._controllers.get(key, (0.0, ""))
        if known and time.monotonic() - at < REMEMBER:
            return known
        try:
            found = await self._controller_of(*key)
        except Unreachable as error:
            if self._said.get(key) != str(error):  # each pass asks again
                log.warning("the controller of Gateway %s/%s cannot be known: %s", *key, error)
                self._said[key] = str(error)
            return known  # what it was is a better guess than none
        self._controllers[key] = (time.monotonic(), found)
        self._said.pop(key, None)
        return found

    async def features_of(self, namespace: str, spec: Spec) -> frozenset[str] | None:
        """What the GatewayClass behind the spec's Gateway says that it supports; None while that cannot be known."""
        await self.controller_of(namespace, spec)
        gateway = spec.traffic.gateway
        return self._features.get((gateway.namespace or namespace, gateway.name))

    async def _controller_of(self, namespace: str, name: str) -> str:
        gateway = await self._api.get(path_of(GATEWAYS, "gateways", namespace, name))
        chosen = mapping(mapping(gateway).get("spec")).get("gatewayClassName")
        if not isinstance(chosen, str) or not chosen:
            return ""
        found = await self._api.get(path_of(GATEWAYS, "gatewayclasses", None, chosen))
        if found is not None:
            self._features[namespace, name] = features_in(found)
        return clean(mapping(mapping(found).get("spec")).get("controllerName"), LONGEST_SAID)


def features_in(gateway_class: dict[str, Any]) -> frozenset[str]:
    """SupportedFeatures of a GatewayClass: objects with a name, or names alone as old versions had them."""
    listed = mapping(gateway_class.get("status")).get("supportedFeatures")
    found = listed[:MOST_FEATURES] if isinstance(listed, list) else []
    names = [mapping(each).get("name") if isinstance(each, dict) else each for each in found]
    return frozenset(clean(name, LONGEST_SAID) for name in names if isinstance(name, str))
