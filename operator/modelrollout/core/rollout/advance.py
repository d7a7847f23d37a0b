"""Going on needs proof: each check names what is still missing, and only when none does is the weight raised."""

from __future__ import annotations

from collections.abc import Callable

from modelrollout.api.spec import Spec
from modelrollout.api.timestamps import format_timestamp
from modelrollout.core import reasons
from modelrollout.core.evaluation import Evaluation
from modelrollout.core.finding import Finding
from modelrollout.core.rollout import status_message, transitions
from modelrollout.core.rollout.context import Context, Transition, target_weight
from modelrollout.core.rollout.phases import Trigger

Missing = Callable[[Context, Spec, Evaluation], Finding | None]


def make_progress(ctx: Context, spec: Spec) -> Transition:
    """The next move of a rollout in progress, or what it waits for."""
    phase = ctx.status.phase
    if phase == "Waiting":
        return _wait(ctx, spec)
    if phase == "Stepping":
        return _step(ctx, spec)
    if phase == "Baking":
        return _bake(ctx, spec)
    return _await(ctx)


def _await(ctx: Context) -> Transition:
    """What a person is asked, after whatever would keep the raise back anyway."""
    question = status_message.asked(ctx.status)
    assert question is not None
    if ctx.status.phase == "AwaitingApproval" and ctx.this_step and not ctx.this_step.approval:
        number = ctx.status.step.index + 1 if ctx.status.step else 0
        text = f"the manifest asks for no approval of step {number} any more"
        return transitions.change(ctx, Trigger.APPROVAL_DROPPED, Finding(reasons.APPROVED, text))
    return transitions.hold(ctx, held(ctx) or question)


def held(ctx: Context) -> Finding | None:
    """What keeps every raise back, whatever the phase."""
    if ctx.paused:
        where = "spec.paused" if ctx.spec and ctx.spec.paused else "by command"
        gates = "gates still roll back" if ctx.spec and ctx.spec.analysis.on_breach == "Rollback" else "nothing moves"
        return Finding(reasons.PAUSED, f"paused ({where}): the weight stays; {gates}")
    if ctx.blindness:
        return Finding(ctx.blindness.reason, f"{ctx.blindness.message}; the weight is held until they are back")
    return route_rejected(ctx)


def route_rejected(ctx: Context) -> Finding | None:
    """A route that its gateway refuses carries nothing, whatever its weights say."""
    route = ctx.observed.route
    if route is None or route.acceptance != "REJECTED":
        return None
    return Finding(reasons.ROUTE_REJECTED, route.acceptance_reason or "the gateway refuses the route")


def _wait(ctx: Context, spec: Spec) -> Transition:
    status, rollout = ctx.status, ctx.status.rollout
    assert rollout is not None
    version, need = status.candidate, spec.analysis.ready_for
    if not ctx.ready_for(version, need):
        if _is_late_to_be_ready(ctx, spec):
            text = f"version {version} was not ready within {spec.analysis.ready_deadline:.0f} s: {_why(ctx)}"
            return transitions.roll_back(ctx, Trigger.READY_DEADLINE, Finding(reasons.READY_DEADLINE, text))
        text = f"version {version} must be ready for {need:.0f} s without a break before it gets traffic: {_why(ctx)}"
        return transitions.hold(ctx, Finding(reasons.CANDIDATE_NOT_READY, text))
    blocked = held(ctx)
    if blocked:
        return transitions.hold(ctx, blocked)
    evaluation = ctx.evaluation
    if evaluation is None:
        text = f"version {version} is ready; waiting for a first look at the metrics"
        return transitions.hold(ctx, Finding(reasons.WAITING_FOR_EVALUATION, text))
    index = status.step.index if status.step else 0
    transition = transitions.enter_step(ctx, spec, Trigger.CANDIDATE_READY, min(index, len(spec.steps) - 1))
    if spec.gates or rollout.gates:
        return transition
    found = transitions.update_rollout(transition.status, gates=list(evaluation.default_gates or ()))
    return Transition(transitions.update(transition.status, rollout=found), transition.trigger, transition.events)


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
        return transitions.hold(ctx, blocked)
    missing = _first_missing(ctx, spec, ctx.current, _STEP if ctx.next_step else _LAST)
    if _is_late(ctx, spec):
        return _inconclusive(ctx, spec, missing)
    return transitions.hold(ctx, missing) if missing else _step_done(ctx, spec)


def _inconclusive(ctx: Context, spec: Spec, missing: Finding | None) -> Transition:
    late = f"not proven within {spec.analysis.deadline:.0f} s"
    passing = (reasons.STEP_HOLDING, reasons.WAITING_FOR_EVALUATION)  # what is over by the time it is read
    why = f" ({missing.message})" if missing and missing.reason not in passing else ""
    if spec.analysis.on_inconclusive == "Rollback":
        return transitions.roll_back(ctx, Trigger.BREACH, Finding(reasons.DEADLINE, late + why))
    asked = Finding(reasons.DEADLINE, f"{late}: resume, promote or abort it{why}")
    return transitions.change(ctx, Trigger.DEADLINE, asked, warning=True)


def _step_done(ctx: Context, spec: Spec) -> Transition:
    step, following = ctx.this_step, ctx.next_step
    assert step is not None
    assert ctx.status.step is not None
    if step.approval and not ctx.status.step.approved:
        return transitions.change(
            ctx, Trigger.APPROVAL_NEEDED, status_message.approval(ctx.status.step.index, ctx.status.step.weight)
        )
    if following:
        return transitions.enter_step(ctx, spec, Trigger.STEP_DONE, following[0])
    if ctx.status.rollout and ctx.status.rollout.doubts > transitions.MAX_DOUBTS:  # asked, and lost from sight since
        text = "worse than stable was before the bake, twice: resume, promote or abort it"
        doubt = Finding(reasons.BAKE_IN_DOUBT, text)
        return transitions.change(ctx, Trigger.BAKE_STILL_IN_DOUBT, doubt, warning=True)
    return transitions.bake(ctx, spec, Trigger.PROVEN, "every required gate passed")


def _bake(ctx: Context, spec: Spec) -> Transition:
    blocked = held(ctx)
    missing = blocked or _first_missing(ctx, spec, ctx.current, (_halted, _hold_over))
    if missing:
        baking = Finding(reasons.BAKING, missing.message) if missing.reason == reasons.STEP_HOLDING else missing
        return transitions.hold(ctx, baking)
    return transitions.promote(ctx, Trigger.BAKED, "bake over, every limit kept")


def _first_missing(ctx: Context, spec: Spec, current: Evaluation | None, checks: tuple[Missing, ...]) -> Finding | None:
    waiting = _weight_missing(ctx)
    if waiting:
        return waiting
    if current is None:
        return _hold_text(ctx) or Finding(reasons.WAITING_FOR_EVALUATION, "waiting for the next look at the metrics")
    if not ctx.ready_for(ctx.status.candidate, spec.analysis.ready_for):
        return Finding(reasons.CANDIDATE_NOT_READY, f"not ready for long enough to raise the weight: {_why(ctx)}")
    found = (check(ctx, spec, current) for check in checks)
    return next((finding for finding in found if finding), None)


def _weight_missing(ctx: Context) -> Finding | None:
    """A step whose weight is not on the route (lowered by hand, a raise that got lost) is not being served."""
    route, wanted = ctx.observed.route, target_weight(ctx.status)
    has = route.weight_of(ctx.status.candidate) if route else 0
    if has >= wanted:
        return None
    text = f"version {ctx.status.candidate} has {has} % instead of {wanted} %; the step counts from when it has them"
    return Finding(reasons.RAISE_PENDING, text)


def _halted(_ctx: Context, _spec: Spec, current: Evaluation) -> Finding | None:
    return Finding(current.halt, current.message) if current.halt else None


def _hold_over(ctx: Context, _spec: Spec, _current: Evaluation) -> Finding | None:
    return _hold_text(ctx)


def _hold_text(ctx: Context) -> Finding | None:
    text = transitions.hold_text(ctx.status, ctx.now)
    return Finding(reasons.STEP_HOLDING, text) if text else None


def _requests(_ctx: Context, spec: Spec, current: Evaluation) -> Finding | None:
    missing = spec.analysis.minimum_requests - current.requests
    if missing <= 0:
        return None
    text = f"{current.requests} candidate requests in this step, {missing} more needed"
    return Finding(reasons.TOO_FEW_REQUESTS, text)


def _not_leaning(_ctx: Context, _spec: Spec, current: Evaluation) -> Finding | None:
    for gate in current.gates:
        if gate.required and (gate.verdict in ("NO_DATA", "NOT_COMPARABLE") or gate.leaning_bad):
            return Finding(
                reasons.LEANING_BAD if gate.leaning_bad else reasons.NOT_PROVEN,
                f"{gate.name}: {gate.message}",
            )
    return None


def _proven(_ctx: Context, _spec: Spec, current: Evaluation) -> Finding | None:
    unproven = [gate for gate in current.gates if gate.required and gate.verdict != "PASS"]
    if unproven:
        return Finding(reasons.NOT_PROVEN, "; ".join(f"{g.name}: {g.message}" for g in unproven[:3]))
    if not any(gate.required for gate in current.gates):
        return Finding(reasons.NOT_PROVEN, "no required gate has been judged: nothing is proven")
    return None


def _is_late(ctx: Context, spec: Spec) -> bool:
    rollout = ctx.status.rollout
    assert rollout is not None
    counted = ctx.now - rollout.started_at - rollout.clock_stopped_for
    if rollout.clock_stopped_at is not None:
        counted -= ctx.now - rollout.clock_stopped_at
    return counted > spec.analysis.deadline


def _why(ctx: Context) -> str:
    readiness = ctx.candidate_readiness
    if readiness is None:
        return "not probed yet"
    if readiness.ready and readiness.since is not None:
        return f"ready since {format_timestamp(readiness.since)[11:19]} UTC"
    return readiness.message or "not ready"


_STEP: tuple[Missing, ...] = (_halted, _requests, _not_leaning, _hold_over)
_LAST: tuple[Missing, ...] = (_halted, _requests, _not_leaning, _hold_over, _proven)
