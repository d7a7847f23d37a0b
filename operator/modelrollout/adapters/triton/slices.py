"""The EndpointSlices of the Services that are probed, by one watch a namespace: never the only word on a loss.

What is known here may be seconds old. It is used while the watch is heard of, and only as long as all addresses are
ready: whoever finds one that is not reads the slices themselves. Nothing waits for a watch: where none can tell,
`known` says so, and the slices are read as if there were none.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Mapping
from contextlib import aclosing
from dataclasses import dataclass, field
from typing import Any

from modelrollout.adapters.kubernetes.client import Api, path_of
from modelrollout.adapters.kubernetes.watching import WatchBroken, events, listed
from modelrollout.adapters.triton.addresses import SERVICE, SLICES
from modelrollout.api.borders.cleaning import mapping, mappings
from modelrollout.ports import Conflict, Unreachable

log = logging.getLogger(__name__)
LIFE = 20
"""Seconds of one watch: at its end the next one shows that the API server still answers."""
TRUSTED = 30.0
"""Seconds for which a watch that says nothing is taken to be alive."""
ASKED = 60.0
"""Seconds after which a Service that nobody asks for is no longer watched."""
MOST_SERVICES = 50
"""Of one namespace that are watched, for their names stand in the address; the others are read."""
MOST_SLICES, MOST_ENDPOINTS = 500, 10_000
"""Of one namespace that are kept; where there are more, they are read."""
SOONEST, LATEST = 1.0, 60.0
"""Seconds until a watch that failed is tried again, doubling."""
Slice = dict[str, Any]


class WatchedSlices:
    """By namespace and Service; one per process."""

    def __init__(self, api: Api) -> None:
        self._api = api
        self._namespaces: dict[str, _Namespace] = {}

    def known(self, namespace: str, service: str) -> list[Slice] | None:
        """The Service's slices, with the fields that tell addresses; None where they must be read."""
        found = self._namespaces.get(namespace)
        if found is None or found.task is None or found.task.done():
            self._namespaces = {name: each for name, each in self._namespaces.items() if not each.is_over}
            found = self._namespaces.setdefault(namespace, _Namespace(self._api, namespace))
            found.ask(service)
            found.task = asyncio.create_task(found.keep(), name=f"EndpointSlices of {namespace}")
            return None
        found.ask(service)
        return found.known(service)


@dataclass
class _Namespace:
    """What is watched in one namespace."""

    api: Api
    name: str
    task: asyncio.Task[None] | None = None
    _asked: dict[str, float] = field(default_factory=dict)
    _covered: frozenset[str] = frozenset()
    """The Services whose slices are all here, as far as the watch has told."""
    _slices: dict[str, tuple[str, Slice]] = field(default_factory=dict)
    """By the slice's name: its Service, and what is kept of it."""
    _version: int = 0
    """The newest resourceVersion that was shown."""
    _heard: float = 0.0

    @property
    def is_over(self) -> bool:
        return self.task is not None and self.task.done()

    def ask(self, service: str) -> None:
        self._asked[service] = time.monotonic()

    def known(self, service: str) -> list[Slice] | None:
        if service not in self._covered or time.monotonic() - self._heard > TRUSTED:
            return None
        return [one for of, one in self._slices.values() if of == service]

    async def keep(self) -> None:
        """List and watch until nobody asks any more; what fails is tried again, and told once."""
        pause, said = SOONEST, ""
        while names := self._wanted():
            try:
                await self._follow(names)
            except Exception as error:  # whatever an API server shows: the slices are read meanwhile
                self._covered = frozenset()
                if not isinstance(error, WatchBroken | Unreachable | Conflict):
                    log.exception("EndpointSlices of %s cannot be watched", self.name)
                elif str(error) != said:
                    said = str(error)
                    log.info("EndpointSlices of %s are read instead of watched for now: %s", self.name, said)
                await asyncio.sleep(pause)
                pause = min(2 * pause, LATEST)
            else:
                pause, said = SOONEST, ""

    def _wanted(self) -> frozenset[str]:
        oldest = time.monotonic() - ASKED
        self._asked = {name: at for name, at in self._asked.items() if at > oldest}
        return frozenset(sorted(self._asked)[:MOST_SERVICES])

    async def _follow(self, names: frozenset[str]) -> None:
        """One watch, after a list where other Services are wanted or nothing is known."""
        query = {"labelSelector": f"{SERVICE} in ({','.join(sorted(names))})"}
        if names != self._covered:
            await self._list(names, query)
        since = {"resourceVersion": str(self._version)}
        async with aclosing(events(self.api, self._path, query | since, LIFE)) as watch:
            async for kind, found in watch:
                if kind != "OPEN":
                    self._take(kind, found)
                self._heard = time.monotonic()

    async def _list(self, names: frozenset[str], query: Mapping[str, str]) -> None:
        self._covered = frozenset()
        for version in SLICES:
            self._path = path_of(version, "endpointslices", self.name)
            try:
                found, at = await listed(self.api, self._path, query, MOST_SLICES)
                break
            except Unreachable as error:
                if error.reason != "KindMissing" or version == SLICES[-1]:
                    raise
        self._version, self._slices = _number(at), {}
        for one in found:
            self._keep(one)
        self._heard, self._covered = time.monotonic(), names

    def _take(self, kind: str, found: Slice) -> None:
        """One event. Events come in the order of their versions: in any other they are not to be trusted."""
        version = _number(mapping(found.get("metadata")).get("resourceVersion"))
        if version < self._version:
            raise WatchBroken("its events come out of order")
        self._version = version
        if kind == "DELETED":
            self._slices.pop(_name(found), None)
        elif kind in {"ADDED", "MODIFIED"}:
            self._keep(found)

    def _keep(self, found: Slice) -> None:
        labels = mapping(mapping(found.get("metadata")).get("labels"))
        self._slices[_name(found)] = str(labels.get(SERVICE)), _told(found)
        if sum(len(one["endpoints"]) for _, one in self._slices.values()) > MOST_ENDPOINTS:
            raise WatchBroken(f"more than {MOST_ENDPOINTS} addresses are too many to be followed")


def _name(found: Slice) -> str:
    return str(mapping(found.get("metadata")).get("name"))


def _number(version: object) -> int:
    """A resourceVersion as a number, so that two can be compared. Raises WatchBroken where it is none."""
    text = str(version)
    if not (text.isascii() and text.isdecimal() and len(text) < 20):  # noqa: PLR2004 - 64 bits
        raise WatchBroken("its resourceVersions are no numbers")
    return int(text)


def _told(found: Slice) -> Slice:
    """The fields that tell addresses, and no others."""
    ports = [{key: each.get(key) for key in ("name", "port")} for each in mappings(found.get("ports"))]
    endpoints = [
        {"addresses": each.get("addresses"), "conditions": _conditions(each), "targetRef": _whose(each)}
        for each in mappings(found.get("endpoints"))
    ]
    return {"addressType": found.get("addressType"), "ports": ports, "endpoints": endpoints}


def _conditions(endpoint: Slice) -> Slice:
    found = mapping(endpoint.get("conditions"))
    return {key: found[key] for key in ("ready", "terminating") if key in found}


def _whose(endpoint: Slice) -> Slice:
    found = mapping(endpoint.get("targetRef"))
    return {key: found[key] for key in ("kind", "namespace") if key in found}
