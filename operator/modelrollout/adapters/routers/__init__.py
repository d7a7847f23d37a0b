"""One registry of routers: every router in it passes tests/contract, and no other module names one."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from typing import TYPE_CHECKING

from modelrollout.adapters.routers.adopted.routes import AdoptedRoutes
from modelrollout.adapters.routers.protocols import ProtocolsRouter
from modelrollout.ports import Conflict, Released, Unreachable

if TYPE_CHECKING:
    from collections.abc import Callable

    from modelrollout.adapters.kubernetes.client import Api
    from modelrollout.api.spec import Spec
    from modelrollout.core.observation import ObservedRoute
    from modelrollout.ports import Router


log = logging.getLogger(__name__)


@dataclass(frozen=True)
class RouterKind:
    """One way to split traffic: how its router is made, and which resources it serves."""

    make: Callable[..., Router]
    """Called with the Api and `epoch`, the leader's."""
    serves: Callable[[Spec], bool]
    """Whether a spec asks for this router."""
    watched: tuple[tuple[str, str, str], ...]
    """Group, version and plural of the objects that carry the split; a change of one wakes its ModelRollout."""


ROUTERS: dict[str, RouterKind] = {
    "gateway-api": RouterKind(
        make=ProtocolsRouter,
        serves=lambda _spec: True,
        watched=tuple(("gateway.networking.k8s.io", "v1", plural) for plural in ("httproutes", "grpcroutes")),
    ),
}
"""By name, in the order in which they are asked whether they serve a spec; the last one serves every spec."""


def router_for(name: str, api: Api, *, epoch: str | Callable[[], str] = "") -> Router:
    """The router of that name. Raises ValueError naming those there are."""
    if name not in ROUTERS:
        raise ValueError(f"router: {name!r} is not known; choose one of {', '.join(sorted(ROUTERS))}")
    return ROUTERS[name].make(api, epoch=epoch)


class RegisteredRouters:
    """The Routers of ports.py: every router in the registry, made once, and the routes of Git's that are adopted."""

    def __init__(self, api: Api, *, epoch: str | Callable[[], str] = "") -> None:
        self._made = {name: router_for(name, api, epoch=epoch) for name in ROUTERS}
        self._left: set[tuple[str, str]] = set()
        """Resources that have adopted a route of Git's and have left the one that they may have had themselves."""
        self._adopted = AdoptedRoutes(api, epoch=epoch if callable(epoch) else lambda: epoch)

    async def find(self, namespace: str, name: str, spec: Spec | None) -> tuple[Router, ObservedRoute | None]:
        """The router that `spec` asks for; without one, that which holds a route of this name (ours first).

        Raises Unreachable: with a spec when its router's route cannot be read, else when none was found and any
        could not be read.
        """
        adopted = await self._adopted.find(namespace, name, spec)
        if adopted is not None:
            await self._leave_own(namespace, name, adopted[0].adoption.route)
            return adopted
        self._left.discard((namespace, name))
        if spec is not None:
            chosen = next(self._made[kind] for kind, registered in ROUTERS.items() if registered.serves(spec))
            return chosen, await chosen.observe(namespace, name, spec)
        failure: Unreachable | None = None
        otherwise: tuple[Router, ObservedRoute | None] = list(self._made.values())[-1], None
        for router in self._made.values():
            try:
                route = await router.observe(namespace, name)
            except Unreachable as error:
                failure = failure or error
                continue
            if route is not None and not route.foreign:
                return router, route
            if route is not None:
                otherwise = router, route
        if failure is not None:
            raise failure
        return otherwise

    async def _leave_own(self, namespace: str, name: str, adopted: str) -> None:
        """100 % on stable on the route that the resource had before it adopted another; a failure is tried again."""
        if (namespace, name) in self._left:
            return
        for router in self._made.values():
            try:
                route = await router.observe(namespace, name)
                if route is not None and not route.foreign and adopted != name:
                    await router.release(namespace, name, route)
            except (Conflict, Unreachable) as error:
                if not _is_not_served(error):
                    log.warning("%s/%s: its own route is not left yet: %s", namespace, name, error)
                    return
        self._left.add((namespace, name))

    async def release(self, namespace: str, name: str, *, keep_mark: bool = False) -> Released:
        """100 % on stable wherever a route of this name is held; one without our mark is left as it is.

        A route of Git's that is adopted is handed back, or lowered and fenced where it is to `keep_mark`.
        One that fails keeps no other from its release. Raises the first failure afterwards; a kind that is not
        served counts as one only where no route was held at all.
        """
        held: list[Router] = []
        left: list[str] = []
        failures: list[Conflict | Unreachable] = []
        try:
            left += await self._adopted.release(namespace, name, keep_mark=keep_mark)
        except (Conflict, Unreachable) as error:
            failures.append(error)
        for router in self._made.values():
            try:
                route = await router.observe(namespace, name)
                if route is not None and route.foreign:
                    left.append(f"a route of this name was left as it is, for it is somebody else's: {route.foreign}")
                elif route is not None:
                    await router.release(namespace, name, route)
                    held.append(router)
            except (Conflict, Unreachable) as error:
                failures.append(error)
        grave = [error for error in failures if not ((held or left) and _is_not_served(error))]
        if grave:
            raise grave[0]
        return Released(tuple(held), tuple(left))


def _is_not_served(error: Conflict | Unreachable) -> bool:
    return isinstance(error, Unreachable) and error.reason == "KindMissing"
