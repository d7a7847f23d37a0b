"""Which routes each resource has adopted: what its spec asks for, and what it must hand back because it no longer does.

What this process has adopted it remembers; what one before it left is found by its mark, once for each namespace.
"""

from __future__ import annotations

import asyncio
import logging
import math
import time
from functools import partial
from typing import TYPE_CHECKING

from modelrollout.adapters.kubernetes.client import Api, path_of
from modelrollout.adapters.routers.adopted.mark import MARK, Adoption, read_mark
from modelrollout.adapters.routers.adopted.reading import mark_on
from modelrollout.adapters.routers.adopted.router import AdoptedRouter
from modelrollout.adapters.routers.forms.form import GROUP_VERSION
from modelrollout.adapters.routers.reading import notes_of
from modelrollout.api.borders.cleaning import mapping, mappings
from modelrollout.ports import Conflict, Unreachable

if TYPE_CHECKING:
    from collections.abc import Callable

    from modelrollout.api.spec import Spec
    from modelrollout.core.observation import ObservedRoute

log = logging.getLogger(__name__)
LOOKING = 1.0
"""Seconds that a pass waits at most to learn which routes were adopted before this process began."""
FRESH = 10.0
"""Seconds for which a list of marks is good enough for a resource that goes: what this process marks it remembers."""
PAGE = "500"
_MARKS_ALONE = "application/json;as=PartialObjectMetadataList;v=v1;g=meta.k8s.io,application/json"
Found = tuple[AdoptedRouter, "ObservedRoute | None"]


class AdoptedRoutes:
    """All adoptions of all resources, by (namespace, name)."""

    def __init__(self, api: Api, *, epoch: Callable[[], str]) -> None:
        self._api, self._epoch = api, epoch
        self._held: dict[tuple[str, str], dict[str, Adoption]] = {}
        self._looked: dict[str, asyncio.Task[None]] = {}
        self._read_at: dict[str, float] = {}

    async def find(self, namespace: str, name: str, spec: Spec | None) -> Found | None:
        """The adoption that `spec` asks for, with the route as it is now; without one, what is adopted already.

        What is adopted and no longer asked for is handed back first. None where the resource has a route of its own.
        Raises Unreachable when the route cannot be read.
        """
        await self._look(namespace)
        key = (namespace, name)
        held = self._held.get(key, {})
        if spec is None:
            chosen = next(reversed(held.values()), None)
        else:
            chosen = Adoption.asked(namespace, name, spec)
            for old in [one for one in held.values() if chosen is None or not chosen.same_rule(one)]:
                await self._hand_back(key, old)
        if chosen is None:
            return None
        router = self._router(chosen, key)
        route = await router.observe(namespace, name)
        if route is not None and mark_on(route.raw, chosen) is not None:
            self._remember(key, chosen)
        return router, route

    async def release(self, namespace: str, name: str, *, keep_mark: bool) -> tuple[str, ...]:
        """Hand every adopted route back; why one was left as it is.

        With `keep_mark` they are lowered and carry this leader's epoch, so that what an old leader still raises fails.
        Raises the first failure, after each was tried.
        """
        await self._look_again(namespace)
        failures: list[Conflict | Unreachable] = []
        left: list[str] = []
        for adoption in list(self._held.get((namespace, name), {}).values()):
            router = self._router(adoption, (namespace, name))
            try:
                route = await router.observe(namespace, name)
                if route is None or route.foreign:
                    continue
                if keep_mark:
                    await router.claim(namespace, name, await router.lower_all(namespace, name, route))
                    continue
                if route.stable is None and route.serving is None:
                    why = "without our mark nobody knows which version is stable"
                    left.append(f"{adoption.title} was left as it is: {why}")
                await router.release(namespace, name, route)
                self._forget((namespace, name), adoption)
            except (Conflict, Unreachable) as error:
                failures.append(error)
        if failures:
            raise failures[0]
        return tuple(left)

    async def _hand_back(self, key: tuple[str, str], adoption: Adoption) -> None:
        """A failure keeps the resource from nothing else: the next pass tries again."""
        router = self._router(adoption, key)
        try:
            route = await router.observe(*key)
            if route is not None and not route.foreign:
                await router.release(*key, route)
        except (Conflict, Unreachable) as error:
            log.warning("%s/%s: %s is not handed back yet: %s", *key, adoption.title, error)
            return
        log.info("%s/%s: %s is handed back, 100 %% on stable", *key, adoption.title)
        self._forget(key, adoption)

    def _forget(self, key: tuple[str, str], adoption: Adoption) -> None:
        held = self._held.get(key, {})
        held.pop(adoption.route, None)
        if not held:
            self._held.pop(key, None)

    def _router(self, adoption: Adoption, key: tuple[str, str]) -> AdoptedRouter:
        return AdoptedRouter(self._api, adoption, epoch=self._epoch, marks=partial(self._remember, key))

    def _remember(self, key: tuple[str, str], adoption: Adoption) -> None:
        self._held.setdefault(key, {})[adoption.route] = adoption

    async def _look(self, namespace: str) -> None:
        """Learn of earlier adoptions, once for each namespace; a list that is slow delays a pass by LOOKING at most."""
        task = self._looked.get(namespace)
        if task is None or (task.done() and task.exception() is not None):
            task = self._looked[namespace] = asyncio.create_task(self._read_marks(namespace))
        if not task.done():
            await asyncio.wait({task}, timeout=LOOKING)
        if task.done() and task.exception() is not None:
            log.info("the routes of namespace %s cannot be listed yet: %s", namespace, task.exception())

    async def _look_again(self, namespace: str) -> None:
        """As the marks are now, for a resource that goes: its last look. A kind that is not served has none."""
        if time.monotonic() - self._read_at.get(namespace, -math.inf) < FRESH:
            return
        try:
            await self._read_marks(namespace)
        except Unreachable as error:
            if error.reason != "KindMissing":
                raise

    async def _read_marks(self, namespace: str) -> None:
        began = time.monotonic()
        path, query = path_of(GROUP_VERSION, "httproutes", namespace), {"limit": PAGE}
        while True:
            page = await self._api.request("GET", path, query=query, accept=_MARKS_ALONE)
            for item in mappings(page.get("items")):
                meta, mark = mapping(item.get("metadata")), read_mark(notes_of(item).get(MARK))
                if mark is not None and mark.resource.startswith(f"{namespace}/"):
                    held = self._held.setdefault((namespace, mark.resource.partition("/")[2]), {})
                    held.setdefault(str(meta.get("name")), Adoption.marked(str(meta.get("name")), mark))
            token = mapping(page.get("metadata")).get("continue")
            if not token:
                self._read_at[namespace] = began
                return
            query = {"limit": PAGE, "continue": str(token)}
