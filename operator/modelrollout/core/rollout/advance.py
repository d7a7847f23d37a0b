"""One step further: in each phase, what is still missing before the weight is raised, or the transition itself."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import assert_never

from modelrollout.api.spec import Spec
from modelrollout.core import reasons
from modelrollout.core.finding import Finding
from modelrollout.core.observation import Event
from modelrollout.core.rollout import status_message
from modelrollout.core.rollout.context import Context, Transition, longest_silence
from modelrollout.core.rollout.missing import (
    BAKE,
    LAST,
    STEP,
    UNPROVEN,
    before_traffic,
    first_missing,
    held,
    unready,
    why_not_ready,
)
from modelrollout.core.rollout.phases import Trigger
from modelrollout.core.rollout.preflight import run as preflight
from modelrollout.core.rollout.route import mirroring
from modelrollout.core.rollout.transitions import forward, setbacks, without_judge
from modelrollout.core.rollout.transitions import unproven as without_proof
from modelrollout.core.rollout.transitions.forward import hold


def make_progress(ctx: Context, spec: Spec) -> Transition:
    """The next move of a rollout in progress, or what it waits for."""
    match ctx.status.phase:
        case "Waiting":
            return mirroring.refused(ctx, spec) or _wait(ctx, spec)
        case "Preflight":
            return preflight.progress(ctx, spec)
        case "Stepping":
            return _step(ctx, spec)
        case "Baking":
            return _bake(ctx, spec)
        case "AwaitingApproval" | "Inconclusive":
            return _await(ctx)
        case "Adopting" | "Serving" | "RolledBack" | "Rejected":
            raise AssertionError(f"no rollout is in progress in phase {ctx.status.phase}")
        case _:
            assert_never(ctx.status.phase)


def _await(ctx: Context) -> Transition:
    """What holds the weight anyway, or else what a person is asked."""
    question = status_message.asked(ctx.status)
    assert question is not None
    if ctx.status.phase == "AwaitingApproval" and ctx.this_step and not ctx.this_step.approval:
        number = ctx.status.step.index + 1 if ctx.status.step else 0
        text = f"step {number} no longer needs approval"
        return forward.change(ctx, Trigger.APPROVAL_DROPPED, Finding(reasons.APPROVED, text))
    return hold(ctx, held(ctx) or question)


def _wait(ctx: Context, spec: Spec) -> Transition:
    status, rollout = ctx.status, ctx.status.rollout
    assert rollout is not None
    version = status.candidate
    if not ctx.ready_for(version, spec.analysis.ready_for):
        return _wait_until_ready(ctx, spec)
    blocked = held(ctx)
    if blocked:
        return hold(ctx, blocked)
    if preflight.due(status, spec):
        return preflight.begin(ctx, spec)
    evaluation = ctx.evaluation
    if evaluation is None:
        text = f"version {version} is ready; waiting for the first evaluation"
        return hold(ctx, Finding(reasons.WAITING_FOR_EVALUATION, text))
    unseen = before_traffic(evaluation)
    if unseen:
        return without_judge.refuse(ctx, unseen)
    index = status.step.index if status.step else 0
    transition = forward.enter_step(ctx, spec, Trigger.CANDIDATE_READY, min(index, len(spec.steps) - 1))
    plan = rollout.plan or evaluation.plan
    if plan and not rollout.exposed:
        transition = replace(transition, events=(*transition.events, Event(reasons.PLANNED, plan)))
    left = () if rollout.exposed else without_judge.left_out_events(evaluation.gates)
    return replace(transition, events=(*transition.events, *left))


def _wait_until_ready(ctx: Context, spec: Spec) -> Transition:
    version, need = ctx.status.candidate, spec.analysis.ready_for
    if _is_late_to_be_ready(ctx, spec):
        text = f"version {version} was not ready within {spec.analysis.ready_deadline:.0f} s: {why_not_ready(ctx)}"
        return setbacks.roll_back(ctx, Trigger.READY_DEADLINE, Finding(reasons.READY_DEADLINE, text))
    text = f"version {version} must be ready for {need:.0f} s without a break before it gets traffic"
    return hold(ctx, unready(ctx, text))


def _is_late_to_be_ready(ctx: Context, spec: Spec) -> bool:
    """Lost past the deadline, or still coming and going at twice the deadline; a first failed probe says too little."""
    assert ctx.status.rollout is not None
    found, waited = ctx.candidate_readiness, ctx.now - ctx.status.rollout.waiting_since
    if waited <= spec.analysis.ready_deadline or found is None:
        return False
    return ctx.lost or (not found.ready and waited > 2 * spec.analysis.ready_deadline)


def _step(ctx: Context, spec: Spec) -> Transition:
    blocked = held(ctx)
    if blocked:
        return hold(ctx, blocked)
    missing = first_missing(ctx, spec, ctx.current, STEP if ctx.next_step else LAST)
    late = _late_by(ctx, spec)
    if late > 0 and spec.analysis.on_inconclusive == "Promote":
        return _go_on_unproven(ctx, spec, missing, late)
    if late > 0:
        return _inconclusive(ctx, spec, missing)
    return hold(ctx, missing) if missing else _step_done(ctx, spec)


_PASSING = (reasons.STEP_HOLDING, reasons.WAITING_FOR_EVALUATION)
"""What is over by itself soon, as a rule by the time it is read."""


def _go_on_unproven(ctx: Context, spec: Spec, missing: Finding | None, late: float) -> Transition:
    """onInconclusive: Promote, `late` seconds after the deadline: on where nothing speaks against it, else as Pause."""
    if missing is None and ctx.next_step is None:
        return _step_done(ctx, spec)
    against = first_missing(ctx, spec, ctx.current, UNPROVEN)
    if against is None:
        return _step_done(ctx, spec, unproven=True)
    if min(late, _overdue_by(ctx)) <= _patience(ctx, spec, against, late):
        return hold(ctx, against)
    return _inconclusive(ctx, spec, against)


def _patience(ctx: Context, spec: Spec, against: Finding, late: float) -> float:
    """Seconds after hold and deadline for which a step waits for what only takes time.

    A step that began after the deadline waits for its requests as long as the deadline is; one before had its time.
    """
    assert ctx.status.step is not None
    if against.reason == reasons.TOO_FEW_REQUESTS:
        return spec.analysis.deadline if ctx.now - ctx.status.step.started_at < late else -1.0
    if against.reason == reasons.STEP_HOLDING:
        return math.inf
    return longest_silence(spec) if against.reason in (*_PASSING, reasons.CANDIDATE_NOT_READY) else -1.0


def _inconclusive(ctx: Context, spec: Spec, missing: Finding | None) -> Transition:
    """At the deadline a person decides, or the weight goes back; out of a bake to the last step, beside stable."""
    late = f"not proven within {spec.analysis.deadline:.0f} s"
    why = f" ({missing.message})" if missing and missing.reason not in _PASSING else ""
    if spec.analysis.on_inconclusive == "Rollback":
        return setbacks.roll_back(ctx, Trigger.BREACH, Finding(reasons.DEADLINE, late + why))
    if ctx.status.phase == "Baking":
        back = f"{late}, back to {spec.steps[-1].weight} %: resume, promote or abort it{why}"
        return setbacks.leave_bake(ctx, spec, Trigger.DEADLINE, Finding(reasons.DEADLINE, back))
    asked = Finding(reasons.DEADLINE, f"{late}: resume, promote or abort it{why}")
    return forward.change(ctx, Trigger.DEADLINE, asked, warning=True)


def _step_done(ctx: Context, spec: Spec, *, unproven: bool = False) -> Transition:
    step, following = ctx.this_step, ctx.next_step
    assert step is not None
    assert ctx.status.step is not None
    if step.approval and not ctx.status.step.approved:
        return forward.change(
            ctx, Trigger.APPROVAL_NEEDED, status_message.approval(ctx.status.step.index, ctx.status.step.weight)
        )
    if following and unproven:
        return without_proof.enter_step(ctx, spec, following[0])
    if following:
        return forward.enter_step(ctx, spec, Trigger.STEP_DONE, following[0])
    if ctx.status.rollout and ctx.status.rollout.doubts > setbacks.MAX_DOUBTS:  # asked, and lost from sight since
        text = "in two bakes worse than stable was before: resume, promote or abort it"
        doubt = Finding(reasons.BAKE_IN_DOUBT, text)
        return forward.change(ctx, Trigger.BAKE_STILL_IN_DOUBT, doubt, warning=True)
    if unproven:
        return without_proof.bake(ctx, spec)
    return forward.bake(ctx, spec, Trigger.PROVEN, "every required gate passed")


def _bake(ctx: Context, spec: Spec) -> Transition:
    blocked = held(ctx)
    missing = blocked or first_missing(ctx, spec, ctx.current, BAKE)
    if missing and not blocked and _late_by(ctx, spec) > 0 and _overdue_by(ctx) > longest_silence(spec):
        if spec.analysis.on_inconclusive == "Promote" and not first_missing(ctx, spec, ctx.current, UNPROVEN):
            return without_proof.promote(ctx)
        return _inconclusive(ctx, spec, missing)
    if missing:
        baking = Finding(reasons.BAKING, missing.message) if missing.reason == reasons.STEP_HOLDING else missing
        return hold(ctx, baking)
    left = without_proof.still_unproven(ctx)
    why = "the bake is over and no gate failed" if left else "the bake is over and every limit was kept"
    return forward.promote(ctx, Trigger.BAKED, why, left)


def _overdue_by(ctx: Context) -> float:
    """Seconds since the hold was over: one evaluation that is late or has no data is no reason to stop."""
    step = ctx.status.step
    over = step.earliest_advance if step and step.earliest_advance is not None else ctx.now
    return ctx.now - over


def _late_by(ctx: Context, spec: Spec) -> float:
    """Seconds since the deadline; not above 0 before it."""
    rollout = ctx.status.rollout
    assert rollout is not None
    counted = ctx.now - rollout.started_at - rollout.clock_stopped_for
    if rollout.clock_stopped_at is not None:
        counted -= ctx.now - rollout.clock_stopped_at
    return counted - spec.analysis.deadline
