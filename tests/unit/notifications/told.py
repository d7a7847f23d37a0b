"""Events of a rollout, as they are told."""

from __future__ import annotations

from typing import Any

from modelrollout.core.notice import Notice, make_notice
from modelrollout.core.observation import Event

GATES = [
    {"name": "errors", "type": "ErrorRate", "verdict": "PASS", "required": True, "message": "fine"},
    {"name": "drift", "type": "Drift", "verdict": "FAIL", "required": True, "layer": "relu1", "observed": "0.31"},
]
ENTRY = {
    "stable": "1",
    "candidate": "2",
    "result": "RolledBack",
    "reason": "GateFailed",
    "message": "drift: 0.31 > 0.1",
}


def stored(namespace: str = "vision", **status: Any) -> dict[str, Any]:
    """A ModelRollout as the API server has it."""
    found = {
        "phase": "Stepping",
        "stable": "1",
        "candidate": "2",
        "weight": {"desired": 5},
        "rollout": {"digest": "ab"},
    }
    return {
        "metadata": {"namespace": namespace, "name": "digits", "uid": "u-1"},
        "spec": {"model": {"name": "digits", "version": "2"}},
        "status": found | status,
    }


def rolled_back(namespace: str = "vision", gates: list[dict[str, Any]] = GATES) -> dict[str, Any]:
    return stored(namespace, phase="RolledBack", candidate=None, rollout=None, gates=gates, history=[ENTRY])


def notice(reason: Any = "GateFailed", obj: dict[str, Any] | None = None, *, warning: bool = True) -> Notice:
    event = Event(reason, "version 2 rolled back: drift: 0.31 > 0.1", warning)
    return make_notice(rolled_back() if obj is None else obj, event, 1_800_000_000.0, "id-1")
