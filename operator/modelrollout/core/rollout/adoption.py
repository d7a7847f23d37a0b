"""Which version is stable is read from the route; only where there is no route does the spec say it."""

from __future__ import annotations

from dataclasses import replace

from modelrollout.api.changes import update
from modelrollout.core import reasons
from modelrollout.core.finding import Finding
from modelrollout.core.observation import Event
from modelrollout.core.rollout.context import Context, Transition
from modelrollout.core.rollout.route.adopted import cannot_adopt, stable_of
from modelrollout.core.rollout.transitions import forward
from modelrollout.core.rollout.transitions.forward import hold


def adopt(ctx: Context) -> Transition:
    """Which version is stable: the route says so; only where there is no route does the spec."""
    route, spec, blocked = ctx.observed.route, ctx.spec, cannot_adopt(ctx)
    if blocked is not None:
        return hold(ctx, blocked)
    if route is not None:
        stable = stable_of(route)
        if stable is None and len(route.backends) == 1:
            stable = route.backends[0].version
        if not stable or all(b.version != stable for b in route.backends):
            why = route.doubt or "the route does not say which of its backends is stable"
            text = f"{why}: annotate the route with modelrollout.dev/stable"
            return hold(ctx, Finding(reasons.ROUTE_UNCLEAR, text))
        lost = (Event(reasons.STATUS_LOST, ctx.observed.status_lost, warning=True),) if ctx.observed.status_lost else ()
        adopted = forward.adopt(ctx, stable, f"version {stable} adopted as stable: the route says so")
        placed = update(adopted.status, place=route.place or None)
        return replace(adopted, status=placed, events=(*lost, *adopted.events))
    if spec is None:
        return hold(ctx, Finding(reasons.INVALID_SPEC, ctx.observed.problem or "the spec is invalid"))
    version = spec.model.version
    if ctx.ready_for(version, 0):
        return forward.adopt(ctx, version, f"version {version} adopted as stable: there was no route, and it is ready")
    text = f"version {version} is not ready: {ctx.why_unready(version)}; it is adopted as soon as it is"
    return hold(ctx, Finding(reasons.STABLE_NOT_READY, text))
