"""Ours, with no setting at all: neither gates nor analysis are in the manifest."""

from __future__ import annotations

from typing import Any

import yaml

from tests.allowed import GATEWAYS, LOOPBACK
from tests.bench.peers.manifests import rendered
from tests.bench.peers.story import ARMS, Canary
from tests.bench.peers.tools.tool import Setting, Tool
from tests.bench.peers.world.recorder import share_of
from tests.bench.peers.world.workloads import slice_of
from tests.e2e.support.operator import grant
from tests.lab import OperatorProcess, Process

API, KIND = "modelrollout.dev/v1alpha1", "ModelRollout"


class Ours(Tool):
    name = "modelrollout"
    kind = ("gateway.networking.k8s.io/v1", "HTTPRoute")
    settings = (
        Setting(
            "defaults",
            "No gates and no analysis in the manifest: ErrorRate, Latency and NonFinite, all compared with stable; "
            "read every 15 s; at most 5 % of good versions rolled back.",
            {},
        ),
    )

    def prepare(self) -> None:
        seat, kube = self.seat, self.seat.member.kube
        for canary in seat.canaries:
            for version, arm in enumerate(ARMS, start=1):
                (service,) = rendered("ours-version", version=version, **seat.common(canary))
                kube.apply(service, slice_of(service, [canary.addresses[arm]]))
            kube.apply(*rendered("ours", **seat.common(canary)))
        seat.scrape(seat.canaries)
        account, charted = grant(seat.member, seat.namespace)
        self._kubeconfig = seat.member.service_account_kubeconfig(seat.namespace, account, server=seat.api.url)
        file = seat.member.site.folder / f"operator-{seat.namespace}.yaml"
        server = {"url": seat.prometheus.url, "scrapeInterval": "5s"}
        file.write_text(yaml.safe_dump({"prometheus": [server], "probes": LOOPBACK, "gateways": GATEWAYS}))
        self._arguments = [*charted, f"--config={file}", "--health-port=0"]

    def run(self) -> Process:
        seat, env = self.seat, {"POD_NAMESPACE": self.seat.namespace, "POD_NAME": "operator-1"}
        made = OperatorProcess(seat.member.site, self._kubeconfig, self._arguments, name=seat.namespace, env=env)
        return made.start().process

    def at_rest(self) -> int:
        found = self.seat.member.kube.list(API, KIND, self.seat.namespace)
        return sum((each.get("status") or {}).get("stable") == "1" for each in found)

    def begin(self, canary: Canary) -> None:
        patch = {"spec": {"model": {"version": "2"}}}
        self.seat.member.kube.merge(API, KIND, self.seat.namespace, canary.name, patch)

    def share(self, found: dict[str, Any]) -> int:
        return share_of(found["spec"]["rules"][0].get("backendRefs", []), f"{found['metadata']['name']}-v2")
