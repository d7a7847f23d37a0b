"""One route owned by the operator: raising is fenced by resourceVersion, lowering by identity alone."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from modelrollout.adapters.kubernetes.client import Api
from modelrollout.adapters.routers.forms.form import GROUP_VERSION, HTTP, Form
from modelrollout.adapters.routers.forms.marks import EPOCH, passed_of
from modelrollout.adapters.routers.forms.rules import weights_of
from modelrollout.adapters.routers.lowering import (
    NotTheSameRoute,
    is_newer,
    lowering,
    stable_at_release,
    with_every_backend_named,
)
from modelrollout.adapters.routers.reading import ObservedHTTPRoute, notes_of, read
from modelrollout.adapters.routers.tries import MovedError, lowered
from modelrollout.core.observation import ObservedRoute, RoutePlan
from modelrollout.ports import Conflict, NotFound, Superseded, Unreachable

if TYPE_CHECKING:
    from collections.abc import Callable

    from modelrollout.api.spec import Spec


class GatewayApiRouter:
    """The Router of ports.py over routes of one form.

    `epoch` is the leader's, as lease.py gives it ("" without one); where it may rise while it leads, a function.

    Writes are merge patches rather than server-side applies. Both own whole lists and answer 409 to a stale
    resourceVersion, but an apply creates a deleted route again even so: a raise decided before would come back.
    """

    def __init__(self, api: Api, *, epoch: str | Callable[[], str] = "", form: Form = HTTP) -> None:
        self._api, self.form = api, form
        self._given = epoch
        self._digest: tuple[Spec, tuple[str, str, RoutePlan], str] | None = None

    @property
    def _epoch(self) -> str:
        return self._given if isinstance(self._given, str) else self._given()

    async def observe(self, namespace: str, name: str) -> ObservedHTTPRoute | None:
        """The route as it is now, or None where there is none. Raises Unreachable."""
        route = await self._api.get(self.form.path(namespace, name))
        return None if route is None else self._read(namespace, name, route)

    async def apply(
        self, namespace: str, name: str, spec: Spec, plan: RoutePlan, observed: ObservedRoute | None
    ) -> ObservedHTTPRoute:
        """Create the route (`observed` None) or bring the one seen to `plan`, writing only what differs.

        Raises Conflict when it is not as seen any more or gone, Superseded under a newer leader,
        Unreachable("RouteNotOurs") where it does not carry our mark.
        """
        if observed is None:
            return await self._create(namespace, name, spec, plan, self.form.spec_of(namespace, spec, plan))
        self.refuse_if_not_ours_to_write(observed)
        if observed.structure == self.structure(namespace, name, spec, plan) and _has_weights(observed, plan):
            return await self._again(namespace, name, observed)
        return await self.write(namespace, name, spec, plan, observed, self.form.spec_of(namespace, spec, plan))

    async def write(
        self, namespace: str, name: str, spec: Spec, plan: RoutePlan, observed: ObservedRoute, desired: dict[str, Any]
    ) -> ObservedHTTPRoute:
        """Replace what `desired` names of the route's spec, and all that we say about it. Raises as apply."""
        notes, labels = self.form.notes(namespace, name, spec, plan), spec.traffic.route.labels
        head = _no_longer_passed(observed, labels, notes)
        head["annotations"] = self._with_epoch(head["annotations"])
        meta = {"resourceVersion": observed.resource_version, **head}
        return await self._fenced(namespace, name, {"metadata": meta, "spec": desired})

    async def claim(self, namespace: str, name: str, observed: ObservedRoute) -> ObservedHTTPRoute:
        """Write this leader's epoch where another's stands, outdating what an old leader has read."""
        self.refuse_if_not_ours_to_write(observed)
        if not self._epoch or observed.epoch == self._epoch:
            return await self._again(namespace, name, observed)
        meta = {"resourceVersion": observed.resource_version, "annotations": {EPOCH: self._epoch}}
        return await self._fenced(namespace, name, {"metadata": meta})

    async def lower(self, namespace: str, name: str, observed: ObservedRoute, plan: RoutePlan) -> ObservedHTTPRoute:
        """Give plan.stable all but min(plan.weight, what the candidate has); drop the testers unless planned.

        Tries again at once on anything that may pass. Raises Conflict when the route is another one or somebody
        else's by now (decide again), Unreachable("RouteMissing") when it is gone, Unreachable otherwise.
        """
        resource, title = f"{namespace}/{name}", f"the {self.form.kind} {namespace}/{name}"
        path = self.form.path(namespace, name)
        after = await lowered(
            self._api, path, title, observed, lambda route: self._lowering(route, observed, plan, resource)
        )
        return self._read(namespace, name, after)

    async def release(self, namespace: str, name: str, observed: ObservedRoute) -> None:
        """On deletion of the resource: 100 % on stable, testers gone, the route stays. Somebody else's is left alone.

        Where nothing says which version is stable, the backend in stable's place is taken: the first as a rule.
        Raises like lower.
        """
        named = with_every_backend_named(observed)
        await self.lower(namespace, name, named, RoutePlan(stable=stable_at_release(named)))

    def structure(self, namespace: str, name: str, spec: Spec, plan: RoutePlan) -> str:
        """Digest of everything but the weights, comparable with ObservedRoute.structure; a pass asks more than once."""
        known = self._digest
        if known is None or known[0] is not spec or known[1] != (namespace, name, plan):
            digest = self.form.structure(namespace, name, spec, plan)
            known = self._digest = spec, (namespace, name, plan), digest
        return known[2]

    async def _fenced(self, namespace: str, name: str, patch: dict[str, Any]) -> ObservedHTTPRoute:
        try:
            return self._read(namespace, name, await self._api.patch(self.form.path(namespace, name), patch))
        except NotFound as error:
            raise Conflict(f"the route was deleted since it was read: {error}") from None

    async def _create(
        self, namespace: str, name: str, spec: Spec, plan: RoutePlan, desired: dict[str, Any]
    ) -> ObservedHTTPRoute:
        notes = self._with_epoch(self.form.notes(namespace, name, spec, plan))
        annotations = {key: value for key, value in notes.items() if value is not None}
        head = {"name": self.form.named(namespace, name), "namespace": namespace, "annotations": annotations}
        labels = {"labels": spec.traffic.route.labels} if spec.traffic.route.labels else {}
        route = {"apiVersion": GROUP_VERSION, "kind": self.form.kind, "metadata": head | labels, "spec": desired}
        return self._read(namespace, name, await self._api.post(self.form.path(namespace), route))

    def _lowering(
        self, route: dict[str, Any], observed: ObservedRoute, plan: RoutePlan, resource: str
    ) -> list[dict[str, Any]]:
        epoch = "" if is_newer(read(route, resource).epoch, self._epoch) else self._epoch
        try:
            return lowering(route, observed, plan, epoch, resource)
        except NotTheSameRoute as error:
            raise MovedError(str(error)) from None

    def _read(self, namespace: str, name: str, route: dict[str, Any]) -> ObservedHTTPRoute:
        return read(route, f"{namespace}/{name}")

    async def _again(self, namespace: str, name: str, observed: ObservedRoute) -> ObservedHTTPRoute:
        if isinstance(observed, ObservedHTTPRoute):
            return observed
        route = await self._api.request("GET", self.form.path(namespace, name))
        return self._read(namespace, name, route)

    def refuse_if_not_ours_to_write(self, observed: ObservedRoute) -> None:
        """Raises Unreachable("RouteNotOurs"), or Superseded under a newer leader's epoch."""
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


def _has_weights(observed: ObservedRoute, plan: RoutePlan) -> bool:
    mine, others = weights_of(plan)
    wanted = {plan.stable: mine, plan.candidate: others} if plan.candidate else {plan.stable: mine + others}
    found: dict[str, int] = {}
    for backend in observed.backends:
        found[backend.version] = found.get(backend.version, 0) + backend.weight
    return found == wanted


def _no_longer_passed(
    observed: ObservedRoute, labels: dict[str, str], notes: dict[str, str | None]
) -> dict[str, dict[str, str | None]]:
    """`labels` and `notes`, with None for what the user passed along before and does not any more."""
    before = passed_of(notes_of(observed.raw) if isinstance(observed, ObservedHTTPRoute) else {})
    kept = dict.fromkeys(before.labels) | labels
    return {"annotations": dict.fromkeys(before.annotations) | notes} | ({"labels": kept} if kept else {})
