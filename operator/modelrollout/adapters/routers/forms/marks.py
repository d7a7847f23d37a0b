"""What a route of ours says about itself: annotations that describe it completely, and what its user passes along."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from modelrollout.api.spec import Spec
    from modelrollout.api.traffic.protocols import Protocol
    from modelrollout.core.observation import RoutePlan

PREFIX = "modelrollout.dev/"
STABLE, CANDIDATE, PLACE, MODEL, RESOURCE, SERVICES, EPOCH, PROBED, PASSED = (
    PREFIX + part
    for part in ("stable", "candidate", "place", "model", "resource", "services", "epoch", "probe-port", "passed")
)
OURS = (STABLE, CANDIDATE, PLACE, MODEL, RESOURCE, SERVICES, PROBED, PASSED)
"""Annotations that describe the route completely; the epoch is apart, it changes with the leader alone."""


def annotations_for(
    namespace: str, name: str, spec: Spec, plan: RoutePlan, protocol: Protocol = "HTTP"
) -> dict[str, str | None]:
    """Our annotations under `plan`; None stands for one that must be absent."""
    versions = [plan.stable] + ([plan.candidate] if plan.candidate else [])
    grpc = protocol == "GRPC"
    port = spec.serving.grpc_port if grpc else spec.serving.port
    services = {v: f"{spec.serving.service_of(v)}:{port}" for v in versions}
    return {
        STABLE: plan.stable,
        CANDIDATE: plan.candidate,
        PLACE: str(plan.place) if plan.place else None,
        MODEL: spec.model.name,
        RESOURCE: f"{namespace}/{name}",
        SERVICES: json.dumps(services, separators=(",", ":")),
        PROBED: str(spec.serving.port) if grpc else None,
        PASSED: _passed(spec, protocol),
    }


def _passed(spec: Spec, protocol: Protocol) -> str | None:
    """Which labels and annotations are the user's, so that they go with the spec, and what a server may prune."""
    given = spec.traffic.route
    retry = "" if given.retry is None or protocol == "GRPC" else digest(given.retry.model_dump(mode="json"))
    if not (given.labels or given.annotations or retry):
        return None
    found = {"labels": sorted(given.labels), "annotations": sorted(given.annotations), "retry": retry}
    return json.dumps(found, separators=(",", ":"))


@dataclass(frozen=True)
class Passed:
    """Names of labels and annotations that a route carries for its user."""

    labels: frozenset[str] = frozenset()
    annotations: frozenset[str] = frozenset()


def passed_of(notes: Mapping[str, Any]) -> Passed:
    """What the route's annotation says; nothing where it is malformed."""
    try:
        found = json.loads(notes.get(PASSED) or "{}")
        return Passed(*(frozenset(map(str, found.get(key) or ())) for key in ("labels", "annotations")))
    except (ValueError, TypeError, AttributeError, RecursionError):
        return Passed()


def digest(value: Any) -> str:
    """The same for the same content, 16 hexadecimal digits."""
    return hashlib.sha256(json.dumps(value, sort_keys=True).encode()).hexdigest()[:16]
