"""Samples with one thing wrong about them."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from modelrollout.cli.doctor.facts import Hint
from modelrollout.core.analysis.metrics import model_series as s
from tests.unit.analysis.recorded import Recording, scrapes
from tests.unit.cli.doctor.patient import NOW, SPAN, model, only, seen_by_gateway, windows


def lost(version: str = "2") -> Recording:
    """Telemetry that drops one observation of eleven."""
    found = Recording(scrapes(SPAN), "triton-dense")
    labels: dict[str, Any] = {"model": "digits", "version": version}
    found.growing(s.OBSERVATIONS, 10, layer="dense", **labels)
    return found.growing(s.DROPPED, 1, reason="width", **labels)


def unfinished() -> Recording:
    """Rows of stable that fill no window."""
    found = windows()
    labels: dict[str, Any] = {"model": "digits", "version": "1", "layer": "dense"}
    for metric in (s.WINDOWS, s.WINDOW_NEURONS, s.WINDOW_DEAD, s.WINDOW_DEAD_SQUARED):
        found.growing(metric, 0, **labels)
    return found.growing(s.SAMPLES, 9, **labels)


def stopped(recording: Recording, seconds: float) -> Recording:
    """The same, not scraped in the last `seconds`."""
    points = {labels: [row for row in rows if row[0] < NOW - seconds] for labels, rows in recording.points.items()}
    return replace(recording, points=points)


def without(recording: Recording, **labels: str) -> Recording:
    """The same but for the series with one of these labels."""
    left = {k: rows for k, rows in recording.points.items() if not set(labels.items()) & set(k)}
    return replace(recording, points=left)


def at_edges(*kept: str) -> Recording:
    """The gateway's histogram with only these edges and +Inf."""
    found = seen_by_gateway()
    edges = {*kept, "+Inf", ""}
    return replace(found, points={k: rows for k, rows in found.points.items() if dict(k).get("le", "") in edges})


def unread() -> Recording:
    """The model's count, which is no number."""
    return model().reading(s.REQUESTS, float("nan"), model="digits", version="1")


def hint(number: int = 4, **labels: str) -> tuple[Hint, ...]:
    """So many series of these labels."""
    return (Hint(labels, number),)


def quiet(**changes: Any) -> dict[str, Any]:
    """Nothing of the gateway's counts for a version, though it is scraped."""
    return {"recordings": (only(seen_by_gateway(), "none"), model(), windows()), **changes}
