"""What `status` and `watch` show: the whole picture, and the one line where there is no terminal, for every phase."""

from __future__ import annotations

import io
from typing import Any

from rich.console import Console

from modelrollout.cli.render import line, render
from tests.unit.cli.rollouts import NOW, at, stepping

_COMMAND = {"verb": "pause", "nonce": "n", "by": "ann", "result": "applied", "at": at(-30)}
_OVER = {"candidate": None, "step": None, "rollout": None, "nextEvaluation": None}
_REJECTED = {"version": "2", "attempt": 1, "reason": "GateFailed", "message": "errors: 3.1 % above 1 %", "at": at(-60)}
_ADOPTING = {"phase": "Adopting", "reason": "FirstVersionNotReady", "message": "version 1 is not ready: refused"}
_WARNINGS = [
    "the candidate got 16.7 % of 21,600 requests, its weight is 5.0 %: testers or retries",
    "the gateway answered 12 requests with errors that reached neither version: look at the endpoints of both Services",
]
_PLAN = "at stable's 20 requests/s: errors passes after about 19 min if as good as stable, fails after 8 min at 5x"
_PREVIOUS = {"result": "Promoted", "message": "version 1 promoted: bake over, every limit kept"}


def _picture(obj: dict[str, Any], live: int | None) -> str:
    console = Console(file=io.StringIO(), width=160)
    console.print(render(obj, live, NOW))
    picture: str = console.file.getvalue()  # type: ignore[attr-defined] # it is the StringIO above
    lines = [each.rstrip() for each in picture.splitlines()]
    return "\n".join([*lines, "", "in one line:", line(obj, live)])


def _promoted() -> dict[str, Any]:
    found = stepping(**_OVER, phase="Serving", reason="Promoted", message="version 1 serves", gates=[])
    found["status"]["history"].append({**found["status"]["history"][0], **_PREVIOUS})
    return found


def _baking() -> dict[str, Any]:
    found = stepping(phase="Baking", reason="Baking", step={"index": 3, "weight": 100, "startedAt": at(-60)})
    found["status"]["weight"] = {"desired": 100, "observed": 100}
    found["status"]["rollout"]["bakeStartedAt"] = at(-60)
    return found


def _planned() -> dict[str, Any]:
    found = stepping()
    found["status"]["rollout"]["plan"] = _PLAN
    return found


def _without(field: str) -> dict[str, Any]:
    found = stepping()
    del found[field]
    return found


def _lost() -> dict[str, Any]:
    return stepping(phase="Waiting", reason="CandidateLost", weight={"desired": 0, "observed": 0})


def _objects() -> dict[str, tuple[dict[str, Any], int | None]]:
    asked = "step 2 at 25 % is done; approve it to go on"
    late = "not proven within 14400 s: resume, promote or abort it"
    return {
        "Adopting": (stepping(**_OVER, **_ADOPTING, stable=None, gates=[], history=[]), None),
        "Serving": (_promoted(), 0),
        "Serving, and the route gives others something": (_promoted(), 30),
        "Waiting": (stepping(phase="Waiting", reason="CandidateNotReady", step=None, gates=[]), 0),
        "Waiting after a loss": (_lost(), 0),
        "Stepping": (stepping(), 25),
        "Stepping, the route has less": (stepping(), 20),
        "Stepping, the route cannot be read": (stepping(), None),
        "Stepping, the route was never read": (stepping(weight={"desired": 25}), None),
        "Stepping, paused by command": (stepping(paused=True, reason="Paused", lastCommand=_COMMAND), 25),
        "Stepping, with warnings": (stepping(warnings=_WARNINGS), 25),
        "Stepping, with a plan": (_planned(), 25),
        "AwaitingApproval": (stepping(phase="AwaitingApproval", reason="ApprovalNeeded", message=asked), 25),
        "Inconclusive": (stepping(phase="Inconclusive", reason="DeadlineExceeded", message=late), 25),
        "Baking": (_baking(), 100),
        "RolledBack": (stepping(**_OVER, phase="RolledBack", reason="GateFailed", rejected=_REJECTED), 0),
        "Rejected": (stepping(**_OVER, phase="Rejected", reason="ReadyDeadlineExceeded", rejected=_REJECTED), 0),
        "no status yet": (_without("status"), None),
        "a status that this version cannot read": (stepping(phase="Levitating"), None),
    }


def texts() -> dict[str, str]:
    """The picture and the line, by phase."""
    return {title: _picture(obj, live) for title, (obj, live) in _objects().items()}
