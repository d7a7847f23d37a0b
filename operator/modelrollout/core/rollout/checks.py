"""The chain of checks, most urgent first: the first that finds something decides the pass."""

from __future__ import annotations

from collections.abc import Callable

from modelrollout.api.spec import Spec
from modelrollout.core import reasons
from modelrollout.core.finding import Finding
from modelrollout.core.observation import Command, Event
from modelrollout.core.rollout import phases, transitions
from modelrollout.core.rollout.advance import make_progress, route_rejected
from modelrollout.core.rollout.commands import obey
from modelrollout.core.rollout.context import Context, Transition
from modelrollout.core.rollout.phases import Trigger
from modelrollout.core.rollout.spec_edits import follow_edits

MAX_LOSSES = 3
Check = Callable[[Context, Spec], Transition | None]


def decide_move(ctx: Context) -> Transition:
    """What this pass does: whatever takes traffic away first, then commands; an invalid spec moves nothing."""
    if ctx.status.stable is None:
        return adopt(ctx)
    urgent = (check(ctx) for check in URGENT)
    found = next((transition for transition in urgent if transition is not None), None)
    if found is not None:
        return found
    if ctx.spec is None:
        problem = ctx.observed.problem or "the spec is invalid"
        return transitions.hold(ctx, Finding(reasons.INVALID_SPEC, f"{problem}; nothing moves until it is fixed"))
    checked = (check(ctx, ctx.spec) for check in CHECKS)
    return next(transition for transition in checked if transition is not None)


def adopt(ctx: Context) -> Transition:
    """Which version is stable: the route says so; only where there is no route does the spec."""
    route, spec = ctx.observed.route, ctx.spec
    if route is not None:
        stable = route.stable
        if stable is None and len(route.backends) == 1:
            stable = route.backends[0].version
        if not stable or all(b.version != stable for b in route.backends):
            why = route.doubt or "the route does not say which of its backends is stable"
            text = f"{why}: annotate the route with modelrollout.dev/stable"
            return transitions.hold(ctx, Finding(reasons.ROUTE_UNCLEAR, text))
        lost = (Event(reasons.STATUS_LOST, ctx.observed.status_lost, warning=True),) if ctx.observed.status_lost else ()
        adopted = transitions.adopt(ctx, stable, f"version {stable} serves: the route says so")
        return Transition(adopted.status, adopted.trigger, (*lost, *adopted.events))
    if spec is None:
        return transitions.hold(ctx, Finding(reasons.INVALID_SPEC, ctx.observed.problem or "the spec is invalid"))
    version = spec.model.version
    if ctx.ready_for(version, 0):
        return transitions.adopt(ctx, version, f"version {version} is the first: no route there, and it is ready")
    text = f"version {version} is not ready: {_unready(ctx, version)}; it will be adopted when it is"
    return transitions.hold(ctx, Finding(reasons.STABLE_NOT_READY, text))


def refuse_other_model(ctx: Context, spec: Spec) -> Transition | None:
    """Another model's name is another model: its versions have nothing to do with what serves."""
    route = ctx.observed.route
    if route is None or route.model in (None, spec.model.name):
        return None
    text = (
        f"spec.model.name: {spec.model.name!r} cannot replace {route.model!r} in place; "
        "put the name back, or create another ModelRollout"
    )
    return transitions.hold(ctx, Finding(reasons.MODEL_CHANGED, text))


def follow_spec(ctx: Context, spec: Spec) -> Transition | None:
    """What the version in spec asks for, in every phase."""
    status, version = ctx.status, spec.model.version
    busy = phases.running(status.phase) or phases.refused(status.phase)
    if version == status.stable:
        return transitions.revert(ctx) if busy else None
    if _may_return(ctx, spec):
        return transitions.fast_rollback(ctx, version)
    if phases.refused(status.phase):
        return _after_refusal(ctx, spec)
    if status.phase == "Serving":
        return transitions.start(ctx, spec, Trigger.VERSION_CHANGED)
    if version != status.candidate:
        return transitions.start(ctx, spec, Trigger.VERSION_CHANGED, ("Replaced", reasons.VERSION_REPLACED))
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
        return transitions.start(ctx, spec, Trigger.VERSION_CHANGED)
    if spec.attempt != rejected.attempt:
        return transitions.start(ctx, spec, Trigger.RETRY)
    blocked = route_rejected(ctx)
    if blocked:
        return transitions.hold(ctx, blocked)
    if ctx.status.reason == rejected.reason:
        return Transition(ctx.status)  # the sentence that told of it still stands
    text = f"version {rejected.version} stays rejected ({rejected.reason}: {rejected.message})"
    return transitions.hold(ctx, Finding(rejected.reason, f"{text}; raise spec.attempt or change the version to go on"))


def watch_readiness(ctx: Context) -> Transition | None:
    """A candidate that stops answering loses its traffic at once; the third time is the last."""
    status = ctx.status
    if not (phases.exposed(status.phase) and ctx.lost):
        return None
    message = f"version {status.candidate} stopped being ready: {_unready(ctx, status.candidate)}"
    assert status.rollout is not None
    if status.rollout.losses + 1 >= MAX_LOSSES:
        finding = Finding(reasons.CANDIDATE_UNSTABLE, f"{message}, for the {MAX_LOSSES}rd time")
        return transitions.roll_back(ctx, Trigger.CANDIDATE_UNSTABLE, finding)
    return transitions.lose(ctx, message)


def watch_gates(ctx: Context) -> Transition | None:
    """Evidence against the candidate takes its traffic, paused or not; unless spec names another version by now."""
    breach, spec = ctx.breach, ctx.spec
    if breach is None or spec is None or not phases.running(ctx.status.phase):
        return None
    if spec.analysis.on_breach == "Rollback" and spec.model.version == ctx.status.candidate:
        return transitions.roll_back(ctx, Trigger.BREACH, breach)
    return None


def watch_weights(ctx: Context) -> Transition | None:
    """Other weights under the candidate's version number have proven nothing yet: they start at the first step."""
    found, rollout = ctx.evaluation, ctx.status.rollout
    if found is None or rollout is None or ctx.spec is None or found.digest is None:
        return None
    if rollout.digest in ("", found.digest):
        return None
    return transitions.analyse_anew(ctx, ctx.spec, found.digest)


def watch_bake(ctx: Context) -> Transition | None:
    """Worse than stable was before the bake: once back beside stable to be compared, the second time for a person."""
    doubt, spec, rollout = ctx.doubt, ctx.spec, ctx.status.rollout
    if doubt is None or spec is None or rollout is None or spec.model.version != ctx.status.candidate:
        return None
    if spec.analysis.on_breach != "Rollback":
        return None
    if rollout.doubts < transitions.MAX_DOUBTS:
        return transitions.compare_again(ctx, spec, Trigger.BAKE_IN_DOUBT, doubt)
    if spec.analysis.on_inconclusive == "Rollback":
        return transitions.roll_back(ctx, Trigger.BREACH, doubt)
    return transitions.compare_again(ctx, spec, Trigger.BAKE_STILL_IN_DOUBT, doubt)


def hold_breach(ctx: Context, spec: Spec) -> Transition | None:
    """With onBreach: Pause the evidence holds the weight, for a person to decide."""
    breach = ctx.breach or ctx.doubt
    if breach is None or spec.analysis.on_breach == "Rollback" or not phases.running(ctx.status.phase):
        return None
    text = f"{breach.message}; held for a person (onBreach: Pause)"
    return transitions.hold(ctx, Finding(reasons.BREACH_HELD, text))


def step_back_when_blind(ctx: Context, spec: Spec) -> Transition | None:
    """Blind for longer than maxBlind: less exposure until the metrics are back."""
    status, outage = ctx.status, ctx.blindness
    if outage is None or not phases.exposed(status.phase) or status.rollout is None or status.step is None:
        return None
    since = status.rollout.blind_since
    if since is None or ctx.now - since <= spec.analysis.max_blind or status.step.weight <= spec.steps[0].weight:
        return None
    message = f"no metrics for {ctx.now - since:.0f} s ({outage.message}); back to {spec.steps[0].weight} %"
    return transitions.step_back(ctx, spec, message)


def serve(ctx: Context, spec: Spec) -> Transition | None:
    """Nothing to do: stable serves."""
    if ctx.status.phase != "Serving":
        return None
    blocked = route_rejected(ctx)
    if blocked:
        return transitions.hold(ctx, blocked)
    kept = {reasons.PROMOTED, reasons.SPEC_REVERTED, reasons.FAST_ROLLBACK, reasons.ADOPTED}
    if ctx.status.reason in kept:
        return Transition(ctx.status)
    return transitions.hold(ctx, Finding(reasons.PROMOTED, f"version {spec.model.version} serves"))


def _unready(ctx: Context, version: str | None) -> str:
    readiness = ctx.observed.readiness.get(version or "")
    return readiness.message if readiness and readiness.message else "not probed yet"


def obey_abort(ctx: Context) -> Transition | None:
    """A person's abort waits for nothing; one that must be refused waits for what is urgent."""
    found = obey(ctx) if isinstance(ctx.asked, Command) and ctx.asked.verb == "abort" else None
    return found if found is not None and found.trigger is Trigger.ABORT else None


URGENT: tuple[Callable[[Context], Transition | None], ...] = (
    obey_abort,
    watch_readiness,
    watch_gates,
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
