"""decide(): from spec, status, what was seen and the time to one Decision, a value; nothing else happens here."""

from __future__ import annotations

from dataclasses import dataclass, replace

from modelrollout.api.spec import Spec
from modelrollout.api.status import GateStatus, Status, Weight
from modelrollout.core import reasons
from modelrollout.core.observation import Event, Observation, ObservedRoute, RoutePlan
from modelrollout.core.rollout import conditions, phases, status_message, transitions
from modelrollout.core.rollout.checks import decide_move
from modelrollout.core.rollout.context import Context, Transition, identity, step_index, target_weight
from modelrollout.core.rollout.phases import Trigger
from modelrollout.core.rollout.routing import Routing, route_for
from modelrollout.core.rollout.write_failures import refusal_events, say_refusal

FULL = 100
_MORE_URGENT = (reasons.PAUSED, reasons.METRICS_UNAVAILABLE, reasons.BREACH_HELD)
"""Told before a weight that is lower than it should be, for they keep it there."""


@dataclass(frozen=True)
class Decision:
    """What a pass writes, in this order: `lower`, `status`, `route`; then Events, and the command's removal.

    `route` is the route that should stand afterwards (None: leave it alone); equal to what stands, it is no write.
    """

    status: Status
    lower: RoutePlan | None
    route: RoutePlan | None
    events: tuple[Event, ...]
    consume_command: bool
    trigger: Trigger | None


def decide(spec: Spec | None, status: Status, observed: Observation, now: float) -> Decision:
    """One decision. `spec` is None where it is invalid; `now` in epoch seconds. Pure: same input, same output."""
    doubt = contradiction(status, observed.route)
    if doubt:
        status = Status(history=status.history, last_command=status.last_command)
        observed = replace(observed, status_lost=doubt)
    ctx = Context(spec, _with_attempt(spec, status), observed, now)
    transition = decide_move(ctx)
    routing = route_for(ctx, transition)
    after = _account(ctx, transition, routing)
    last = after.last_command
    consume = observed.command is not None and last is not None and last.nonce == observed.command.nonce
    return Decision(
        status=after,
        lower=routing.lower,
        route=routing.apply,
        events=(*transition.events, *routing.events, *refusal_events(ctx, after)),
        consume_command=consume,
        trigger=transition.trigger,
    )


def contradiction(status: Status, route: ObservedRoute | None) -> str | None:
    """Why this status cannot be the operator's own: it calls stable what the route never gave all traffic to.

    Between a promotion or a fast rollback and its route write the two differ rightly, and only there.
    """
    if route is None or status.stable is None or route.stable in (None, status.stable):
        return None
    promoted = route.weight_of(status.stable) == FULL
    last = status.history[-1] if status.history else None
    returned = last is not None and last.result == "FastRollback" and last.candidate == status.stable
    if promoted or returned:
        return None
    return f"status calls version {status.stable} stable, the route says {route.stable}: the route is believed"


def _with_attempt(spec: Spec | None, status: Status) -> Status:
    """An attempt raised in mid-rollout is the one in progress: it ends with it, and is not tried again by itself."""
    if spec is None or status.rollout is None or spec.model.version != status.candidate:
        return status
    return transitions.update(status, rollout=transitions.update_rollout(status, attempt=spec.attempt))


def _account(ctx: Context, transition: Transition, routing: Routing) -> Status:
    """Bookkeeping that every pass does alike: weights, clocks, gates, conditions."""
    status = transitions.update(transition.status, weight=_weight(ctx, transition.status, routing))
    if routing.raising:
        status = _hold_anew(ctx, status)
    status = say_refusal(ctx, _note_route(status, routing))
    if status.rollout is not None:
        status = transitions.update(status, rollout=_clocks(ctx, status))
        status = _note_weights(ctx, status)
    status = _show_gates(ctx, status)
    status = transitions.update(status, observed_generation=ctx.observed.generation)
    paused = status.paused or bool(ctx.spec and ctx.spec.paused)
    return transitions.update(status, conditions=conditions.merge(status, paused, ctx.now))


def _weight(ctx: Context, status: Status, routing: Routing) -> Weight:
    desired = target_weight(status)
    on_route = routing.expected
    if on_route is None or on_route >= desired or routing.raising:
        return Weight(desired=desired, observed=on_route)
    return Weight(desired=desired, observed=on_route, lowered_at=ctx.status.weight.lowered_at or ctx.now)


def _hold_anew(ctx: Context, status: Status) -> Status:
    """A raise that comes later than the record of its step: hold, requests and evidence count from the raise."""
    step, spec = status.step, ctx.spec
    if spec is None or step is None or status.rollout is None or step.started_at >= ctx.now:
        return status
    if ctx.observed.refusals and status.steps and status.steps[-1].weight == step.weight:
        status = transitions.update(status, steps=status.steps[:-1])  # recorded for a raise that was refused
    baking = status.phase == "Baking"
    hold = spec.bake if baking else spec.steps[step_index(spec, step.weight)].hold
    rollout = transitions.update_rollout(status, bake_started_at=ctx.now) if baking else status.rollout
    steps = transitions.record(status, step.weight, ctx.now)
    step = transitions.update_step(step, started_at=ctx.now, earliest_advance=ctx.now + hold)
    return transitions.update(status, step=step, steps=steps, rollout=rollout)


def _note_route(status: Status, routing: Routing) -> Status:
    """A weight below the desired one is what on-call people must read first; it replaces a mere hold."""
    note = routing.note
    if note is None or status.reason in conditions.STALLING or status.reason in _MORE_URGENT:
        return status
    return status_message.say(status, note)


def _clocks(ctx: Context, status: Status) -> object:
    """The deadline's clock stands still while paused, blind, stalled, or waiting for a person."""
    rollout, outage = status.rollout, ctx.blindness is not None
    assert rollout is not None
    changes: dict[str, object] = {}
    if outage and rollout.blind_since is None:
        changes["blind_since"] = min(ctx.observed.outage.since if ctx.observed.outage else ctx.now, ctx.now)
    elif not outage and rollout.blind_since is not None and ctx.evaluation is not None:
        changes["blind_since"] = None
    stalled = status.reason in conditions.STALLING or status.reason == reasons.BREACH_HELD
    stopped = ctx.paused or outage or stalled or phases.waits_for_person(status.phase)
    if stopped and rollout.clock_stopped_at is None:
        changes["clock_stopped_at"] = ctx.now
    elif not stopped and rollout.clock_stopped_at is not None:
        changes["clock_stopped_at"] = None
        changes["clock_stopped_for"] = rollout.clock_stopped_for + ctx.now - rollout.clock_stopped_at
    return transitions.update_rollout(status, **changes) if changes else rollout


def _note_weights(ctx: Context, status: Status) -> Status:
    """The first digest seen is the one that is analysed; another one later is a reason of its own."""
    found, rollout = ctx.evaluation, status.rollout
    if found is None or found.digest is None or rollout is None or rollout.digest:
        return status
    if found.rollout != identity(status):
        return status  # what was evaluated is over: this pass has begun something else
    return transitions.update(status, rollout=transitions.update_rollout(status, digest=found.digest))


def _show_gates(ctx: Context, status: Status) -> Status:
    """The gates as last judged stay in status after the end: they are the evidence."""
    found = ctx.evaluation
    if found is None or (status.rollout is None and not phases.running(ctx.status.phase)):
        return status
    shown = [
        GateStatus(
            name=g.name,
            type=g.type,
            verdict=g.verdict,
            required=g.required,
            layer=g.layer,
            observed=g.observed,
            stable=g.stable,
            limit=g.limit,
            samples=g.samples,
            evidence=g.evidence,
            eta=g.eta,
            message=g.message[:1024],
        )
        for g in found.gates[:48]
    ]
    following = None
    if ctx.spec is not None and phases.running(status.phase):
        following = found.tick_end + ctx.spec.analysis.interval
    return transitions.update(status, gates=shown, next_evaluation=following)
