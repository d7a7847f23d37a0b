"""A real Envoy before a real gRPC server; the filter that counts calls is set as each gateway's controller sets it."""

from __future__ import annotations

from concurrent import futures
from typing import TYPE_CHECKING, Any, Self

import grpc
import requests
import yaml

from modelrollout.api.traffic.protocols import SERVICE
from tests.integration.gateways.static_envoy import HCM, ROUTER
from tests.lab import Process, envoy, free_port

if TYPE_CHECKING:
    from pathlib import Path

_TYPE = "type.googleapis.com/envoy.extensions.filters.http.grpc_stats.v3.FilterConfig"
_HTTP2 = "envoy.extensions.upstreams.http.v3.HttpProtocolOptions"
FILTERS: dict[str, dict[str, Any]] = {
    "Cilium": {"emit_filter_state": True, "enable_upstream_stats": True},
    "EnvoyGateway": {"stats_for_all_methods": True},
    "Kgateway": {
        "individual_method_stats_allowlist": {
            "services": [{"name": SERVICE, "method_names": ["ModelInfer", "ModelStreamInfer"]}]
        }
    },
}
"""As Cilium 1.20 and Envoy Gateway 1.9 write it, and kgateway by the ListenerPolicy of its page."""


class _Answers(grpc.GenericRpcHandler):
    """Every method answers with the status that the call asks for."""

    def service(self, handler_call_details: grpc.HandlerCallDetails) -> Any:
        wanted = int(dict(handler_call_details.invocation_metadata)["wanted"])

        def answer(_: bytes, context: grpc.ServicerContext) -> bytes:
            if wanted:
                context.abort(next(one for one in grpc.StatusCode if one.value[0] == wanted), "as asked")
            return b"answer"

        return grpc.unary_unary_rpc_method_handler(answer)


class CallingEnvoy:
    """A context manager: one cluster behind one listener."""

    def __init__(self, folder: Path, cluster: str, stats: dict[str, Any]) -> None:
        self._folder, self._cluster, self._stats = folder, cluster, stats
        self._port, self._admin = free_port(), free_port()

    def __enter__(self) -> Self:
        self._server = grpc.server(futures.ThreadPoolExecutor(2))
        self._server.add_generic_rpc_handlers((_Answers(),))
        served = self._server.add_insecure_port("127.0.0.1:0")
        self._server.start()
        config = self._folder / "envoy.yaml"
        config.write_text(yaml.safe_dump(self._configuration(served)))
        command = [envoy(), "-c", str(config), "--concurrency", "1", "--disable-hot-restart", "--log-level", "warning"]
        self._process = Process("envoy", command, self._folder, "calling-envoy")
        self._process.wait_ready(self._ready)
        self._channel = grpc.insecure_channel(f"127.0.0.1:{self._port}")
        return self

    def __exit__(self, *_: object) -> None:
        self._channel.close()
        self._process.stop()
        self._server.stop(0)

    def call(self, method: str, status: int) -> None:
        """One call that is answered with this status of gRPC."""
        send = self._channel.unary_unary(f"/{SERVICE}/{method}")
        call = send.future(b"request", metadata=(("wanted", str(status)),), timeout=5)
        assert call.code().value[0] == status

    def metrics(self) -> str:
        """All that it exports, as Prometheus gets it."""
        return requests.get(f"http://127.0.0.1:{self._admin}/stats/prometheus", timeout=5).text

    def _ready(self) -> bool:
        try:
            return requests.get(f"http://127.0.0.1:{self._admin}/ready", timeout=5).status_code == 200
        except requests.ConnectionError:
            return False

    def _configuration(self, served: int) -> dict[str, Any]:
        counts = {"name": "envoy.filters.http.grpc_stats", "typed_config": {"@type": _TYPE, **self._stats}}
        route = {"match": {"prefix": "/"}, "route": {"cluster": self._cluster}}
        manager = {
            "@type": HCM,
            "stat_prefix": "http",
            "route_config": {"virtual_hosts": [{"name": "all", "domains": ["*"], "routes": [route]}]},
            "http_filters": [counts, {"name": "router", "typed_config": {"@type": ROUTER}}],
        }
        chain = {"filters": [{"name": "http", "typed_config": manager}]}
        http2 = {
            "@type": f"type.googleapis.com/{_HTTP2}",
            "explicit_http_config": {"http2_protocol_options": {}},
        }
        ends = [{"lb_endpoints": [{"endpoint": _local(served)}]}]
        cluster = {
            "name": self._cluster,
            "type": "STATIC",
            "connect_timeout": "1s",
            "typed_extension_protocol_options": {_HTTP2: http2},
            "load_assignment": {"cluster_name": self._cluster, "endpoints": ends},
        }
        listener = {"name": "http", **_local(self._port), "filter_chains": [chain]}
        return {
            "admin": _local(self._admin),
            "static_resources": {"listeners": [listener], "clusters": [cluster]},
        }


def _local(port: int) -> dict[str, Any]:
    return {"address": {"socket_address": {"address": "127.0.0.1", "port_value": port}}}
