"""Flagger by its Gateway API router: its router for Traefik writes the API group of Traefik 2."""

from __future__ import annotations

import json
from typing import Any

from tests.bench.peers.building import FLAGGER
from tests.bench.peers.manifests import rendered
from tests.bench.peers.story import Canary
from tests.bench.peers.tools.tool import Setting, Tool, new_template
from tests.bench.peers.world.recorder import share_of
from tests.lab import Process, free_port


def _metric(name: str, most: float, window: str) -> dict[str, Any]:
    return {"name": name, "templateRef": {"name": name}, "thresholdRange": {"max": most}, "interval": window}


ERRORS = _metric("error-rate", 1, "1m")
DOCUMENTED = {"": [ERRORS, _metric("latency", 0.5, "30s")]}
QUICKEST = {"": [ERRORS], "latency": [ERRORS, _metric("latency", 0.6, "1m")], "nan": [ERRORS, _metric("nan", 1, "1m")]}
"""By scenario; "" is for the others."""


class Flagger(Tool):
    name = "Flagger"
    kind = ("gateway.networking.k8s.io/v1", "HTTPRoute")
    program = FLAGGER
    settings = (
        Setting(
            "documented",
            "Its tutorial for the Gateway API: interval 1m, threshold 5, error rate at most 1 % over 1m, P99 at most "
            "500 ms over 30s.",
            {"interval": "1m", "threshold": 5, "metrics": DOCUMENTED},
        ),
        Setting(
            "quickest",
            "Interval 10s, the least it takes; threshold 5; error rate at most 1 % over 1m; for the canaries of those "
            "stories alone, P99 at most 600 ms (stable has 400) and NaN at most 1 %.",
            {"interval": "10s", "threshold": 5, "metrics": QUICKEST},
        ),
    )

    def prepare(self) -> None:
        seat, kube = self.seat, self.seat.member.kube
        kube.apply(*rendered("flagger-metrics", namespace=seat.namespace, prometheus=seat.prometheus.url))
        for canary in seat.canaries:
            metrics = self.setting.values["metrics"]
            chosen = json.dumps(metrics.get(canary.scenario, metrics[""]))
            values = self.setting.values | {"metrics": chosen}
            kube.apply(*rendered("flagger", hook=seat.hook, **values, **seat.common(canary)))
        seat.scrape([each for each in seat.canaries if each.scenario in self.setting.values["metrics"]])

    def run(self) -> Process:
        seat = self.seat
        command = [
            str(FLAGGER.binary),
            f"--kubeconfig={seat.kubeconfig}",
            f"--namespace={seat.namespace}",
            "--mesh-provider=gatewayapi:v1",
            f"--metrics-server={seat.prometheus.url}",
            f"--port={free_port()}",
            "--log-level=info",
        ]
        return Process(f"flagger-{seat.namespace}", command, seat.member.site.folder, seat.member.site.mark)

    def at_rest(self) -> int:
        found = self.seat.member.kube.list("flagger.app/v1beta1", "Canary", self.seat.namespace)
        return sum((each.get("status") or {}).get("phase") == "Initialized" for each in found)

    def begin(self, canary: Canary) -> None:
        self.seat.member.kube.merge("apps/v1", "Deployment", self.seat.namespace, canary.name, new_template(canary))

    def share(self, found: dict[str, Any]) -> int:
        return share_of(found["spec"]["rules"][0].get("backendRefs", []), f"{found['metadata']['name']}-canary")
