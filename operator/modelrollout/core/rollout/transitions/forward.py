"""Every way forward, one function for each: a rollout starts, gets its next weight, bakes, is promoted.

Whether a rollout may move is decided elsewhere (checks.py, advance.py); setbacks.py has the ways back.
"""

from __future__ import annotations

from modelrollout.api.changes import update, update_rollout
from modelrollout.api.spec import Spec
from modelrollout.api.status import Previous, Result, RolloutStatus
from modelrollout.core import reasons
from modelrollout.core.finding import Finding
from modelrollout.core.observation import FULL_WEIGHT, Event
from modelrollout.core.reasons import Reason
from modelrollout.core.rollout import status_message
from modelrollout.core.rollout.context import Context, Transition
from modelrollout.core.rollout.phases import Trigger
from modelrollout.core.rollout.transitions.effects import (
    after_copies,
    end,
    expose,
    go,
    say_hold,
    with_entry,
    with_promoted,
)


def hold(ctx: Context, finding: Finding) -> Transition:
    """Nothing moves; people read why."""
    return Transition(status_message.say(ctx.status, finding))


def adopt(ctx: Context, stable: str, message: str) -> Transition:
    """`stable` serves from now on; history starts with it."""
    status = go(ctx.status, Trigger.ADOPTED, reasons.ADOPTED, message)
    status = update(status, stable=stable, history=with_entry(ctx, "Adopted", reasons.ADOPTED, message, stable, stable))
    return Transition(status, Trigger.ADOPTED, (Event(reasons.ADOPTED, message),))


def start(ctx: Context, spec: Spec, trigger: Trigger, result: tuple[Result, Reason] | None = None) -> Transition:
    """A new rollout to the version in spec, at weight 0; `result` closes the one that it replaces."""
    status, version = ctx.status, spec.model.version
    message = f"rollout {status.stable} -> {version} started; waiting for {version} to be ready"
    history = status.history
    if result:
        history = with_entry(ctx, result[0], result[1], f"replaced by version {version}")
    rollout = RolloutStatus(
        started_at=ctx.now,
        attempt=spec.attempt,
        evidence_from=ctx.now,
        gates_digest=spec.gates_digest(),
        waiting_since=ctx.now,
    )
    status = go(status, trigger, reasons.ROLLOUT_STARTED, message)
    status = update(status, candidate=version, rollout=rollout, history=history)
    status = update(
        status, preflight=None, step=None, steps=[], gates=[], deciding=None, warnings=[], rejected=None, paused=False
    )
    return Transition(status, trigger, (Event(reasons.ROLLOUT_STARTED, message),))


def enter_step(ctx: Context, spec: Spec, trigger: Trigger, index: int) -> Transition:
    """The candidate gets the weight of step `index`; hold and request count start again."""
    step = spec.steps[index]
    message = f"step {index + 1}/{len(spec.steps)}: {step.title} to version {ctx.status.candidate}"
    before = ctx.status if step.mirror is not None else after_copies(ctx.status, ctx.now)
    status = go(before, trigger, reasons.STEP_STARTED, message)
    status = expose(status, index, step.weight, ctx.now, ctx.now + step.hold, step.mirror)
    status = say_hold(status, reasons.STEP_HOLDING, ctx.now)
    return Transition(status, trigger, (Event(reasons.STEP_STARTED, message),))


def bake(ctx: Context, spec: Spec, trigger: Trigger, why: str) -> Transition:
    """All traffic to the candidate; stable stays what it was until the bake is over."""
    message = f"{why}; 100 % to version {ctx.status.candidate}, watched until the end of the bake"
    status = go(after_copies(ctx.status, ctx.now), trigger, reasons.BAKE_STARTED, message)
    status = expose(status, len(spec.steps), FULL_WEIGHT, ctx.now, ctx.now + spec.bake)
    assert status.rollout is not None
    status = update(status, rollout=update_rollout(status, bake_started_at=ctx.now, unproven=""))
    status = say_hold(status, reasons.BAKING, ctx.now)
    return Transition(status, trigger, (Event(reasons.BAKE_STARTED, message),))


def promote(ctx: Context, trigger: Trigger, why: str, unproven: str = "") -> Transition:
    """The candidate is stable now; `unproven`: what was not proven of it."""
    old, new = ctx.status.stable, ctx.status.candidate
    assert old is not None
    reason: Reason = reasons.PROMOTED_UNPROVEN if unproven else reasons.PROMOTED
    aloud = f"; unproven, as onInconclusive: Promote asks: {unproven}" if unproven else ""
    message = f"version {new} promoted: {why}{aloud}"
    status = go(ctx.status, trigger, reason, message)
    history = with_entry(ctx, "Promoted", reason, message)
    status = update(status, stable=new, previous=Previous(version=old, replaced_at=ctx.now), history=history)
    status = update(status, promoted=with_promoted(ctx), place=_place_after(ctx))
    return Transition(end(status), trigger, (Event(reason, message, warning=bool(unproven)),))


def _place_after(ctx: Context) -> int | None:
    """Where stable stands after a promotion: where it stood as the candidate, if the gateway goes by places.

    A place that another version takes over is another backend there, and requests fail until the gateway is done.
    """
    named, route = ctx.observed.version_header, ctx.observed.route
    by_place = route is not None and route.version_header if named is None else named
    return 1 - (ctx.status.place or 0) if by_place else None


def change(ctx: Context, trigger: Trigger, finding: Finding, *, warning: bool = False) -> Transition:
    """A phase change that moves no traffic."""
    status = go(ctx.status, trigger, finding.reason, finding.message)
    return Transition(status, trigger, (Event(finding.reason, finding.message, warning),))
