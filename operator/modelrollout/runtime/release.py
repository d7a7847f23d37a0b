"""Before an uninstall: the leader is deposed first, or it would take its route and its finalizer back."""

from __future__ import annotations

import asyncio
import logging
import uuid
from typing import TYPE_CHECKING, Any

from modelrollout.adapters.kubernetes.client import Api, connect
from modelrollout.adapters.kubernetes.store import KubernetesStore
from modelrollout.adapters.routers import RegisteredRouters
from modelrollout.fair.line import Line
from modelrollout.ports import Conflict, Unreachable
from modelrollout.runtime.lease import Lease
from modelrollout.runtime.settings import Settings

if TYPE_CHECKING:
    from modelrollout.ports import Routers

log = logging.getLogger(__name__)
REIGN = 120.0
"""Seconds for which no other process may lead once all is released: an uninstall deletes the operator within them."""
PATIENCE = 20.0
"""Seconds for one resource; some failures are over by the second try."""
AT_ONCE, OF_ONE = 16, 8
"""Resources released at the same time, and those of one namespace: where all of one hang, the others go on."""
A_ROUND = 60.0
"""Seconds for all of them once; the chart's Job, which goes round three times, has 300."""


async def release_all(settings: Settings) -> int:
    """100 % on stable for every resource, and no finalizer left behind; 1 when some could not be released.

    Exposure is lowered at once; finalizers go when the deposed leader has certainly ended. Every resource is tried, and
    those that are left are named at the end.
    """
    async with await connect(settings.kubeconfig) as api:
        lease = _lease(settings, api)
        deposed, epoch = await _depose(lease)
        keeping = asyncio.create_task(lease.keep(lambda reason: log.warning("the Lease is lost again: %s", reason)))
        try:
            store, routers = KubernetesStore(api), RegisteredRouters(api, epoch=epoch)
            found, unknown = await _every(settings, store)
            left_before = await _round(found, store, routers, drop=False)
            if deposed:
                log.info("waiting %.0f s for the deposed leader to end", settings.lease_duration)
                await asyncio.sleep(settings.lease_duration)
            found, unknown = await _every(settings, store)
            failed = await _round(_last(found, left_before), store, routers, drop=True)
            failed = await _round(failed, store, routers, drop=True)
        finally:
            keeping.cancel()
        left = [*unknown, *map(_name, failed)]
        if left:
            log.error("not released, each for the reason above: %s", ", ".join(left))
            await lease.release()  # the uninstall stops here, so the operator goes on
    return 1 if left else 0


def _lease(settings: Settings, api: Api) -> Lease:
    identity = f"release-{uuid.uuid4().hex[:8]}"
    return Lease(api, settings.lease_namespace, settings.lease_name, identity, duration=REIGN, renew=REIGN / 8)


async def _depose(lease: Lease) -> tuple[bool, str]:
    """(whether a leader was deposed, our epoch); without the right to the Lease it goes on unfenced, and says so."""
    try:
        return await lease.seize(), lease.epoch
    except (Conflict, Unreachable) as error:
        log.warning("the Lease was not taken, so a running operator may take everything back: %s", error)
        return True, ""


async def _every(settings: Settings, store: KubernetesStore) -> tuple[list[dict[str, Any]], list[str]]:
    """Every resource, and the namespaces that could not be listed."""
    found: list[dict[str, Any]] = []
    unknown: list[str] = []
    for space in settings.namespaces or (None,):
        try:
            found += await store.list_all(space)
        except (Conflict, Unreachable):
            unknown.append(f"namespace {space}" if space else "all namespaces")
            log.exception("%s: could not be listed", unknown[-1])
    return found, unknown


async def _round(
    found: list[dict[str, Any]], store: KubernetesStore, routers: Routers, *, drop: bool
) -> list[dict[str, Any]]:
    """Every resource once, none for longer than PATIENCE, by turns of their namespaces; those that are left.

    What has not begun after A_ROUND is left: the time that an uninstall has is everybody's. It stands before the rest.
    """
    places, loop = Line(AT_ONCE, OF_ONE), asyncio.get_running_loop()
    end = loop.time() + A_ROUND

    async def released(obj: dict[str, Any]) -> bool | None:
        async with places.place(obj["metadata"]["namespace"]):
            if loop.time() > end:
                log.error("%s: not tried: others of its namespace took longer than %.0f s", _name(obj), A_ROUND)
                return None
            return await _release(obj, store, routers, drop=drop)

    outcomes = await asyncio.gather(*(released(obj) for obj in found))
    return [obj for way in (None, False) for obj, done in zip(found, outcomes, strict=True) if done is way]


def _last(found: list[dict[str, Any]], left: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """`found` with those that were left before at the end: what hangs again keeps nobody from the next round."""
    places = {_name(obj): place for place, obj in enumerate(left, start=1)}
    return sorted(found, key=lambda obj: places.get(_name(obj), 0))


async def _release(obj: dict[str, Any], store: KubernetesStore, routers: Routers, *, drop: bool) -> bool:
    """Whether one resource is released; whatever is wrong with it is its own matter and stops no other's release."""
    try:
        async with asyncio.timeout(PATIENCE):
            await _hand_over(routers, obj, keep_mark=not drop)
            if drop:
                await store.drop_finalizer(obj)
    except Exception:  # logged and counted as not released: what is wrong with one must not keep the others
        log.exception("%s: not released", _name(obj))
        return False
    if drop:
        log.info("%s: released", _name(obj))
    return True


def _name(obj: dict[str, Any]) -> str:
    return f"{obj['metadata']['namespace']}/{obj['metadata']['name']}"


async def _hand_over(routers: Routers, obj: dict[str, Any], *, keep_mark: bool) -> None:
    """Stable gets everything, and the route carries our epoch, so that what the old leader still raises fails.

    From a route of Git's the epoch goes with the mark, when the old leader has ended.
    """
    namespace, name = obj["metadata"]["namespace"], obj["metadata"]["name"]
    released = await routers.release(namespace, name, keep_mark=keep_mark)
    for why in released.left:
        log.warning("%s/%s: %s", namespace, name, why)
    for router in released.held:
        after = await router.observe(namespace, name)
        if after is not None:
            await router.claim(namespace, name, after)
