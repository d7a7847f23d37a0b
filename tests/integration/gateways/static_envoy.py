"""One real Envoy whose clusters are named as the controllers of several gateways name them, before one real server."""

from __future__ import annotations

import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any, Self

import requests
import yaml

from tests.lab import Process, envoy, free_port, write_target

if TYPE_CHECKING:
    from pathlib import Path

ARMS = {"stable": "digits-v1", "candidate": "digits-v2"}
CLUSTERS = {
    "EnvoyGateway": {
        "stable": "httproute/vision/digits/rule/0/backend/0",
        "candidate": "httproute/vision/digits/rule/0/backend/1",
    },
    "Cilium": {arm: f"infra/cilium-gateway-inference/vision:{service}:8000" for arm, service in ARMS.items()},
    "Kgateway": {arm: f"kube_vision_{service}_8000" for arm, service in ARMS.items()},
    "Istio": {arm: f"outbound|8000||{service}.vision.svc.cluster.local" for arm, service in ARMS.items()},
}
"""By dialect and version: what the controller calls the cluster of a Service behind a route."""
HCM = "type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager"
ROUTER = "type.googleapis.com/envoy.extensions.filters.http.router.v3.Router"
STATS = "type.googleapis.com/envoy.extensions.access_loggers.stats.v3.Config"


class _Model(BaseHTTPRequestHandler):
    """Answers /STATUS/MILLISECONDS as asked."""

    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        _, status, pause = self.path.split("/")
        time.sleep(int(pause) / 1000)
        self.send_response(int(status))
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *_: Any) -> None:
        """Silent."""


class StaticEnvoy:
    """A context manager; `clusters` by the Host header that leads to each; routes give up after `timeout` seconds."""

    def __init__(self, folder: Path, targets: Path, clusters: dict[str, str], timeout: float = 15.0) -> None:
        self._timeout = timeout
        self._folder, self._targets, self._clusters = folder, targets, clusters
        self._port, self.admin = free_port(), free_port()
        self._client = requests.Session()
        self._client.trust_env = False

    def __enter__(self) -> Self:
        self._model = ThreadingHTTPServer(("127.0.0.1", 0), _Model)
        self._model.daemon_threads = True
        threading.Thread(target=self._model.serve_forever, args=(0.05,), daemon=True).start()
        config = self._folder / "envoy.yaml"
        config.write_text(yaml.safe_dump(self._configuration()))
        command = [envoy(), "-c", str(config), "--concurrency", "1", "--disable-hot-restart", "--log-level", "warning"]
        self._process = Process("envoy", command, self._folder, "static-envoy")
        self._process.wait_ready(lambda: self._get(self.admin, "/ready").status_code == 200)
        write_target(
            self._targets, "envoy", f"127.0.0.1:{self.admin}", {"__metrics_path__": "/stats/prometheus", "job": "envoy"}
        )
        return self

    def __exit__(self, *_: object) -> None:
        self._process.stop()
        self._model.shutdown()
        self._model.server_close()

    def ask(self, host: str, status: int, number: int, milliseconds: int = 0) -> None:
        """So many requests, one after the other."""
        for _ in range(number):
            found = self._get(self._port, f"/{status}/{milliseconds}", Host=host)
            assert found.status_code == status, f"{host}: {found.status_code} {found.text}"

    @property
    def url(self) -> str:
        """Where it is asked."""
        return f"http://127.0.0.1:{self._port}"

    def metrics(self) -> str:
        """All that it exports, as Prometheus gets it."""
        return self._get(self.admin, "/stats/prometheus").text

    def _get(self, port: int, path: str, **headers: str) -> requests.Response:
        try:
            return self._client.get(f"http://127.0.0.1:{port}{path}", headers=headers, timeout=5)
        except requests.ConnectionError:
            found = requests.Response()
            found.status_code = 0
            return found

    def _configuration(self) -> dict[str, Any]:
        server = {"address": {"socket_address": {"address": "127.0.0.1", "port_value": self._model.server_port}}}
        ends = [{"lb_endpoints": [{"endpoint": server}]}]
        clusters = [
            {
                "name": name,
                "type": "STATIC",
                "connect_timeout": "1s",
                "load_assignment": {"cluster_name": name, "endpoints": ends},
            }
            for name in self._clusters.values()
        ]
        hosts = [
            {"name": host, "domains": [host], "routes": [self._route(name)]} for host, name in self._clusters.items()
        ]
        manager = {
            "@type": HCM,
            "stat_prefix": "http",
            "route_config": {"virtual_hosts": hosts},
            "http_filters": [{"name": "router", "typed_config": {"@type": ROUTER}}],
            "access_log": [ISTIO_STATS],
        }
        chain = {"filters": [{"name": "http", "typed_config": manager}]}
        listener = {"name": "http", "address": _local(self._port), "filter_chains": [chain]}
        return {
            "admin": {"address": _local(self.admin)},
            "static_resources": {"listeners": [listener], "clusters": clusters},
        }

    def _route(self, cluster: str) -> dict[str, Any]:
        leads = {"cluster": cluster, "timeout": f"{self._timeout:g}s"}
        return {"match": {"prefix": "/"}, "route": leads, "metadata": _istio(cluster)}


def _local(port: int) -> dict[str, Any]:
    return {"socket_address": {"address": "127.0.0.1", "port_value": port}}


def _istio(cluster: str) -> dict[str, Any]:
    """What Istio's own filter would find out: the host of the Service."""
    return {"filter_metadata": {"istio": {"service": cluster.rpartition("|")[2]}}}


def _tags(**values: str) -> list[dict[str, str]]:
    return [{"name": name, "value_format": text} for name, text in values.items()]


_WHO = _tags(
    reporter="source",
    source_workload_namespace="infra",
    destination_service="%METADATA(ROUTE:istio:service)%",
    response_code="%RESPONSE_CODE%",
)
ISTIO_STATS: dict[str, Any] = {
    "name": "stats",
    "typed_config": {
        "@type": STATS,
        "stat_prefix": "istio",
        "counters": [{"stat": {"name": "requests_total", "tags": _WHO}, "value_fixed": 1}],
        "histograms": [
            {
                "stat": {"name": "request_duration_milliseconds", "tags": _WHO},
                "unit": "Milliseconds",
                "value_format": "%DURATION%",
            }
        ],
    },
}
"""Istio's two series from a plain Envoy: the same counter and histogram code, with the labels that Istio gives them."""
