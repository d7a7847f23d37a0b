"""One ModelRollout on real components: apply, wait, and read back what happened."""

from __future__ import annotations

import time
from http import HTTPStatus
from typing import TYPE_CHECKING, Any

import requests

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.e2e.support.rollouts import Rollouts
    from tests.lab import LoadClient, Member, OperatorProcess, RouteRecorder, Scenario

API = "modelrollout.dev/v1alpha1"
KIND = "ModelRollout"
NAME = "digits"
OK = HTTPStatus.OK
POLL = 0.5
"""Seconds between reads; the times of what happened come from the route's record, not from these."""

ERRORS = {"ratio": 1.25, "plus": "5%"}
"""Proven by 60 requests without one. The default for refused requests, plus 1%, takes 300, half a minute at half of 20
a second: of each promotion the longest wait by far."""
ALL_GATES: dict[str, dict[str, Any]] = {
    "errors": {"type": "ErrorRate", "max": "5%", "versusStable": ERRORS, "refused": ERRORS},
    "latency": {"type": "Latency", "quantile": 0.9, "versusStable": {"buckets": 8}},
    "accuracy": {"type": "Accuracy", "versusStable": {"ratio": 1.5, "plus": "6%"}},
    "dead-neurons": {"type": "DeadNeurons"},
    "non-finite": {"type": "NonFinite", "versusStable": {"ratio": 2, "plus": "5%"}},
}


def gates(*names: str, method: str | None = None, **others: dict[str, Any]) -> list[dict[str, Any]]:
    """Gates by name; the lab's limits are wider than the defaults, because a lab's minute holds few requests."""
    chosen = {name: ALL_GATES[name] for name in names} | {k.replace("_", "-"): v for k, v in others.items()}
    extra = {"method": method} if method else {}
    return [{"name": name} | extra | gate for name, gate in chosen.items()]


class LiveRollout:
    """`deadline` arguments are seconds; every wait says what it saw last when it gives up."""

    def __init__(self, member: Member, scenario: Scenario, name: str = NAME) -> None:
        self.member, self.scenario, self.kube, self.name = member, scenario, member.kube, name
        self.seen: list[tuple[float, dict[str, Any]]] = []
        self.record: RouteRecorder
        self.operator: OperatorProcess
        self.rollouts: Rollouts
        self.client: LoadClient
        self.rate = 0.0

    def spec(self, version: int, **changes: Any) -> dict[str, Any]:
        """Steps of seconds instead of minutes; everything else as a user would write it."""
        analysis = {"interval": "2s", "minimumRequests": 20, "warmup": "2s", "readyFor": "2s"}
        made: dict[str, Any] = {
            "model": {"name": self.scenario.model, "version": str(version)},
            "serving": {"service": self.scenario.model + "-v{version}", "port": 8000},
            "traffic": {"gateway": self.scenario.gateway_ref},
            "steps": [{"weight": 10, "hold": "6s"}, {"weight": 30, "hold": "6s"}, {"weight": 50, "hold": "6s"}],
            "bake": "6s",
            "gates": gates("errors"),
        }
        made |= {k: v for k, v in changes.items() if k != "analysis"}
        made["analysis"] = analysis | changes.get("analysis", {})
        return made

    def apply(self, version: int, **changes: Any) -> None:
        """What `kubectl apply` does."""
        meta = {"name": self.name, "namespace": self.scenario.namespace}
        self.kube.apply({"apiVersion": API, "kind": KIND, "metadata": meta, "spec": self.spec(version, **changes)})

    def change(self, patch: dict[str, Any]) -> None:
        """A merge patch of the resource."""
        self.kube.merge(API, KIND, self.scenario.namespace, self.name, patch)

    def version(self, version: int) -> None:
        """The one-field bump that a commit makes."""
        self.change({"spec": {"model": {"version": str(version)}}})

    def delete(self) -> None:
        self.kube.delete(API, KIND, self.scenario.namespace, self.name)

    def wait_gone(self, deadline: float = 30) -> None:
        """Until the object is gone, finalizer and all."""
        end = time.monotonic() + deadline
        while self.resource() is not None:
            assert time.monotonic() < end, f"still there after {deadline:.0f} s"
            time.sleep(POLL)

    def resource(self) -> dict[str, Any] | None:
        return self.kube.get(API, KIND, self.scenario.namespace, self.name)

    def status(self) -> dict[str, Any]:
        """The status now; remembered when it changed."""
        found = (self.resource() or {}).get("status", {})
        if not self.seen or self.seen[-1][1] != found:
            self.seen.append((time.time(), found))
        return found

    def wait(self, what: str, true: Callable[[dict[str, Any]], object], deadline: float = 60) -> dict[str, Any]:
        """Until `true(status)`; AssertionError with the live so far otherwise."""
        end = time.monotonic() + deadline
        while time.monotonic() < end:
            status = self.status()
            if true(status):
                return status
            time.sleep(POLL)
        raise AssertionError(f"{what}: not within {deadline:.0f} s\n{self.report()}")

    def wait_weight(self, version: int, percent: int, deadline: float = 60) -> dict[str, Any]:
        """Until the route was seen with it and status says so: a raise is recorded first, and then written."""
        return self.wait(
            f"{percent} % for version {version}",
            lambda s: s.get("weight", {}).get("observed") == percent and self.weights(version)[-1:] == [percent],
            deadline,
        )

    def wait_phase(self, *phases: str, deadline: float = 60) -> dict[str, Any]:
        return self.wait(" or ".join(phases), lambda status: status.get("phase") in phases, deadline)

    def adopt(self, version: int = 1, **changes: Any) -> LoadClient:
        """The first version serves, and so does the client's traffic, if there is any: at rate 0 it never starts."""
        self.apply(version, **changes)
        self.wait(f"version {version} adopted", lambda s: s.get("stable") == str(version), 40)
        client = self.scenario.client(rate=self.rate)
        if self.rate:
            self.wait_served()
            self.rollouts.stack.enter_context(client)
        return client

    def wait_served(self, deadline: float = 15) -> None:
        """Until the gateway answers for this hostname."""
        url = f"{self.scenario.url}/ready"
        end = time.monotonic() + deadline
        while time.monotonic() < end:
            if requests.get(url, headers={"Host": self.scenario.hostname}, timeout=2).status_code == OK:
                return
            time.sleep(POLL)
        raise AssertionError(f"the gateway does not serve {self.scenario.hostname} after {deadline:.0f} s")

    def weights(self, version: int) -> list[int]:
        """Every weight that the route ever gave to `version`, repetitions left out."""
        return self.record.weights_of(self.scenario.service_name(version))

    def ended(self, deadline: float = 120) -> dict[str, Any]:
        """Wait for the rollout in progress to end."""
        self.wait("a rollout in progress", lambda s: s.get("candidate") is not None, 30)
        return self.wait("the end of the rollout", lambda s: s.get("candidate") is None, deadline)

    def ended_well(self, deadline: float = 120) -> str:
        """How the rollout in progress ended."""
        return str(self.ended(deadline)["history"][-1]["result"])

    def weight(self, version: int) -> int:
        """Percent for `version` on the route as it is now; -1 where there is no route."""
        route = self.kube.get("gateway.networking.k8s.io/v1", "HTTPRoute", self.scenario.namespace, self.name)
        if route is None:
            return -1
        refs = route["spec"]["rules"][0]["backendRefs"]
        mine = [ref["weight"] for ref in refs if ref["name"] == self.scenario.service_name(version)]
        return round(sum(mine) * 100 / sum(ref["weight"] for ref in refs)) if mine else 0

    def gate(self, name: str) -> dict[str, Any]:
        """The gate as status shows it."""
        return next((g for g in self.status().get("gates", []) if g["name"] == name), {})

    def events(self) -> list[tuple[str, str]]:
        """(reason, note) of every Event about the resource, oldest first."""
        found = self.kube.list("events.k8s.io/v1", "Event", self.scenario.namespace)
        mine = [e for e in found if e["regarding"].get("name") == self.name]
        return [(e["reason"], e.get("note", "")) for e in sorted(mine, key=lambda e: e["metadata"]["name"])]

    def report(self) -> str:
        """The live so far, for a failed assertion."""
        lines = [
            f"{at % 1000:7.1f} {s.get('phase')} {s.get('weight')} {s.get('reason')}: {s.get('message')} "
            + " ".join(f"[{g['name']} {g['verdict']} {g.get('samples', '')}]" for g in s.get("gates", []))
            for at, s in self.seen[-25:]
        ]
        last = self.seen[-1][1].get("gates", []) if self.seen else []
        return "\n".join([*lines, *(f"  {g['name']}: {g['message']}" for g in last)])
