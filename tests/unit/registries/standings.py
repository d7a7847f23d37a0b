"""Statuses of a rollout, and what a registry should show of them."""

from __future__ import annotations

from typing import Any

from modelrollout.api.status import Status
from modelrollout.core.registry import Standing, standing_of

AT = "2026-01-02T03:04:05.000Z"
ROLLED_BACK = "dead-neurons (relu1): 31 % dead, limit 5 %"


def status(phase: str = "Serving", **changes: Any) -> Status:
    return Status.model_validate({"phase": phase, "stable": "1"} | changes)


def entry(result: str, candidate: str, stable: str = "1", **changes: Any) -> dict[str, Any]:
    found = {"result": result, "candidate": candidate, "stable": stable, "reason": "GateFailed", "endedAt": AT}
    return found | {"startedAt": AT, "message": ROLLED_BACK} | changes


def trying(candidate: str = "2", **changes: Any) -> Status:
    step = {"index": 0, "weight": 5, "startedAt": AT}
    begun = {"startedAt": AT, "evidenceFrom": AT, "waitingSince": AT}
    return status("Stepping", candidate=candidate, step=step, rollout=begun, **changes)


def rolled_back() -> Status:
    return status("RolledBack", history=[entry("RolledBack", "2")])


def promoted() -> Status:
    previous = {"version": "1", "replacedAt": AT}
    came = entry("Promoted", "2", reason="Promoted", message="every limit was kept")
    return status(stable="2", previous=previous, history=[came])


def standing(found: Status, name: str = "digits", *, namespace: str = "vision", gone: bool = False) -> Standing:
    return standing_of(namespace, name, name, found, gone=gone)
