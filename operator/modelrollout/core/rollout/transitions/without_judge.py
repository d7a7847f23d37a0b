"""Gates that nobody here can judge: what is refused before any traffic moves, and what is told of those left out."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from modelrollout.api.status import GateStatus
from modelrollout.core import reasons
from modelrollout.core.evaluation import GateResult
from modelrollout.core.finding import Finding
from modelrollout.core.observation import Event
from modelrollout.core.rollout.context import Context, Transition
from modelrollout.core.rollout.transitions.forward import hold

_TOLD = (reasons.GATE_NOT_JUDGEABLE, reasons.NOTHING_TO_JUDGE)


def refuse(ctx: Context, finding: Finding) -> Transition:
    """The candidate stays without traffic; one Event says so, where a person must do something."""
    held = hold(ctx, finding)
    if finding.reason in _TOLD and ctx.status.reason != finding.reason:
        return replace(held, events=(Event(finding.reason, finding.message, warning=True),))
    return held


def left_out_events(gates: Iterable[GateResult | GateStatus]) -> tuple[Event, ...]:
    """At the start: which default gates are left out, and why."""
    left = [gate for gate in gates if gate.left_out]
    if not left:
        return ()
    named = "; ".join(f"{gate.name}: {gate.message}" for gate in left)
    return (Event(reasons.GATES_LEFT_OUT, f"default gates left out, as nothing here lets them be judged: {named}"),)


def changed_events(before: Iterable[GateStatus], after: Iterable[GateStatus]) -> tuple[Event, ...]:
    """Within a rollout: which default gates are left out by now, and which are in force again."""
    was, now = ({gate.name: gate for gate in gates} for gates in (before, after))
    gone = [now[name] for name in now if now[name].left_out and name in was and not was[name].left_out]
    back = [name for name in now if not now[name].left_out and name in was and was[name].left_out]
    events = left_out_events(gone)
    if back:
        events += (Event(reasons.GATES_IN_FORCE, f"can be judged now, and decide again: {', '.join(back)}"),)
    return events
