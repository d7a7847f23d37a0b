"""decide(): from spec, status, what was observed and the time to one Decision, a value; nothing else happens here."""

from __future__ import annotations

from dataclasses import dataclass, replace

from modelrollout.api.changes import update, update_rollout
from modelrollout.api.spec import Spec
from modelrollout.api.status import Status
from modelrollout.core.observation import FULL_WEIGHT, Event, Observation, ObservedRoute, RoutePlan
from modelrollout.core.rollout.bookkeeping import account, notice_events
from modelrollout.core.rollout.checks import decide_move
from modelrollout.core.rollout.context import Context, Transition, answered
from modelrollout.core.rollout.missing import refused_events
from modelrollout.core.rollout.phases import Trigger
from modelrollout.core.rollout.route import adopted
from modelrollout.core.rollout.routing import route_for
from modelrollout.core.rollout.transitions.without_judge import changed_events
from modelrollout.core.rollout.write_failures import refusal_events


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
    after = account(ctx, transition, routing)
    consume = answered(after.last_command, observed.command)
    return Decision(
        status=after,
        lower=routing.lower,
        route=routing.apply,
        events=(
            *notice_events(ctx, after),
            *transition.events,
            *routing.events,
            *_other_events(ctx, transition, after),
        ),
        consume_command=consume,
        trigger=transition.trigger,
    )


def _other_events(ctx: Context, transition: Transition, after: Status) -> tuple[Event, ...]:
    refused = (*refusal_events(ctx, after), *refused_events(ctx, after))
    return (*_gate_events(ctx, after), *refused, *adopted.told(ctx, transition))


def _gate_events(ctx: Context, after: Status) -> tuple[Event, ...]:
    """Default gates that were left out or came back since the last pass of the same rollout, once it had traffic."""
    before, rollout = ctx.status, after.rollout
    if before.rollout is None or rollout is None or rollout.started_at != before.rollout.started_at:
        return ()
    return changed_events(before.gates, after.gates) if before.rollout.exposed else ()


def contradiction(status: Status, route: ObservedRoute | None) -> str | None:
    """Why this status cannot be the operator's own: it calls stable what the route never gave all traffic to.

    Between a promotion or a fast rollback and its route write the two differ rightly, and only there.
    """
    if route is None or route.foreign or status.stable is None or route.stable in (None, status.stable):
        return None
    promoted = route.weight_of(status.stable) == FULL_WEIGHT
    last = status.history[-1] if status.history else None
    results = ("FastRollback", "Promoted") if route.adopted else ("FastRollback",)  # Git may have set weights back
    returned = last is not None and last.result in results and last.candidate == status.stable
    if promoted or returned:
        return None
    return f"status calls version {status.stable} stable, the route says {route.stable}: the route counts"


def _with_attempt(spec: Spec | None, status: Status) -> Status:
    """An attempt raised in mid-rollout is the one in progress: it ends with it, and is not retried."""
    if spec is None or status.rollout is None or spec.model.version != status.candidate:
        return status
    return update(status, rollout=update_rollout(status, attempt=spec.attempt))
