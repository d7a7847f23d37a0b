"""Every way back, one function for each: none of them gives the candidate more traffic than it has.

The one exception is fast_rollback, which gives all of it to a version that was analysed and served before.
"""

from __future__ import annotations

from modelrollout.api.changes import update, update_rollout, update_step
from modelrollout.api.spec import Spec
from modelrollout.api.status import Rejected, Result, Status
from modelrollout.core import reasons
from modelrollout.core.finding import Finding
from modelrollout.core.observation import Event
from modelrollout.core.rollout import phases
from modelrollout.core.rollout.context import Context, Transition
from modelrollout.core.rollout.phases import Trigger
from modelrollout.core.rollout.transitions.effects import (
    end,
    expose,
    go,
    record,
    with_entry,
    without_version,
)

MAX_DOUBTS = 1
"""Bakes in doubt that are compared beside stable again without asking; one more is for a person."""


def roll_back(ctx: Context, trigger: Trigger, finding: Finding) -> Transition:
    """All traffic to stable; the version is not retried until version or attempt change."""
    rejecting = trigger in (Trigger.READY_DEADLINE, Trigger.PREFLIGHT_FAILED)
    result: Result = "Rejected" if rejecting else "Aborted" if trigger is Trigger.ABORT else "RolledBack"
    version, stable = ctx.status.candidate, ctx.status.stable
    verb = "rejected" if rejecting else "rolled back"
    message = f"version {version} {verb}, stable version {stable} has all traffic: {finding.message}"
    status = go(ctx.status, trigger, finding.reason, message)
    rejected = Rejected(
        version=version or "",
        attempt=ctx.status.rollout.attempt if ctx.status.rollout else 1,
        reason=finding.reason,
        message=finding.message,
        at=ctx.now,
    )
    status = update(status, rejected=rejected, history=with_entry(ctx, result, finding.reason, finding.message))
    return Transition(end(status), trigger, (Event(finding.reason, message, warning=True),))


def revert(ctx: Context) -> Transition:
    """Spec names stable again: the rollout in progress, if any, is over."""
    status = ctx.status
    message = f"spec names stable version {status.stable} again: it has all traffic"
    history = status.history
    if phases.running(status.phase):
        history = with_entry(ctx, "Aborted", reasons.SPEC_REVERTED, message)
    status = go(status, Trigger.REVERTED, reasons.SPEC_REVERTED, message)
    status = update(status, history=history, rejected=None)
    return Transition(end(status), Trigger.REVERTED, (Event(reasons.SPEC_REVERTED, message),))


def fast_rollback(ctx: Context, version: str) -> Transition:
    """Back to the version that served before, in one write; it has been analysed already."""
    message = f"back to version {version} without steps: it was stable until recently"
    history = with_entry(ctx, "FastRollback", reasons.FAST_ROLLBACK, message, candidate=version)
    status = go(ctx.status, Trigger.FAST_ROLLBACK, reasons.FAST_ROLLBACK, message)
    promoted = without_version(status, ctx.status.stable)  # what was left in haste is no example of a good retrain
    status = update(status, stable=version, previous=None, rejected=None, history=history, promoted=promoted)
    return Transition(end(status), Trigger.FAST_ROLLBACK, (Event(reasons.FAST_ROLLBACK, message, warning=True),))


def lose(ctx: Context, message: str) -> Transition:
    """The candidate is no longer ready: weight 0 until it has been ready for long enough again."""
    status, spec = ctx.status, ctx.spec
    status = go(status, Trigger.CANDIDATE_LOST, reasons.CANDIDATE_LOST, message)
    step = status.step
    if step and spec and step.weight > spec.steps[-1].weight:  # lost during the bake: the last step comes again
        last = len(spec.steps) - 1
        step = update_step(step, index=last, weight=spec.steps[last].weight)
    losses = ctx.status.rollout.losses + 1 if ctx.status.rollout else 1
    rollout = update_rollout(status, losses=losses, waiting_since=ctx.now, bake_started_at=None)
    status = update(status, step=step, rollout=rollout, steps=record(status, 0, ctx.now))
    return Transition(status, Trigger.CANDIDATE_LOST, (Event(reasons.CANDIDATE_LOST, message, warning=True),))


def step_back(ctx: Context, spec: Spec, message: str) -> Transition:
    """Without metrics for too long: the first step's weight, still holding."""
    first = spec.steps[0]
    status = go(ctx.status, Trigger.BLIND, reasons.BLIND_TOO_LONG, message)
    status = expose(status, 0, first.weight, ctx.now, ctx.now + first.hold, first.mirror)
    status = update(status, rollout=update_rollout(status, bake_started_at=None))
    return Transition(status, Trigger.BLIND, (Event(reasons.BLIND_TOO_LONG, message, warning=True),))


def restart_analysis(ctx: Context, spec: Spec, digest: str) -> Transition:
    """The candidate was reloaded with other weights: evidence starts again, with the first step's weight at most.

    The deadline does not: whoever keeps reloading would never meet it.
    """
    reloads = ctx.status.rollout.reloads + 1 if ctx.status.rollout else 1
    rollout = update_rollout(
        ctx.status, digest=digest, evidence_from=ctx.now, bake_started_at=None, doubts=0, reloads=reloads
    )
    status = update(ctx.status, rollout=rollout, preflight=None)
    if spec.preflight is not None:
        return _void(ctx, status, digest)
    message = (
        f"version {ctx.status.candidate} was reloaded with other weights ({digest}): "
        "its analysis starts again at the first step"
    )
    event = Event(reasons.WEIGHTS_CHANGED, message, warning=True)
    if not phases.exposed(ctx.status.phase):
        return Transition(update(status, reason=event.reason, message=message), None, (event,))
    status = go(status, Trigger.WEIGHTS_CHANGED, event.reason, message)
    first = spec.steps[0]
    status = expose(status, 0, first.weight, ctx.now, ctx.now + first.hold, first.mirror)
    return Transition(status, Trigger.WEIGHTS_CHANGED, (event,))


def _void(ctx: Context, status: Status, digest: str) -> Transition:
    """Weight 0 until these weights have passed the pre-flight too: users met others."""
    message = f"version {status.candidate} was reloaded with other weights ({digest}), which have passed no pre-flight"
    event = Event(reasons.WEIGHTS_CHANGED, message, warning=True)
    if status.phase == "Waiting":
        return Transition(update(status, step=None, reason=event.reason, message=message), None, (event,))
    steps = record(status, 0, ctx.now) if phases.exposed(status.phase) else []
    status = go(status, Trigger.PREFLIGHT_VOID, event.reason, message)
    return Transition(update(status, step=None, steps=steps), Trigger.PREFLIGHT_VOID, (event,))


def compare_again(ctx: Context, spec: Spec, trigger: Trigger, doubt: Finding) -> Transition:
    """Out of the bake to the last step, where stable serves beside the candidate and the two can be compared."""
    again = trigger is Trigger.BAKE_STILL_IN_DOUBT
    what = "for the second time: resume, promote or abort it" if again else "compared with stable side by side"
    message = f"worse than stable was before the bake; back to {spec.steps[-1].weight} %, {what} ({doubt.message})"
    transition = leave_bake(ctx, spec, trigger, Finding(doubt.reason, message))
    assert transition.status.rollout is not None
    doubts = update_rollout(transition.status, doubts=transition.status.rollout.doubts + 1)
    return Transition(update(transition.status, rollout=doubts), trigger, transition.events)


def leave_bake(ctx: Context, spec: Spec, trigger: Trigger, finding: Finding) -> Transition:
    """To the last step's weight, beside stable, with its whole hold."""
    last = len(spec.steps) - 1
    status = go(ctx.status, trigger, finding.reason, finding.message)
    status = expose(status, last, spec.steps[last].weight, ctx.now, ctx.now + spec.steps[last].hold)
    status = update(status, rollout=update_rollout(status, bake_started_at=None))
    return Transition(status, trigger, (Event(finding.reason, finding.message, warning=True),))
