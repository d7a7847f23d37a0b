"""While the route's writes are refused, status says what stands, not what was meant."""

from __future__ import annotations

from modelrollout.api.changes import update
from modelrollout.api.status import Status, Weight
from modelrollout.core import reasons
from modelrollout.core.finding import Finding
from modelrollout.core.observation import FULL_WEIGHT, Event
from modelrollout.core.rollout import status_message
from modelrollout.core.rollout.context import Context, target_weight

PATIENCE = 3
"""Refusals until status reports them; after fewer, the next pass retries and usually succeeds."""


def say_refusal(ctx: Context, status: Status) -> Status:
    """`status` as it is where the route could not be written lately, with the weight that others than stable have."""
    if ctx.observed.refusals < PATIENCE or status.stable is None or status.reason == reasons.ROUTE_NOT_OURS:
        return status
    desired, others = target_weight(status), _others(ctx, status)
    lowered = (ctx.status.weight.lowered_at or ctx.now) if (others or 0) < desired else None
    weight = Weight(desired=desired, observed=others, lowered_at=lowered)
    return update(status_message.say(status, _finding(ctx, status)), weight=weight)


def refusal_events(ctx: Context, status: Status) -> tuple[Event, ...]:
    """One Event, however many refusals follow."""
    known = ctx.status.reason == reasons.ROUTE_NOT_WRITTEN
    known = known or status.reason == reasons.ROUTE_NOT_OURS
    if ctx.observed.refusals < PATIENCE or status.stable is None or known:
        return ()
    finding = _finding(ctx, status)
    return (Event(finding.reason, finding.message, warning=True),)


def _finding(ctx: Context, status: Status) -> Finding:
    others = _others(ctx, status)
    now = "does not exist" if others is None else f"gives {others} % to versions other than stable"
    text = f"the route cannot be written and still {now}; the operator keeps retrying: {ctx.observed.refusal}"
    return Finding(reasons.ROUTE_NOT_WRITTEN, text)


def _others(ctx: Context, status: Status) -> int | None:
    """Percent that the route gives to versions other than stable; None where there is no route."""
    route = ctx.observed.route
    return None if route is None else FULL_WEIGHT - route.weight_of(status.stable)
