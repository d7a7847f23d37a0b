"""Conditions follow from the status; nothing is written when nothing changed.

kubectl wait, Flux and Argo CD read them as kstatus has it: Reconciling and Stalled are absent unless True, one of the
two is there whenever Ready is not True, and Ready is True only where the route gives all traffic to the version that
spec names. So whoever waits gets an end: Ready, or Stalled where nothing goes on without a person, a fix or an edit. A
stop that was planned (an approval, a pause) is neither. The transition time moves only when the status flips.
"""

from __future__ import annotations

from modelrollout.api.status import Condition, ConditionType, Status, Truth
from modelrollout.core import reasons
from modelrollout.core.rollout.phases import refused, running, waits_for_person

_ORDER: tuple[ConditionType, ...] = ("Ready", "Reconciling", "Stalled", "Paused")
STALLING = frozenset(
    {
        reasons.INVALID_SPEC,
        reasons.MODEL_CHANGED,
        reasons.PREDECESSOR_UNFIT,
        reasons.ROUTE_UNCLEAR,
        reasons.ROUTE_REJECTED,
        reasons.ROUTE_NOT_OURS,
        reasons.ROUTE_NOT_WRITTEN,
        reasons.ROUTE_MISSING,
        reasons.ROUTE_UNFIT,
        reasons.ROUTE_CONTESTED,
        reasons.MIRROR_NOT_SUPPORTED,
        reasons.GATE_NOT_JUDGEABLE,
        reasons.NOTHING_TO_JUDGE,
        reasons.PROBE_NOT_ALLOWED,
    }
)


def truths(status: Status, *, paused: bool, settled: bool) -> dict[ConditionType, Truth]:
    """Which conditions hold, by type; absent ones are removed.

    `settled`: the route gives all traffic to the version that spec names.
    """
    held = status.reason == reasons.BREACH_HELD
    waits = paused or waits_for_person(status.phase) or held
    found: dict[ConditionType, Truth] = {}
    if status.reason in STALLING or refused(status.phase) or status.phase == "Inconclusive" or held:
        found = {"Ready": "False", "Stalled": "True"}
    elif running(status.phase) or status.phase == "Adopting" or not settled:
        found = {"Ready": "Unknown", "Reconciling": "True"}
    else:
        found = {"Ready": "True"}
    if waits:
        found["Paused"] = "True"
    return found


def merge(status: Status, now: float, *, paused: bool, settled: bool) -> list[Condition]:
    """The conditions of `status`, with the times of those that did not flip kept."""
    old = {condition.type: condition for condition in status.conditions}
    found = truths(status, paused=paused, settled=settled)
    return [
        _condition(old.get(kind), kind, truth, status, now)
        for kind, truth in sorted(found.items(), key=lambda item: _ORDER.index(item[0]))
    ]


def _condition(old: Condition | None, kind: ConditionType, truth: Truth, status: Status, now: float) -> Condition:
    return Condition(
        type=kind,
        status=truth,
        reason=status.reason or "Unknown",
        message=status.message,
        last_transition_time=old.last_transition_time if old and old.status == truth else now,
        observed_generation=status.observed_generation,
    )
