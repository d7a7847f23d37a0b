"""What the prober reports, as the operator reads it: anything that is no report counts as none."""

from __future__ import annotations

import asyncio
import hashlib
import json
import time
from typing import TYPE_CHECKING, get_args

from modelrollout.adapters.kubernetes.client import Api, path_of
from modelrollout.api.borders.cleaning import clean, mapping, whole_number
from modelrollout.core.preflight import PreflightReport, State
from modelrollout.ports import Conflict, Unreachable

if TYPE_CHECKING:
    from collections.abc import Mapping

LONGEST, LONGEST_NAME, MOST_ROWS = 600, 64, 10**6
FRESH = 1.0
"""Seconds for which one reading serves every resource."""


def key_of(namespace: str, name: str) -> str:
    """The ConfigMap's key for a resource: its names may have signs that a key may not have."""
    return hashlib.sha256(f"{namespace}/{name}".encode()).hexdigest()[:40]


def report_of(text: str) -> PreflightReport | None:
    """A report as it was written; None for what is none."""
    try:
        found = mapping(json.loads(text))
    except (ValueError, RecursionError):
        return None
    states: tuple[State, ...] = get_args(State)
    state = next((one for one in states if one == found.get("state")), None)
    if state is None:
        return None
    return PreflightReport(
        asked=clean(found.get("asked"), LONGEST_NAME),
        run=clean(found.get("run"), LONGEST_NAME),
        state=state,
        rows=whole_number(found.get("rows"), 0, MOST_ROWS, 0),
        of=whole_number(found.get("of"), 0, MOST_ROWS, 0),
        message=clean(found.get("message"), LONGEST),
    )


class KubernetesPreflightReports:
    """The PreflightReports of ports.py, over the ConfigMap that the chart makes."""

    def __init__(self, api: Api, namespace: str, name: str) -> None:
        self._api, self._path = api, path_of("v1", "configmaps", namespace, name)
        self._at, self._problem = -FRESH, ""
        self._data: Mapping[str, object] = {}
        self._lock = asyncio.Lock()

    async def read(self, namespace: str, name: str) -> tuple[str, str]:
        """(what stands there about the resource, "" or why nothing can be read). Never raises."""
        async with self._lock:
            if time.monotonic() - self._at >= FRESH:
                await self._fetch()
        return str(self._data.get(key_of(namespace, name), "")), self._problem

    async def _fetch(self) -> None:
        try:
            found = await self._api.get(self._path)
            self._data, self._problem = mapping(mapping(found).get("data")), ""
            if found is None:
                self._problem = f"{self._path} does not exist"
        except (Conflict, Unreachable) as error:
            self._problem = str(error)
        self._at = time.monotonic()
