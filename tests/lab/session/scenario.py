"""One model in one namespace with its own hostname and its own servers; many scenarios share one lab undisturbed."""

from __future__ import annotations

import time
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Self

from tests.lab.components.custom_resources import GROUP
from tests.lab.components.gateway import gateway_object
from tests.lab.components.model_service import ModelService
from tests.lab.components.triton import HTTP
from tests.lab.models.build import build_repository
from tests.lab.processes.process import answers
from tests.lab.session.door import LISTENER
from tests.lab.traffic.client import LoadClient
from tests.lab.traffic.route_recorder import RouteRecorder

if TYPE_CHECKING:
    from tests.lab.components.kube import Kube
    from tests.lab.session.background import Background
    from tests.lab.session.door import Door
    from tests.lab.session.site import Site
    from tests.lab.traffic.calls import CallClient


class Scenario:
    """`door` is the Gateway to attach to; `services` maps version to its ModelService."""

    def __init__(
        self,
        site: Site,
        kube: Kube,
        background: Background,
        namespace: str,
        *,
        model: str,
        own_gateway: bool,
        door: Door | None = None,
    ) -> None:
        self.site, self.kube, self.namespace, self.model = site, kube, namespace, model
        self._background = background
        self.hostname = f"{namespace}.example.com"
        self.grpc_hostname = f"grpc.{namespace}.example.com"
        self._own = own_gateway
        self.door = replace(site.door, namespace=namespace) if own_gateway else door or site.door
        self.services: dict[int, ModelService] = {}

    def create(self) -> None:
        self.kube.apply({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": self.namespace}})
        if self._own:
            self.kube.apply(gateway_object(self.door))

    @property
    def gateway_ref(self) -> dict[str, Any]:
        """A ModelRollout's spec.traffic.gateway."""
        attached = {"name": self.door.name, "namespace": self.door.namespace, "sectionName": LISTENER}
        return attached | {"hostnames": [self.hostname]}

    @property
    def url(self) -> str:
        """Of the model behind the gateway; send `hostname` as Host."""
        return f"http://{self.door.address}/v2/models/{self.model}"

    def service_name(self, version: int) -> str:
        return f"{self.model}-v{version}"

    def serve(
        self,
        *versions: int,
        behaves_as: int | None = None,
        replicas: int = 1,
        ready: bool = True,
        grpc: bool = False,
        **options: Any,
    ) -> None:
        """Service and servers for each version; `behaves_as` and `options` go to tests.lab.models.build."""
        services = [self.add_service(version, behaves_as=behaves_as, grpc=grpc, **options) for version in versions]
        for service in services:
            service.launch(replicas)
        for service in services:
            service.wait_ready(ready=ready)

    def add_service(
        self, version: int, *, behaves_as: int | None = None, grpc: bool = False, **options: Any
    ) -> ModelService:
        """The Service alone, without addresses; `.serve()` on the result starts servers."""
        if version not in self.services:
            root = self.site.folder / "models" / self.namespace / f"v{version}"
            build_repository(root, version, model=self.model, behaves_as=behaves_as, **options)
            self.services[version] = ModelService(
                self.site,
                self.kube,
                self.namespace,
                self.service_name(version),
                repository=root,
                model=self.model,
                version=version,
                grpc=grpc,
            )
            self.services[version].create()
        return self.services[version]

    def split(self, weights: dict[int, int], name: str | None = None) -> None:
        """Write an HTTPRoute by hand, for tests without an operator: version to weight."""
        backends = [
            {"name": self.service_name(version), "port": HTTP, "weight": weight} for version, weight in weights.items()
        ]
        match = {"path": {"type": "PathPrefix", "value": f"/v2/models/{self.model}"}}
        self.kube.apply(
            {
                "apiVersion": f"{GROUP}/v1",
                "kind": "HTTPRoute",
                "metadata": {"name": name or self.model, "namespace": self.namespace},
                "spec": {
                    "hostnames": [self.hostname],
                    "parentRefs": [{"name": self.door.name, "namespace": self.door.namespace, "sectionName": LISTENER}],
                    "rules": [{"name": "split", "matches": [match], "backendRefs": backends}],
                },
            }
        )

    def wait_routed(self, deadline: float = 20.0) -> None:
        """Wait until the gateway leads our hostname to a ready model. TimeoutError after `deadline` s."""
        end = time.monotonic() + deadline
        url = f"{self.url}/ready"
        while not answers(url, host=self.hostname):
            if time.monotonic() > end:
                raise TimeoutError(f"{url} with host {self.hostname} did not answer 200 within {deadline:.0f} s")
            time.sleep(0.1)

    def client(self, **settings: Any) -> LoadClient:
        """A LoadClient for this model through the gateway; `settings` are LoadClient's."""
        return LoadClient(self._background, f"{self.url}/infer", self.hostname, **settings)

    def calls(self, **settings: Any) -> CallClient:
        """A CallClient for this model through the gateway, under a host name of gRPC's own."""
        from tests.lab.traffic.calls import CallClient  # noqa: PLC0415 - a second that few tests need

        return CallClient(self.door.address, self.grpc_hostname, self.model, **settings)

    def record_route(self, name: str | None = None) -> RouteRecorder:
        return RouteRecorder(self._background, self.site, self.namespace, name or self.model)

    def ask_to_stop(self) -> None:
        for service in self.services.values():
            service.ask_to_stop()

    def close(self) -> None:
        """End the servers and remove routes and Services, so that the gateway forgets this scenario."""
        for kind in ("HTTPRoute", "GRPCRoute"):
            for route in self.kube.list(f"{GROUP}/v1", kind, self.namespace):
                self.kube.delete(f"{GROUP}/v1", kind, self.namespace, route["metadata"]["name"])
        self.ask_to_stop()
        for service in self.services.values():
            service.delete()
        self.services.clear()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
