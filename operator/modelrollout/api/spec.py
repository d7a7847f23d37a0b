"""What users write in `spec`: the desired version, its traffic, steps, gates and analysis."""

from __future__ import annotations

import hashlib
import itertools
import json
from typing import TYPE_CHECKING, Annotated, Literal, Self

from pydantic import Field, field_validator, model_validator

from modelrollout.api.adopt import DNS_NAME, Adopt
from modelrollout.api.base import ApiModel, wrong
from modelrollout.api.gates import DNS_LABEL, Gate, Name
from modelrollout.api.quantities import Duration, Share, format_duration
from modelrollout.api.serving import Serving
from modelrollout.api.traffic.passed import Route
from modelrollout.api.traffic.protocols import SPLIT_PATHS, Grpc, Hostname, Protocol, meet

if TYPE_CHECKING:
    from pydantic_core import PydanticCustomError

VERSION = r"^[1-9][0-9]{0,17}$"
MODEL = r"^[A-Za-z0-9]([-A-Za-z0-9._]*[A-Za-z0-9])?$"
HEADER = r"^[A-Za-z0-9][-A-Za-z0-9]*$"

Version = Annotated[str, Field(pattern=VERSION, max_length=18)]

MISSING_HOSTNAMES = "add the host names that clients call, such as [digits.example.com]"

ADDED_LATER = frozenset({"refused"})
"""Fields of gates that the first release did not have."""


class Model(ApiModel):
    """The model, and the version of it that should serve."""

    name: Annotated[str, Field(pattern=MODEL, max_length=128)]
    """Triton's name of the model."""
    version: Version
    """The version that should serve, a positive whole number in quotes. Changing it starts a rollout."""


class Gateway(ApiModel):
    """The Gateway that the operator's routes attach to."""

    name: Annotated[str, Field(pattern=DNS_NAME, max_length=253)]
    """Name of the Gateway."""
    namespace: Annotated[str, Field(pattern=DNS_LABEL, max_length=63)] | None = None
    """Namespace of the Gateway; the resource's own when unset."""
    section_name: Annotated[str, Field(pattern=DNS_NAME, max_length=253)] | None = None
    """The Gateway's listener; every listener that accepts the route when unset."""
    hostnames: Annotated[list[Hostname], Field(min_length=1, max_length=16)] = []
    """Host names that clients call; those of a route that Git owns (traffic.adopt) are Git's."""


class After(ApiModel):
    """Another ModelRollout, of the same model, that must serve a version before this one tries it."""

    name: Annotated[str, Field(pattern=DNS_NAME, max_length=253)]
    """Name of the ModelRollout."""
    namespace: Annotated[str, Field(pattern=DNS_LABEL, max_length=63)] | None = None
    """Namespace of the ModelRollout; the resource's own when unset."""


class Traffic(ApiModel):
    """The route; the operator creates and owns it, under the resource's own name, unless Git does (adopt)."""

    gateway: Gateway
    tester_header: Annotated[str, Field(pattern=HEADER, max_length=128)] | None = None
    """Requests with this header and the value "always" reach the candidate during a rollout."""
    protocols: Annotated[list[Protocol], Field(min_length=1, max_length=2)] = ["HTTP"]
    """What is split: HTTP, GRPC or both. Readiness is asked over HTTP in any case."""
    grpc: Grpc = Grpc()
    route: Route = Route()
    adopt: Adopt | None = None

    @property
    def has_http(self) -> bool:
        """Whether HTTP is split."""
        return "HTTP" in self.protocols

    @property
    def has_grpc(self) -> bool:
        """Whether gRPC is split."""
        return "GRPC" in self.protocols

    @property
    def grpc_hostnames(self) -> list[str]:
        """Host names that clients of gRPC call."""
        return self.grpc.hostnames or self.gateway.hostnames

    @model_validator(mode="after")
    def _rules_have_one_owner(self) -> Self:
        if self.adopt is None:
            if not self.gateway.hostnames:
                raise wrong("gateway.hostnames", MISSING_HOSTNAMES)
            return self
        if self.gateway.hostnames:
            raise wrong("gateway.hostnames", "remove it: the route is Git's (traffic.adopt), and so are its host names")
        if self.tester_header is not None:
            fix = "remove it and write that rule in Git: of its route (traffic.adopt) only weights are written"
            raise wrong("testerHeader", fix)
        if self.protocols != ["HTTP"] or self.route != Route():
            raise wrong("adopt", "remove protocols and route: of a route that Git owns only weights are written")
        return self

    @model_validator(mode="after")
    def _protocols_are_apart(self) -> Self:
        if len(set(self.protocols)) < len(self.protocols):
            raise wrong("protocols.1", "name each protocol once")
        if not self.has_grpc and self.grpc != Grpc():
            raise wrong("protocols", "add GRPC, or remove spec.traffic.grpc: it says nothing without")
        if not (self.has_http and self.has_grpc) or self._own_listener():
            return self
        fix = "a gateway takes either an HTTPRoute or a GRPCRoute for a host name of one listener, not both"
        if self.grpc.hostnames is None:
            raise wrong("grpc.hostnames", f"add host names for gRPC, or grpc.sectionName: {fix}")
        for index, host in enumerate(self.grpc.hostnames):
            if any(meet(host, other) for other in self.gateway.hostnames):
                raise wrong(f"grpc.hostnames.{index}", f"choose one that gateway.hostnames has not: {fix}")
        return self

    def _own_listener(self) -> bool:
        mine, https = self.grpc.section_name, self.gateway.section_name
        return mine is not None and https is not None and mine != https

    @model_validator(mode="after")
    def _only_http_has_them(self) -> Self:
        for field in ("timeouts", "retry", "extra_paths"):
            if not self.has_http and getattr(self.route, field):
                name = "extraPaths" if field == "extra_paths" else field
                instead = "grpc.extraMethods names methods" if field == "extra_paths" else "GRPCRoute has none"
                raise wrong(f"route.{name}", f"remove it, or add HTTP to protocols: {instead}")
        return self


class Step(ApiModel):
    """One weight, or copies of requests before any weight, and how long that is held."""

    weight: Annotated[int, Field(ge=1, le=99)] = 0
    """Percent of requests for the candidate, above the step before; 100 follows the last step automatically."""
    mirror: Annotated[int, Field(ge=1, le=100)] | None = None
    """In the first step alone, in place of weight: percent of requests that the candidate gets a copy of. Its answers
    to them reach nobody. The GatewayClass must list HTTPRouteRequestMirror, below 100 % the one for percentages too."""
    hold: Duration
    """The least time at this weight."""
    approval: bool = False
    """Whether a person must approve before the next step."""

    @property
    def title(self) -> str:
        """As people read it: ``5 %``, or ``copies of 5 %``."""
        return f"{self.weight} %" if self.mirror is None else f"copies of {self.mirror} %"

    @model_validator(mode="after")
    def _weight_or_mirror(self) -> Self:
        if self.mirror is None and not self.weight:
            raise wrong("weight", "add the percent of requests for the candidate, such as 5")
        if self.mirror is not None and self.weight:
            raise wrong(
                "mirror", "keep one of weight and mirror: copies come in a step of their own, before any weight"
            )
        return self


class Approval(ApiModel):
    """Who may approve a step or promote; a command is a right of its own besides."""

    by_other: bool = False
    """Somebody else than who changed spec.model.version must approve or promote, as the API server says who it was."""


class Analysis(ApiModel):
    """How often and how strictly the gates are read; every default is the safe one."""

    prometheus: Name = "default"
    """A Prometheus server by its name in the operator's configuration."""
    interval: Duration = 15.0
    """How often the gates are read."""
    false_rollback: Share = 0.05
    """The promise: the probability of rolling back a candidate that keeps its limits stays below this."""
    minimum_requests: Annotated[int, Field(ge=1, le=1_000_000)] = 200
    """Requests the candidate must have answered in a step before the next one, and in the bake before its end."""
    warmup: Duration = 60.0
    """After readiness and after each raise, Latency is not judged for this long; errors and NaN are."""
    ready_for: Duration = 30.0
    """The candidate gets traffic after this much continuous readiness."""
    ready_deadline: Duration = 900.0
    """A candidate that is not ready after this long is Rejected; one that is ready at times, after twice as long."""
    deadline: Duration = 7200.0
    """A rollout not proven after this long is inconclusive; waiting for people, metrics or a fix is not counted."""
    max_blind: Duration = 900.0
    """Without metrics for longer than this, the weight goes back to the first step's."""
    on_breach: Literal["Rollback", "Pause"] = "Rollback"
    """What to do when a gate fails."""
    on_inconclusive: Literal["Pause", "Rollback", "Promote"] = "Pause"
    """At the deadline: ask a person, go back, or go on unproven where nothing speaks against it, saying so."""

    @model_validator(mode="after")
    def _bounds(self) -> Self:
        if not 1 <= self.interval <= 3600:  # noqa: PLR2004 - seconds: a Prometheus scrape, and an hour
            raise wrong("interval", 'choose between "1s" and "1h", such as "15s"')
        if not 0 < self.false_rollback < 0.5:  # noqa: PLR2004 - a promise above one half promises nothing
            raise wrong("falseRollback", 'choose above "0%" and below "50%", such as "5%"')
        if self.ready_deadline <= self.ready_for:
            raise self._never_ready()
        if self.deadline <= 0:
            raise wrong("deadline", 'choose more than "0s", such as "2h"')
        return self

    def _never_ready(self) -> PydanticCustomError:
        why = "or no candidate can ever get ready"
        if "ready_deadline" in self.model_fields_set:
            return wrong("readyDeadline", f"choose more than readyFor ({format_duration(self.ready_for)}), {why}")
        return wrong("readyFor", f"choose less than readyDeadline ({format_duration(self.ready_deadline)}), {why}")


class Spec(ApiModel):
    """Which version should serve, and how a new version gets its traffic."""

    model: Model
    serving: Serving
    traffic: Traffic
    steps: Annotated[list[Step], Field(min_length=1, max_length=20)]
    """Weights that rise from step to step."""
    approval: Approval = Approval()
    """What is asked of whoever approves."""
    bake: Duration = 900.0
    """Time at 100 % in which a breach still rolls back, before the candidate becomes stable."""
    gates: Annotated[list[Gate], Field(max_length=24)] = []
    """The limits that the candidate must keep. When empty: ErrorRate, Latency, and what stable has series for."""
    analysis: Analysis = Analysis()
    rollback_window: Duration = 86400.0
    """How long after a promotion the previous version may return at once, without steps."""
    after: After | None = None
    """Whose promotion of the same version a rollout waits for, so that a canary namespace or region goes first."""
    attempt: Annotated[int, Field(ge=1, le=1_000_000)] = 1
    """Raise it to retry a version that was rolled back or rejected."""
    paused: bool = False
    """Hold the weight where it is; a breach still rolls back."""

    @model_validator(mode="after")
    def _paths_are_not_the_splits(self) -> Self:
        """An equal match elsewhere would take a part of the split's requests, whichever the gateway prefers."""
        split = {f"/v2/models/{self.model.name}{end}" for end in SPLIT_PATHS}
        for index, path in enumerate(self.traffic.route.extra_paths):
            if path in split:
                raise wrong(f"traffic.route.extraPaths.{index}", "remove it: the split itself answers this path")
        return self

    @model_validator(mode="after")
    def _copies_are_of_http(self) -> Self:
        if self.steps[0].mirror is not None and not self.traffic.has_http:
            raise wrong("steps.0.mirror", "remove the step, or add HTTP to traffic.protocols: only HTTP is copied")
        return self

    @field_validator("steps")
    @classmethod
    def _steps_rise(cls, steps: list[Step]) -> list[Step]:
        for index, step in enumerate(steps):
            if step.mirror is not None and index:
                raise wrong(f"{index}.mirror", "move it to the first step: copies come before any weight")
            if step.mirror is not None and len(steps) == 1:
                raise wrong("0.mirror", "add a step with a weight after it: copies prove nothing about users' requests")
        for index, (low, high) in enumerate(itertools.pairwise(steps), start=1):
            if high.weight <= low.weight:
                fix = f"choose more than the step before ({low.weight})"
                raise wrong(f"{index}.weight", f"{fix}: weights rise strictly, and 100 follows automatically")
        return steps

    @field_validator("gates")
    @classmethod
    def _names_once(cls, gates: list[Gate]) -> list[Gate]:
        names = [gate.name for gate in gates]
        for index, name in enumerate(names):
            if name in names[:index]:
                raise wrong(f"{index}.name", "give every gate a different name; this one is used twice")
        return gates

    @field_validator("gates")
    @classmethod
    def _shares_fit(cls, gates: list[Gate]) -> list[Gate]:
        total = 0.0
        for index, gate in enumerate(gates):
            total += gate.share or 0.0
            if total > 1 + 1e-9:
                raise wrong(f"{index}.share", 'lower it: all shares together may be at most "100%"')
        return gates

    @model_validator(mode="after")
    def _copies_need_an_own_route(self) -> Self:
        if self.traffic.adopt is not None and self.steps[0].mirror is not None:
            raise wrong(
                "steps.0.mirror", "remove the step: of a route that Git owns (traffic.adopt) only weights are written"
            )
        if "HTTP" not in self.traffic.protocols and self.steps[0].mirror is not None:
            raise wrong("steps.0.mirror", "remove the step, or add HTTP to traffic.protocols: only HTTP is copied")
        return self

    @property
    def mirrored(self) -> Step | None:
        """The step with copies of requests; None where the first step has a weight."""
        return self.steps[0] if self.steps[0].mirror is not None else None

    @property
    def weighted(self) -> list[Step]:
        """The steps in which the candidate answers users."""
        return [step for step in self.steps if step.weight]

    def gates_digest(self) -> str:
        """A short digest of everything that evidence depends on: when it changes, evidence restarts.

        A field that a later version of the operator added counts only where it is set: an upgrade is no edit.
        """
        judged = {"prometheus", "interval", "false_rollback", "minimum_requests", "warmup"}
        found = self.model_dump(mode="json", include={"gates": True, "analysis": judged})
        for gate in found["gates"]:
            for name in ADDED_LATER & {key for key, value in gate.items() if value is None}:
                del gate[name]
        if self.serving.arm is not None:
            found["arm"] = self.serving.arm.model_dump(mode="json")
        return hashlib.sha256(json.dumps(found, sort_keys=True).encode()).hexdigest()[:12]
