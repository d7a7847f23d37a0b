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
from modelrollout.core.rollout.checks import MAX_LOSSES, MAX_RELOADS
from modelrollout.core.rollout.context import (
    FAILURES_UNTIL_LOST,
    answered,
    identity,
    target_mirror,
    target_weight,
)
from modelrollout.core.rollout.decide import contradiction
from modelrollout.core.rollout.phases import Trigger
from modelrollout.core.rollout.transitions.setbacks import MAX_DOUBTS


@dataclass(frozen=True)
class Facts:
    """All that is looked at."""

    spec: Spec | None
    status: Status
    observed: Observation
    now: float


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


def lowering(facts: Facts, trigger: Trigger | None) -> RoutePlan | None:
    """The write that leaves stable all but what the status allows, with a trigger all; None where it has that."""
    status, route = facts.status, facts.observed.route
    stable = _stable(facts)
    if route is None or route.foreign or stable is None or route.stable not in (None, stable):
        return None
    versions = {backend.version for backend in route.backends}
    keeps = trigger is None and stable == status.stable and status.candidate in versions and not _unfit(route)
    allowed = target_weight(status) if keeps else 0
    if route.uneven:  # as in routing.py: a raise that got through to one of several is taken back
        allowed = min(allowed, route.weight_of(status.candidate))
    mirror = target_mirror(status) if keeps else 0
    fits = FULL_WEIGHT - route.weight_of(stable) <= allowed and route.mirror <= mirror
    if stable not in versions or fits:
        return None
    others = (backend.version for backend in route.backends if backend.version != stable)
    candidate = status.candidate if status.candidate in versions - {stable} else next(others, None)
    return RoutePlan(stable, candidate, allowed, testers=allowed > 0 and route.testers, mirror=mirror)


def _stable(facts: Facts) -> str | None:
    """The route's word where the status has none, or one that cannot be the operator's own."""
    status, route = facts.status, facts.observed.route
    if route is None or route.stable is None or status.stable == route.stable:
        return status.stable
    try:
        is_false = status.stable is None or contradiction(status, route) is not None
    except Exception:  # noqa: BLE001 - then both stay as they are: one of them may have just been promoted
        return status.stable
    return route.stable if is_false else status.stable


def _unfit(route: ObservedRoute) -> bool:
    return bool(route.adopted and route.unfit)


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
    if spec is None:
        return None
    if spec.model.version == facts.status.stable:
        return Trigger.REVERTED
    if route is not None and route.model not in (None, spec.model.name):
        return None
    return Trigger.VERSION_CHANGED if spec.model.version != facts.status.candidate else None


def _changed(facts: Facts) -> Trigger | None:
    """Other weights under the same version: what was proven is not about them."""
    found, rollout = facts.observed.evaluation, facts.status.rollout
    if found is None or facts.spec is None or rollout is None or found.rollout != identity(facts.status):
        return None
    if found.digest is None or rollout.digest in ("", found.digest):
        return None
    if rollout.reloads >= MAX_RELOADS:
        return Trigger.CANDIDATE_UNSTABLE
    return Trigger.WEIGHTS_CHANGED if phases.exposed(facts.status.phase) else None


def _doubtful(facts: Facts) -> Trigger | None:
    """A bake that looks worse than stable did before it."""
    found, spec, rollout = facts.observed.evaluation, facts.spec, facts.status.rollout
    if found is None or spec is None or rollout is None or facts.status.phase != "Baking":
        return None
    mine = found.rollout == identity(facts.status) and spec.model.version == facts.status.candidate
    if not mine or spec.analysis.on_breach != "Rollback":
        return None
    if not any(gate.required and gate.verdict == "FAIL" and gate.frozen for gate in found.gates):
        return None
    last = rollout.doubts >= MAX_DOUBTS and spec.analysis.on_inconclusive == "Rollback"
    return Trigger.BREACH if last else Trigger.BAKE_IN_DOUBT


def _blind(facts: Facts) -> Trigger | None:
    """A decision that cannot be built judges nothing, as if there were no metrics: longer than maxBlind is too long."""
    status, spec = facts.status, facts.spec
    since = status.rollout.blind_since if status.rollout is not None else None
    if spec is None or since is None or not phases.exposed(status.phase):
        return None
    return Trigger.BLIND if facts.now - since > spec.analysis.max_blind else None


_REASONS: tuple[Callable[[Facts], Trigger | None], ...] = (
    _aborted,
    _lost,
    _breached,
    _reverted,
    _changed,
    _doubtful,
    _blind,
)
