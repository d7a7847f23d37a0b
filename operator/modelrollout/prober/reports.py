"""The prober's word: one ConfigMap in the operator's own namespace, one key for each resource with a pre-flight.

Nobody who may edit a ModelRollout may write there, so nobody says for the prober that a golden set was answered. The
chart makes the ConfigMap; the prober has the right to this one name, and to no other object.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict

from modelrollout.adapters.kubernetes.client import Api, path_of
from modelrollout.adapters.kubernetes.preflight_reports import report_of
from modelrollout.api.borders.cleaning import clean, mapping
from modelrollout.core.preflight import PreflightReport
from modelrollout.ports import NotFound

LONGEST = 600
MOST = 1000
"""Reports in the ConfigMap, which holds a mebibyte."""


class Reports:
    """Writes what changed, fenced by the ConfigMap's resourceVersion."""

    def __init__(self, api: Api, namespace: str, name: str) -> None:
        self._api, self._path = api, path_of("v1", "configmaps", namespace, name)
        self._written: dict[str, str] | None = None
        self._version = ""

    async def read(self) -> dict[str, PreflightReport]:
        """What stands there by key, such as what a process before this one has said. Raises Unreachable."""
        found = await self._api.get(self._path)
        if found is None:
            raise NotFound("NotFound", f"{self._path} does not exist: the chart makes it (prober.enabled)")
        self._version = str(found["metadata"].get("resourceVersion", ""))
        data = mapping(found.get("data"))
        self._written = {str(key): str(value) for key, value in data.items()}
        reports = {key: report_of(value) for key, value in self._written.items()}
        return {key: report for key, report in reports.items() if report is not None}

    async def write(self, reports: Mapping[str, PreflightReport], beat: int) -> None:
        """These and no others; `beat` changes while runs are in progress. Raises Conflict or Unreachable."""
        if self._written is None:
            await self.read()
        assert self._written is not None
        wanted = {key: _text(report, beat) for key, report in list(reports.items())[:MOST]}
        changed: dict[str, str | None] = {k: text for k, text in wanted.items() if self._written.get(k) != text}
        changed |= dict.fromkeys(self._written.keys() - wanted.keys())
        if not changed:
            return
        self._written, written = None, wanted  # whatever goes wrong now, the next write reads first
        meta = {"resourceVersion": self._version}
        stored = await self._api.patch(self._path, {"metadata": meta, "data": changed})
        self._version, self._written = str(stored["metadata"].get("resourceVersion", "")), written


def _text(report: PreflightReport, beat: int) -> str:
    found = asdict(report) | {"message": clean(report.message, LONGEST)}
    if report.state in ("Running", "Waiting"):
        found["beat"] = beat
    return json.dumps(found, sort_keys=True)
