"""What transitions have in common: the phase and its sentence, the exposure, the record of an end."""

from __future__ import annotations

from modelrollout.api.changes import ClockChanges, update, update_rollout, update_step
from modelrollout.api.spec import Spec
from modelrollout.api.status import (
    MOST_ENTRIES,
    MOST_RECORDS,
    HistoryEntry,
    PromotedVersion,
    Result,
    Status,
    StepRecord,
    StepStatus,
)
from modelrollout.api.timestamps import format_timestamp
from modelrollout.core.reasons import AnyReason
from modelrollout.core.rollout import phases, status_message
from modelrollout.core.rollout.context import Context, step_index
from modelrollout.core.rollout.phases import Trigger


def go(status: Status, trigger: Trigger, reason: AnyReason, message: str) -> Status:
    """`status` in the phase that `trigger` leads to, saying why. Raises IllegalTransition."""
    after = update(status, phase=phases.next_phase(status.phase, trigger), reason=reason, message=message)
    return status_message.remember(after)


def expose(status: Status, index: int, weight: int, now: float, earliest: float, mirror: int | None = None) -> Status:
    """The candidate has `weight` percent, or copies of `mirror` percent, from now on, at least until `earliest`."""
    step = StepStatus(index=index, weight=weight, mirror=mirror, started_at=now, earliest_advance=earliest)
    rollout = update_rollout(status, exposed=True, blind_since=None)
    return update(status, step=step, steps=record(status, weight, now), rollout=rollout)


def after_copies(status: Status, now: float) -> Status:
    """What a first weight begins with: evidence starts again, for what copies showed no user has met."""
    step = status.step
    if step is None or step.mirror is None or step.weight or status.rollout is None:
        return status
    return update(status, steps=[], rollout=update_rollout(status, evidence_from=now))


def record(status: Status, weight: int, now: float) -> list[StepRecord]:
    """The exposures so far and this one: the times that evidence restarts at."""
    return [*status.steps, StepRecord(weight=weight, started_at=now)][-MOST_RECORDS:]


def end(status: Status) -> Status:
    """No rollout is in progress any more; what was found of it stays in gates and history."""
    return update(
        status,
        candidate=None,
        step=None,
        steps=[],
        rollout=None,
        preflight=None,
        warnings=[],
        next_evaluation=None,
        paused=False,
    )


def with_entry(
    ctx: Context, result: Result, reason: AnyReason, message: str, stable: str = "", candidate: str = ""
) -> list[HistoryEntry]:
    """The history with one entry more, about the rollout in progress unless versions are named."""
    status = ctx.status
    entry = HistoryEntry(
        stable=stable or status.stable or "",
        candidate=candidate or status.candidate or "",
        result=result,
        reason=reason,
        message=message,
        started_at=status.rollout.started_at if status.rollout else ctx.now,
        ended_at=ctx.now,
    )
    return [*status.history, entry][-MOST_ENTRIES:]


def with_promoted(ctx: Context) -> list[PromotedVersion]:
    """The promoted versions with the candidate as the newest, as far as its layers were measured.

    A version that is promoted again counts once, by its last measurement.
    """
    version, layers = ctx.status.candidate or "", ctx.evaluation.layers if ctx.evaluation else ()
    others = without_version(ctx.status, version)
    if not layers:
        return others
    return [*others, PromotedVersion(version=version, at=ctx.now, layers=list(layers))][-MOST_ENTRIES:]


def without_version(status: Status, version: str | None) -> list[PromotedVersion]:
    """The promoted versions but one."""
    return [one for one in status.promoted if one.version != version]


def restarted_clock(ctx: Context) -> ClockChanges:
    """Facts of a rollout whose deadline counts from now."""
    assert ctx.status.rollout is not None
    return {"clock_stopped_for": ctx.now - ctx.status.rollout.started_at, "clock_stopped_at": None}


def refit_step(status: Status, spec: Spec) -> StepStatus | None:
    """The step in progress under edited steps: never a higher weight than now."""
    step = status.step
    if step is None or status.phase == "Baking":
        return step
    index = step_index(spec, step.weight)
    weight = min(step.weight, max(spec.steps[index].weight, 1))
    mirror = spec.steps[index].mirror if not weight else None
    return update_step(
        step, index=index, weight=weight, mirror=mirror, earliest_advance=step.started_at + spec.steps[index].hold
    )


def hold_text(status: Status, now: float) -> str | None:
    """Until when the weight stays what it is; None where no hold runs."""
    step = status.step
    if step is None or step.earliest_advance is None or now >= step.earliest_advance:
        return None
    until = format_timestamp(step.earliest_advance)[11:19]
    doubted = status.rollout is not None and status.rollout.doubts > 0 and status.phase == "Stepping"
    why = "compared with stable once more, " if doubted else ""
    if step.mirror is not None and not step.weight:
        return f"copies of {step.mirror} % of the requests to version {status.candidate}, held until {until} UTC"
    return f"{step.weight} % to version {status.candidate}, {why}held until {until} UTC"


def say_hold(status: Status, reason: AnyReason, now: float) -> Status:
    """What the next pass would say anyway: said now, it costs no extra write."""
    text = hold_text(status, now)
    return update(status, reason=reason, message=text) if text else status
