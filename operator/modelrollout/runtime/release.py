"""Before an uninstall: the leader is deposed first, or it would take its route and its finalizer back."""

from __future__ import annotations

import asyncio
import logging
import uuid
from typing import TYPE_CHECKING, Any

from modelrollout.adapters.kubernetes.client import Api, connect
from modelrollout.adapters.kubernetes.store import KubernetesStore
from modelrollout.adapters.routers import RegisteredRouters
from modelrollout.ports import Conflict, Unreachable
from modelrollout.runtime.lease import Lease
from modelrollout.runtime.settings import Settings

if TYPE_CHECKING:
    from modelrollout.ports import Routers

log = logging.getLogger(__name__)
REIGN = 120.0
"""Seconds for which no other process may lead once all is released: an uninstall deletes the operator within them."""


async def release_all(settings: Settings) -> int:
    """100 % on stable for every resource, and no finalizer left behind; 1 when some could not be released.

    Exposure is lowered at once; finalizers go when the deposed leader has certainly ended.
    """
    async with await connect(settings.kubeconfig) as api:
        lease = _lease(settings, api)
        deposed, epoch = await _depose(lease)
        keeping = asyncio.create_task(lease.keep(lambda reason: log.warning("the Lease is lost again: %s", reason)))
        try:
            store, routers = KubernetesStore(api), RegisteredRouters(api, epoch=epoch)
            await _round(settings, store, routers, drop=False)
            if deposed:
                log.info("waiting %.0f s for the deposed leader to end", settings.lease_duration)
                await asyncio.sleep(settings.lease_duration)
            failed = await _round(settings, store, routers, drop=True)
        finally:
            keeping.cancel()
        if failed:
            await lease.release()  # the uninstall stops here, so the operator goes on
    return min(failed, 1)


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


async def _round(settings: Settings, store: KubernetesStore, routers: Routers, *, drop: bool) -> int:
    """Every resource once; the number that failed."""
    failed = 0
    found = [obj for space in settings.namespaces or (None,) for obj in await store.list_all(space)]
    for obj in found:
        where = f"{obj['metadata']['namespace']}/{obj['metadata']['name']}"
        try:
            await _hand_over(routers, obj)
            if drop:
                await store.drop_finalizer(obj)
                log.info("%s: 100 %% on stable, released", where)
        except (Conflict, Unreachable):
            failed += 1
            log.exception("%s: not released", where)
    return failed


async def _hand_over(routers: Routers, obj: dict[str, Any]) -> None:
    """Stable gets everything, and the route carries our epoch, so that what the old leader still raises fails."""
    namespace, name = obj["metadata"]["namespace"], obj["metadata"]["name"]
    for router in await routers.release(namespace, name):
        after = await router.observe(namespace, name)
        if after is not None:
            await router.claim(namespace, name, after)
