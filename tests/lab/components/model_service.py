"""One Service per model version, as users keep them in Git, with real model servers behind its EndpointSlice.

There is no kubelet, so readiness is published here: `serve` publishes an address once its server is ready, and the
test that kills a server decides with `set_ready` when the cluster learns of it.
"""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING, Any

from kubernetes.dynamic.exceptions import ForbiddenError, NotFoundError

from tests.lab.components.prometheus import remove_target, write_target
from tests.lab.components.triton import GRPC, HTTP, METRICS, Triton

if TYPE_CHECKING:
    from pathlib import Path

    from tests.lab.components.kube import Kube
    from tests.lab.session.site import Site


class ModelService:
    """Service `name` in `namespace`, `servers` behind it, one Prometheus target per server."""

    def __init__(
        self,
        site: Site,
        kube: Kube,
        namespace: str,
        name: str,
        *,
        repository: Path,
        model: str,
        version: int,
        grpc: bool = False,
    ) -> None:
        self.grpc = grpc
        self.site, self.kube, self.namespace, self.name = site, kube, namespace, name
        self.repository, self.model, self.version = repository, model, version
        self.servers: list[Triton] = []
        self._ready: dict[str, bool] = {}
        self._started = 0

    def create(self) -> None:
        """The Service and an EndpointSlice without addresses."""
        self.kube.apply(self._service())
        self._publish()

    def serve(self, replicas: int = 1, *, ready: bool = True) -> None:
        """Bring the number of servers to `replicas`; new ones are published as `ready` (False: never by themselves)."""
        self.launch(replicas)
        self.wait_ready(ready=ready)

    def launch(self, replicas: int = 1) -> None:
        """Start or end servers without waiting, so that several Services start at once; follow with `wait_ready`."""
        for server in self.servers[replicas:]:
            self._withdraw(server)
        for _ in range(replicas - len(self.servers)):
            self._launch()

    def wait_ready(self, *, ready: bool = True) -> None:
        """Wait for every launched server and publish the new ones as `ready`."""
        fresh = [server for server in self.servers if server.address not in self._ready]
        for server in fresh:
            server.wait_ready()
            self._ready[server.address] = ready
        if fresh:
            self._publish()

    def set_ready(self, ready: bool, index: int | None = None) -> None:
        """Publish one server (or all) as ready or not ready."""
        for server in self.servers if index is None else [self.servers[index]]:
            self._ready[server.address] = ready
        self._publish()

    def kill(self, index: int = 0) -> None:
        """SIGKILL one server; its address stays published until `set_ready` says otherwise."""
        self.servers[index].kill()

    def restart(self, index: int = 0) -> None:
        """Start a stopped or killed server again at its old address."""
        self.servers[index].start()

    def ask_to_stop(self) -> None:
        """Tell the servers to end without waiting, so that many end at once; follow with `stop`."""
        for server in self.servers:
            if server.process is not None:
                server.process.ask_to_stop()

    def stop(self) -> None:
        """End the servers; the Service stays, without addresses."""
        self._ready.clear()
        # In a namespace that is going or gone there is nothing left to publish in.
        with contextlib.suppress(NotFoundError, ForbiddenError):
            self._publish()
        self.ask_to_stop()
        servers, self.servers = self.servers, []
        for server in servers:
            server.stop()
            remove_target(self.site.targets, server.name)

    def delete(self) -> None:
        """Stop, and remove the Service and its EndpointSlice."""
        self.stop()
        self.kube.delete("v1", "Service", self.namespace, self.name)
        self.kube.delete("discovery.k8s.io/v1", "EndpointSlice", self.namespace, f"{self.name}-lab")

    def _launch(self) -> None:
        self._started += 1
        server = Triton(
            self.site, f"{self.namespace}-{self.name}-{self._started}", self.repository, self.model, grpc=self.grpc
        )
        server.launch()
        self.servers.append(server)
        write_target(
            self.site.targets,
            server.name,
            f"{server.address}:{METRICS}",
            {"namespace": self.namespace, "service": self.name, "pod": f"{self.name}-{self._started}"},
        )

    def _withdraw(self, server: Triton) -> None:
        self.servers.remove(server)
        self._ready.pop(server.address, None)
        self._publish()
        server.stop()
        remove_target(self.site.targets, server.name)

    def _service(self) -> dict[str, Any]:
        # Headless: there is no kube-proxy, so a cluster IP would lead nowhere.
        return {
            "apiVersion": "v1",
            "kind": "Service",
            "metadata": {"name": self.name, "namespace": self.namespace},
            "spec": {
                "clusterIP": "None",
                "ports": [
                    {"name": "http", "port": HTTP, "targetPort": HTTP, "protocol": "TCP"},
                    *([{**self._calls(), "targetPort": GRPC, "appProtocol": "kubernetes.io/h2c"}] if self.grpc else []),
                ],
            },
        }

    def _calls(self) -> dict[str, Any]:
        return {"name": "grpc", "port": GRPC, "protocol": "TCP"}

    def _publish(self) -> None:
        endpoints = [
            {"addresses": [server.address], "conditions": {"ready": self._ready[server.address]}}
            for server in self.servers
            if server.address in self._ready
        ]
        self.kube.apply(
            {
                "apiVersion": "discovery.k8s.io/v1",
                "kind": "EndpointSlice",
                "addressType": "IPv4",
                "metadata": {
                    "name": f"{self.name}-lab",
                    "namespace": self.namespace,
                    "labels": {"kubernetes.io/service-name": self.name},
                },
                "ports": [
                    {"name": "http", "port": HTTP, "protocol": "TCP"},
                    *([self._calls()] if self.grpc else []),
                ],
                "endpoints": endpoints,
            }
        )
