"""Edits of gates and steps in mid-rollout: what was proven counts for what it was proven about, no weight goes up."""

from __future__ import annotations

from dataclasses import replace

from modelrollout.api.spec import Spec
from modelrollout.api.status import Status
from modelrollout.core import reasons
from modelrollout.core.finding import Finding
from modelrollout.core.observation import Event
from modelrollout.core.rollout import phases, status_message, transitions
from modelrollout.core.rollout.context import Context, Transition
from modelrollout.core.rollout.phases import Trigger


def follow_edits(ctx: Context, spec: Spec) -> Transition | None:
    """Edited gates restart the evidence; edited steps never raise the weight."""
    status = ctx.status
    if status.rollout is None:
        return None
    if spec.gates_digest() != status.rollout.gates_digest:
        return _judge_anew(ctx, spec)
    step = transitions.refit_step(status, spec)
    if step != status.step:
        message = f"the steps were edited: now step {step.index + 1 if step else 0} of {len(spec.steps)}"
        return _edited(transitions.update(status, step=step), reasons.STEPS_CHANGED, message)
    return None


def _judge_anew(ctx: Context, spec: Spec) -> Transition:
    """What passed the old gates has not passed these: the exposure begins again, out of the bake beside stable."""
    rollout = transitions.update_rollout(ctx.status, gates_digest=spec.gates_digest(), evidence_from=ctx.now, gates=[])
    status = transitions.update(ctx.status, rollout=rollout)
    message = "the gates were edited: evidence and the hold count from now on"
    if status.phase == "Baking":
        back = f"{message}, at {spec.steps[-1].weight} % beside stable"
        found = Finding(reasons.GATES_CHANGED, back)
        return transitions.leave_bake(replace(ctx, status=status), spec, Trigger.GATES_EDITED, found)
    step = transitions.refit_step(status, spec)
    if step is not None:
        if phases.exposed(status.phase):  # the evaluation counts from the last record, and must agree with the step
            status = transitions.update(status, steps=transitions.record(status, step.weight, ctx.now))
        status = transitions.update(status, step=transitions.update_step(step, started_at=ctx.now))
        status = transitions.update(status, step=transitions.refit_step(status, spec))
    return _edited(status, reasons.GATES_CHANGED, message)


def _edited(status: Status, reason: str, message: str) -> Transition:
    return Transition(status_message.say(status, Finding(reason, message)), None, (Event(reason, message),))
