"""The lowering of a pass from the route and a few facts alone: no sentence, no history, nothing that has to be built.

It knows the same reasons to lower as checks.py and reads only phases, versions, counts and verdicts. A reason that
cannot be read is none.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from modelrollout.api.spec import Spec
from modelrollout.api.status import Status
from modelrollout.api.timestamps import format_timestamp
from modelrollout.core.observation import FULL_WEIGHT, Command, Observation, ObservedRoute, RoutePlan
from modelrollout.core.rollout import phases
from modelrollout.core.rollout.checks import MAX_LOSSES
from modelrollout.core.rollout.context import (
    FAILURES_UNTIL_LOST,
    answered,
    identity,
    target_mirror,
    target_weight,
)
from modelrollout.core.rollout.phases import Trigger


@dataclass(frozen=True)
class Facts:
    """All that is looked at."""

    spec: Spec | None
    status: Status
    observed: Observation


def trigger_of(facts: Facts) -> Trigger | None:
    """Why the candidate must lose all its traffic in this pass, the most urgent reason first."""
    if facts.status.stable is None or not phases.running(facts.status.phase):
        return None
    return next((trigger for trigger in (_read(reason, facts) for reason in _REASONS) if trigger), None)


def _read(reason: Callable[[Facts], Trigger | None], facts: Facts) -> Trigger | None:
    try:
        return reason(facts)
    except Exception:  # noqa: BLE001 - whatever is wrong with one reason, the others are still looked at
        return None


def lowering(status: Status, route: ObservedRoute | None, trigger: Trigger | None) -> RoutePlan | None:
    """The write that leaves stable all but what `status` allows, with a trigger all; None where it has that."""
    if route is None or route.foreign or status.stable is None or route.stable not in (None, status.stable):
        return None
    versions = {backend.version for backend in route.backends}
    allowed = target_weight(status) if trigger is None and status.candidate in versions else 0
    mirror = target_mirror(status) if trigger is None and status.candidate in versions else 0
    fits = FULL_WEIGHT - route.weight_of(status.stable) <= allowed and route.mirror <= mirror
    if status.stable not in versions or fits:
        return None
    others = (backend.version for backend in route.backends if backend.version != status.stable)
    candidate = status.candidate if status.candidate in versions else next(others, None)
    return RoutePlan(status.stable, candidate, allowed, testers=allowed > 0 and route.testers, mirror=mirror)


def _aborted(facts: Facts) -> Trigger | None:
    command = facts.observed.command
    if not isinstance(command, Command) or answered(facts.status.last_command, command):
        return None
    if (command.verb, command.version) != ("abort", facts.status.candidate):
        return None
    began = facts.status.subject
    if began is None or command.surely_before(began) or command.rollout not in ("", format_timestamp(began)):
        return None  # about another rollout
    return Trigger.ABORT


def _lost(facts: Facts) -> Trigger | None:
    status, found = facts.status, facts.observed.readiness.get(facts.status.candidate or "")
    if (
        not (phases.exposed(status.phase) or status.phase == "Preflight")
        or found is None
        or found.failures < FAILURES_UNTIL_LOST
    ):
        return None
    last = status.rollout is not None and status.rollout.losses + 1 >= MAX_LOSSES
    return Trigger.CANDIDATE_UNSTABLE if last else Trigger.CANDIDATE_LOST


def _breached(facts: Facts) -> Trigger | None:
    found, spec = facts.observed.evaluation, facts.spec
    if found is None or spec is None or found.rollout != identity(facts.status):
        return None
    if spec.analysis.on_breach != "Rollback" or spec.model.version != facts.status.candidate:
        return None
    failed = any(gate.required and gate.verdict == "FAIL" and not gate.frozen for gate in found.gates)
    return Trigger.BREACH if failed or found.rollback else None


def _reverted(facts: Facts) -> Trigger | None:
    spec, route = facts.spec, facts.observed.route
    if spec is None or (route is not None and route.model not in (None, spec.model.name)):
        return None
    if spec.model.version == facts.status.stable:
        return Trigger.REVERTED
    return Trigger.VERSION_CHANGED if spec.model.version != facts.status.candidate else None


_REASONS: tuple[Callable[[Facts], Trigger | None], ...] = (_aborted, _lost, _breached, _reverted)
