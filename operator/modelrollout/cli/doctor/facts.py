"""Everything that doctor knows, as plain values; None and `unknown` say what could not be read, and why."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Literal

from modelrollout.api.config import OperatorConfig
from modelrollout.api.spec import Spec
from modelrollout.api.status import Status
from modelrollout.cli.lookup.found import Installation, Source, Unknown
from modelrollout.core.analysis.metrics.samples import SampleStore
from modelrollout.core.evaluation import EvaluationRequest
from modelrollout.core.git_rule import GitRule
from modelrollout.core.observation import ObservedRoute
from modelrollout.ports import LedgerFailure

VICTORIA = "VictoriaMetrics"
"""What its build begins with."""
Candidate = Literal["none", "idle", "fresh", "serving", "unknown"]
"""What may be expected of the candidate's series: there is no candidate, it has no traffic, it has had some for less
than a few scrapes, it has traffic; or nobody knows (a manifest says nothing of the traffic)."""


@dataclass(frozen=True)
class Subject:
    """The rollout that is looked at. `stable` is the version whose series are read."""

    namespace: str
    name: str
    spec: Spec
    stable: str
    candidate: str | None
    state: Candidate
    status: Status | None = None
    git: GitRule | None = None
    """Where the split stands on a route of Git's."""

    @property
    def route(self) -> str:
        """Name of the HTTPRoute: the resource's own, or that of Git's."""
        adopt = self.spec.traffic.adopt
        return self.name if adopt is None else adopt.name

    @property
    def model(self) -> str:
        """Triton's name of it."""
        return self.spec.model.name

    @property
    def versions(self) -> list[tuple[str, str]]:
        """(arm, version) of what is there, stable first."""
        tried = [("candidate", self.candidate)] if self.candidate and self.candidate != self.stable else []
        return [("stable", self.stable), *tried]


@dataclass(frozen=True)
class Read:
    """An object as stored: `found` is None where it is gone, `unknown` says why it could not be read."""

    found: dict[str, Any] | None = None
    unknown: str = ""


@dataclass(frozen=True)
class ServiceFacts:
    """One version's Service. `wrong` is a sentence where it is missing or lacks the port."""

    arm: str
    version: str
    service: str
    port: int
    ready: int = 0
    unready: tuple[str, ...] = ()
    no_pods: tuple[str, ...] = ()
    """host:port of those among the ready that are no Pods of the namespace."""
    wrong: str = ""
    unknown: str = ""


@dataclass(frozen=True)
class ClusterFacts:
    """What the API server says. Times in epoch seconds, by its clock."""

    resource: dict[str, Any]
    now: float
    ahead: float
    """Seconds by which this machine's clock is ahead of the API server's."""
    problem: str
    """Why the spec cannot be used; "" where it can."""
    operator: Installation | Unknown
    lease: Read
    definition: Read
    route: ObservedRoute | None
    raw_route: Read
    gateway: Read
    controller: str
    others: tuple[dict[str, Any], ...]
    """Other routes (HTTPRoutes and GRPCRoutes) of the namespaces that may be listed."""
    others_unknown: str
    """Which of them could not be listed, and why."""
    services: tuple[ServiceFacts, ...]
    features: frozenset[str] | None = None
    """What the Gateway's class lists in supportedFeatures; None where that may not be read."""

    @property
    def config(self) -> OperatorConfig | None:
        """The operator's configuration, where it could be read."""
        return self.operator.config if isinstance(self.operator, Installation) else None


@dataclass(frozen=True)
class Hint:
    """Series that are there under other labels than expected: how many, and the labels that say where."""

    labels: dict[str, str]
    series: int


@dataclass(frozen=True)
class Hints:
    """What was asked for because something was missing. `taken`: whether the server takes such questions."""

    taken: bool = True
    renamed: tuple[Hint, ...] = ()
    """The model's series whose own labels are called exported_..."""
    renamed_gateway: tuple[Hint, ...] = ()
    """The gateway's, alike."""
    unmatched: tuple[Hint, ...] = ()
    """The model's series without the server's matchers."""
    versions: tuple[Hint, ...] = ()
    """Versions of the model that have series."""
    alike: tuple[Hint, ...] = ()
    """The gateway's series that name one of our Services, and count for neither version."""
    dialects: tuple[Hint, ...] = ()
    """Metrics of any known gateway that are there."""


@dataclass(frozen=True)
class QueryFacts:
    """What a Query gate's expression gave now: a failure, or so many series and the value of the first."""

    gate: str
    failure: str = ""
    series: int = 0
    value: float | None = None


@dataclass(frozen=True)
class StoreFacts:
    """What the Prometheus server says. `stores`: one for each query of `request`, whose dialect is the one found."""

    source: Source
    now: float
    request: EvaluationRequest
    failure: LedgerFailure | None = None
    skew: str = ""
    clock: str = "the API server's"
    """Whose clock the server's is compared with."""
    build: str = ""
    stores: tuple[SampleStore, ...] = ()
    controller: str = ""
    """The controllerName of the Gateway's class; "" where that is not known."""
    dialect_by: Literal["controller", "series", "none"] = "none"
    hints: Hints = Hints()
    queries: tuple[QueryFacts, ...] = ()
    span: float = field(default=0.0)
    """Seconds of samples that were read."""
