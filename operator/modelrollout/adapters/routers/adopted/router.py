"""The Router of ports.py over one HTTPRoute that Git owns: it makes none, removes none, and writes weights alone."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from modelrollout.adapters.kubernetes.client import Api, path_of
from modelrollout.adapters.routers.adopted import patches
from modelrollout.adapters.routers.adopted.reading import STRUCTURE, mark_on, read_adopted
from modelrollout.adapters.routers.forms.form import GROUP_VERSION
from modelrollout.adapters.routers.forms.marks import EPOCH
from modelrollout.adapters.routers.lowering import NotTheSameRoute, is_newer
from modelrollout.adapters.routers.reading import ObservedHTTPRoute
from modelrollout.adapters.routers.tries import LOWER_TRIES, MovedError, lowered
from modelrollout.core.observation import RoutePlan
from modelrollout.ports import Conflict, NotFound, Superseded, Unreachable

if TYPE_CHECKING:
    from collections.abc import Callable

    from modelrollout.adapters.routers.adopted.mark import Adoption
    from modelrollout.api.spec import Spec
    from modelrollout.core.observation import ObservedRoute


class AdoptedRouter:
    """One adoption; namespace and name in the verbs are the resource's, as for every router.

    `marks` is told just before our mark may come to stand on the route.
    """

    def __init__(
        self,
        api: Api,
        adoption: Adoption,
        *,
        epoch: Callable[[], str],
        marks: Callable[[Adoption], None] = lambda _adoption: None,
    ) -> None:
        self._api, self.adoption, self._epoch, self._marks = api, adoption, epoch, marks

    async def observe(self, namespace: str, _name: str, _spec: Spec | None = None) -> ObservedHTTPRoute | None:
        """The route as it is now, or None where Git has not made it. Raises Unreachable."""
        route = await self._api.get(self._path(namespace))
        return None if route is None else self._read(route)

    async def apply(
        self, namespace: str, name: str, _spec: Spec, plan: RoutePlan, observed: ObservedRoute | None
    ) -> ObservedHTTPRoute:
        """Mark the route and bring its weights to `plan`, writing only what differs.

        Raises Conflict when it is not as seen any more or gone, Superseded under a newer leader,
        Unreachable("RouteMissing") where there is none, Unreachable("RouteNotOurs") where it is another resource's.
        """
        if observed is None:
            raise Unreachable("RouteMissing", f"{self.adoption.title} does not exist: it is Git's, which makes it")
        self._refuse_if_not_ours_to_write(observed)
        route = await self._raw(namespace, name, observed)
        self._marks(self.adoption)
        changes = patches.weighing(route, self.adoption, plan)
        changes += patches.marking(route, self.adoption.mark(plan.stable), self._epoch())
        return await self._fenced(namespace, route, changes)

    async def claim(self, namespace: str, name: str, observed: ObservedRoute) -> ObservedHTTPRoute:
        """Write this leader's epoch where another's stands on a route that is marked already."""
        self._refuse_if_not_ours_to_write(observed)
        route, epoch = await self._raw(namespace, name, observed), self._epoch()
        mark = mark_on(route, self.adoption)
        if mark is None or not epoch or observed.epoch == epoch:
            return self._read(route)
        return await self._fenced(namespace, route, patches.marking(route, mark, epoch))

    async def lower(self, namespace: str, _name: str, observed: ObservedRoute, plan: RoutePlan) -> ObservedHTTPRoute:
        """Give plan.stable all but min(plan.weight, what the candidate has), with the tries of every router.

        Raises Conflict when the route is another one or somebody else's by now (decide again),
        Unreachable("RouteMissing") when it is gone, Unreachable otherwise.
        """
        after = await lowered(
            self._api,
            self._path(namespace),
            self.adoption.title,
            observed,
            lambda route: self._lowering(route, observed, plan),
        )
        return self._read(after)

    async def release(self, namespace: str, name: str, observed: ObservedRoute) -> None:
        """Hand the weights back: 100 % on stable and our mark off; the route stays, it is Git's. Raises like lower."""
        after = await self.lower_all(namespace, name, observed)
        for attempt in range(1, LOWER_TRIES + 1):
            route = after.raw
            changes = patches.unmarking(route, self.adoption) if mark_on(route, self.adoption) is not None else []
            try:
                await self._fenced(namespace, route, changes)
            except Conflict:
                found = await self.observe(namespace, name)
                if found is None:
                    return
                if attempt == LOWER_TRIES:
                    raise
                after = await self.lower_all(namespace, name, found)
            else:
                return

    async def lower_all(self, namespace: str, name: str, observed: ObservedRoute) -> ObservedHTTPRoute:
        """100 % on stable, whichever that is: the marked one, else the one that has all the weight."""
        stable = observed.stable or observed.serving
        if observed.foreign or stable is None:
            return self._read(await self._raw(namespace, name, observed))
        return await self.lower(namespace, name, observed, RoutePlan(stable))

    def structure(self, _namespace: str, _name: str, _spec: Spec, _plan: RoutePlan) -> str:
        """The same for every plan: all but the weights is Git's."""
        return STRUCTURE

    def _lowering(self, route: dict[str, Any], observed: ObservedRoute, plan: RoutePlan) -> patches.Patch:
        now = self._read(route)
        if now.foreign:
            raise MovedError(f"the route is somebody else's by now: {now.foreign}")
        epoch = "" if is_newer(now.epoch, self._epoch()) or now.stable is None else self._epoch()
        try:
            return patches.lowering(route, self.adoption, plan, observed.stable, epoch)
        except NotTheSameRoute as error:
            raise MovedError(str(error)) from None

    async def _fenced(self, namespace: str, route: dict[str, Any], changes: patches.Patch) -> ObservedHTTPRoute:
        if not changes:
            return self._read(route)
        try:
            return self._read(await self._api.patch(self._path(namespace), patches.fenced(route, changes)))
        except NotFound as error:
            raise Conflict(f"the route was deleted since it was read: {error}") from None
        except Unreachable as error:
            if error.reason == "ApiInvalid":  # a `test` that failed looks like a refused object
                await self._refuse_if_still(namespace, route, error)
            raise

    async def _refuse_if_still(self, namespace: str, route: dict[str, Any], error: Unreachable) -> None:
        now = await self._api.get(self._path(namespace))
        version = (now or {}).get("metadata", {}).get("resourceVersion")
        if version != route.get("metadata", {}).get("resourceVersion"):
            raise Conflict(f"the route changed since it was read: {error}") from None

    async def _raw(self, namespace: str, name: str, observed: ObservedRoute) -> dict[str, Any]:
        if isinstance(observed, ObservedHTTPRoute):
            return observed.raw
        found = await self.observe(namespace, name)
        if found is None:
            raise Conflict(f"{self.adoption.title} was deleted since it was read")
        return found.raw

    def _refuse_if_not_ours_to_write(self, observed: ObservedRoute) -> None:
        if observed.foreign:
            raise Unreachable("RouteNotOurs", f"the route is somebody else's and left as it is: {observed.foreign}")
        if is_newer(observed.epoch, self._epoch()):
            raise Superseded(
                observed.epoch or "",
                f"the route carries the epoch {observed.epoch!r}, newer than this leader's {self._epoch()!r}; "
                f"if there is no such leader, remove the route's annotation {EPOCH}",
            )

    def _read(self, route: dict[str, Any]) -> ObservedHTTPRoute:
        return read_adopted(route, self.adoption)

    def _path(self, namespace: str) -> str:
        return path_of(GROUP_VERSION, "httproutes", namespace, self.adoption.route)
