"""What the operator needs from the outside, as Protocols; every call is bounded in time by its adapter."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Literal, Protocol

from modelrollout.api.borders.cleaning import clean
from modelrollout.api.borders.secrecy import without_secrets
from modelrollout.api.config import GateWebhook, PrometheusServer
from modelrollout.api.spec import Spec
from modelrollout.core.analysis.metrics.series import Series
from modelrollout.core.notice import Notice
from modelrollout.core.observation import Event, ObservedRoute, RoutePlan
from modelrollout.core.reasons import MetricsReason

LONGEST_FAILURE = 600
"""Characters of a sentence about a failure outside, with what the other side said."""


def _safe(message: str) -> str:
    """Whatever another system or a library said, it is bounded, printable and without secrets from here on."""
    return clean(without_secrets(message), LONGEST_FAILURE)


class Conflict(Exception):  # noqa: N818 - a normal outcome of optimistic concurrency, not a fault
    """The object changed since it was read: look again, then decide again."""

    def __init__(self, message: str = "") -> None:
        super().__init__(_safe(message))


class NotOurs(Conflict):
    """An object of this name is somebody else's, and was left as it is."""


ApiReason = Literal[
    "ApiError",
    "ApiForbidden",
    "ApiInvalid",
    "ApiThrottled",
    "ApiTimeout",
    "ApiUnauthorized",
    "ApiUnreachable",
    "KindMissing",
    "NotFound",
    "RouteMissing",
    "RouteNotOurs",
    "Superseded",
]


class Unreachable(Exception):  # noqa: N818 - named for what it says
    """The API server did not answer usefully; `reason` is a constant, the text a sentence.

    `retry_after` is what the server asked for, in seconds, or None.
    """

    def __init__(self, reason: ApiReason, message: str, *, retry_after: float | None = None) -> None:
        super().__init__(_safe(message))
        self.reason = reason
        self.retry_after = retry_after


class Superseded(Unreachable):
    """A route carries the epoch of a newer leader, `epoch` as it stands there."""

    def __init__(self, epoch: str, message: str) -> None:
        super().__init__("Superseded", message)
        self.epoch = epoch


class NotFound(Unreachable):
    """The server knows the kind and has no object of that name."""


class Router(Protocol):
    """Six verbs over the route of one resource, which namespace and name identify.

    Where several objects carry it, one for each protocol, they are observed as one and kept in step.

    A route without this resource's mark is somebody else's: it is observed as `foreign`, and nothing writes it.
    """

    async def observe(self, namespace: str, name: str, spec: Spec | None = None) -> ObservedRoute | None:
        """The route as it is now, or None where there is none; with `spec` it is known what is missing of it."""

    async def lower(self, namespace: str, name: str, observed: ObservedRoute, plan: RoutePlan) -> ObservedRoute:
        """Move traffic to stable now. Tests backend identity only, never weights or resourceVersion.

        Needs nothing but the observed route, so it works with an invalid spec.
        """

    async def apply(
        self, namespace: str, name: str, spec: Spec, plan: RoutePlan, observed: ObservedRoute | None
    ) -> ObservedRoute:
        """Create or change the route to `plan`; where `observed` is given, only if nothing changed since (Conflict)."""

    async def claim(self, namespace: str, name: str, observed: ObservedRoute) -> ObservedRoute:
        """Write this leader's epoch on the route where another's stands, only if nothing changed since (Conflict).

        Raises Superseded where a newer leader's stands already.
        """

    async def release(self, namespace: str, name: str, observed: ObservedRoute) -> None:
        """On deletion of the resource: 100 % on stable, testers gone, the route stays."""

    def structure(self, namespace: str, name: str, spec: Spec, plan: RoutePlan) -> str:
        """Digest of everything but the weights, comparable with ObservedRoute.structure."""


@dataclass(frozen=True)
class Released:
    """What a release found."""

    held: tuple[Router, ...] = ()
    """The routers that held a route and released it."""
    left: tuple[str, ...] = ()
    """Which route was left as it is, and why: it is somebody else's, or has lost our mark."""


class Routers(Protocol):
    """Every way to split traffic there is; which one serves a resource is decided by its spec."""

    async def find(self, namespace: str, name: str, spec: Spec | None) -> tuple[Router, ObservedRoute | None]:
        """The router that `spec` asks for, with the route as it is now.

        Without a valid spec the one that holds a route of this name, so that lowering needs no spec.
        """

    async def release(self, namespace: str, name: str, *, keep_mark: bool = False) -> Released:
        """100 % on stable wherever a route of this name is held; somebody else's is left as it is.

        A route of Git's that is adopted is handed back without our mark; with `keep_mark` it stays marked and fenced.
        """


class ObjectStore(Protocol):
    """The ModelRollout objects themselves."""

    async def get(self, namespace: str, name: str) -> dict[str, Any] | None:
        """The object as stored now; None when it is gone."""

    async def write_status(self, obj: dict[str, Any], status: dict[str, Any]) -> dict[str, Any]:
        """Replace the status, fenced by the object's resourceVersion; raises Conflict when stale.

        The same again writes nothing and returns `obj` itself.
        """

    async def add_finalizer(self, obj: dict[str, Any]) -> dict[str, Any]:
        """Put our finalizer on where it is missing; raises Conflict when `obj` is stale. The object as stored."""

    async def drop_finalizer(self, obj: dict[str, Any]) -> None:
        """Release the object, whatever else changes at the same time."""

    async def consume_command(self, obj: dict[str, Any]) -> None:
        """Remove the command annotation, only if it still holds the same text."""


@dataclass(frozen=True)
class Subject:
    """The ModelRollout that a notification is about."""

    namespace: str
    name: str
    uid: str = ""
    resource_version: str = ""
    obj: dict[str, Any] = field(default_factory=dict, compare=False, repr=False)
    """The object as stored, with the status of which is told."""

    @classmethod
    def of(cls, obj: dict[str, Any]) -> Subject:
        """The subject that an object as stored is."""
        meta, version = obj["metadata"], str(obj["metadata"].get("resourceVersion", ""))
        return cls(meta["namespace"], meta["name"], str(meta.get("uid", "")), version, obj)


class EventSink(Protocol):
    """One place where people are notified of what happened."""

    async def send(self, subject: Subject, event: Event) -> None:
        """Deliver it. May raise and may wait too long: runtime/notifier.py bounds both. Must not block the loop."""


class Undelivered(Exception):  # noqa: N818 - named for what it says
    """A sink did not take a notification; the text is a sentence. Final: the same again would be refused again.

    `retry_after` is what the sink asked for, in seconds, or None.
    """

    def __init__(self, message: str, *, final: bool = False, retry_after: float | None = None) -> None:
        super().__init__(_safe(message))
        self.final = final
        self.retry_after = retry_after


class Channel(Protocol):
    """A way out of the cluster; runtime/outside/outbox.py bounds how often, how long and how many."""

    async def deliver(self, notice: Notice) -> None:
        """Hand it over once. Raises Undelivered; may wait too long. Must not block the loop."""

    async def close(self) -> None:
        """Let connections go."""


class Unclear(Undelivered):
    """An answer came, and it is no verdict; the same question again would get no better one at once."""

    def __init__(self, message: str) -> None:
        super().__init__(message, final=True)


@dataclass(frozen=True)
class Question:
    """What a Webhook gate asks; `at` in epoch seconds."""

    ident: str
    """The same for every try of it."""
    at: float
    data: dict[str, Any]


@dataclass(frozen=True)
class Said:
    """What the other side answered; the message is bounded, printable and without secrets."""

    verdict: Literal["PASS", "FAIL", "CONTINUE"]
    message: str = ""


class Judge(Protocol):
    """A system outside that decides a Webhook gate; runtime/evaluation/webhook_answers.py bounds how often."""

    async def ask(self, webhook: GateWebhook, question: Question) -> Said:
        """Ask once, within the webhook's timeout. Raises Undelivered or Unclear. Must not block the loop."""


class PostmortemStore(Protocol):
    """Where the distributions behind a promotion or a rollback are kept."""

    async def save(self, obj: dict[str, Any], name: str, data: dict[str, str]) -> None:
        """Write a snapshot beside the resource, owned by it. Raises NotOurs, Conflict or Unreachable."""


class PreflightReports(Protocol):
    """What the prober says of the resources' pre-flights."""

    async def read(self, namespace: str, name: str) -> tuple[str, str]:
        """(what stands there about the resource, "" or why nothing can be read). Never raises."""


class GatewayFacts(Protocol):
    """What the cluster says about a Gateway."""

    async def controller_of(self, namespace: str, spec: Spec) -> str:
        """The controllerName of the GatewayClass behind the spec's Gateway; "" when it cannot be known."""

    async def features_of(self, namespace: str, spec: Spec) -> frozenset[str] | None:
        """What the GatewayClass behind the spec's Gateway says that it supports; None while that cannot be known."""


class NotAsked(str):
    """Why a probe found nothing out: an address that may not be asked is neither ready nor lost."""

    __slots__ = ()


class ModelServer(Protocol):
    """Readiness of one version on every address of its Service."""

    async def probe(self, namespace: str, service: str, port: int, model: str, version: str | None) -> tuple[int, str]:
        """(addresses that should answer, "" when all of them are ready or else what is wrong). Never raises.

        What is wrong is a NotAsked where nothing is known to be wrong but some of them may not be asked.
        `version`: as the server calls it; None for the path without a version, where the Service alone says which.
        """


@dataclass(frozen=True)
class LedgerFailure:
    """No answer that could be used: `reason` is a constant, `message` a sentence."""

    reason: MetricsReason
    message: str

    def __post_init__(self) -> None:
        """Whatever the server said, it is bounded and printable from here on."""
        object.__setattr__(self, "message", _safe(self.message))


class Ledger(Protocol):
    """Raw samples from one Prometheus server."""

    async def range(
        self, server: PrometheusServer, selector: str, start: float, end: float
    ) -> tuple[Series, ...] | LedgerFailure:
        """Raw samples of `selector` in (start, end], epoch seconds."""

    async def steps(
        self, server: PrometheusServer, query: str, start: float, end: float, step: float
    ) -> tuple[Series, ...] | LedgerFailure:
        """Values of `query` at start, start + step, ... up to end."""


class Clock(Protocol):
    """Wall time, so that tests can move it."""

    def now(self) -> float:
        """Epoch seconds."""
