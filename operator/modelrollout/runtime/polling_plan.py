"""What to look at next, and when: a pure reading of spec, status and route."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Literal

from modelrollout.core.evaluation import EvaluationRequest, placed_at
from modelrollout.core.observation import FULL_WEIGHT
from modelrollout.core.rollout import phases
from modelrollout.core.rollout.context import identity, target_mirror
from modelrollout.runtime.watch import PollingPlan, Target, Watch

if TYPE_CHECKING:
    from modelrollout.api.config import OperatorConfig
    from modelrollout.api.spec import Spec
    from modelrollout.api.status import Status
    from modelrollout.core.observation import Observation, ObservedRoute
    from modelrollout.dialects.dialect import Dialect

AT_REST = 60.0
"""Times the resync of a rollout in progress: at rest there is nothing to be seen that no event tells."""


def polling_plan(
    watch: Watch,
    spec: Spec | None,
    status: Status,
    route: ObservedRoute | None,
    gateway: tuple[str, Dialect | None] = ("", None),
) -> PollingPlan:
    """The versions to probe and the rollout to evaluate after this pass; `gateway`: its controller and dialect."""
    targets = _targets(watch, spec, status, route)
    if spec is None:
        return PollingPlan(targets, None)
    request = _on_copies(_request(watch, spec, status, _counted(gateway, route)), status)
    request = _in_preflight(request, status)
    if request is not None and route is not None and route.adopted:
        request = replace(request, git=route.git)
    return PollingPlan(targets, request, _prober_of(spec, status))


def _prober_of(spec: Spec, status: Status) -> Literal["", "at rest", "running"]:
    if spec.preflight is None:
        return ""
    return "running" if status.phase == "Preflight" else "at rest"


def _on_copies(request: EvaluationRequest | None, status: Status) -> EvaluationRequest | None:
    """In a step of copies: no series of the gateway, and the candidate's share of all that the servers answer."""
    mirror = target_mirror(status)
    if request is None or not mirror or not request.steps:
        return request
    share = round(FULL_WEIGHT * mirror / (FULL_WEIGHT + mirror))
    steps = (*request.steps[:-1], (share, request.steps[-1][1]))
    return replace(request, dialect=None, mirror=mirror, steps=steps)


def _in_preflight(request: EvaluationRequest | None, status: Status) -> EvaluationRequest | None:
    """Both versions answer the golden set alike: no series of the gateway, and what the prober counted."""
    known = status.preflight
    if request is None or known is None or status.phase != "Preflight":
        return request
    steps = ((FULL_WEIGHT // 2, known.started_at),)
    return replace(request, dialect=None, preflight=known.run, steps=steps, raise_from=None, unplanned=False)


def _counted(gateway: tuple[str, Dialect | None], route: ObservedRoute | None) -> tuple[str, Dialect | None]:
    """No dialect where a route of Git's gives nothing to tell its backends apart by: the model's own series count."""
    controller, dialect = gateway
    if dialect is None or route is None or not route.adopted:
        return gateway
    told_apart = route.git is not None and (route.git.filtered or not dialect.version_header)
    return controller, dialect if told_apart else None


def _targets(watch: Watch, spec: Spec | None, status: Status, route: ObservedRoute | None) -> tuple[Target, ...]:
    """The candidate while there is one; else a version that spec names and that does not serve yet."""
    wanted = {status.candidate} if status.candidate else set()
    if spec is None:  # the route describes itself, so a candidate is watched even when the spec is broken
        backends = route.backends if route and route.model else ()
        model = route.model if route and route.model else ""
        found = (Target(b.version, b.service, b.port, model) for b in backends if b.version in wanted)
        return tuple(_asked_before(watch, target) for target in found)
    turned_down = status.rejected.version if status.rejected and phases.refused(status.phase) else None
    if spec.model.version not in (status.stable, turned_down):
        wanted.add(spec.model.version)
    moved = [b for b in (route.backends if route else ()) if b.version == status.stable]
    here = (spec.serving.service_of(status.stable), spec.serving.port) if status.stable else None
    if status.stable and moved and (moved[0].service, moved[0].port) != here:
        wanted.add(status.stable)
    return tuple(
        Target(
            version,
            spec.serving.service_of(version),
            spec.serving.port,
            spec.model.name,
            spec.serving.asked_version(version),
        )
        for version in sorted(wanted)
    )


def _asked_before(watch: Watch, target: Target) -> Target:
    """As it was asked under the last valid spec; a new process knows none, and asks without a version."""
    known = (one for one in watch.polling.targets if replace(one, asked=None) == target)
    return next(known, target)


def _request(watch: Watch, spec: Spec, status: Status, gateway: tuple[str, Dialect | None]) -> EvaluationRequest | None:
    rollout = status.rollout
    if rollout is None or status.candidate is None or status.stable is None or not phases.running(status.phase):
        return None
    readiness = watch.ready().get(status.candidate)
    steps = tuple((record.weight, record.started_at) for record in status.steps)
    return EvaluationRequest(
        rollout=identity(status),
        namespace=watch.namespace,
        name=watch.name,
        spec=spec,
        stable=status.stable,
        candidate=status.candidate,
        started_at=rollout.started_at,
        evidence_from=rollout.evidence_from,
        steps=steps,
        bake_started_at=rollout.bake_started_at,
        addresses=readiness.addresses if readiness and readiness.ready else None,
        raise_from=status.step.earliest_advance if status.step else None,
        dialect=gateway[1],
        controller=gateway[0],
        place=place_in(status, gateway[1]),
        placed_at=placed_at(status.history),
        default_gates=tuple(rollout.gates) or None,
        promoted=tuple(status.promoted),
        unplanned=not steps and not rollout.plan,
    )


def place_in(status: Status, dialect: Dialect | None) -> int:
    """Stable's place, where the route keeps promoted versions in theirs: with a header that names the version."""
    return (status.place or 0) if dialect is not None and dialect.version_header else 0


def next_wake(config: OperatorConfig, spec: Spec | None, status: Status, observed: Observation, now: float) -> float:
    """Seconds until something may be due though nothing changed."""
    running = phases.running(status.phase) or status.phase == "Adopting"
    moving = running or any(one.type == "Reconciling" and one.status == "True" for one in status.conditions)
    due = [config.resync if moving else config.resync * AT_REST]
    if running and spec is not None:
        if status.step is not None and status.step.earliest_advance is not None:
            due.append(status.step.earliest_advance - now)
        since = [r.since for r in observed.readiness.values() if r.since is not None]
        due += [moment + spec.analysis.ready_for - now for moment in since]
        if status.rollout is not None and status.phase == "Waiting":
            due.append(status.rollout.waiting_since + spec.analysis.ready_deadline - now)
    return max(0.05, min(d for d in due if d > 0))
