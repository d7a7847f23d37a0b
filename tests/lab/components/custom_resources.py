"""The Gateway API's definitions, and the project's own: all real where Go modules and a server of today are at hand.

Elsewhere a subset stands in for the Gateway API's: its kinds as the gateway needs them to start, where HTTPRoute has
the limits and defaults that matter to a router, and the other kinds accept any fields.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml

from tests import ROOT
from tests.lab.install import gateway_definitions
from tests.lab.install.kubernetes_release import release

if TYPE_CHECKING:
    from tests.lab.components.kube import Kube

GROUP = "gateway.networking.k8s.io"
HERE = Path(__file__).parent
OWN = ROOT / "crds"

_OPEN: dict[str, Any] = {"type": "object", "x-kubernetes-preserve-unknown-fields": True}
#: kind: (plural, scope, versions; the last one is stored)
_KINDS = {
    "GatewayClass": ("gatewayclasses", "Cluster", ["v1"]),
    "Gateway": ("gateways", "Namespaced", ["v1"]),
    "HTTPRoute": ("httproutes", "Namespaced", ["v1"]),
    "GRPCRoute": ("grpcroutes", "Namespaced", ["v1"]),
    "ReferenceGrant": ("referencegrants", "Namespaced", ["v1beta1", "v1"]),
    "BackendTLSPolicy": ("backendtlspolicies", "Namespaced", ["v1"]),
    "TLSRoute": ("tlsroutes", "Namespaced", ["v1"]),
    "ListenerSet": ("listenersets", "Namespaced", ["v1"]),
}


def gateway_api() -> list[dict[str, Any]]:
    """The CustomResourceDefinitions of the Gateway API, as objects to apply."""
    # The real ones hold rules, which a server without them drops, and the limits with them.
    real = gateway_definitions.definitions() if release().version.has_rules else []
    return real or [_definition(kind, *facts) for kind, facts in _KINDS.items()]


def _definition(kind: str, plural: str, scope: str, versions: list[str]) -> dict[str, Any]:
    schema = yaml.safe_load((HERE / "crds/httproute-schema.yaml").read_text()) if kind == "HTTPRoute" else _OPEN
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {
            "name": f"{plural}.{GROUP}",
            "annotations": {
                # The API server wants this on every definition in a *.k8s.io group.
                "api-approved.kubernetes.io": "unapproved, a subset for tests",
                "gateway.networking.k8s.io/bundle-version": "v1.4.0",
                "gateway.networking.k8s.io/channel": "standard",
            },
        },
        "spec": {
            "group": GROUP,
            "scope": scope,
            "names": {"kind": kind, "plural": plural, "singular": kind.lower(), "listKind": f"{kind}List"},
            "versions": [
                {
                    "name": name,
                    "served": True,
                    "storage": name == versions[-1],
                    "schema": {"openAPIV3Schema": schema},
                    "subresources": {"status": {}},
                }
                for name in versions
            ],
        },
    }


def install(kube: Kube) -> None:
    """Apply all definitions and wait until they are served; ours only where it has been generated."""
    own = [yaml.safe_load(path.read_text()) for path in sorted(OWN.glob("*.yaml"))]
    bodies = [*gateway_api(), *own]
    for body in bodies:
        kube.create(body)
    kube.wait_served(
        [
            f"/apis/{body['spec']['group']}/{version['name']}/{body['spec']['names']['plural']}"
            for body in bodies
            for version in body["spec"]["versions"]
            if version["served"]
        ]
    )
