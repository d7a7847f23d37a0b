"""Argo Rollouts by its router for Traefik, which writes a TraefikService; that for the Gateway API is a plugin."""

from __future__ import annotations

from typing import Any

from tests.bench.peers.building import ARGO
from tests.bench.peers.manifests import rendered
from tests.bench.peers.story import Canary
from tests.bench.peers.tools.tool import Setting, Tool, new_template
from tests.bench.peers.world.recorder import share_of
from tests.lab import Process, free_port

API, KIND = "argoproj.io/v1alpha1", "Rollout"
QUICKEST = {"": ("success-rate",), "latency": ("success-rate", "latency"), "nan": ("success-rate", "nan")}
"""Metrics by scenario; "" is for the others."""


class Argo(Tool):
    name = "Argo Rollouts"
    kind = ("traefik.io/v1alpha1", "TraefikService")
    program = ARGO
    settings = (
        Setting(
            "documented",
            "Its documentation's background analysis: interval 5m, failureLimit 3, the success rate over 5m; the limit "
            "is 99 % here, as everywhere, and not the 95 % written there.",
            {"interval": "5m", "failures": 3, "window": "5m", "delay": "0s", "latency": "0.5"}
            | {"metrics": {"": ("success-rate",)}},
        ),
        Setting(
            "quickest",
            "Interval 10s after an initialDelay of 1m; failureLimit 3; success rate at least 99 % over 1m; for the "
            "canaries of those stories alone, P99 at most 600 ms (stable has 400) and NaN at most 1 %.",
            {"interval": "10s", "failures": 3, "window": "1m", "delay": "1m", "latency": "0.6"} | {"metrics": QUICKEST},
        ),
    )

    def prepare(self) -> None:
        seat, kube = self.seat, self.seat.member.kube
        values = self.setting.values | {"prometheus": seat.prometheus.url}
        for canary in seat.canaries:
            objects = rendered("argo-metrics", **values, **seat.common(canary)) + rendered(
                "argo", **seat.common(canary)
            )
            spec, metrics = objects[0]["spec"], self.setting.values["metrics"]
            chosen = metrics.get(canary.scenario, metrics[""])
            spec["metrics"] = [each for each in spec["metrics"] if each["name"] in chosen]
            kube.apply(*objects)
        seat.scrape([each for each in seat.canaries if each.scenario in self.setting.values["metrics"]])

    def run(self) -> Process:
        seat = self.seat
        command = [
            str(ARGO.binary),
            f"--kubeconfig={seat.kubeconfig}",
            "--namespaced",
            "--leader-elect=false",
            f"--namespace={seat.namespace}",
            f"--metricsPort={free_port()}",
            f"--healthzPort={free_port()}",
        ]
        return Process(f"argo-{seat.namespace}", command, seat.member.site.folder, seat.member.site.mark)

    def at_rest(self) -> int:
        found = self.seat.member.kube.list(API, KIND, self.seat.namespace)
        return sum((each.get("status") or {}).get("phase") == "Healthy" for each in found)

    def begin(self, canary: Canary) -> None:
        self.seat.member.kube.merge(API, KIND, self.seat.namespace, canary.name, new_template(canary))

    def share(self, found: dict[str, Any]) -> int:
        return share_of(found["spec"]["weighted"]["services"], f"{found['metadata']['name']}-canary")
