"""A rollout in its step with nothing wrong about it, as doctor's facts; tests spoil one thing at a time."""

from __future__ import annotations

from bisect import bisect_right
from dataclasses import dataclass, field, replace
from operator import itemgetter
from typing import Any

from modelrollout.adapters.routers.forms.httproute import route_spec
from modelrollout.adapters.routers.forms.marks import annotations_for
from modelrollout.adapters.routers.reading import read
from modelrollout.api.config import GateWebhook, OperatorConfig, PrometheusServer
from modelrollout.api.crd import crd
from modelrollout.api.spec import Spec
from modelrollout.api.status import Status
from modelrollout.api.timestamps import format_timestamp
from modelrollout.cli.doctor.checks.diagnosis import diagnose
from modelrollout.cli.doctor.checks.request import request_of
from modelrollout.cli.doctor.facts import (
    Candidate,
    ClusterFacts,
    Hints,
    QueryFacts,
    Read,
    ServiceFacts,
    StoreFacts,
    Subject,
)
from modelrollout.cli.doctor.finding import Finding
from modelrollout.cli.lookup.found import Installation, Source, Unknown
from modelrollout.core.analysis.metrics import model_series as s
from modelrollout.core.analysis.metrics.samples import SampleStore
from modelrollout.core.analysis.metrics.series import make_series
from modelrollout.core.observation import RoutePlan
from modelrollout.dialects.dialect import Dialect
from modelrollout.dialects.traefik import TRAEFIK
from modelrollout.ports import LedgerFailure
from tests.unit.analysis.recorded import (
    GATEWAY_HEARTBEAT,
    METRICS,
    SCRAPE,
    START,
    Recording,
    dead_windows,
    histogram,
    scrapes,
    spec_of,
)
from tests.unit.cli.doctor.objects import gateway, merged

SPAN = 600.0
NOW = START + SPAN
GATES: tuple[dict[str, Any], ...] = (
    {"name": "errors", "type": "ErrorRate"},
    {"name": "latency", "type": "Latency"},
    {"name": "dead-neurons", "type": "DeadNeurons"},
)
QUICK = {0.01: 60.0, 0.05: 3.0}
GATEWAYS = "gateway.networking.k8s.io"
LABELS = {"model": "digits"}


def at(seconds: float) -> str:
    """RFC 3339 of so many seconds after NOW."""
    return format_timestamp(NOW + seconds)


NO_HINTS = Hints()
INSTALLED = Installation("modelrollout", "modelrollout")
LEASE = Read({"spec": {"holderIdentity": "pod-1", "leaseDurationSeconds": 15, "renewTime": at(-2)}})
DEFINITION = Read(crd())


def model(until: float = SPAN, *, versions: tuple[str, ...] = ("1", "2"), growth: float = 60.0) -> Recording:
    """The model's own count of requests and errors."""
    found = Recording(scrapes(until), "triton")
    for version in versions:
        for metric, each in ((s.REQUESTS, growth), (s.REQUEST_ERRORS, 0.0)):
            found.growing(metric, each, model="digits", version=version)
    return found


def windows(**changes: Any) -> Recording:
    """Activation windows of both versions."""
    return dead_windows(SPAN, "dense", **{"stable": 5.0, "candidate": 5.0, **changes})


def seen_by_gateway(until: float = SPAN, **changes: Any) -> Recording:
    """Requests and durations of both versions at the gateway."""
    found = histogram(until, **{"stable": QUICK, "candidate": QUICK, **changes})
    return found.growing(GATEWAY_HEARTBEAT, 0)


def only(recording: Recording, *versions: str) -> Recording:
    """Without the series of other versions."""

    def mine(labels: dict[str, str]) -> bool:
        if "version" in labels:
            return labels["version"] in versions
        backend = labels.get("service", "")
        return not backend or any(f"-v{version}-" in backend for version in versions)

    kept = {labels: rows for labels, rows in recording.points.items() if mine(dict(labels))}
    return replace(recording, points=kept)


def relabelled(recording: Recording, **labels: str) -> Recording:
    """The same with other labels; an empty one is taken away."""
    points = {}
    for known, rows in recording.points.items():
        changed = {name: value for name, value in {**dict(known), **labels}.items() if value}
        points[tuple(sorted(changed.items()))] = rows
    return replace(recording, points=points)


@dataclass(frozen=True)
class Patient:
    """Everything that the facts are made from; `spoilt` returns another one."""

    gates: tuple[dict[str, Any], ...] = GATES
    state: Candidate = "serving"
    recordings: tuple[Recording, ...] = field(default_factory=lambda: (seen_by_gateway(), model(), windows()))
    dialect: Dialect | None = TRAEFIK
    hints: Hints = NO_HINTS
    queries: tuple[QueryFacts, ...] = ()
    failure: LedgerFailure | None = None
    skew: str = ""
    build: str = ""
    server: dict[str, Any] = field(default_factory=dict)
    configured: bool = True
    webhooks: tuple[GateWebhook, ...] = ()
    problem: str = ""
    ahead: float = 0.0
    operator: Installation | Unknown = INSTALLED
    lease: Read = LEASE
    definition: Read = DEFINITION
    route: dict[str, Any] = field(default_factory=dict)
    """Merged into the route's object."""
    route_gone: bool = False
    route_unknown: str = ""
    gateway: Read | None = None
    listener: dict[str, Any] = field(default_factory=dict)
    controller: str = "traefik.io/gateway-controller"
    others: tuple[dict[str, Any], ...] = ()
    others_unknown: str = ""
    services: dict[str, ServiceFacts] = field(default_factory=dict)
    status: dict[str, Any] = field(default_factory=dict)
    resource: dict[str, Any] = field(default_factory=dict)
    analysis: dict[str, Any] = field(default_factory=dict)

    def spoilt(self, **changes: Any) -> Patient:
        """The same but for `changes`."""
        return replace(self, **changes)

    @property
    def spec(self) -> Spec:
        return spec_of(*self.gates, **self.analysis)

    @property
    def subject(self) -> Subject:
        candidate = None if self.state == "none" else "2"
        return Subject("vision", "digits", self.spec, "1", candidate, self.state, self.read_status)

    @property
    def read_status(self) -> Status | None:
        weight = 50 if self.state in ("serving", "fresh") else 0
        began = {"startedAt": at(-580), "evidenceFrom": at(-580), "waitingSince": at(-580)}
        rollout = {
            "phase": "Stepping",
            "reason": "StepHolding",
            "candidate": "2",
            "step": {"index": 0, "weight": 50, "startedAt": at(-580)},
            "steps": [{"weight": 50, "startedAt": at(-580)}],
            "weight": {"desired": weight, "observed": weight},
            "rollout": began,
        }
        serving = {"phase": "Serving", "reason": "Promoted"}
        found = {"observedGeneration": 3, "stable": "1", **(serving if self.state == "none" else rollout)}
        return Status.model_validate({**found, **self.status})

    @property
    def cluster(self) -> ClusterFacts:
        """What the API server would say."""
        subject = self.subject
        raw = self._route(subject)
        status = {"observedGeneration": 3, "phase": "Stepping", "reason": "StepHolding", **self.status}
        resource = {"metadata": {"generation": 3}, "status": status}
        here = Read(unknown=self.route_unknown) if self.route_unknown else Read(None if self.route_gone else raw)
        return ClusterFacts(
            resource=resource | self.resource,
            now=NOW,
            ahead=self.ahead,
            problem=self.problem,
            operator=self.operator,
            lease=self.lease,
            definition=self.definition,
            route=read(here.found) if here.found else None,
            raw_route=here,
            gateway=self.gateway or Read(gateway(self.listener)),
            controller=self.controller,
            others=self.others,
            others_unknown=self.others_unknown,
            services=tuple(
                self.services.get(arm, ServiceFacts(arm, version, f"digits-v{version}", 8000, ready=1))
                for arm, version in subject.versions
            ),
        )

    @property
    def store(self) -> StoreFacts:
        """What Prometheus would say."""
        facts = {"url": "http://prometheus.test", "scrape_interval": SCRAPE, "allow_queries": True, **self.server}
        server = PrometheusServer(**facts)
        config = OperatorConfig(prometheus=[server], webhooks=list(self.webhooks)) if self.configured else None
        stores = tuple(
            SampleStore().merged(
                one for each in self.recordings for one in _series(each) if _is_gateways(one) == gateways
            )
            for gateways in (True, False)
        )
        return StoreFacts(
            Source(server, config, "ConfigMap modelrollout/modelrollout"),
            NOW,
            request_of(self.subject, NOW, self.dialect),
            failure=self.failure,
            skew=self.skew,
            build=self.build,
            stores=() if self.failure else stores,
            controller=self.controller,
            dialect_by="controller",
            hints=self.hints,
            queries=self.queries,
            span=SPAN,
        )

    def findings(self) -> list[Finding]:
        """What doctor finds."""
        subject = None if self.problem else self.subject
        return diagnose("digits", subject, self.cluster, None if self.problem else self.store)

    def _route(self, subject: Subject) -> dict[str, Any]:
        weight = 50 if self.state in ("serving", "fresh") else 0
        plan = RoutePlan("1", subject.candidate, weight)
        notes = annotations_for("vision", "digits", subject.spec, plan)
        accepted = [{"type": kind, "status": "True", "observedGeneration": 1} for kind in ("Accepted", "ResolvedRefs")]
        parent = {"parentRef": {"name": "inference", "namespace": "infra"}, "controllerName": self.controller}
        found = {
            "kind": "HTTPRoute",
            "metadata": {
                "name": "digits",
                "namespace": "vision",
                "generation": 1,
                "creationTimestamp": "2026-01-02T00:00:00Z",
                "annotations": {key: value for key, value in notes.items() if value is not None},
            },
            "spec": route_spec("vision", subject.spec, plan),
            "status": {"parents": [parent | {"conditions": accepted}]},
        }
        return merged(found, self.route)


def _series(recording: Recording) -> list[Any]:
    found = []
    for labels, rows in recording.points.items():
        first, end = (bisect_right(rows, at, key=itemgetter(0)) for at in (NOW - SPAN - 3 * SCRAPE, NOW))
        inside = [(at, value) for at, value, _ in rows[first:end]]
        if inside:
            found.append(make_series(dict(labels), inside))
    return found


def _is_gateways(one: Any) -> bool:
    return dict(one.labels)["__name__"] in METRICS.values()
