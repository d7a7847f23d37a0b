"""Forward without proof, at the deadline and because the spec asks for it: people are told what was excluded.

When that may be is decided elsewhere (missing.UNPROVEN, advance.py); forward.py has the ways on proof.
"""

from __future__ import annotations

from dataclasses import replace

from modelrollout.api.changes import update, update_rollout
from modelrollout.api.spec import Spec
from modelrollout.core import reasons
from modelrollout.core.observation import Event
from modelrollout.core.rollout.context import Context, Transition
from modelrollout.core.rollout.phases import Trigger
from modelrollout.core.rollout.transitions import forward

MOST_NAMED = 3
"""Gates that one sentence names."""


def enter_step(ctx: Context, spec: Spec, index: int) -> Transition:
    """The weight of step `index`, though something is not as good as a step asks for."""
    return _said(ctx, spec, forward.enter_step(ctx, spec, Trigger.STEP_UNPROVEN, index))


def bake(ctx: Context, spec: Spec) -> Transition:
    """All traffic to the candidate, though not every required gate has passed."""
    return _said(ctx, spec, forward.bake(ctx, spec, Trigger.UNPROVEN, "not every gate passed"))


def promote(ctx: Context) -> Transition:
    """Out of a bake that should have ended long ago: no gate has failed, and some do not lean good."""
    return forward.promote(ctx, Trigger.UNPROVEN, "the bake is over and no gate failed", _excluded(ctx))


def still_unproven(ctx: Context) -> str:
    """What was not proven where the bake began, unless every required gate has passed in it since."""
    gates = ctx.evaluation.gates if ctx.evaluation else ()
    proven = bool(gates) and all(gate.verdict == "PASS" for gate in gates if gate.required)
    return "" if proven or ctx.status.rollout is None else ctx.status.rollout.unproven


def _said(ctx: Context, spec: Spec, transition: Transition) -> Transition:
    """With an Event of its own; what was excluded is kept for the history."""
    text = _excluded(ctx)
    if not text:  # late, and all that is asked for is proven
        return transition
    rollout = update_rollout(transition.status, unproven=text)
    late = f"nothing speaks against version {ctx.status.candidate} after {spec.analysis.deadline:.0f} s"
    said = Event(
        reasons.ADVANCED_UNPROVEN, f"{late}: it goes on unproven (onInconclusive: Promote): {text}", warning=True
    )
    return replace(transition, status=update(transition.status, rollout=rollout), events=(said, *transition.events))


def _excluded(ctx: Context) -> str:
    """What the evidence excludes of each required gate that has not passed; empty where all have."""
    gates = ctx.evaluation.gates if ctx.evaluation else ()
    open_ones = [gate for gate in gates if gate.required and gate.verdict != "PASS"]
    said = [gate.excluded or f"{gate.name}: {gate.message}" for gate in open_ones]
    more = f"; and {len(said) - MOST_NAMED} more" if len(said) > MOST_NAMED else ""
    return "; ".join(said[:MOST_NAMED]) + more
