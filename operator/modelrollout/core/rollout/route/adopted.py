"""What keeps a route that Git owns from carrying the split: said with what to do in Git, lowered, and never raised."""

from __future__ import annotations

from modelrollout.core import reasons
from modelrollout.core.finding import Finding
from modelrollout.core.observation import Event, ObservedRoute
from modelrollout.core.rollout.context import Context, Transition
from modelrollout.core.rollout.phases import running

_SAID = (reasons.ROUTE_MISSING, reasons.ROUTE_UNFIT, reasons.ROUTE_CONTESTED)


def route_in_the_way(ctx: Context) -> Finding | None:
    """The first thing that Git must put right before the weight may be raised; None for a route of the operator's."""
    spec, route = ctx.spec, ctx.observed.route
    if spec is None or spec.traffic.adopt is None:
        return None
    if route is None:
        text = (
            f"there is no HTTPRoute {spec.traffic.adopt.name}: Git makes it (traffic.adopt); nothing moves until then"
        )
        return Finding(reasons.ROUTE_MISSING, text)
    why = route.unfit or _without_backend(ctx, route)
    if why:
        return Finding(reasons.ROUTE_UNFIT, f"{route.adopted} cannot be split: {why}; {_left_with(ctx, route)}")
    return _contested(ctx, route)


def unfit(ctx: Context) -> bool:
    """Whether the route as it stands must carry no candidate at all."""
    route = ctx.observed.route
    return route is not None and bool(route.adopted) and bool(route.unfit)


def stable_of(route: ObservedRoute) -> str | None:
    """Who is stable on a route that carries no mark of ours yet: whoever has all of it."""
    return route.stable or (route.serving if route.adopted else None)


def cannot_adopt(ctx: Context) -> Finding | None:
    """Why a resource without a status cannot begin on a route of Git's, and what to do in Git."""
    route = ctx.observed.route
    if route is None:
        return route_in_the_way(ctx)
    if not route.adopted:
        return None
    if route.unfit:
        return Finding(reasons.ROUTE_UNFIT, f"{route.adopted} cannot be split: {route.unfit}")
    if stable_of(route) is not None:
        return None
    text = f"{route.adopted} gives several versions requests, or none: give the one that serves all the weight in Git"
    return Finding(reasons.ROUTE_UNFIT, text)


def told(ctx: Context, transition: Transition) -> tuple[Event, ...]:
    """One Event when a route of Git's begins to be in the way."""
    now, before = transition.status, ctx.status
    if now.reason not in _SAID or before.reason == now.reason or transition.events:
        return ()
    finding = route_in_the_way(ctx)
    return () if finding is None else (Event(finding.reason, finding.message, warning=True),)


def _without_backend(ctx: Context, route: ObservedRoute) -> str:
    """Weights are all that is written here, so Git has the backends of both versions, at weight 0 if need be."""
    status, spec = ctx.status, ctx.spec
    assert spec is not None
    wanted = [status.stable] + ([status.candidate] if running(status.phase) else [])
    versions = {backend.version for backend in route.backends}
    lacking = [version for version in wanted if version is not None and version not in versions]
    if not lacking:
        return ""
    service = f"{spec.serving.service_of(lacking[0])}:{spec.serving.port}"
    return f"its rule has no backend {service} for version {lacking[0]}: add it in Git, with weight 0"


def _left_with(ctx: Context, route: ObservedRoute) -> str:
    version = ctx.status.candidate
    if version is None:
        return "nothing moves until then"
    if ctx.status.stable not in {backend.version for backend in route.backends}:
        return f"stable has no backend beside version {version}, so no weight here can take requests from it"
    return f"version {version} gets nothing until then"


def _contested(ctx: Context, route: ObservedRoute) -> Finding | None:
    if not ctx.observed.contested:
        return None
    text = (
        f"the weights of {route.adopted} are set back by {ctx.observed.contested}: let Git leave them to the operator "
        "(Argo CD: ignoreDifferences with RespectIgnoreDifferences; Flux: spec.ignore), see "
        "docs/gateways/adopted-route.md; nothing is raised before they have been left alone for a while"
    )
    return Finding(reasons.ROUTE_CONTESTED, text)
