"""How long a new Pod waits for its first sample where the store finds Pods at an API server, as it does in a cluster.

The API server is the lab's, and the Pods are objects without a kubelet: an annotation says where their metrics are.
"""

from __future__ import annotations

import asyncio
import secrets
import tempfile
import time
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tests.lab import Certificates, ControlPlane, Guardian, Kube, provision, write_kubeconfig

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterator

PODS, PAUSE = 5, 7.0
"""Pods one after the other, and the seconds between them, which is no divisor of a round interval."""


class Pods:
    """What a store is told of the API server, and a way to make Pods there."""

    def __init__(self, control: ControlPlane, kube: Kube) -> None:
        self._kube, self._control, self._made = kube, control, 0

    def discovery(self) -> dict[str, Any]:
        """A scrape config's part, as Prometheus and VictoriaMetrics read it."""
        one = {
            "role": "pod",
            "api_server": self._control.url,
            "authorization": {"credentials": self._control.admin_token},
            "tls_config": {"ca_file": str(self._control.certificates.authority)},
            "namespaces": {"names": ["default"]},
        }
        address = "__meta_kubernetes_pod_annotation_address"
        relabel = [{"source_labels": [address], "target_label": "__address__"}]
        return {"kubernetes_sd_configs": [one], "relabel_configs": relabel}

    def make(self, address: str) -> None:
        """A running Pod whose metrics are at `address`."""
        self._made += 1
        name = f"pod-{self._made}-{secrets.token_hex(3)}"
        body = {
            "apiVersion": "v1",
            "kind": "Pod",
            "metadata": {"name": name, "namespace": "default", "annotations": {"address": address}},
            "spec": {"containers": [{"name": "model", "image": "none"}], "nodeName": "nowhere"},
        }
        self._kube.apply(body)
        status = {"phase": "Running", "podIP": "10.0.0.9", "podIPs": [{"ip": "10.0.0.9"}]}
        patch: dict[str, Any] = {"body": {"status": status}, "content_type": "application/merge-patch+json"}
        self._kube.resource("v1", "Pod").status.patch(name=name, namespace="default", **patch)


@contextmanager
def pods() -> Iterator[Pods]:
    """A control plane of its own."""
    provision()
    with tempfile.TemporaryDirectory() as name:
        folder, mark = Path(name), f"modelrollout-lab-{secrets.token_hex(5)}"
        guardian = Guardian(mark, folder)
        control = ControlPlane(folder, mark, Certificates.create(folder / "certificates"))
        try:
            control.start()
            where = write_kubeconfig(
                folder / "kubeconfig", control.url, control.certificates.authority, control.admin_token
            )
            kube = Kube(where)
            yield Pods(control, kube)
            kube.close()
        finally:
            control.stop()
            guardian.dismiss()


async def waited(found: Callable[[], Awaitable[bool]], deadline: float = 120.0) -> float:
    """Seconds until `found`; infinite after the deadline."""
    begun = time.monotonic()
    while not await found():
        if time.monotonic() - begun > deadline:
            return float("inf")
        await asyncio.sleep(0.1)
    return time.monotonic() - begun
