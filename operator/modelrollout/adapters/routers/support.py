"""Whether a gateway has GRPCRoute: what its class says it supports, and whether the cluster has the kind at all."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

from modelrollout.adapters.kubernetes.client import Api, path_of
from modelrollout.adapters.routers.forms.form import GROUP_VERSION, GRPC, H2C, Form
from modelrollout.api.borders.cleaning import mapping
from modelrollout.ports import Unreachable

if TYPE_CHECKING:
    from modelrollout.api.spec import Spec

log = logging.getLogger(__name__)


async def grpc_form(api: Api, namespace: str, spec: Spec) -> Form:
    """GRPCRoute where nothing speaks against it, else an HTTPRoute with HTTP/2 backends. Raises Unreachable.

    A class that says nothing about what it supports, or that may not be read, speaks against nothing.
    """
    try:
        await api.get(GRPC.path(namespace), {"limit": "1"})
    except Unreachable as error:
        if error.reason != "KindMissing":
            raise
        return H2C
    try:
        features = await _features(api, namespace, spec)
    except Unreachable as error:
        log.warning("%s: what its Gateway supports cannot be known, so gRPC gets a GRPCRoute: %s", namespace, error)
        return GRPC
    return H2C if features and "GRPCRoute" not in features else GRPC


async def _features(api: Api, namespace: str, spec: Spec) -> set[str]:
    wanted = spec.traffic.gateway
    gateway = await api.get(path_of(GROUP_VERSION, "gateways", wanted.namespace or namespace, wanted.name))
    chosen = mapping(mapping(gateway).get("spec")).get("gatewayClassName")
    if not isinstance(chosen, str) or not chosen:
        return set()
    return features_of(await api.get(path_of(GROUP_VERSION, "gatewayclasses", None, chosen)))


def features_of(gateway_class: dict[str, Any] | None) -> set[str]:
    """Names in status.supportedFeatures, as the API writes them since 1.1 or as it did before."""
    found = mapping(mapping(gateway_class).get("status")).get("supportedFeatures")
    names = found if isinstance(found, list) else []
    return {str(mapping(one).get("name") if isinstance(one, dict) else one)[:128] for one in names}
