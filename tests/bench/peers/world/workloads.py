"""There is no kubelet: the lab says that Deployments and ReplicaSets are ready, and where their Services lead.

A workload's address stands in an annotation of its Pods' template. What a Service selects decides alone, so that a
tool's own moves (a primary's template, a hash in a selector) take effect as they would with Pods.
"""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any, Self

from tests.lab import say

if TYPE_CHECKING:
    from collections.abc import Iterable

    from tests.lab import Kube

ADDRESS = "lab/address"
APPS = ("Deployment", "ReplicaSet")
EVERY = 1.0
"""Seconds between two looks."""
Object = dict[str, Any]


def status_of(workload: Object) -> Object:
    """What the controllers of a cluster would say of it once all its Pods are ready."""
    replicas = workload["spec"].get("replicas", 1)
    status = {"observedGeneration": workload["metadata"]["generation"], "replicas": replicas}
    status |= {"readyReplicas": replicas, "availableReplicas": replicas}
    if workload["kind"] == "Deployment":
        status["updatedReplicas"] = replicas
        reasons = {"Available": "MinimumReplicasAvailable", "Progressing": "NewReplicaSetAvailable"}
        status["conditions"] = [
            {"type": kind, "status": "True", "reason": reason, "message": "said by the lab"}
            for kind, reason in reasons.items()
        ]
    else:
        status["fullyLabeledReplicas"] = replicas
    return status


def differs(said: Object, status: Object) -> bool:
    """Whether `status` has yet to be written; zero and absent are the same."""
    return any((said.get(key) or 0) != value for key, value in status.items() if key != "conditions")


def addresses_of(service: Object, workloads: Iterable[Object]) -> list[str]:
    """Where the Pods are that the Service selects."""
    selector = service["spec"].get("selector") or {}
    found = set()
    for each in workloads:
        meta = each["spec"]["template"]["metadata"]
        labels, address = meta.get("labels") or {}, (meta.get("annotations") or {}).get(ADDRESS)
        if address and each["spec"].get("replicas", 1) and selector and selector.items() <= labels.items():
            found.add(address)
    return sorted(found)


def slice_of(service: Object, addresses: Iterable[str]) -> Object:
    """The EndpointSlice of the Service's first port."""
    meta, port = service["metadata"], service["spec"]["ports"][0]
    return {
        "apiVersion": "discovery.k8s.io/v1",
        "kind": "EndpointSlice",
        "metadata": {
            "name": f"{meta['name']}-lab",
            "namespace": meta["namespace"],
            "labels": {"kubernetes.io/service-name": meta["name"]},
        },
        "addressType": "IPv4",
        "endpoints": [{"addresses": [each], "conditions": {"ready": True}} for each in addresses],
        "ports": [{"name": port.get("name", ""), "port": int(port["targetPort"]), "protocol": "TCP"}],
    }


class Workloads:
    """Looks after the `namespaces` until `stop`."""

    def __init__(self, kube: Kube, namespaces: Iterable[str]) -> None:
        self._kube, self._namespaces = kube, tuple(namespaces)
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._keep, daemon=True)
        self._published: dict[tuple[str, str], list[str]] = {}

    def start(self) -> Self:
        self._thread.start()
        return self

    def stop(self) -> None:
        self._over.set()
        self._thread.join(10)

    def _keep(self) -> None:
        while not self._over.wait(EVERY):
            for namespace in self._namespaces:
                try:
                    self._look(namespace)
                except Exception as error:  # noqa: BLE001 - a conflict with the tool; the next look is in a second
                    say(f"{namespace}: {type(error).__name__} while saying what is ready")

    def _look(self, namespace: str) -> None:
        workloads = []
        for kind in APPS:
            resource = self._kube.resource("apps/v1", kind)
            for each in self._kube.list("apps/v1", kind, namespace):
                each["kind"] = kind
                workloads.append(each)
                status = status_of(each)
                if differs(each.get("status") or {}, status):
                    resource.status.patch(
                        body={"status": status},
                        name=each["metadata"]["name"],
                        namespace=namespace,
                        content_type="application/merge-patch+json",
                    )
        for service in self._kube.list("v1", "Service", namespace):
            key, addresses = (namespace, service["metadata"]["name"]), addresses_of(service, workloads)
            if self._published.get(key) != addresses:
                self._kube.apply(slice_of(service, addresses))
                self._published[key] = addresses
