"""A dialect is data: names of metrics, their unit, what tells the versions apart, and what counts as an error.

Patterns are regular expressions (RE2's and Python's common part) with placeholders that are filled with escaped
values: {namespace} and {route} of the route, {standIn} of the HTTPRoute that carries gRPC where a gateway has no
GRPCRoute, {gatewayNamespace} and {gateway} they are attached to, {service} and {port} of a version's backend, {rule},
the place of the rule that splits the traffic, and {index}, the backend's place in it. On the operator's own route the
rule is 0, and in it 0 is stable's place and 1 the candidate's; with a version header a promoted version keeps its
place, and the next candidate has the other one.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Protocol

from modelrollout.dialects.statuses import canonical


@dataclass(frozen=True)
class OwnSplit:
    """One route of ours as a gateway names it: what it is called, for which hosts, and what its split matches."""

    namespace: str
    route: str
    gateway_namespace: str
    gateway: str
    hosts: tuple[str, ...]
    paths: tuple[str, ...] = ()
    """Whole paths, of an HTTPRoute."""
    methods: tuple[tuple[str, str], ...] = ()
    """(service, method), of a GRPCRoute."""


class Dialect(Protocol):
    """What the analysis asks of a gateway's metrics. Built-in dialects, and later configured ones, satisfy it."""

    @property
    def name(self) -> str:
        """As the operator's configuration writes it."""
        ...

    @property
    def controllers(self) -> tuple[str, ...]:
        """ControllerNames of the GatewayClasses whose gateways speak it."""
        ...

    @property
    def requests(self) -> str:
        """The counter of answers: a series for each backend and status."""
        ...

    @property
    def durations(self) -> str | None:
        """The buckets (label `le`) of how long answers took: a series for each backend; None where there are none."""
        ...

    @property
    def seconds(self) -> float:
        """Seconds in one unit of `le`: 1, or 0.001 for milliseconds."""
        ...

    @property
    def label(self) -> str:
        """The label that tells backends apart."""
        ...

    @property
    def backend(self) -> str:
        """Pattern of `label` for one backend of the rule that splits traffic, and of no other rule or route."""
        ...

    def written(self, name: str) -> str:
        """What the gateway makes of a name of Kubernetes before it stands in `label`."""
        ...

    @property
    def lookalike(self) -> str | None:
        """Pattern of the part of `label` that alone differs between two routes whose names are written alike."""
        ...

    def keys_of(self, label: str, split: OwnSplit) -> frozenset[str]:
        """What `lookalike` finds in such a `label` of our own split's matches; nothing where that cannot be told."""
        ...

    @property
    def ends_at(self) -> str | None:
        """What ends `label` where it stands in a name: a route or Gateway with it is counted under no name it has."""
        ...

    @property
    def rule(self) -> str | None:
        """Pattern of `label` for that rule itself in `router`; None where the gateway does not count by rule."""
        ...

    @property
    def router(self) -> str | None:
        """The counter of answers of whole rules: what it has and `requests` lacks reached no backend."""
        ...

    @property
    def heartbeat(self) -> str | None:
        """A series without `label` that is always there: the gateway is scraped though a backend has no series yet."""
        ...

    @property
    def matchers(self) -> tuple[str, ...]:
        """Label matchers that say whose series count, where several report the same request; with placeholders."""
        ...

    @property
    def status(self) -> str:
        """The label of `requests` and `router` that holds an answer's status."""
        ...

    @property
    def grpc_status(self) -> str | None:
        """The label that holds gRPC's status, where it is another one; its value decides unless it is empty."""
        ...

    @property
    def counters(self) -> Mapping[str, str | None]:
        """The counters of answers, and the status that the name of each stands for; None where a label says it."""
        ...

    @property
    def grpc(self) -> Dialect | None:
        """How it counts calls of gRPC, under the same `label`; None where that is no other way than HTTP's requests."""
        ...

    @property
    def grpc_errors(self) -> bool:
        """Whether it tells an error that gRPC alone tells, in an answer of HTTP 200, from an answer."""
        ...

    @property
    def by_place(self) -> bool:
        """Whether `backend` tells versions by their place alone, which another version had before a promotion."""
        ...

    @property
    def version_header(self) -> bool:
        """Whether it counts backends apart only where each sets a header of its answers."""
        ...

    def is_error(self, status: str) -> bool:
        """Whether an answer with this status is an error: the version failed to serve the request."""
        ...

    def is_refusal(self, status: str) -> bool:
        """Whether the version refused the request; never an error too, and never a client that went away."""
        ...


@dataclass(frozen=True)
class GatewayMetrics:
    """A dialect whose errors are recognised by one label. Fields as in Dialect.

    `errors` and `refusals` are patterns of `status`; what both match is an error. What counts as which, in HTTP and
    gRPC, is in docs/decisions.md; every other status is an answer.
    """

    name: str
    controllers: tuple[str, ...]
    requests: str
    durations: str | None
    label: str
    backend: str
    status: str
    errors: str
    refusals: str
    seconds: float = 1.0
    rule: str | None = None
    router: str | None = None
    heartbeat: str | None = None
    matchers: tuple[str, ...] = ()
    grpc_status: str | None = None
    version_header: bool = False
    joint: str | None = None
    """What every run of characters that are neither letters nor digits is written as; None: names are as they are."""
    shortened: Callable[[str], str] | None = None
    """What becomes of a name that is too long for the controller; None: nothing is."""
    lookalike: str | None = None
    ends_at: str | None = None
    named: tuple[tuple[str, str], ...] = ()
    """(counter, the status that its name stands for), which are read instead of `requests`."""
    grpc: Dialect | None = None
    grpc_errors: bool = True
    keys: Callable[[str, OwnSplit], frozenset[str]] | None = None
    """keys_of, where there is one."""

    @property
    def counters(self) -> Mapping[str, str | None]:
        """`named`, or `requests` alone."""
        return dict(self.named) or {self.requests: None}

    @property
    def by_place(self) -> bool:
        """Whether the pattern has {index}."""
        return "{index}" in self.backend

    def written(self, name: str) -> str:
        """Letters and digits of any alphabet, joined by `joint`, and then `shortened`."""
        joined = name if self.joint is None else self.joint.join(re.findall(r"[^\W_]+", name))
        return joined if self.shortened is None else self.shortened(joined)

    def keys_of(self, label: str, split: OwnSplit) -> frozenset[str]:
        """By `keys`."""
        return frozenset() if self.keys is None else self.keys(label, split)

    def is_error(self, status: str) -> bool:
        """Whether the whole status matches `errors`, as it is or in its canonical spelling."""
        return _matches(self.errors, status)

    def is_refusal(self, status: str) -> bool:
        """Whether the whole status matches `refusals`, in either spelling, and is no error."""
        return _matches(self.refusals, status) and not self.is_error(status)


def _matches(pattern: str, status: str) -> bool:
    return any(re.fullmatch(pattern, one) is not None for one in (status, canonical(status)))
