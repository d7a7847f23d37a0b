"""What every pass accounts for alike, whatever it decided: weights, clocks, the gates shown, conditions."""

from __future__ import annotations

from modelrollout.api.changes import RolloutChanges, update, update_rollout, update_step
from modelrollout.api.status import (
    GateStatus,
    RolloutStatus,
    Status,
    Weight,
)
from modelrollout.core import reasons
from modelrollout.core.deciding import deciding
from modelrollout.core.evaluation import GateResult
from modelrollout.core.observation import FULL_WEIGHT, Event
from modelrollout.core.rollout import conditions, phases, status_message
from modelrollout.core.rollout.context import Context, Transition, identity, step_index, target_weight
from modelrollout.core.rollout.routing import Routing
from modelrollout.core.rollout.transitions import effects
from modelrollout.core.rollout.write_failures import say_refusal

_MORE_URGENT = (reasons.PAUSED, reasons.METRICS_UNAVAILABLE, reasons.SAMPLES_MISSING, reasons.BREACH_HELD)
"""These come before a weight that is lower than it should be: they are what keeps it there."""


def account(ctx: Context, transition: Transition, routing: Routing) -> Status:
    """Bookkeeping that every pass does alike: weights, clocks, gates, conditions."""
    status = update(transition.status, weight=_weight(ctx, transition.status, routing))
    if routing.raising:
        status = _restart_hold(ctx, status)
    status = say_refusal(ctx, _note_route(status, routing))
    if status.rollout is not None:
        status = update(status, rollout=_clocks(ctx, status))
        status = _note_gates(ctx, _note_plan(ctx, _note_weights(ctx, status)))
    status = _show_notices(ctx, _show_evidence(ctx, status))
    status = update(status, observed_generation=ctx.observed.generation)
    paused = status.paused or bool(ctx.spec and ctx.spec.paused)
    return update(status, conditions=conditions.merge(status, ctx.now, paused=paused, settled=_settled(ctx, status)))


def _settled(ctx: Context, status: Status) -> bool:
    """Whether the route was found to give all traffic to the version that spec names.

    What this pass is about to write does not count: the pass after the write sees it.
    """
    route, spec = ctx.observed.route, ctx.spec
    asked = spec is None or spec.model.version == status.stable
    return asked and route is not None and route.weight_of(status.stable) == FULL_WEIGHT


def _weight(ctx: Context, status: Status, routing: Routing) -> Weight:
    desired = target_weight(status)
    on_route = routing.expected
    if on_route is None or on_route >= desired or routing.raising:
        return Weight(desired=desired, observed=on_route)
    return Weight(desired=desired, observed=on_route, lowered_at=ctx.status.weight.lowered_at or ctx.now)


def _restart_hold(ctx: Context, status: Status) -> Status:
    """A raise that comes later than the record of its step: hold, requests and evidence count from the raise."""
    step, spec = status.step, ctx.spec
    if spec is None or step is None or status.rollout is None or step.started_at >= ctx.now:
        return status
    if ctx.observed.refusals and status.steps and status.steps[-1].weight == step.weight:
        status = update(status, steps=status.steps[:-1])  # recorded for a raise that was refused
    baking = status.phase == "Baking"
    hold = spec.bake if baking else spec.steps[step_index(spec, step.weight)].hold
    rollout = update_rollout(status, bake_started_at=ctx.now) if baking else status.rollout
    steps = effects.record(status, step.weight, ctx.now)
    step = update_step(step, started_at=ctx.now, earliest_advance=ctx.now + hold)
    return update(status, step=step, steps=steps, rollout=rollout)


def _note_route(status: Status, routing: Routing) -> Status:
    """A weight below the desired one is what on-call people must read first; it replaces a mere hold."""
    note = routing.note
    if note is None or status.reason in conditions.STALLING or status.reason in _MORE_URGENT:
        return status
    return status_message.say(status, note)


def _clocks(ctx: Context, status: Status) -> RolloutStatus:
    """The deadline's clock stops while paused, without metrics, stalled, or waiting for a person."""
    rollout, outage = status.rollout, ctx.blindness is not None
    assert rollout is not None
    changes: RolloutChanges = {}
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
    return update_rollout(status, **changes) if changes else rollout


def _note_weights(ctx: Context, status: Status) -> Status:
    """The first digest seen is the one that is analysed; another one later has its own reason."""
    found, rollout = ctx.evaluation, status.rollout
    if found is None or found.digest is None or rollout is None or rollout.digest:
        return status
    if found.rollout != identity(status):
        return status  # what was evaluated is over: this pass has started something else
    return update(status, rollout=update_rollout(status, digest=found.digest))


def _note_plan(ctx: Context, status: Status) -> Status:
    """What stable's traffic can prove was worked out once, before the first step."""
    found, rollout = ctx.evaluation, status.rollout
    if found is None or rollout is None or not found.plan or rollout.plan or found.rollout != identity(status):
        return status
    return update(status, rollout=update_rollout(status, plan=found.plan))


def _note_gates(ctx: Context, status: Status) -> Status:
    """From the first step on the default gates that could be judged are remembered: more come, and none goes."""
    found, rollout = ctx.evaluation, status.rollout
    if found is None or rollout is None or found.default_gates is None or found.rollout != identity(status):
        return status
    if ctx.spec is None or ctx.spec.gates or not phases.exposed(status.phase):
        return status
    names = [*rollout.gates, *(name for name in found.default_gates if name not in rollout.gates)]
    return status if names == rollout.gates else update(status, rollout=update_rollout(status, gates=names))


def _show_evidence(ctx: Context, status: Status) -> Status:
    """The gates as last judged stay in status after the end: they are the evidence. Warnings go with the rollout."""
    found = ctx.evaluation
    if found is None or (status.rollout is None and not phases.running(ctx.status.phase)):
        return status
    if status.rollout is not None and found.rollout != identity(status):
        return status  # what was evaluated is over: this pass has started something else
    gates, line = [_shown(gate) for gate in found.gates], deciding(found.gates) or None
    status = update(status, gates=gates, deciding=line, next_evaluation=None)
    if not phases.running(status.phase) or ctx.spec is None:
        return status
    warnings = list(dict.fromkeys(found.warnings))
    return update(status, warnings=warnings, next_evaluation=found.tick_end + ctx.spec.analysis.interval)


def _show_notices(ctx: Context, status: Status) -> Status:
    """What would be refused today is said for as long as it stands, a rollout in progress or not."""
    told = list(ctx.observed.notices)
    others = status.warnings if phases.running(status.phase) else []
    warnings = [*told, *(text for text in others if text not in told)]
    return status if warnings == status.warnings else update(status, warnings=warnings)


def notice_events(ctx: Context, after: Status) -> tuple[Event, ...]:
    """One Event for each of them that status did not show before."""
    known = set(ctx.status.warnings)
    new = [text for text in after.warnings[: len(ctx.observed.notices)] if text not in known]
    return tuple(Event(reasons.CLAIM_NOT_ALLOWED, text, warning=True) for text in new)


def _shown(gate: GateResult) -> GateStatus:
    return GateStatus(
        name=gate.name,
        type=gate.type,
        verdict=gate.verdict,
        required=gate.required,
        left_out=gate.left_out or None,
        source=gate.source,
        layer=gate.layer,
        observed=gate.observed,
        stable=gate.stable,
        limit=gate.limit,
        samples=gate.samples,
        evidence=gate.evidence,
        eta=gate.eta,
        message=gate.message,
    )
