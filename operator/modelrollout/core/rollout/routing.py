"""From a move to route writes: lowering needs nothing, raising needs leave, and only weights change in mid-rollout."""

from __future__ import annotations

from dataclasses import dataclass, replace

from modelrollout.api.status import Status
from modelrollout.core import reasons
from modelrollout.core.finding import Finding
from modelrollout.core.observation import FULL_WEIGHT, Event, ObservedRoute, RoutePlan
from modelrollout.core.rollout.context import Context, Transition, target_mirror, target_weight
from modelrollout.core.rollout.missing import held
from modelrollout.core.rollout.phases import Trigger, exposed
from modelrollout.core.rollout.route.adopted import unfit

RAISES = frozenset(
    {
        Trigger.ADOPTED,
        Trigger.CANDIDATE_READY,
        Trigger.STEP_DONE,
        Trigger.PROVEN,
        Trigger.STEP_UNPROVEN,
        Trigger.UNPROVEN,
        Trigger.PROMOTE,
        Trigger.BAKED,
        Trigger.FAST_ROLLBACK,
        Trigger.RESUME,
    }
)
_PROMOTES = (Trigger.BAKED, Trigger.UNPROVEN, Trigger.PROMOTE, Trigger.FAST_ROLLBACK)
"""Those after which the candidate may be stable, and its traffic stays."""


@dataclass(frozen=True)
class Routing:
    """The route writes of one pass, and what the candidate's weight is after the lowering one."""

    lower: RoutePlan | None = None
    apply: RoutePlan | None = None
    expected: int | None = None
    raising: bool = False
    note: Finding | None = None
    events: tuple[Event, ...] = ()


def route_for(ctx: Context, transition: Transition) -> Routing:
    """Which route writes `transition` needs, given the route as it is now."""
    status, route = transition.status, ctx.observed.route
    if status.stable is None:
        return Routing(expected=None)
    if route is not None and route.foreign:
        return Routing(expected=None)
    plan = plan_of(ctx, status)
    if route is None:
        return _recreate(ctx, transition, plan)
    if unfit(ctx):
        plan = replace(plan, weight=0)
    lower, left = _lowering(ctx, transition, plan, route)
    if ctx.spec is None or unfit(ctx):
        return Routing(lower=lower, expected=left, events=_told(ctx, transition, plan, route, lower))
    raising = plan.weight > left or not _serves(route, plan.stable)
    if raising and not _may_raise(ctx, transition):
        note = _lowered_note(ctx, plan, left, route) if plan.weight > left else None
        plan, raising = replace(plan, weight=left), False
    else:
        note = None
    events = _told(ctx, transition, plan, route, lower)
    ours = note is not None and note.reason == reasons.RAISE_PENDING and ctx.observed.refusals > 0
    if note and ctx.status.weight.lowered_at is None and not ours:
        events = (*events, Event(note.reason, note.message, warning=True))
    if note is None and _serving_moved(ctx, plan, route):
        text = "spec.serving names another Service for stable; it must be ready there before traffic moves"
        return Routing(lower=lower, expected=left, note=Finding(reasons.SERVING_CHANGED, text), events=events)
    return Routing(lower, plan, plan.weight if raising else left, raising, note, events)


def plan_of(ctx: Context, status: Status) -> RoutePlan:
    """The route that `status` stands for."""
    assert status.stable is not None
    named, route = ctx.observed.version_header, ctx.observed.route
    if named is None:  # not known yet, such as in a process that has just started: as the route has it
        named = route is not None and route.version_header
    place = (status.place or 0) if named else 0
    kept = status.candidate is not None and status.rollout is not None and status.rollout.exposed
    if not kept:
        return RoutePlan(status.stable, version_header=named, place=place)
    header = ctx.spec is not None and ctx.spec.traffic.tester_header is not None
    testers = header and exposed(status.phase)
    exposure = RoutePlan(status.stable, status.candidate, target_weight(status), testers, named, place=place)
    return replace(exposure, mirror=target_mirror(status))


def _lowering(
    ctx: Context, transition: Transition, plan: RoutePlan, route: ObservedRoute
) -> tuple[RoutePlan | None, int]:
    """The lowering write, if one is needed, and the candidate's percent after it."""
    versions = {b.version for b in route.backends}
    anchor = plan.stable if plan.stable in versions else ctx.status.stable
    if anchor not in versions:
        return None, route.weight_of(plan.candidate)
    others = FULL_WEIGHT - route.weight_of(anchor)
    allowed = plan.weight if anchor == plan.stable and plan.candidate in versions else 0
    if transition.trigger in _PROMOTES and anchor == plan.stable:
        return None, route.weight_of(plan.candidate)
    if _finishing(plan, route, anchor):
        return None, 0
    mirror = plan.mirror if plan.candidate in versions else 0
    if others <= allowed and route.mirror <= mirror:
        return None, route.weight_of(plan.candidate)
    left = allowed if others > allowed else route.weight_of(plan.candidate)
    shown = next((b.version for b in route.backends if b.version != anchor), None)
    candidate = plan.candidate if plan.candidate in versions else shown
    return RoutePlan(anchor or plan.stable, candidate, allowed, testers=plan.testers, mirror=mirror), left


def _finishing(plan: RoutePlan, route: ObservedRoute, anchor: str | None) -> bool:
    """A promotion whose route write is still due: stable is new, the annotation names the old one."""
    unmarked = bool(route.adopted) and route.stable is None
    return anchor == plan.stable and plan.candidate is None and route.stable != plan.stable and not unmarked


def _may_raise(ctx: Context, transition: Transition) -> bool:
    if transition.trigger in RAISES:
        return True
    if not exposed(transition.status.phase):
        return True  # stable's own backend: creating or finishing the route, no candidate involved
    lowered_at, spec, current = ctx.status.weight.lowered_at, ctx.spec, ctx.current
    if spec is None or lowered_at is None or current is None or held(ctx) or ctx.breach or ctx.doubt or current.halt:
        return False
    return current.at > lowered_at and ctx.ready_for(ctx.status.candidate, spec.analysis.ready_for)


def _recreate(ctx: Context, transition: Transition, plan: RoutePlan) -> Routing:
    """No route: stable gets everything at once, a candidate only by a later evaluation."""
    if ctx.spec is None or ctx.spec.traffic.adopt is not None:
        return Routing(expected=0)
    created = replace(plan, weight=0, mirror=0)
    text = f"the route was missing: created with 100 % on stable version {plan.stable}"
    known = transition.trigger is Trigger.ADOPTED or ctx.observed.refusals > 0
    events = () if known else (Event(reasons.ROUTE_MISSING, text, warning=True),)
    return Routing(apply=created, expected=0, events=events)


def _serves(route: ObservedRoute, version: str) -> bool:
    return any(b.version == version for b in route.backends)


def _serving_moved(ctx: Context, plan: RoutePlan, route: ObservedRoute) -> bool:
    """Whether stable's Service has another name in spec, and is not ready there."""
    assert ctx.spec is not None
    service = ctx.spec.serving.service_of(plan.stable)
    here = [b for b in route.backends if b.version == plan.stable]
    moved = bool(here) and (here[0].service, here[0].port) != (service, ctx.spec.serving.port)
    return moved and not ctx.ready_for(plan.stable, 0)


def _lowered_note(ctx: Context, plan: RoutePlan, left: int, route: ObservedRoute) -> Finding:
    if route.ours:
        text = f"version {ctx.status.candidate} has {left} % instead of {plan.weight} %; raised at the next evaluation"
        return Finding(reasons.RAISE_PENDING, text)
    who = route.manager or "someone"
    text = (
        f"{who} lowered version {ctx.status.candidate} to {left} % (desired {plan.weight} %): accepted; raised again "
        "at the next evaluation that does not fail, or by resume"
    )
    return Finding(reasons.WEIGHT_LOWERED, text)


def _told(
    ctx: Context, transition: Transition, plan: RoutePlan, route: ObservedRoute, lower: RoutePlan | None
) -> tuple[Event, ...]:
    """An Event for a weight that someone else raised; our own changes have theirs."""
    if lower is None or FULL_WEIGHT - route.weight_of(plan.stable) <= lower.weight:
        return ()
    if transition.trigger is not None or target_weight(ctx.status) != target_weight(transition.status):
        return ()
    if unfit(ctx) or ctx.observed.refusals:  # it may well be ours, not taken back yet
        return ()
    who = route.manager or "someone"
    found = FULL_WEIGHT - route.weight_of(plan.stable)
    text = f"{who} raised version {lower.candidate} to {found} %: set back to {lower.weight} %"
    return (Event(reasons.WEIGHT_RAISED, text, warning=True),)
