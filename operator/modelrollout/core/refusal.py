"""While the route's writes are refused, status says what stands, not what was meant."""

from __future__ import annotations

from modelrollout.api.status import Status, Weight
from modelrollout.core import asking, reasons
from modelrollout.core.context import Context, target_weight
from modelrollout.core.facts import Finding

PATIENCE = 3
"""Refusals in a row until it is told; fewer are a hiccup that the next pass mends."""


def say_refusal(ctx: Context, status: Status) -> Status:
    """`status` as it is where the route could not be written lately, with the weight that others than stable have."""
    if ctx.seen.refusals < PATIENCE:
        return status
    route, desired = ctx.seen.route, target_weight(status)
    others = 100 - route.weight_of(status.stable) if route and route.backends else 0
    stands = f"the route still gives {others} % to others than stable" if route else "there is no route"
    text = f"the route could not be written, {stands}; tried again every second: {ctx.seen.refusal}"
    lowered = (ctx.status.weight.lowered_at or ctx.now) if others < desired else None
    weight = Weight(desired=desired, observed=others if route else None, lowered_at=lowered)
    told = asking.say(status, Finding(reasons.ROUTE_NOT_WRITTEN, text))
    return told.model_copy(update={"weight": weight})
