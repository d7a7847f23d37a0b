"""Stable versions whose history is made up: requests a second, shares, a histogram."""

from __future__ import annotations

from typing import Any

import numpy as np

from modelrollout.core.analysis.gates.plan.answers import Plan
from modelrollout.core.analysis.gates.plan.history import plan_before
from modelrollout.core.analysis.metrics import model_series as s
from modelrollout.core.analysis.metrics.samples import SampleStore
from modelrollout.core.analysis.metrics.series import make_series
from tests.unit.analysis.recorded import (
    EDGES,
    GATEWAY_DURATION,
    GATEWAY_HEARTBEAT,
    GATEWAY_REQUESTS,
    SCRAPE,
    START,
    Recording,
    backend,
    request_of,
    scrapes,
    spec_of,
)

SPREAD = {0.02: 0.5, 0.04: 0.4, 0.05: 0.08, 0.06: 0.012, 0.08: 0.008}
"""Share of requests by the bucket that they fall in: a P99 of 60 ms."""


def stable(per_second: float, errors: float = 0.0, spread: dict[float, float] = SPREAD) -> Recording:
    """Half an hour of stable's requests at a gateway."""
    each = per_second * SCRAPE
    found = Recording(scrapes(0.0), "traefik").growing(GATEWAY_HEARTBEAT, 0)
    for code, share in (("200", 1 - errors), ("503", errors)):
        found.growing(GATEWAY_REQUESTS, each * share, code=code, service=backend("1"))
    for edge in (*EDGES, np.inf):
        under = sum(share for upper, share in spread.items() if upper <= edge)
        name = "+Inf" if edge == np.inf else f"{edge:g}"
        found.growing(GATEWAY_DURATION, each * under, le=name, code="200", service=backend("1"))
    return found


def answers(per_second: float, wrong: float) -> Recording:
    """Judged answers of stable."""
    labels: dict[str, Any] = {"model": "digits", "version": "1", "source": "labels"}
    each = per_second * SCRAPE
    found = Recording(scrapes(0.0), "triton")
    return found.growing(s.EVALS, each, **labels).growing(s.CORRECT, each * (1 - wrong), **labels)


def windows(per_minute: float, dead: float) -> Recording:
    """Windows of one layer of 100 units."""
    each = per_minute * SCRAPE / 60
    labels: dict[str, Any] = {"model": "digits", "version": "1", "layer": "hidden"}
    found = Recording(scrapes(0.0), "triton")
    for metric, growth in (
        (s.WINDOWS, 1.0),
        (s.WINDOW_NEURONS, 100.0),
        (s.WINDOW_DEAD, dead),
        (s.WINDOW_DEAD_SQUARED, dead**2),
    ):
        found.growing(metric, each * growth, **labels)
    return found


def store_of(*recordings: Recording) -> SampleStore:
    """What Prometheus would answer at the rollout's start."""
    series = [
        make_series(dict(labels), [(at, value) for at, value, _ in points if at <= START])
        for recording in recordings
        for labels, points in recording.points.items()
    ]
    return SampleStore().merged(one for one in series if len(one.times))


def planned(*recordings: Recording, gates: tuple[dict[str, Any], ...] = (), **changes: Any) -> Plan:
    """The plan of a rollout over 5 % and 50 %; `changes` are of its analysis, `steps` and `preflight` of the spec."""
    whole = {name: changes.pop(name) for name in ("steps", "preflight") if name in changes}
    spec = spec_of(*gates, **changes)
    if whole:
        spec = type(spec).model_validate({**spec.model_dump(by_alias=True, mode="json", exclude_unset=True), **whole})
    return plan_before(request_of(spec, steps=()), [store_of(*recordings)], SCRAPE)


def answer(plan: Plan, name: str = "errors") -> Any:
    """Of one gate."""
    return next(one for one in plan.answers if one.plan.name == name)
