"""What one pass observed of the world, as plain values; nothing here is inferred from the phase."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

from modelrollout.core.evaluation import Evaluation, MetricsOutage
from modelrollout.core.git_rule import GitRule
from modelrollout.core.predecessor import Predecessor
from modelrollout.core.reasons import AnyReason

FULL_WEIGHT = 100
"""Weights are percent of the requests."""
FIELD_MANAGER = "modelrollout"
"""Who we are in managedFields."""

Acceptance = Literal["PENDING", "ACCEPTED", "REJECTED"]
Verb = Literal["approve", "abort", "pause", "resume", "retry", "promote"]


@dataclass(frozen=True)
class Backend:
    """One version behind the route; weight in percent."""

    version: str
    service: str
    port: int
    weight: int


@dataclass(frozen=True)
class ObservedRoute:
    """The route as read just now. `backends` are those of the split rule, stable's first."""

    stable: str | None
    backends: tuple[Backend, ...]
    resource_version: str
    model: str | None = None
    testers: bool = False
    epoch: str | None = None
    acceptance: Acceptance = "PENDING"
    acceptance_reason: str = ""
    manager: str = ""
    """The field manager that last changed the rules: our own, or whom an Event should name."""
    doubt: str = ""
    """Why `stable` is None: nothing names it, or what names it contradicts the backends."""
    foreign: str = ""
    """Why this is somebody else's route, which is never written: it does not carry this resource's mark."""
    version_header: bool = False
    """Whether answers carry the header that names their version."""
    mirror: int = 0
    """Percent of the requests of which a version gets a copy."""
    place: int = 0
    """Stable's place among the backends as they are written: 0, or 1 where the route says so."""
    gateways: frozenset[str] = frozenset()
    """NAMESPACE/NAME of the Gateways that it is attached to."""
    hostnames: frozenset[str] = frozenset()
    structure: str = ""
    """Digest of everything but the weights: differs from a plan's when gateway, hostnames or rules changed."""
    adopted: str = ""
    """What people call it where it is a route of Git's (traffic.adopt); empty for the operator's own."""
    unfit: str = ""
    """Why no traffic can be split on such a route as it stands; then it is lowered and never raised."""
    serving: str | None = None
    """On such a route the version that has all its weight; None where several or none have."""
    git: GitRule | None = None
    """Where on such a route the split stands."""

    @property
    def ours(self) -> bool:
        """Whether we were the last to change the rules."""
        return self.manager == FIELD_MANAGER

    @property
    def versions(self) -> tuple[str, ...]:
        """The resourceVersion of each object that was read."""
        return (self.resource_version,)

    @property
    def uneven(self) -> bool:
        """Whether a version's share depends on the protocol."""
        return False

    def weight_of(self, version: str | None) -> int:
        """Percent of requests that the split sends to `version` (0 when absent)."""
        total = sum(b.weight for b in self.backends)
        mine = sum(b.weight for b in self.backends if b.version == version)
        return round(FULL_WEIGHT * mine / total) if total else 0

    def serves(self, version: str) -> bool:
        """Whether `version` is among the backends, wherever there is a split."""
        return any(b.version == version for b in self.backends)


@dataclass(frozen=True)
class ObservedRoutes(ObservedRoute):
    """The routes of one resource where they are several, or where one is still missing; they are kept in step.

    What is seen as one: a version has what it has at least. So stable's least says what others have at most, which is
    lowered, and a candidate's least says what it has earned wherever there is a split.
    """

    parts: tuple[ObservedRoute, ...] = ()
    """Of the protocols that are split."""
    absent: tuple[str, ...] = ()
    """Routes that the spec asks for and that are not there, by kind and name."""
    left: tuple[ObservedRoute, ...] = ()
    """Of protocols that the spec no longer names: they lead to stable alone."""

    @property
    def versions(self) -> tuple[str, ...]:
        """The resourceVersion of each object that was read."""
        return tuple(part.resource_version for part in (*self.parts, *self.left))

    @property
    def uneven(self) -> bool:
        """Whether a version's share depends on the protocol."""
        shares = [{version: part.weight_of(version) for version in self._named()} for part in self.parts]
        return bool(self.absent) or any(one != shares[0] for one in shares)

    def weight_of(self, version: str | None) -> int:
        """The least percent of requests that any of the routes sends to `version`."""
        found = [part.weight_of(version) for part in self.parts]
        found += [route.weight_of(version) for route in self.left if version in (route.stable, self.stable)]
        if self.absent and version != self.stable:
            return 0
        return min(found, default=0)

    def serves(self, version: str) -> bool:
        """Whether `version` is among the backends, wherever there is a split."""
        return not self.absent and all(part.serves(version) for part in self.parts)

    def _named(self) -> set[str]:
        return {backend.version for part in self.parts for backend in part.backends}


def as_one(
    parts: tuple[ObservedRoute, ...], absent: tuple[str, ...] = (), left: tuple[ObservedRoute, ...] = ()
) -> ObservedRoute | None:
    """What is there as one route; None where nothing is. A lone route is itself."""
    every = (*parts, *left)
    if not every:
        return None
    if len(every) == 1 and not absent and not left:
        return every[0]
    known = {route.stable for route in every if route.stable}
    stable = next(iter(known)) if len(known) == 1 else None
    backends = {(b.version, b.service): b for route in reversed(every) for b in route.backends}
    strange = next((route for route in every if not route.ours), every[0])
    judged = next((route for route in parts if route.acceptance == "REJECTED"), None)
    judged = judged or next((route for route in parts if route.acceptance == "PENDING"), every[0])
    return ObservedRoutes(
        stable=stable,
        backends=tuple(sorted(backends.values(), key=lambda backend: backend.version != stable)),
        resource_version=",".join(route.resource_version for route in every),
        model=next((route.model for route in every if route.model is not None), None),
        testers=any(route.testers for route in every),
        epoch=every[0].epoch,
        acceptance="PENDING" if absent and judged.acceptance == "ACCEPTED" else judged.acceptance,
        acceptance_reason=judged.acceptance_reason,
        manager=strange.manager,
        doubt="" if stable else _doubt(every, known),
        version_header=all(route.version_header for route in every),
        mirror=max(route.mirror for route in every),
        place=every[0].place,
        gateways=frozenset[str]().union(*(route.gateways for route in every)),
        hostnames=frozenset[str]().union(*(route.hostnames for route in every)),
        structure=" ".join((*(route.structure for route in every), *absent)),
        parts=parts,
        absent=absent,
        left=left,
    )


def _doubt(routes: tuple[ObservedRoute, ...], known: set[str]) -> str:
    if len(known) > 1:
        return f"the routes name different versions as stable: {', '.join(sorted(known))}"
    return next((route.doubt for route in routes if route.doubt), "")


@dataclass(frozen=True)
class RoutePlan:
    """The route that should be: stable always, a candidate while there is one."""

    stable: str
    candidate: str | None = None
    weight: int = 0
    """The candidate's percent; stable gets the rest."""
    testers: bool = False
    version_header: bool = False
    """Whether answers carry the header that names their version."""
    place: int = 0
    """Stable's place among the backends, 0 or 1: the candidate has the other one."""
    mirror: int = 0
    """Percent of the requests that the candidate gets a copy of."""


@dataclass(frozen=True)
class Readiness:
    """What the probes of one version have found so far. Times in epoch seconds."""

    version: str
    ready: bool
    since: float | None
    """Ready without a break since then; None while not ready."""
    failures: int
    """Consecutive failed probes."""
    message: str
    addresses: int = 0
    """How many of them were ready the last time all were."""
    refused: bool = False
    """Whether all that is wrong is that some may not be asked: that is no loss, and no proof either."""


@dataclass(frozen=True)
class Command:
    """One request of a person, as found in the annotation."""

    verb: Verb
    nonce: str
    version: str | None
    step: int | None
    by: str = ""
    stamped: bool = False
    """Whether `by` is what the API server says; else it is the writer's own word."""
    manager: str = ""
    why: str = ""
    rollout: str = ""
    """When what it is about began (Status.subject), as in status; "" where it does not say."""
    written_at: float | None = None
    """When its writer last changed anything, to the second: it was not written later. None where that is unknown."""
    dated: bool = False
    """Whether `written_at` is the command's own time: its writer has changed nothing else since."""

    def surely_before(self, moment: float) -> bool:
        """Whether it was written before `moment`, whatever part of a second its time has lost."""
        return self.written_at is not None and self.written_at + 1 <= moment


@dataclass(frozen=True)
class MalformedCommand:
    """An annotation that is not a command: refused with an Event, never obeyed."""

    nonce: str
    message: str


@dataclass(frozen=True)
class Observation:
    """Everything a decision may depend on besides spec, status and the time."""

    generation: int
    route: ObservedRoute | None
    readiness: dict[str, Readiness] = field(default_factory=dict)
    """By version; a version that was not probed yet is absent."""
    evaluation: Evaluation | None = None
    outage: MetricsOutage | None = None
    command: Command | MalformedCommand | None = None
    version_by: str = ""
    """Who changed spec.model.version last, as the API server stamped it; "" where that is not known."""
    problem: str | None = None
    """The sentence of an invalid spec; then spec is None."""
    status_lost: str | None = None
    """Why the status could not be read, if so."""
    refusals: int = 0
    """How many passes could not write the route since it last was as decided."""
    refusal: str = ""
    """The API server's answer to the last of them."""
    notices: tuple[str, ...] = ()
    """What stands though it would be refused today: it goes on, and people are told."""
    version_header: bool | None = None
    """Whether this gateway tells versions apart only by a header of their answers; None while that is not known."""
    features: frozenset[str] | None = None
    """What the GatewayClass says that its gateways support; None while that is not known."""
    predecessor: Predecessor | None = None
    """What spec.after names, read where a rollout may start; None where it was not."""
    contested: str = ""
    """Who keeps setting the weights of a route of Git's back, and how often; empty where nobody does."""


@dataclass(frozen=True)
class Event:
    """One thing to tell people, best effort."""

    reason: AnyReason
    message: str
    warning: bool = False
