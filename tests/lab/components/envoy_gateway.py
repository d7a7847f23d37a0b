"""Envoy Gateway and one Envoy that takes its configuration from it, beside Traefik.

There is no kubelet, so the lab does what one would: it reads the Deployment that the controller writes for a Gateway,
and starts that proxy with its very arguments, but for the ports and folders, of which a machine has one of each.
"""

from __future__ import annotations

import base64
import os
import subprocess
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml

from tests.lab.components.custom_resources import GROUP
from tests.lab.components.prometheus import write_target
from tests.lab.install.envoy_gateway_program import CERTIFICATES, ENVOY_GATEWAY, XDS_PORT, envoy
from tests.lab.processes.process import MARK, Process, answers, free_port
from tests.lab.progress import tail
from tests.lab.session.door import LISTENER, Door

if TYPE_CHECKING:
    from tests.lab.components.kube import Kube

NAMESPACE = "envoy-gateway-system"
CLASS, CONTROLLER = "envoy", "gateway.envoyproxy.io/gatewayclass-controller"
GATEWAY = ("infra", "envoy")
OWN = "gateway.envoyproxy.io/v1alpha1"
READY = "envoy-gateway-proxy-ready-0.0.0.0-19003"
"""The listener for a kubelet's probe."""


class EnvoyGateway:
    """`door` is its Gateway."""

    def __init__(self, folder: Path, mark: str, kube: Kube, kubeconfig: Path, targets: Path) -> None:
        self._folder, self._mark, self._kube, self._targets = folder / "envoy-gateway", mark, kube, targets
        self._env = {"KUBECONFIG": str(kubeconfig), "ENVOY_GATEWAY_NAMESPACE": NAMESPACE}
        self._ports = {name: free_port() for name in ("xds", "admin", "proxy", "ready", "stats", "listener")}
        self.door = Door(*GATEWAY, self._local("listener"), self._local("stats"))
        self.processes: list[Process] = []

    def start(self) -> None:
        """Return when the proxy listens; routes follow as their objects appear."""
        (self._folder / CERTIFICATES).mkdir(parents=True)
        definitions = ENVOY_GATEWAY.definitions()
        for body in definitions:
            self._kube.create(body)
        plurals = {(body["spec"]["group"], body["spec"]["names"]["plural"]) for body in definitions}
        self._kube.wait_served([f"/apis/{group}/v1alpha1/{plural}" for group, plural in sorted(plurals)])
        self._kube.apply({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": NAMESPACE}})
        self._make_certificates()
        self._start_controller()
        self._kube.apply(*self._objects())
        self._start_proxy(self._deployment())

    def ask_to_stop(self) -> None:
        for process in self.processes:
            process.ask_to_stop()

    def stop(self) -> None:
        for process in reversed(self.processes):
            process.stop()

    def _local(self, name: str) -> str:
        return f"127.0.0.1:{self._ports[name]}"

    def _make_certificates(self) -> None:
        command = [str(ENVOY_GATEWAY.binary), "certgen", "--disable-topology-injector"]
        env = os.environ | self._env | {MARK: self._mark}
        made = subprocess.run(command, env=env, capture_output=True, text=True, timeout=60, check=False)
        assert made.returncode == 0, f"envoy-gateway certgen failed: {made.stdout[-2000:]}{made.stderr[-2000:]}"
        for secret, folder in (("envoy-gateway", self._folder / CERTIFICATES), ("envoy", self._folder / "proxy")):
            found = self._kube.get("v1", "Secret", NAMESPACE, secret)
            assert found is not None, f"envoy-gateway certgen wrote no Secret {secret}"
            folder.mkdir(exist_ok=True)
            for name, value in found["data"].items():
                (folder / name).write_bytes(base64.b64decode(value))

    def _start_controller(self) -> None:
        config = self._folder / "envoy-gateway.yaml"
        config.write_text(yaml.safe_dump(self._configuration()))
        command = [str(ENVOY_GATEWAY.binary), "server", f"--config-path={config}"]
        env = self._env | {XDS_PORT: str(self._ports["xds"]), "GOMAXPROCS": "2"}
        self.processes.append(Process("envoy-gateway", command, self._folder, self._mark, env=env))

    def _configuration(self) -> dict[str, Any]:
        kubernetes = {"leaderElection": {"disable": True}, "proxyTopologyInjector": {"disabled": True}}
        return {
            "apiVersion": OWN,
            "kind": "EnvoyGateway",
            "gateway": {"controllerName": CONTROLLER},
            "provider": {"type": "Kubernetes", "kubernetes": kubernetes},
            "logging": {"level": {"default": "info"}},
            "admin": {"address": {"host": "127.0.0.1", "port": self._ports["admin"]}},
            "telemetry": {"metrics": {"prometheus": {"disable": True}}},
            "extensionApis": {"enableEnvoyPatchPolicy": True},
        }

    def _objects(self) -> list[dict[str, Any]]:
        """Its class, a Gateway that routes of all namespaces may use, and a policy that keeps it on loopback."""
        namespace, name = GATEWAY
        kind, where = "type.googleapis.com/envoy.config.listener.v3.Listener", "/address/socket_address"
        ready, listener = ({"type": kind, "name": each} for each in (READY, f"{namespace}/{name}/{LISTENER}"))
        local = {"op": "replace", "path": f"{where}/address", "value": "127.0.0.1"}
        port = {"op": "replace", "path": f"{where}/port_value", "value": self._ports["ready"]}
        patches = [listener | {"operation": local}, ready | {"operation": local}, ready | {"operation": port}]
        target = {"group": GROUP, "kind": "Gateway", "name": name}
        listens = {"name": LISTENER, "protocol": "HTTP", "port": self.door.port}
        everybody = {"allowedRoutes": {"namespaces": {"from": "All"}}}
        return [
            {
                "apiVersion": f"{GROUP}/v1",
                "kind": "GatewayClass",
                "metadata": {"name": CLASS},
                "spec": {"controllerName": CONTROLLER},
            },
            {
                "apiVersion": OWN,
                "kind": "EnvoyPatchPolicy",
                "metadata": {"name": "on-loopback", "namespace": namespace},
                "spec": {"targetRef": target, "type": "JSONPatch", "jsonPatches": patches},
            },
            {
                "apiVersion": f"{GROUP}/v1",
                "kind": "Gateway",
                "metadata": {"name": name, "namespace": namespace},
                "spec": {"gatewayClassName": CLASS, "listeners": [listens | everybody]},
            },
        ]

    def _deployment(self, deadline: float = 60.0) -> dict[str, Any]:
        """What the controller makes of the Gateway."""
        end = time.monotonic() + deadline
        while True:
            for found in self._kube.list("apps/v1", "Deployment", NAMESPACE):
                if found["metadata"]["labels"].get("gateway.envoyproxy.io/owning-gateway-name") == GATEWAY[1]:
                    return found
            if time.monotonic() > end or not self.processes[0].running:
                log = self.processes[0].log
                raise RuntimeError(
                    f"Envoy Gateway made no Deployment in {deadline:.0f} s; {log} ends with:\n{tail(log)}"
                )
            time.sleep(0.1)

    def _start_proxy(self, deployment: dict[str, Any]) -> None:
        name = deployment["metadata"]["name"]
        pod = deployment["spec"]["template"]
        container = next(each for each in pod["spec"]["containers"] if each["name"] == "envoy")
        arguments = [each.replace("$(ENVOY_POD_NAME)", f"{name}-lab") for each in container["args"]]
        at = arguments.index("--config-yaml") + 1
        arguments[at] = yaml.safe_dump(self._bootstrap(yaml.safe_load(arguments[at]), name))
        arguments = [each for each in arguments if each != "--cpuset-threads"]
        command = [envoy(), *arguments, "--concurrency", "1", "--disable-hot-restart"]
        proxy = Process("envoy", command, self._folder, self._mark)
        self.processes.append(proxy)
        write_target(self._targets, name, self.door.metrics, _labels(name))
        proxy.wait_ready(lambda: answers(f"http://{self._local('ready')}/ready"), deadline=60)

    def _bootstrap(self, body: dict[str, Any], name: str) -> dict[str, Any]:
        """The controller's, with this lab's ports and folders."""
        admin = {"address": "127.0.0.1", "port_value": self._ports["proxy"]}
        body["admin"]["address"]["socket_address"] = dict(admin)
        for listener in body["static_resources"]["listeners"]:
            listener["address"]["socket_address"] |= {"address": "127.0.0.1", "port_value": self._ports["stats"]}
        for cluster in body["static_resources"]["clusters"]:
            ends = cluster["load_assignment"]["endpoints"][0]["lb_endpoints"]
            port = self._ports["xds" if cluster["name"] == "xds_cluster" else "proxy"]
            ends[0]["endpoint"]["address"]["socket_address"] |= {"address": "127.0.0.1", "port_value": port}
        secrets = self._kube.get("v1", "ConfigMap", NAMESPACE, name)
        assert secrets is not None, f"Envoy Gateway made no ConfigMap {name}"
        folder = self._folder / "proxy"
        for file, text in secrets["data"].items():
            (folder / file).write_text(text.replace("/certs/", f"{folder}/"))
        text = yaml.safe_dump(body).replace("/sds/", f"{folder}/")
        return dict(yaml.safe_load(text))


def _labels(name: str) -> dict[str, str]:
    """As the PodMonitor of its documentation gives them: those of a target, and none of the Pod's own."""
    return {
        "__metrics_path__": "/stats/prometheus",
        "job": f"{NAMESPACE}/envoy-gateway-proxy-monitoring",
        "namespace": NAMESPACE,
        "pod": f"{name}-lab",
        "container": "envoy",
        "endpoint": "metrics",
    }
