"""What each gate will say and when, as numbers; the words are in words.py."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from modelrollout.api.spec import Spec
from modelrollout.core.analysis.gates.plan.path import GatePlan, Walk, first, walk
from modelrollout.core.analysis.gates.plan.remedies import remedies
from modelrollout.core.analysis.gates.plan.stable import StableTraffic, plans_of
from modelrollout.core.analysis.gates.plan.windows import LooksPlan
from modelrollout.core.finding import Finding

MULTIPLES = (2.0, 5.0, 10.0)
"""Of stable's share: candidates whose FAIL is forecast."""
_HIGHEST = 1e5
_PRECISION = 1.05


@dataclass(frozen=True)
class GateAnswer:
    """One gate. Times in seconds from the candidate's first traffic; None: not before the deadline."""

    plan: GatePlan
    passes_after: float | None
    """Where the candidate is exactly as stable is."""
    fails_after: Mapping[float, float | None]
    """By multiple of stable's share; only of those that the limit forbids."""
    smallest: float | None
    """The least multiple of stable's share that fails before the deadline."""
    remedies: tuple[str, ...] = ()
    """What could make it provable, as it is written in the spec."""


@dataclass(frozen=True)
class Plan:
    """Everything that `plan` shows."""

    spec: Spec
    per_second: float
    steps_begin: tuple[float, ...]
    """Seconds from the first traffic at which each step begins that is reached, where the candidate is as stable is."""
    proven_after: float | None
    """When the last step is done and every required gate passes."""
    answers: tuple[GateAnswer, ...]
    unknown: tuple[tuple[str, Finding], ...]
    """Gates that stable's traffic says nothing about, and why."""

    @property
    def unprovable(self) -> tuple[GateAnswer, ...]:
        """Required gates that do not pass before the deadline though the candidate is as stable is."""
        return tuple(one for one in self.answers if one.plan.required and one.passes_after is None)


def make_plan(spec: Spec, traffic: StableTraffic, *, whole: bool = True) -> Plan:
    """The answers of every gate; without `whole` only when each passes and when five times stable's share fails."""
    plans = plans_of(traffic)
    even = walk(spec, traffic.per_second, plans)
    answers = tuple(
        GateAnswer(
            plan,
            passes_after := first(course.passing, even.path),
            _fails(spec, traffic, plan, MULTIPLES if whole else MULTIPLES[1:2]),
            _smallest(spec, traffic, plan) if whole else None,
            remedies(spec, traffic, plan) if whole and plan.required and passes_after is None else (),
        )
        for plan, course in zip(plans, even.courses, strict=True)
    )
    unknown = tuple((gate.name, found) for gate, found in traffic.plans if isinstance(found, Finding))
    begins = tuple(begin * even.path.interval for begin in even.path.begins)
    return Plan(spec, traffic.per_second, begins, _proven(spec, even, plans), answers, unknown)


def _fails(
    spec: Spec, traffic: StableTraffic, plan: GatePlan, multiples: tuple[float, ...]
) -> dict[float, float | None]:
    if isinstance(plan, LooksPlan):
        return {}
    return {each: _fails_after(spec, traffic, plan, each) for each in multiples if not plan.allows(each)}


def _fails_after(spec: Spec, traffic: StableTraffic, plan: GatePlan, multiple: float) -> float | None:
    found = walk(spec, traffic.per_second, (plan,), multiple)
    return first(found.courses[0].failing, found.path)


def _smallest(spec: Spec, traffic: StableTraffic, plan: GatePlan) -> float | None:
    """The least multiple that fails in time, to 5 %: what is worse fails sooner."""
    low, high = 1.0, _HIGHEST
    if isinstance(plan, LooksPlan) or _fails_after(spec, traffic, plan, high) is None:
        return None
    while high / low > _PRECISION:
        middle = (low * high) ** 0.5
        if not plan.allows(middle) and _fails_after(spec, traffic, plan, middle) is not None:
            high = middle
        else:
            low = middle
    return high


def _proven(spec: Spec, even: Walk, plans: tuple[GatePlan, ...]) -> float | None:
    """When an equal candidate has every proof that the last step asks for."""
    path = even.path
    if len(path.begins) < len(spec.weighted):
        return None
    done = path.seconds >= path.begins[-1] * path.interval + spec.steps[-1].hold - 1e-9
    for plan, course in zip(plans, even.courses, strict=True):
        if plan.required:
            done = done & course.passing
    return first(done, path)
