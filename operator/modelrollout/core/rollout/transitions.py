"""Every way a rollout's status changes, one function per trigger; whether it may is decided elsewhere."""

from __future__ import annotations

from typing import Literal

from modelrollout.api.base import LONGEST_STRING
from modelrollout.api.spec import Spec
from modelrollout.api.status import (
    HistoryEntry,
    Previous,
    Rejected,
    RolloutStatus,
    Status,
    StepRecord,
    StepStatus,
)
from modelrollout.api.timestamps import format_timestamp
from modelrollout.core import reasons
from modelrollout.core.finding import Finding
from modelrollout.core.observation import Event
from modelrollout.core.rollout import phases, status_message
from modelrollout.core.rollout.context import Context, Transition, step_index
from modelrollout.core.rollout.phases import Trigger

HISTORY = 10
MAX_DOUBTS = 1
"""Bakes in doubt that are compared beside stable again without asking; one more is for a person."""
RECORDS = 64
Result = Literal["Promoted", "RolledBack", "Rejected", "Aborted", "Replaced", "FastRollback", "Adopted"]


def update(status: Status, **changes: object) -> Status:
    """A copy of the frozen status with some fields changed."""
    return status.model_copy(update=changes)


def hold(ctx: Context, finding: Finding) -> Transition:
    """Nothing moves; people read why."""
    return Transition(status_message.say(ctx.status, finding))


def adopt(ctx: Context, stable: str, message: str) -> Transition:
    """`stable` serves from now on; history starts with it."""
    status = _go(ctx.status, Trigger.ADOPTED, reasons.ADOPTED, message)
    status = update(status, stable=stable, history=_history(ctx, "Adopted", reasons.ADOPTED, message, stable, stable))
    return Transition(status, Trigger.ADOPTED, (Event(reasons.ADOPTED, message),))


def start(ctx: Context, spec: Spec, trigger: Trigger, result: tuple[Result, str] | None = None) -> Transition:
    """A new rollout to the version in spec, at weight 0; `result` closes the one that it replaces."""
    status, version = ctx.status, spec.model.version
    message = f"rollout {status.stable} -> {version} started; waiting for {version} to be ready"
    history = status.history
    if result:
        history = _history(ctx, result[0], result[1], f"replaced by version {version}")
    rollout = RolloutStatus(
        started_at=ctx.now,
        attempt=spec.attempt,
        evidence_from=ctx.now,
        gates_digest=spec.gates_digest(),
        waiting_since=ctx.now,
    )
    status = _go(status, trigger, reasons.ROLLOUT_STARTED, message)
    cleared: dict[str, object] = {"step": None, "steps": [], "gates": [], "rejected": None, "paused": False}
    status = update(status, candidate=version, rollout=rollout, history=history, **cleared)
    return Transition(status, trigger, (Event(reasons.ROLLOUT_STARTED, message),))


def enter_step(ctx: Context, spec: Spec, trigger: Trigger, index: int) -> Transition:
    """The candidate gets the weight of step `index`; hold and request count start anew."""
    step = spec.steps[index]
    message = f"step {index + 1}/{len(spec.steps)}: {step.weight} % to version {ctx.status.candidate}"
    status = _go(ctx.status, trigger, reasons.STEP_STARTED, message)
    status = _say_hold(_expose(status, index, step.weight, ctx.now, ctx.now + step.hold), reasons.STEP_HOLDING, ctx.now)
    return Transition(status, trigger, (Event(reasons.STEP_STARTED, message),))


def bake(ctx: Context, spec: Spec, trigger: Trigger, why: str) -> Transition:
    """All traffic to the candidate; stable stays what it was until the bake is over."""
    message = f"{why}; 100 % to version {ctx.status.candidate}, watched until the bake is over"
    status = _go(ctx.status, trigger, reasons.BAKE_STARTED, message)
    status = _expose(status, len(spec.steps), 100, ctx.now, ctx.now + spec.bake)
    assert status.rollout is not None
    status = update(status, rollout=update_rollout(status, bake_started_at=ctx.now))
    status = _say_hold(status, reasons.BAKING, ctx.now)
    return Transition(status, trigger, (Event(reasons.BAKE_STARTED, message),))


def promote(ctx: Context, trigger: Trigger, why: str) -> Transition:
    """The candidate is stable now."""
    old, new = ctx.status.stable, ctx.status.candidate
    assert old is not None
    message = f"version {new} promoted: {why}"
    status = _go(ctx.status, trigger, reasons.PROMOTED, message)
    history = _history(ctx, "Promoted", reasons.PROMOTED, message)
    status = update(status, stable=new, previous=Previous(version=old, replaced_at=ctx.now), history=history)
    return Transition(_end(status), trigger, (Event(reasons.PROMOTED, message),))


def roll_back(ctx: Context, trigger: Trigger, finding: Finding) -> Transition:
    """All traffic to stable; the version is not tried again until version or attempt change."""
    rejecting = trigger is Trigger.READY_DEADLINE
    result: Result = "Rejected" if rejecting else "Aborted" if trigger is Trigger.ABORT else "RolledBack"
    version, stable = ctx.status.candidate, ctx.status.stable
    verb = "rejected" if rejecting else "rolled back"
    message = f"version {version} {verb}, {stable} serves: {finding.message}"
    status = _go(ctx.status, trigger, finding.reason, message)
    rejected = Rejected(
        version=version or "",
        attempt=ctx.status.rollout.attempt if ctx.status.rollout else 1,
        reason=finding.reason,
        message=finding.message,
        at=ctx.now,
    )
    status = update(status, rejected=rejected, history=_history(ctx, result, finding.reason, finding.message))
    return Transition(_end(status), trigger, (Event(finding.reason, message, warning=True),))


def revert(ctx: Context) -> Transition:
    """Spec names stable again: the rollout in progress, if any, is over."""
    status = ctx.status
    message = f"spec names stable version {status.stable} again; it serves"
    history = status.history
    if phases.running(status.phase):
        history = _history(ctx, "Aborted", reasons.SPEC_REVERTED, message)
    status = _go(status, Trigger.REVERTED, reasons.SPEC_REVERTED, message)
    status = update(status, history=history, rejected=None)
    return Transition(_end(status), Trigger.REVERTED, (Event(reasons.SPEC_REVERTED, message),))


def fast_rollback(ctx: Context, version: str) -> Transition:
    """Back to the version that served before, in one write; it has been analysed already."""
    message = f"back to version {version}, which served until recently; no steps"
    history = _history(ctx, "FastRollback", reasons.FAST_ROLLBACK, message, candidate=version)
    status = _go(ctx.status, Trigger.FAST_ROLLBACK, reasons.FAST_ROLLBACK, message)
    status = update(status, stable=version, previous=None, rejected=None, history=history)
    return Transition(_end(status), Trigger.FAST_ROLLBACK, (Event(reasons.FAST_ROLLBACK, message, warning=True),))


def lose(ctx: Context, message: str) -> Transition:
    """The candidate stopped being ready: weight 0 until it has been ready for long enough again."""
    status, spec = ctx.status, ctx.spec
    status = _go(status, Trigger.CANDIDATE_LOST, reasons.CANDIDATE_LOST, message)
    step = status.step
    if step and spec and step.weight > spec.steps[-1].weight:  # lost during the bake: the last step comes again
        last = len(spec.steps) - 1
        step = update_step(step, index=last, weight=spec.steps[last].weight)
    losses = ctx.status.rollout.losses + 1 if ctx.status.rollout else 1
    rollout = update_rollout(status, losses=losses, waiting_since=ctx.now, bake_started_at=None)
    status = update(status, step=step, rollout=rollout, steps=record(status, 0, ctx.now))
    return Transition(status, Trigger.CANDIDATE_LOST, (Event(reasons.CANDIDATE_LOST, message, warning=True),))


def step_back(ctx: Context, spec: Spec, message: str) -> Transition:
    """Blind for too long: the first step's weight, still holding."""
    status = _go(ctx.status, Trigger.BLIND, reasons.BLIND_TOO_LONG, message)
    status = _expose(status, 0, spec.steps[0].weight, ctx.now, ctx.now + spec.steps[0].hold)
    status = update(status, rollout=update_rollout(status, bake_started_at=None))
    return Transition(status, Trigger.BLIND, (Event(reasons.BLIND_TOO_LONG, message, warning=True),))


def analyse_anew(ctx: Context, spec: Spec, digest: str) -> Transition:
    """The candidate was reloaded with other weights: evidence begins anew, with the first step's weight at most."""
    facts: dict[str, object] = {"digest": digest, "evidence_from": ctx.now, "bake_started_at": None, "doubts": 0}
    facts |= time_anew(ctx)
    message = (
        f"version {ctx.status.candidate} was reloaded with other weights ({digest}): analysed anew from the first step"
    )
    event = Event(reasons.WEIGHTS_CHANGED, message, warning=True)
    if not phases.exposed(ctx.status.phase):
        rollout = update_rollout(ctx.status, **facts)
        return Transition(update(ctx.status, rollout=rollout, reason=event.reason, message=message), None, (event,))
    status = _go(ctx.status, Trigger.WEIGHTS_CHANGED, event.reason, message)
    status = update(status, rollout=update_rollout(status, **facts))
    status = _expose(status, 0, spec.steps[0].weight, ctx.now, ctx.now + spec.steps[0].hold)
    return Transition(status, Trigger.WEIGHTS_CHANGED, (event,))


def compare_again(ctx: Context, spec: Spec, trigger: Trigger, doubt: Finding) -> Transition:
    """Out of the bake to the last step, where stable serves beside the candidate and the two can be compared."""
    again = trigger is Trigger.BAKE_STILL_IN_DOUBT
    what = "again; resume, promote or abort it" if again else "compared with stable side by side"
    message = f"worse than stable was before the bake; back to {spec.steps[-1].weight} %, {what} ({doubt.message})"
    transition = leave_bake(ctx, spec, trigger, Finding(doubt.reason, message))
    assert transition.status.rollout is not None
    doubts = update_rollout(transition.status, doubts=transition.status.rollout.doubts + 1)
    return Transition(update(transition.status, rollout=doubts), trigger, transition.events)


def leave_bake(ctx: Context, spec: Spec, trigger: Trigger, finding: Finding) -> Transition:
    """To the last step's weight, beside stable, with its whole hold."""
    last = len(spec.steps) - 1
    status = _go(ctx.status, trigger, finding.reason, finding.message)
    status = _expose(status, last, spec.steps[last].weight, ctx.now, ctx.now + spec.steps[last].hold)
    status = update(status, rollout=update_rollout(status, bake_started_at=None))
    return Transition(status, trigger, (Event(finding.reason, finding.message, warning=True),))


def time_anew(ctx: Context) -> dict[str, object]:
    """Facts of a rollout whose deadline counts from now."""
    assert ctx.status.rollout is not None
    return {"clock_stopped_for": ctx.now - ctx.status.rollout.started_at, "clock_stopped_at": None}


def change(ctx: Context, trigger: Trigger, finding: Finding, *, warning: bool = False) -> Transition:
    """A phase change that moves no traffic."""
    status = _go(ctx.status, trigger, finding.reason, finding.message)
    return Transition(status, trigger, (Event(finding.reason, finding.message, warning),))


def refit_step(status: Status, spec: Spec) -> StepStatus | None:
    """The step in progress under edited steps: never a higher weight than now."""
    step = status.step
    if step is None or status.phase == "Baking":
        return step
    index = step_index(spec, step.weight)
    weight = min(step.weight, max(spec.steps[index].weight, 1))
    return update_step(step, index=index, weight=weight, earliest_advance=step.started_at + spec.steps[index].hold)


def with_snapshot(status: Status, name: str) -> Status:
    """The newest history entry refers to the ConfigMap `name`."""
    *older, last = status.history
    return update(status, history=[*older, last.model_copy(update={"snapshot": name})])


def update_rollout(status: Status, **changes: object) -> RolloutStatus:
    """A copy of the rollout's facts with some changed."""
    assert status.rollout is not None
    return status.rollout.model_copy(update=changes)


def update_step(step: StepStatus, **changes: object) -> StepStatus:
    """A copy of the step with some fields changed."""
    return step.model_copy(update=changes)


def hold_text(status: Status, now: float) -> str | None:
    """Until when the weight stays what it is; None where no hold runs."""
    step = status.step
    if step is None or step.earliest_advance is None or now >= step.earliest_advance:
        return None
    until = format_timestamp(step.earliest_advance)[11:19]
    doubted = status.rollout is not None and status.rollout.doubts > 0 and status.phase == "Stepping"
    why = "compared beside stable once more, " if doubted else ""
    return f"{step.weight} % to version {status.candidate}, {why}held until {until} UTC"


def _say_hold(status: Status, reason: str, now: float) -> Status:
    """What the next pass would say anyway: said at once, it costs no write of its own."""
    text = hold_text(status, now)
    return update(status, reason=reason, message=text) if text else status


def _go(status: Status, trigger: Trigger, reason: str, message: str) -> Status:
    after = update(
        status, phase=phases.next_phase(status.phase, trigger), reason=reason, message=message[:LONGEST_STRING]
    )
    return status_message.remember(after)


def _expose(status: Status, index: int, weight: int, now: float, earliest: float) -> Status:
    step = StepStatus(index=index, weight=weight, started_at=now, earliest_advance=earliest)
    rollout = update_rollout(status, exposed=True, blind_since=None)
    return update(status, step=step, steps=record(status, weight, now), rollout=rollout)


def record(status: Status, weight: int, now: float) -> list[StepRecord]:
    """The exposures so far and this one: the times that evidence restarts at."""
    return [*status.steps, StepRecord(weight=weight, started_at=now)][-RECORDS:]


def _end(status: Status) -> Status:
    return update(status, candidate=None, step=None, steps=[], rollout=None, next_evaluation=None, paused=False)


def _history(
    ctx: Context, result: Result, reason: str, message: str, stable: str = "", candidate: str = ""
) -> list[HistoryEntry]:
    status = ctx.status
    entry = HistoryEntry(
        stable=stable or status.stable or "",
        candidate=candidate or status.candidate or "",
        result=result,
        reason=reason,
        message=message[:512],
        started_at=status.rollout.started_at if status.rollout else ctx.now,
        ended_at=ctx.now,
    )
    return [*status.history, entry][-HISTORY:]
