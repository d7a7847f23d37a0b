"""What could make a gate provable before the deadline: a wider limit, a heavier last step, or else more traffic."""

from __future__ import annotations

from modelrollout.api.spec import Spec, Step
from modelrollout.core.analysis.gates.plan.counts import CountPlan
from modelrollout.core.analysis.gates.plan.path import GatePlan, first, walk
from modelrollout.core.analysis.gates.plan.slow import LatencyPlan
from modelrollout.core.analysis.gates.plan.stable import StableTraffic

WEIGHTS = (10, 20, 30, 50, 75, 99)
TIMES_MORE = (2, 5, 10, 20, 50, 100, 1000)
"""Of traffic, where neither limit nor weight is enough."""


def remedies(spec: Spec, traffic: StableTraffic, plan: GatePlan) -> tuple[str, ...]:
    """The least of each that could; empty where nothing does."""
    found = [_wider(spec, traffic, plan), _heavier(spec, traffic, plan)]
    return tuple(one for one in found if one) or tuple(one for one in (_busier(spec, traffic, plan),) if one)


def _passes(spec: Spec, traffic: StableTraffic, plan: GatePlan, times: int = 1) -> bool:
    found = walk(spec, traffic.per_second * times, (plan,))
    return first(found.courses[0].passing, found.path) is not None


def _wider(spec: Spec, traffic: StableTraffic, plan: GatePlan) -> str:
    if not isinstance(plan, CountPlan | LatencyPlan):
        return ""
    return next((words for words, wide in plan.wider() if _passes(spec, traffic, wide)), "")


def _heavier(spec: Spec, traffic: StableTraffic, plan: GatePlan) -> str:
    last = spec.steps[-1]
    for weight in WEIGHTS:
        if weight > last.weight:
            steps = [*spec.steps[:-1], Step(weight=weight, hold=last.hold, approval=last.approval)]
            if _passes(spec.model_copy(update={"steps": steps}), traffic, plan):
                return f"a last step of {weight} %"
    return ""


def _busier(spec: Spec, traffic: StableTraffic, plan: GatePlan) -> str:
    for times in TIMES_MORE:
        if _passes(spec, traffic, plan.busier(times), times):
            return f"{traffic.per_second * times:,.3g} requests/s"
    return ""
