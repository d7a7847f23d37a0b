"""What is said of a route that contradicts itself, or that its gateway does not serve."""

from __future__ import annotations

from typing import Any

from modelrollout.adapters.routers.forms.marks import CANDIDATE, STABLE
from modelrollout.adapters.routers.reading import read
from modelrollout.core.observation import RoutePlan
from tests.unit.routers.routes import judged, route

LYING: dict[str, dict[str, str | None]] = {
    "the candidate is called stable too": {STABLE: "2"},
    "the candidate is called stable": {STABLE: "2", CANDIDATE: None},
    "the two are exchanged": {STABLE: "2", CANDIDATE: "1"},
    "stable is no backend": {STABLE: "7"},
    "stable is no version": {STABLE: "two"},
    "nothing says which is stable": {STABLE: None},
}
"""Annotations that do not fit a route that gives version 1 three quarters and version 2 one."""


def lying(notes: dict[str, str | None]) -> dict[str, Any]:
    """A route at 25 % with these annotations instead of its own."""
    found = route(RoutePlan("1", "2", 25))
    kept = {**found["metadata"]["annotations"], **notes}
    found["metadata"]["annotations"] = {name: value for name, value in kept.items() if value is not None}
    return found


def texts() -> dict[str, str]:
    """Doubts about who is stable, then what keeps the gateway from serving the route."""
    found = {title: read(lying(notes)).doubt for title, notes in LYING.items()}
    verdicts = {
        "no controller has answered": (),
        "an older generation was accepted": (("Accepted", "True", 2), ("ResolvedRefs", "True", 2)),
        "the route is refused": (("Accepted", "False", 3),),
        "a backend is not found": (("Accepted", "True", 3), ("ResolvedRefs", "False", 3)),
    }
    return found | {title: read(judged(*conditions)).acceptance_reason for title, conditions in verdicts.items()}
