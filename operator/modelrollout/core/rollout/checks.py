"""The chain of checks, most urgent first: the first that finds something decides the pass."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from modelrollout.api.spec import Spec
from modelrollout.core import reasons
from modelrollout.core.finding import Finding
from modelrollout.core.observation import Command, Event
from modelrollout.core.rollout import phases
from modelrollout.core.rollout.adoption import adopt
from modelrollout.core.rollout.advance import make_progress
from modelrollout.core.rollout.commands import obey, refuse
from modelrollout.core.rollout.context import Context, Transition
from modelrollout.core.rollout.missing import route_foreign, route_rejected
from modelrollout.core.rollout.phases import Trigger
from modelrollout.core.rollout.preflight import run as preflight
from modelrollout.core.rollout.spec_edits import follow_edits, follow_spec, refuse_other_model
from modelrollout.core.rollout.transitions import setbacks
from modelrollout.core.rollout.transitions.forward import hold

MAX_LOSSES = 3
MAX_RELOADS = 3
"""Times the analysis starts again under other weights; a version that changes once more cannot be analysed."""
Check = Callable[[Context, Spec], Transition | None]


def decide_move(ctx: Context) -> Transition:
    """What this pass does: whatever takes traffic away first, then commands; an invalid spec moves nothing."""
    foreign = route_foreign(ctx)
    if foreign is not None:
        return leave_alone(ctx, foreign)
    if ctx.status.stable is None:
        return adopt(ctx)
    urgent = (check(ctx) for check in URGENT)
    found = next((transition for transition in urgent if transition is not None), None)
    if found is not None:
        return found
    if ctx.spec is None:
        problem = ctx.observed.problem or "the spec is invalid"
        return hold(ctx, Finding(reasons.INVALID_SPEC, f"{problem}; nothing moves until it is fixed"))
    checked = (check(ctx, ctx.spec) for check in CHECKS)
    return next(transition for transition in checked if transition is not None)


def leave_alone(ctx: Context, foreign: Finding) -> Transition:
    """Somebody else's route: nothing moves and nothing is obeyed; one Event says so."""
    held = hold(ctx, foreign)
    if ctx.status.reason != foreign.reason:
        held = replace(held, events=(Event(foreign.reason, foreign.message, warning=True),))
    return refuse(replace(ctx, status=held.status), foreign.message, held.events) or held


def watch_readiness(ctx: Context) -> Transition | None:
    """A candidate that stops answering loses its traffic at once; the third time is the last."""
    status = ctx.status
    if not ((phases.exposed(status.phase) or status.phase == "Preflight") and ctx.lost):
        return None
    message = f"version {status.candidate} is no longer ready: {ctx.why_unready(status.candidate)}"
    assert status.rollout is not None
    if status.rollout.losses + 1 >= MAX_LOSSES:
        finding = Finding(reasons.CANDIDATE_UNSTABLE, f"{message}, for the {MAX_LOSSES}rd time")
        return setbacks.roll_back(ctx, Trigger.CANDIDATE_UNSTABLE, finding)
    return setbacks.lose(ctx, message)


def watch_gates(ctx: Context) -> Transition | None:
    """Evidence against the candidate takes its traffic, paused or not; unless spec names another version by now."""
    breach, spec = ctx.breach, ctx.spec
    if breach is None or spec is None or not phases.running(ctx.status.phase):
        return None
    if spec.analysis.on_breach == "Rollback" and spec.model.version == ctx.status.candidate:
        if ctx.status.phase == "Preflight":
            found = Finding(reasons.PREFLIGHT_FAILED, f"on the golden set: {breach.message}")
            return setbacks.roll_back(ctx, Trigger.PREFLIGHT_FAILED, found)
        return setbacks.roll_back(ctx, Trigger.BREACH, breach)
    return None


def watch_weights(ctx: Context) -> Transition | None:
    """Other weights under the candidate's version number have proven nothing yet: they start at the first step."""
    found, rollout = ctx.evaluation, ctx.status.rollout
    if found is None or rollout is None or ctx.spec is None or found.digest is None:
        return None
    if rollout.digest in ("", found.digest):
        return None
    if rollout.reloads >= MAX_RELOADS:
        text = f"its weights keep changing: other ones again ({found.digest}) after {MAX_RELOADS} restarts"
        return setbacks.roll_back(ctx, Trigger.CANDIDATE_UNSTABLE, Finding(reasons.CANDIDATE_UNSTABLE, text))
    return setbacks.restart_analysis(ctx, ctx.spec, found.digest)


def watch_bake(ctx: Context) -> Transition | None:
    """Worse than stable was before the bake: once back beside stable to be compared, the second time for a person."""
    doubt, spec, rollout = ctx.doubt, ctx.spec, ctx.status.rollout
    if doubt is None or spec is None or rollout is None or spec.model.version != ctx.status.candidate:
        return None
    if spec.analysis.on_breach != "Rollback":
        return None
    if rollout.doubts < setbacks.MAX_DOUBTS:
        return setbacks.compare_again(ctx, spec, Trigger.BAKE_IN_DOUBT, doubt)
    if spec.analysis.on_inconclusive == "Rollback":
        return setbacks.roll_back(ctx, Trigger.BREACH, doubt)
    return setbacks.compare_again(ctx, spec, Trigger.BAKE_STILL_IN_DOUBT, doubt)


def watch_revert(ctx: Context) -> Transition | None:
    """Spec names stable again: the candidate's traffic waits for no answer to a command, however unreadable.

    Nor for a model's name: whatever spec or route call it, stable has all traffic, and what comes next is refused then.
    """
    spec, status = ctx.spec, ctx.status
    if spec is None or spec.model.version != status.stable or not phases.running(status.phase):
        return None
    return setbacks.revert(ctx)


def hold_breach(ctx: Context, spec: Spec) -> Transition | None:
    """With onBreach: Pause the evidence holds the weight, for a person to decide."""
    breach = ctx.breach or ctx.doubt
    if breach is None or spec.analysis.on_breach == "Rollback" or not phases.running(ctx.status.phase):
        return None
    text = f"{breach.message}; held until a person decides (onBreach: Pause)"
    return hold(ctx, Finding(reasons.BREACH_HELD, text))


def step_back_when_blind(ctx: Context, spec: Spec) -> Transition | None:
    """Without metrics for longer than maxBlind: less exposure until they are back."""
    status, outage = ctx.status, ctx.blindness
    if outage is None or not phases.exposed(status.phase) or status.rollout is None or status.step is None:
        return None
    since = status.rollout.blind_since
    if since is None or ctx.now - since <= spec.analysis.max_blind or status.step.weight <= spec.steps[0].weight:
        return None
    message = (
        f"no metrics for {ctx.now - since:.0f} s ({outage.message}); back to {spec.steps[0].title} until they return"
    )
    return setbacks.step_back(ctx, spec, message)


def serve(ctx: Context, spec: Spec) -> Transition | None:
    """Nothing to do: stable serves."""
    if ctx.status.phase != "Serving":
        return None
    blocked = route_rejected(ctx)
    if blocked:
        return hold(ctx, blocked)
    refused = preflight.refused_at_rest(ctx, spec)
    if refused:
        return refused
    kept = {reasons.PROMOTED, reasons.PROMOTED_UNPROVEN, reasons.SPEC_REVERTED, reasons.FAST_ROLLBACK, reasons.ADOPTED}
    if ctx.status.reason in kept:
        return Transition(ctx.status)
    return hold(ctx, Finding(reasons.PROMOTED, f"version {spec.model.version} serves"))


def obey_abort(ctx: Context) -> Transition | None:
    """A person's abort waits for nothing; one that must be refused waits for what is urgent."""
    found = obey(ctx) if isinstance(ctx.asked, Command) and ctx.asked.verb == "abort" else None
    return found if found is not None and found.trigger is Trigger.ABORT else None


URGENT: tuple[Callable[[Context], Transition | None], ...] = (
    obey_abort,
    watch_readiness,
    watch_gates,
    watch_revert,
    watch_weights,
    watch_bake,
    obey,
)
CHECKS: tuple[Check, ...] = (
    refuse_other_model,
    follow_spec,
    follow_edits,
    hold_breach,
    step_back_when_blind,
    serve,
    make_progress,
)
