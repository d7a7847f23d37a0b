"""The one transition table: nothing changes a phase except a trigger listed here."""

from __future__ import annotations

from enum import StrEnum
from typing import Final

from modelrollout.api.status import Phase


class Trigger(StrEnum):
    """What may move a rollout from one phase to another."""

    ADOPTED = "first version ready, or the route names stable"
    VERSION_CHANGED = "spec names another version"
    FAST_ROLLBACK = "spec names the previous stable, ready"
    CANDIDATE_READY = "ready for readyFor, metrics current"
    CANDIDATE_LOST = "two failed probes"
    CANDIDATE_UNSTABLE = "lost for the third time"
    READY_DEADLINE = "not ready in time"
    STEP_DONE = "hold over, requests seen, not leaning bad"
    APPROVAL_NEEDED = "step done, a person must approve"
    PROVEN = "last step done, every required gate passes"
    BLIND = "no metrics for longer than maxBlind"
    WEIGHTS_CHANGED = "other weights under the same version"
    BREACH = "evidence against the candidate"
    DEADLINE = "not proven before the deadline"
    ABORT = "command abort"
    APPROVE = "command approve"
    APPROVAL_DROPPED = "spec asks for no approval any more"
    RESUME = "command resume"
    RETRY = "command retry, or a new attempt"
    PROMOTE = "command promote"
    REVERTED = "spec names stable again"
    GATES_EDITED = "gates edited in the bake"
    BAKE_IN_DOUBT = "worse than stable was before"
    BAKE_STILL_IN_DOUBT = "worse than stable was, again"
    BAKED = "bake over, limits kept"


class IllegalTransition(Exception):  # noqa: N818 - names what happened
    """A trigger that the phase does not know: a defect in the operator, never in the input."""


_EXPOSED: Final[tuple[Phase, ...]] = ("Stepping", "AwaitingApproval", "Inconclusive", "Baking")
_RUNNING: Final[tuple[Phase, ...]] = ("Waiting", *_EXPOSED)
_REFUSED: Final[tuple[Phase, ...]] = ("RolledBack", "Rejected")
_WAITS_FOR_PERSON: Final[tuple[Phase, ...]] = ("AwaitingApproval", "Inconclusive")

TRANSITIONS: Final[dict[tuple[Phase, Trigger], Phase]] = {
    ("Adopting", Trigger.ADOPTED): "Serving",
    ("Serving", Trigger.VERSION_CHANGED): "Waiting",
    **{(p, Trigger.FAST_ROLLBACK): "Serving" for p in ("Serving", *_RUNNING, *_REFUSED)},
    **{(p, Trigger.VERSION_CHANGED): "Waiting" for p in (*_RUNNING, *_REFUSED)},
    **{(p, Trigger.REVERTED): "Serving" for p in (*_RUNNING, *_REFUSED)},
    **{(p, Trigger.RETRY): "Waiting" for p in _REFUSED},
    ("Waiting", Trigger.CANDIDATE_READY): "Stepping",
    ("Waiting", Trigger.READY_DEADLINE): "Rejected",
    **{(p, Trigger.ABORT): "RolledBack" for p in _RUNNING},
    **{(p, Trigger.CANDIDATE_LOST): "Waiting" for p in _EXPOSED},
    **{(p, Trigger.CANDIDATE_UNSTABLE): "RolledBack" for p in _EXPOSED},
    **{(p, Trigger.BREACH): "RolledBack" for p in _RUNNING},
    **{(p, Trigger.BLIND): "Stepping" for p in _EXPOSED},
    **{(p, Trigger.WEIGHTS_CHANGED): "Stepping" for p in _EXPOSED},
    ("Stepping", Trigger.STEP_DONE): "Stepping",
    ("Stepping", Trigger.APPROVAL_NEEDED): "AwaitingApproval",
    ("Stepping", Trigger.PROVEN): "Baking",
    ("Stepping", Trigger.DEADLINE): "Inconclusive",
    ("AwaitingApproval", Trigger.APPROVE): "Stepping",
    ("AwaitingApproval", Trigger.APPROVAL_DROPPED): "Stepping",
    ("Inconclusive", Trigger.RESUME): "Stepping",
    **{(p, Trigger.PROMOTE): "Baking" for p in ("Stepping", "AwaitingApproval", "Inconclusive")},
    ("Baking", Trigger.PROMOTE): "Serving",
    ("Baking", Trigger.GATES_EDITED): "Stepping",
    ("Baking", Trigger.BAKE_IN_DOUBT): "Stepping",
    **{(p, Trigger.BAKE_STILL_IN_DOUBT): "Inconclusive" for p in ("Stepping", "Baking")},
    ("Baking", Trigger.BAKED): "Serving",
}


def next_phase(phase: Phase, trigger: Trigger) -> Phase:
    """The phase after `trigger`; raises IllegalTransition where the table has no such row."""
    try:
        return TRANSITIONS[phase, trigger]
    except KeyError:
        raise IllegalTransition(f"{trigger.name} does not apply in phase {phase}") from None


def exposed(phase: Phase) -> bool:
    """Whether the candidate may carry traffic in this phase."""
    return phase in _EXPOSED


def running(phase: Phase) -> bool:
    """Whether a rollout is in progress in this phase."""
    return phase in _RUNNING


def refused(phase: Phase) -> bool:
    """Whether the version in spec was turned down."""
    return phase in _REFUSED


def waits_for_person(phase: Phase) -> bool:
    """Whether nothing goes on before somebody has decided."""
    return phase in _WAITS_FOR_PERSON


_GROUPS: Final[dict[str, tuple[str, tuple[Phase, ...]]]] = {
    "Running": ("any phase of a rollout", _RUNNING),
    "Exposed": ("any phase with traffic on the candidate", _EXPOSED),
    "Refused": ("RolledBack or Rejected", _REFUSED),
}


def diagram() -> str:
    """The table as a Mermaid state diagram; rows that all phases of a group share are drawn once, from the group."""
    arrows: dict[tuple[str, str], list[str]] = {}
    for trigger in Trigger:
        targets = {phase: target for (phase, row), target in TRANSITIONS.items() if row is trigger}
        for source, target in _grouped(targets):
            arrows.setdefault((source, target), []).append(trigger.value)
    groups = [f'    state "{title}" as {name}' for name, (title, _) in _GROUPS.items()]
    lines = [f"    {source} --> {target}: {' / '.join(texts)}" for (source, target), texts in arrows.items()]
    return "\n".join(["stateDiagram-v2", *groups, "    [*] --> Adopting", *lines])


def _grouped(targets: dict[Phase, Phase]) -> list[tuple[str, str]]:
    """(source, target) of every row of one trigger, the largest groups first."""
    left, found = dict(targets), []
    for name, (_, phases) in _GROUPS.items():
        ends = {left.get(phase) for phase in phases}
        if len(ends) == 1 and (end := ends.pop()) is not None:
            found.append((name, str(end)))
            left = {phase: target for phase, target in left.items() if phase not in phases}
    return [*((str(phase), str(target)) for phase, target in left.items()), *found]
