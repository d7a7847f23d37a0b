"""A rollout in mid-step as the API server holds it, and variations of it."""

from __future__ import annotations

from typing import Any

from modelrollout.api.timestamps import format_timestamp
from tests.unit.api.manifests import manifest

NOW = 1_700_000_000.0


def at(seconds: float) -> str:
    """RFC 3339 of so many seconds after NOW."""
    return format_timestamp(NOW + seconds)


def gate(name: str, kind: str, verdict: str, **more: Any) -> dict[str, Any]:
    return {"name": name, "type": kind, "verdict": verdict, "required": True, **more}


def stepping(**changes: Any) -> dict[str, Any]:
    """Step 2 of 3, 25 % to version 2, two minutes left; `changes` replace fields of status."""
    status: dict[str, Any] = {
        "observedGeneration": 3,
        "phase": "Stepping",
        "reason": "StepHolding",
        "message": "step 2/3: 25 % to version 2",
        "stable": "1",
        "candidate": "2",
        "step": {"index": 1, "weight": 25, "startedAt": at(-480), "earliestAdvance": at(120)},
        "weight": {"desired": 25, "observed": 25},
        "rollout": {"startedAt": at(-1100), "evidenceFrom": at(-1100), "waitingSince": at(-1100)},
        "nextEvaluation": at(7),
        "gates": [
            gate("errors", "ErrorRate", "PASS", observed="0.10 %", stable="0.12 %", limit="1 %", samples="17,100"),
            gate(
                *("dead-neurons", "DeadNeurons", "CONTINUE"),
                layer="dense_1",
                observed="77 %",
                stable="7 %",
                limit="15 %",
                samples="4 windows",
                evidence="odds 6.1:1 against the candidate (rolls back at 100:1)",
                eta="3m",
                message="dense_1: 77 % of units never fired, stable 7 %",
            ),
            gate("latency", "Latency", "NO_DATA", message="no series yet"),
        ],
        "history": [
            {
                "stable": "0",
                "candidate": "1",
                "result": "RolledBack",
                "reason": "GateFailed",
                "message": "errors: 3.1 % above 1 %",
                "startedAt": at(-8000),
                "endedAt": at(-7300),
            }
        ],
        **changes,
    }
    return {**manifest(), "status": {key: value for key, value in status.items() if value is not None}}
