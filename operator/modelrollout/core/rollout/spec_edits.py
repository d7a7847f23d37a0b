"""What an edit of spec asks for: another version starts a rollout, other gates or steps never raise a weight."""

from __future__ import annotations

from dataclasses import replace

from modelrollout.api.changes import update, update_rollout, update_step
from modelrollout.api.spec import Spec
from modelrollout.api.status import Result, Status
from modelrollout.core import reasons
from modelrollout.core.finding import Finding
from modelrollout.core.observation import Event
from modelrollout.core.reasons import Reason, as_read
from modelrollout.core.rollout import phases, status_message
from modelrollout.core.rollout.context import Context, Transition
from modelrollout.core.rollout.missing import route_rejected
from modelrollout.core.rollout.phases import Trigger
from modelrollout.core.rollout.transitions import effects, forward, order, setbacks
from modelrollout.core.rollout.transitions.forward import hold


def refuse_other_model(ctx: Context, spec: Spec) -> Transition | None:
    """Another model's name is another model: its versions have nothing to do with what serves."""
    route = ctx.observed.route
    if route is None or route.model in (None, spec.model.name):
        return None
    text = (
        f"spec.model.name: {spec.model.name!r} cannot replace {route.model!r} in place; "
        "restore the name, or create another ModelRollout"
    )
    return hold(ctx, Finding(reasons.MODEL_CHANGED, text))


def follow_spec(ctx: Context, spec: Spec) -> Transition | None:
    """What the version in spec asks for, in every phase."""
    status, version = ctx.status, spec.model.version
    busy = phases.running(status.phase) or phases.refused(status.phase)
    if version == status.stable:
        return setbacks.revert(ctx) if busy else None
    if _may_return(ctx, spec):
        return setbacks.fast_rollback(ctx, version)
    if phases.refused(status.phase):
        return _after_refusal(ctx, spec)
    if status.phase == "Serving":
        return order.waits(ctx, spec) or forward.start(ctx, spec, Trigger.VERSION_CHANGED)
    if version != status.candidate:
        replaced: tuple[Result, Reason] = ("Replaced", reasons.VERSION_REPLACED)
        return order.give_way(ctx, spec) or forward.start(ctx, spec, Trigger.VERSION_CHANGED, replaced)
    return None


def _may_return(ctx: Context, spec: Spec) -> bool:
    previous = ctx.status.previous
    return bool(
        previous
        and previous.version == spec.model.version
        and ctx.now - previous.replaced_at <= spec.rollback_window
        and ctx.ready_for(previous.version, 0)
    )


def _after_refusal(ctx: Context, spec: Spec) -> Transition:
    rejected = ctx.status.rejected
    if rejected is None or spec.model.version != rejected.version:
        return order.give_way(ctx, spec) or forward.start(ctx, spec, Trigger.VERSION_CHANGED)
    if spec.attempt != rejected.attempt:
        return order.give_way(ctx, spec) or forward.start(ctx, spec, Trigger.RETRY)
    blocked = route_rejected(ctx)
    if blocked:
        return hold(ctx, blocked)
    if ctx.status.reason == rejected.reason:
        return Transition(ctx.status)  # the sentence about it is still the right one
    text = f"version {rejected.version} is not retried ({rejected.reason}: {rejected.message})"
    return hold(ctx, Finding(as_read(rejected.reason), f"{text}: raise spec.attempt or change the version"))


def follow_edits(ctx: Context, spec: Spec) -> Transition | None:
    """Edited gates restart the evidence; edited steps never raise the weight."""
    status = ctx.status
    if status.rollout is None:
        return None
    if spec.gates_digest() != status.rollout.gates_digest:
        return _restart_evidence(ctx, spec)
    step = effects.refit_step(status, spec)
    if step != status.step:
        message = f"the steps were edited: now step {step.index + 1 if step else 0} of {len(spec.steps)}"
        return _edited(update(status, step=step), reasons.STEPS_CHANGED, message)
    return None


def _restart_evidence(ctx: Context, spec: Spec) -> Transition:
    """What passed the old gates has not passed these: the step starts again, and a bake goes back to the last step.

    Nor has a person approved of what these find.
    """
    rollout = update_rollout(ctx.status, gates_digest=spec.gates_digest(), evidence_from=ctx.now, gates=[])
    status = update(ctx.status, rollout=rollout)
    message = "the gates were edited: evidence and hold start again"
    if status.phase == "Baking":
        back = f"{message}, at {spec.steps[-1].weight} % beside stable"
        found = Finding(reasons.GATES_CHANGED, back)
        return setbacks.leave_bake(replace(ctx, status=status), spec, Trigger.GATES_EDITED, found)
    step = effects.refit_step(status, spec)
    if step is not None:
        if phases.exposed(status.phase):  # the evaluation counts from the last record, and must agree with the step
            status = update(status, steps=effects.record(status, step.weight, ctx.now))
        status = update(status, step=update_step(step, started_at=ctx.now, approved=False))
        status = update(status, step=effects.refit_step(status, spec))
    return _edited(status, reasons.GATES_CHANGED, message)


def _edited(status: Status, reason: Reason, message: str) -> Transition:
    return Transition(status_message.say(status, Finding(reason, message)), None, (Event(reason, message),))
