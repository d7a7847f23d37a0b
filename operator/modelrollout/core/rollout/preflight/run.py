"""Pre-flight: at weight 0 both versions answer a golden set; a candidate that has not passed it gets no traffic.

The prober's report says how far a run is, and never that it passed: that is for the gates, over every row of it.
"""

from __future__ import annotations

import hashlib
from dataclasses import replace

from modelrollout.api.changes import update, update_rollout
from modelrollout.api.quantities import format_duration
from modelrollout.api.spec import Spec
from modelrollout.api.status import PreflightStatus, Status
from modelrollout.core import reasons
from modelrollout.core.finding import Finding
from modelrollout.core.observation import Event
from modelrollout.core.preflight import PreflightReport
from modelrollout.core.rollout.context import Context, Transition, identity
from modelrollout.core.rollout.missing import held
from modelrollout.core.rollout.phases import Trigger
from modelrollout.core.rollout.preflight.unproven import not_passed, refused
from modelrollout.core.rollout.transitions import forward, setbacks
from modelrollout.core.rollout.transitions.effects import go
from modelrollout.core.rollout.transitions.forward import hold


def due(status: Status, spec: Spec) -> bool:
    """Whether the candidate must pass a pre-flight before its next weight."""
    known = status.preflight
    if spec.preflight is None:
        return False
    return known is None or not known.passed or known.asked != spec.preflight_digest


def begin(ctx: Context, spec: Spec) -> Transition:
    """A run of its own, whatever there was before; evidence counts from here."""
    status, text = _asked_for(ctx, spec)
    status = go(status, Trigger.PREFLIGHT_DUE, reasons.PREFLIGHT_STARTED, text)
    return Transition(status, Trigger.PREFLIGHT_DUE, (Event(reasons.PREFLIGHT_STARTED, text),))


def progress(ctx: Context, spec: Spec) -> Transition:
    """What the run waits for, or its end."""
    known = ctx.status.preflight
    assert known is not None
    if spec.preflight is None:
        off = Finding(reasons.STEPS_CHANGED, "the pre-flight was taken out of the spec: the steps begin without")
        return forward.change(ctx, Trigger.PREFLIGHT_OFF, off)
    if known.asked != spec.preflight_digest or known.run != _run(ctx.status, known.asked):
        status, text = _asked_for(ctx, spec)
        said = update(status, reason=reasons.PREFLIGHT_STARTED, message=text)
        return Transition(said, None, (Event(reasons.PREFLIGHT_STARTED, text),))
    ctx = replace(ctx, status=_with_rows(ctx.status, known, ctx.observed.prober.report))
    missing = held(ctx) or not_passed(ctx, spec, known)
    if missing is None:
        return _pass(ctx)
    if missing.reason == reasons.PREFLIGHT_FAILED:
        return setbacks.roll_back(ctx, Trigger.PREFLIGHT_FAILED, missing)
    if _elapsed(ctx, known) > spec.preflight.deadline:
        text = f"not passed within {format_duration(spec.preflight.deadline)}: {missing.message}"
        return setbacks.roll_back(ctx, Trigger.PREFLIGHT_FAILED, Finding(reasons.PREFLIGHT_FAILED, text))
    return _told(ctx, hold(ctx, missing), missing)


def refused_at_rest(ctx: Context, spec: Spec) -> Transition | None:
    """A golden set that cannot be used is said before any rollout needs it."""
    finding = refused(ctx.observed.prober.report, spec.preflight_digest)
    return None if finding is None else _told(ctx, hold(ctx, finding), finding)


def _told(ctx: Context, held_back: Transition, finding: Finding) -> Transition:
    """One Event where a person must do something."""
    told = finding.reason in (reasons.GOLDEN_SET_INVALID, reasons.PROBER_MISSING)
    if not told or ctx.status.reason == finding.reason:
        return held_back
    return replace(held_back, events=(Event(finding.reason, finding.message, warning=True),))


def _asked_for(ctx: Context, spec: Spec) -> tuple[Status, str]:
    """The status with a new run, and the sentence about it."""
    status = update(ctx.status, rollout=update_rollout(ctx.status, evidence_from=ctx.now))
    known = PreflightStatus(
        run=_run(status, spec.preflight_digest),
        asked=spec.preflight_digest,
        started_at=ctx.now,
        stopped_before=_stopped(ctx),
    )
    text = f"pre-flight of version {status.candidate}: the golden set goes to it and to stable, and no user meets it"
    return update(status, preflight=known), text


def _run(status: Status, asked: str) -> str:
    """Names a run by all that it depends on: a report about anything else is no word on it."""
    return hashlib.sha256(f"{identity(status)} {asked}".encode()).hexdigest()[:16]


def _with_rows(status: Status, known: PreflightStatus, report: PreflightReport | None) -> Status:
    if report is None or report.run != known.run:
        return status
    return update(status, preflight=known.model_copy(update={"rows": report.rows, "of": report.of}))


def _pass(ctx: Context) -> Transition:
    """Back to wait for the first step, where evidence starts again: no user has been met yet."""
    known = ctx.status.preflight
    assert known is not None
    text = f"pre-flight passed: version {ctx.status.candidate} and stable were sent {known.of} rows each"
    status = go(ctx.status, Trigger.PREFLIGHT_PASSED, reasons.PREFLIGHT_PASSED, text)
    rollout = update_rollout(status, evidence_from=ctx.now)
    passed = known.model_copy(update={"passed": True})
    return Transition(
        update(status, rollout=rollout, preflight=passed),
        Trigger.PREFLIGHT_PASSED,
        (Event(reasons.PREFLIGHT_PASSED, text),),
    )


def _elapsed(ctx: Context, known: PreflightStatus) -> float:
    """Seconds for which the run could have gone on."""
    return ctx.now - known.started_at - (_stopped(ctx) - known.stopped_before)


def _stopped(ctx: Context) -> float:
    """Seconds for which the rollout's clock has been stopped so far."""
    rollout = ctx.status.rollout
    assert rollout is not None
    since = ctx.now - rollout.clock_stopped_at if rollout.clock_stopped_at is not None else 0.0
    return rollout.clock_stopped_for + since
