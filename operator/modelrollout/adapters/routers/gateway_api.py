"""An HTTPRoute owned by the operator: raising is fenced by resourceVersion, lowering by identity alone."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

from modelrollout.adapters.kubernetes.client import Api, path_of
from modelrollout.adapters.routers.httproute import (
    EPOCH,
    GROUP_VERSION,
    annotations_for,
    route_spec,
    structure,
    weights_of,
)
from modelrollout.adapters.routers.lowering import (
    NotTheSameRoute,
    is_newer,
    lowering,
    stable_at_release,
    with_every_backend_named,
)
from modelrollout.adapters.routers.reading import ObservedHTTPRoute, read
from modelrollout.core.observation import ObservedRoute, RoutePlan
from modelrollout.ports import ApiReason, Conflict, NotFound, Superseded, Unreachable

if TYPE_CHECKING:
    from collections.abc import Callable

    from modelrollout.api.spec import Spec

LOWER_TIMEOUT = 2.0
LOWER_TRIES = 4
LONGEST_PAUSE = 0.5
"""Seconds; a lowering does not wait longer than this, whatever Retry-After says."""
_PASSING: tuple[ApiReason, ...] = ("ApiTimeout", "ApiUnreachable", "ApiThrottled", "ApiError", "ApiInvalid")
"""Failures that another try may fix; ApiInvalid is what a failed `test` looks like."""


class GatewayApiRouter:
    """The Router of ports.py over HTTPRoutes.

    `epoch` is the leader's, as lease.py gives it ("" without one); where it may rise while it leads, a function.

    Writes are merge patches rather than server-side applies. Both own whole lists and answer 409 to a stale
    resourceVersion, but an apply creates a deleted route again even so: a raise decided before would come back.
    """

    def __init__(self, api: Api, *, epoch: str | Callable[[], str] = "") -> None:
        self._api = api
        self._given = epoch

    @property
    def _epoch(self) -> str:
        return self._given if isinstance(self._given, str) else self._given()

    async def observe(self, namespace: str, name: str) -> ObservedHTTPRoute | None:
        """The route as it is now, or None where there is none. Raises Unreachable."""
        route = await self._api.get(_path(namespace, name))
        return None if route is None else read(route)

    async def apply(
        self, namespace: str, name: str, spec: Spec, plan: RoutePlan, observed: ObservedRoute | None
    ) -> ObservedHTTPRoute:
        """Create the route (`observed` None) or bring the one seen to `plan`, writing only what differs.

        Raises Conflict when it is not as seen any more or gone, Superseded under a newer leader,
        Unreachable("RouteNotOurs") where it does not carry our mark.
        """
        notes: dict[str, str | None] = dict(annotations_for(namespace, name, spec, plan))
        desired = route_spec(namespace, spec, plan)
        if observed is None:
            return await self._create(namespace, name, notes, desired)
        self._refuse_if_not_ours_to_write(observed)
        if observed.structure == self.structure(namespace, name, spec, plan) and _has_weights(observed, plan):
            return await self._again(namespace, name, observed)
        meta = {"resourceVersion": observed.resource_version, "annotations": self._with_epoch(notes)}
        return await self._fenced(namespace, name, {"metadata": meta, "spec": desired})

    async def claim(self, namespace: str, name: str, observed: ObservedRoute) -> ObservedHTTPRoute:
        """Write this leader's epoch where another's stands, outdating what an old leader has read."""
        self._refuse_if_not_ours_to_write(observed)
        if not self._epoch or observed.epoch == self._epoch:
            return await self._again(namespace, name, observed)
        meta = {"resourceVersion": observed.resource_version, "annotations": {EPOCH: self._epoch}}
        return await self._fenced(namespace, name, {"metadata": meta})

    async def lower(self, namespace: str, name: str, observed: ObservedRoute, plan: RoutePlan) -> ObservedHTTPRoute:
        """Give plan.stable all but min(plan.weight, what the candidate has); drop the testers unless planned.

        Tries again at once on anything that may pass. Raises Conflict when the route is another one or somebody
        else's by now (decide again), Unreachable("RouteMissing") when it is gone, Unreachable otherwise.
        """
        path = _path(namespace, name)
        route: dict[str, Any] | None = observed.raw if isinstance(observed, ObservedHTTPRoute) else None
        for attempt in range(1, LOWER_TRIES + 1):
            try:
                if route is None:
                    route = await self._api.request("GET", path, timeout=LOWER_TIMEOUT)
                return await self._lower_once(path, route, observed, plan)
            except NotFound:
                raise Unreachable("RouteMissing", f"the route {namespace}/{name} is gone; nothing to lower") from None
            except (Conflict, Unreachable) as error:
                if attempt == LOWER_TRIES or not may_pass(error):
                    raise
                route = None
                await asyncio.sleep(min(getattr(error, "retry_after", None) or 0.0, LONGEST_PAUSE))
        raise AssertionError  # the last try returns or raises

    async def release(self, namespace: str, name: str, observed: ObservedRoute) -> None:
        """On deletion of the resource: 100 % on stable, testers gone, the route stays. Somebody else's is left alone.

        Where nothing says which version is stable, the backend in stable's place is taken: the first as a rule.
        Raises like lower.
        """
        named = with_every_backend_named(observed)
        await self.lower(namespace, name, named, RoutePlan(stable=stable_at_release(named)))

    def structure(self, namespace: str, name: str, spec: Spec, plan: RoutePlan) -> str:
        """Digest of everything but the weights, comparable with ObservedRoute.structure."""
        notes = annotations_for(namespace, name, spec, plan)
        return structure(namespace, notes, route_spec(namespace, spec, plan))

    async def _fenced(self, namespace: str, name: str, patch: dict[str, Any]) -> ObservedHTTPRoute:
        try:
            return read(await self._api.patch(_path(namespace, name), patch))
        except NotFound as error:
            raise Conflict(f"the route was deleted since it was read: {error}") from None

    async def _create(
        self, namespace: str, name: str, notes: dict[str, str | None], desired: dict[str, Any]
    ) -> ObservedHTTPRoute:
        annotations = {key: value for key, value in self._with_epoch(notes).items() if value is not None}
        route = {
            "apiVersion": GROUP_VERSION,
            "kind": "HTTPRoute",
            "metadata": {"name": name, "namespace": namespace, "annotations": annotations},
            "spec": desired,
        }
        return read(await self._api.post(_path(namespace), route))

    async def _lower_once(
        self, path: str, route: dict[str, Any], observed: ObservedRoute, plan: RoutePlan
    ) -> ObservedHTTPRoute:
        patch = self._lowering(route, observed, plan)
        if not patch and isinstance(observed, ObservedHTTPRoute) and route is observed.raw:
            # "Nothing to lower" must not rest on an old reading.
            route = await self._api.request("GET", path, timeout=LOWER_TIMEOUT)
            patch = self._lowering(route, observed, plan)
        return read(await self._api.patch(path, patch, timeout=LOWER_TIMEOUT) if patch else route)

    def _lowering(self, route: dict[str, Any], observed: ObservedRoute, plan: RoutePlan) -> list[dict[str, Any]]:
        epoch = "" if is_newer(read(route).epoch, self._epoch) else self._epoch
        try:
            return lowering(route, observed, plan, epoch)
        except NotTheSameRoute as error:
            raise _Moved(str(error)) from None

    async def _again(self, namespace: str, name: str, observed: ObservedRoute) -> ObservedHTTPRoute:
        if isinstance(observed, ObservedHTTPRoute):
            return observed
        return read(await self._api.request("GET", _path(namespace, name)))

    def _refuse_if_not_ours_to_write(self, observed: ObservedRoute) -> None:
        if observed.foreign:
            raise Unreachable("RouteNotOurs", f"the route is somebody else's and left as it is: {observed.foreign}")
        if is_newer(observed.epoch, self._epoch):
            raise Superseded(
                observed.epoch or "",
                f"the route carries the epoch {observed.epoch!r}, newer than this leader's {self._epoch!r}; "
                f"if there is no such leader, remove the route's annotation {EPOCH}",
            )

    def _with_epoch(self, notes: dict[str, str | None]) -> dict[str, str | None]:
        return notes | ({EPOCH: self._epoch} if self._epoch else {})


class _Moved(Conflict):
    """Reading again changes nothing: the decision itself must be made again."""


def moved(why: str) -> Conflict:
    """A Conflict that no other try of the same lowering can pass."""
    return _Moved(why)


def may_pass(error: Conflict | Unreachable) -> bool:
    """Whether another try of a lowering may get through."""
    if isinstance(error, Unreachable):
        return error.reason in _PASSING
    return not isinstance(error, _Moved)


def _has_weights(observed: ObservedRoute, plan: RoutePlan) -> bool:
    mine, others = weights_of(plan)
    wanted = {plan.stable: mine, plan.candidate: others} if plan.candidate else {plan.stable: mine + others}
    found: dict[str, int] = {}
    for backend in observed.backends:
        found[backend.version] = found.get(backend.version, 0) + backend.weight
    return found == wanted


def _path(namespace: str, name: str | None = None) -> str:
    return path_of(GROUP_VERSION, "httproutes", namespace, name)
