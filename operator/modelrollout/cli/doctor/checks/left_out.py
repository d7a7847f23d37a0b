"""Default gates that nobody here can judge: they decide nothing, which is no problem but must be known."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace

from modelrollout.cli.doctor.checks.view import View
from modelrollout.cli.doctor.finding import Finding, Reporter
from modelrollout.core.analysis.gates import registry
from modelrollout.core.analysis.metrics.scrapes import scrapes_since
from modelrollout.core.rollout import phases

AGAIN = "do as it says: the gate is in force again as soon as it can be judged, in a rollout in progress too"


def left_out(view: View) -> Mapping[str, str]:
    """By name, why: as the operator wrote it for the rollout in progress, else as these samples prove it.

    Empty where the spec has gates of its own: those are refused, never left out.
    """
    status = view.subject.status
    if view.subject.spec.gates:
        return {}
    if status is not None and status.gates and phases.running(status.phase):
        return {gate.name: gate.message for gate in status.gates if gate.left_out}
    recorded = status.rollout.gates if status is not None and status.rollout is not None else ()
    request, facts = view.request, view.facts
    seen = replace(view.gate_input, scrapes=scrapes_since(view.stores, request.started_at, facts.now))
    defaults = registry.gates_in_force((), [name for name in registry.every_default() if name not in recorded])
    found = {gate.name: registry.definition_of(gate).unjudgeable_by(gate, seen) for gate in defaults}
    return {name: f"{why.reason}: {why.message}" for name, why in found.items() if why is not None}


def left_out_findings(found: Mapping[str, str]) -> Iterator[Finding]:
    """One for each."""
    for name, why in found.items():
        yield Reporter("gates", name).warning("left-out", f"left out, so it decides nothing here: {why}", AGAIN)
