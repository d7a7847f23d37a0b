"""The resources with a pre-flight: listed now and then, and watched in between, for a watch may be silent for ever."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Iterable
from contextlib import aclosing
from typing import Any

from modelrollout.adapters.kubernetes.client import Api, path_of
from modelrollout.adapters.kubernetes.watching import WatchBroken, events, listed
from modelrollout.api.base import GROUP_VERSION, PLURAL
from modelrollout.api.borders.cleaning import mapping
from modelrollout.api.problems import read_spec
from modelrollout.api.status import Status
from modelrollout.ports import Conflict, Unreachable
from modelrollout.prober.runs import Wanted

log = logging.getLogger(__name__)
LIFE = 30
"""Seconds of one watch; then everything is listed again."""
MOST = 50_000
"""Resources of one list."""
SOONEST, LATEST = 1.0, 10.0
"""Seconds until a list or a watch that failed is tried again, doubling. Without the right to watch, lists go on so."""
Key = tuple[str, str]


class Resources:
    """Of the `namespaces`, or of all where there are none."""

    def __init__(self, api: Api, namespaces: Iterable[str] = ()) -> None:
        self._parts = [_Part(api, one) for one in tuple(namespaces) or (None,)]

    @property
    def wanted(self) -> dict[Key, Wanted] | None:
        """What is known, by namespace and name; None until every namespace was listed once."""
        if any(part.known is None for part in self._parts):
            return None
        return {key: one for part in self._parts for key, one in (part.known or {}).items()}

    async def keep(self) -> None:
        """Until it is cancelled."""
        async with asyncio.TaskGroup() as all_of_them:
            for part in self._parts:
                all_of_them.create_task(part.keep())


class _Part:
    """One list and one watch."""

    def __init__(self, api: Api, namespace: str | None) -> None:
        self._api, self._path = api, path_of(GROUP_VERSION, PLURAL, namespace)
        self.known: dict[Key, Wanted] | None = None

    async def keep(self) -> None:
        pause, said = SOONEST, ""
        while True:
            try:
                await self._follow()
                pause, said = SOONEST, ""
            except (WatchBroken, Unreachable, Conflict) as error:
                if str(error) != said:  # what lasts is told once
                    said = str(error)
                    log.warning("%s; listed again every %g s at the most", said, LATEST)
            except Exception:  # any defect: what is known stays, and is listed again
                log.exception("the resources cannot be followed; listed again in %g s", pause)
            else:
                continue
            await asyncio.sleep(pause)
            pause = min(2 * pause, LATEST)

    async def _follow(self) -> None:
        """One list, and one watch from there."""
        found, version = await listed(self._api, self._path, {}, MOST)
        self.known = {(one.namespace, one.name): one for one in map(wanted_of, found) if one is not None}
        async with aclosing(events(self._api, self._path, {"resourceVersion": version}, LIFE)) as watch:
            async for kind, obj in watch:
                if kind in {"ADDED", "MODIFIED", "DELETED"}:
                    self._take(kind, obj)

    def _take(self, kind: str, obj: dict[str, Any]) -> None:
        assert self.known is not None
        one, meta = None if kind == "DELETED" else wanted_of(obj), mapping(obj.get("metadata"))
        if one is None:
            self.known.pop((str(meta.get("namespace")), str(meta.get("name"))), None)
        else:
            self.known[one.namespace, one.name] = one


def wanted_of(obj: dict[str, Any]) -> Wanted | None:
    """A resource with a pre-flight and a spec that is valid; its status as far as it can be read."""
    spec, _ = read_spec(obj)
    if spec is None or spec.preflight is None or obj["metadata"].get("deletionTimestamp"):
        return None
    try:
        status = Status.model_validate(obj.get("status") or {})
    except Exception:  # noqa: BLE001 - a status is JSON that anybody with the right may write
        return None
    return Wanted(obj["metadata"]["namespace"], obj["metadata"]["name"], spec, status)
