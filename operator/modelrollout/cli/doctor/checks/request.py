"""What is asked of the server: the samples of both versions in the last minutes."""

from __future__ import annotations

from modelrollout.cli.doctor.facts import Subject
from modelrollout.core.evaluation import EvaluationRequest, another
from modelrollout.dialects.dialect import Dialect

WINDOW, INTERVALS, LONGEST = 600.0, 5, 3600.0
"""Seconds of samples that are looked at: so many, or so many intervals of the analysis, and never more than an hour."""


def span_of(interval: float) -> float:
    """Seconds of samples that are looked at, a whole number of intervals."""
    length = min(max(WINDOW, INTERVALS * interval), max(LONGEST, interval))
    return interval * max(1, round(length / interval))


def request_of(subject: Subject, now: float, dialect: Dialect | None) -> EvaluationRequest:
    """A rollout that began so many seconds ago: both versions' samples since then count, whatever came before."""
    started = round(now - span_of(subject.spec.analysis.interval), 3)
    status = subject.status
    steps: tuple[tuple[int, float], ...] = ()
    if status is not None and subject.state == "serving" and status.step is not None:
        steps = ((status.step.weight, max(status.step.started_at, started)),)
    return EvaluationRequest(
        rollout="doctor",
        namespace=subject.namespace,
        name=subject.name,
        spec=subject.spec,
        stable=subject.stable,
        candidate=subject.candidate or another(subject.stable),
        started_at=started,
        evidence_from=started,
        steps=steps,
        dialect=dialect,
        git=subject.git,
        place=(status.place or 0) if status is not None and dialect is not None and dialect.version_header else 0,
        promoted=() if status is None else tuple(status.promoted),
    )
