"""The state machine of a rollout: nothing changes a phase except a trigger listed in the one table below.

THE MACHINE. A ModelRollout is always in exactly one phase, kept in status.phase. A pass reads the world, and the
checks (checks.py, spec_edits.py, advance.py) decide on at most one trigger. The table says which phase the trigger
leads to; a pair that it does not list raises IllegalTransition, a defect of the operator, never of its input. Most
passes decide on no trigger: they say why nothing moves (a hold), and the phase stays.

PHASES. They fall into four groups (group_of):

    at rest    Adopting, Serving        no rollout; stable has all traffic
    waiting    Waiting                  a rollout at weight 0: the candidate must be ready for readyFor first
    exposed    Stepping, Baking,        the candidate may have traffic: the step's weight, or 100 % in the bake;
               AwaitingApproval,        the latter two keep the weight and wait for a person
               Inconclusive
    refused    RolledBack, Rejected     the version in spec is not retried before version or attempt change

Only in exposed phases does a status stand for a candidate's weight above 0 (context.target_weight), so leaving them
is what takes the traffic away, whatever else happens in the same pass.

TRIGGERS. A trigger is a fact about the world that was observed in this pass (two failed probes, a hold that is over,
a command, another version in spec), not an intention and not the name of its target. One trigger leads from several
phases to the same one, or to another depending on the phase (PROMOTE: to the bake, or out of it). What else changes
in the status, and which sentence is said, belongs to transitions/ (forward.py and setbacks.py); which route
writes follow, to routing.py.

WHAT THE TABLE GUARANTEES, whatever the checks decide:

  - Only CANDIDATE_READY leads from weight 0 to an exposed phase, so readiness comes before all traffic.
  - Only PROVEN, UNPROVEN and PROMOTE lead to Baking, only BAKED, UNPROVEN and PROMOTE from there to a promotion: no
    path leads around the steps and the bake but the command of a person. UNPROVEN is what a spec must ask for.
  - Every phase of a rollout knows ABORT, BREACH, REVERTED and VERSION_CHANGED: nothing can hold it in place.
  - Every exposed phase knows CANDIDATE_LOST: a version that stops answering always loses its traffic.
  - A refused version comes back only by RETRY, VERSION_CHANGED or REPLACED_IN_ORDER, all of which start again at 0.
  - FAST_ROLLBACK gives all traffic at once, and only to the version that served before.

What it does not guarantee, the checks do: that a weight is raised only on evidence, and one step at a time.

TO ADD A PHASE: name it in api/status.Phase; the type checker then lists every place that must say something about it,
this file's group_of first. TO ADD A TRIGGER: a member of Trigger (its value is the text on the diagram's arrow), its
rows in TRANSITIONS, and a function in transitions/forward.py or setbacks.py. `make docs` draws the diagram again.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Final, Literal, assert_never, get_args

from modelrollout.api.status import Phase

Group = Literal["at rest", "waiting", "exposed", "refused"]


class Trigger(StrEnum):
    """What may move a rollout from one phase to another."""

    ADOPTED = "first version ready, or the route names stable"
    VERSION_CHANGED = "spec names another version"
    FAST_ROLLBACK = "spec names the previous stable, ready"
    CANDIDATE_READY = "ready for readyFor, metrics current"
    CANDIDATE_LOST = "two failed probes"
    CANDIDATE_UNSTABLE = "lost for the third time, or reloaded for the fourth"
    READY_DEADLINE = "not ready in time"
    STEP_DONE = "hold over, requests seen, not leaning bad"
    APPROVAL_NEEDED = "step done, a person must approve"
    PROVEN = "last step done, every required gate passes"
    STEP_UNPROVEN = "at the deadline nothing against it, and the spec says Promote"
    UNPROVEN = "at the deadline nothing against it, no step left, and the spec says Promote"
    BLIND = "no metrics for longer than maxBlind"
    WEIGHTS_CHANGED = "other weights under the same version"
    BREACH = "evidence against the candidate"
    DEADLINE = "not proven before the deadline"
    ABORT = "command abort"
    APPROVE = "command approve"
    APPROVAL_DROPPED = "spec no longer asks for approval"
    RESUME = "command resume"
    RETRY = "command retry, or a new attempt"
    PROMOTE = "command promote"
    REVERTED = "spec names stable again"
    REPLACED_IN_ORDER = "spec names a version that comes after another ModelRollout"
    GATES_EDITED = "gates edited in the bake"
    BAKE_IN_DOUBT = "worse than stable was before the bake"
    BAKE_STILL_IN_DOUBT = "worse than stable was, in a second bake"
    BAKED = "bake over, limits kept"


class IllegalTransition(Exception):  # noqa: N818 - names what happened
    """A trigger that the phase does not know: a defect in the operator, never in the input."""


def group_of(phase: Phase) -> Group:
    """Whether a rollout is in progress in this phase, and whether its candidate may have traffic."""
    match phase:
        case "Adopting" | "Serving":
            return "at rest"
        case "Waiting":
            return "waiting"
        case "Stepping" | "AwaitingApproval" | "Inconclusive" | "Baking":
            return "exposed"
        case "RolledBack" | "Rejected":
            return "refused"
        case _:
            assert_never(phase)


PHASES: Final[tuple[Phase, ...]] = get_args(Phase)
EXPOSED: Final = tuple(phase for phase in PHASES if group_of(phase) == "exposed")
RUNNING: Final[tuple[Phase, ...]] = ("Waiting", *EXPOSED)
REFUSED: Final = tuple(phase for phase in PHASES if group_of(phase) == "refused")
_WAITS_FOR_PERSON: Final[tuple[Phase, ...]] = ("AwaitingApproval", "Inconclusive")

TRANSITIONS: Final[dict[tuple[Phase, Trigger], Phase]] = {
    ("Adopting", Trigger.ADOPTED): "Serving",
    ("Serving", Trigger.VERSION_CHANGED): "Waiting",
    **{(p, Trigger.FAST_ROLLBACK): "Serving" for p in ("Serving", *RUNNING, *REFUSED)},
    **{(p, Trigger.VERSION_CHANGED): "Waiting" for p in (*RUNNING, *REFUSED)},
    **{(p, Trigger.REVERTED): "Serving" for p in (*RUNNING, *REFUSED)},
    **{(p, Trigger.RETRY): "Waiting" for p in REFUSED},
    **{(p, Trigger.REPLACED_IN_ORDER): "Serving" for p in (*RUNNING, *REFUSED)},
    ("Waiting", Trigger.CANDIDATE_READY): "Stepping",
    ("Waiting", Trigger.READY_DEADLINE): "Rejected",
    **{(p, Trigger.ABORT): "RolledBack" for p in RUNNING},
    **{(p, Trigger.CANDIDATE_LOST): "Waiting" for p in EXPOSED},
    **{(p, Trigger.CANDIDATE_UNSTABLE): "RolledBack" for p in RUNNING},
    **{(p, Trigger.BREACH): "RolledBack" for p in RUNNING},
    **{(p, Trigger.BLIND): "Stepping" for p in EXPOSED},
    **{(p, Trigger.WEIGHTS_CHANGED): "Stepping" for p in EXPOSED},
    ("Stepping", Trigger.STEP_DONE): "Stepping",
    ("Stepping", Trigger.APPROVAL_NEEDED): "AwaitingApproval",
    ("Stepping", Trigger.PROVEN): "Baking",
    ("Stepping", Trigger.STEP_UNPROVEN): "Stepping",
    ("Stepping", Trigger.UNPROVEN): "Baking",
    ("Baking", Trigger.UNPROVEN): "Serving",
    **{(p, Trigger.DEADLINE): "Inconclusive" for p in ("Stepping", "Baking")},
    ("AwaitingApproval", Trigger.APPROVE): "Stepping",
    ("AwaitingApproval", Trigger.APPROVAL_DROPPED): "Stepping",
    ("Inconclusive", Trigger.RESUME): "Stepping",
    **{(p, Trigger.PROMOTE): "Baking" for p in EXPOSED if p != "Baking"},
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
    return phase in EXPOSED


def running(phase: Phase) -> bool:
    """Whether a rollout is in progress in this phase."""
    return phase in RUNNING


def refused(phase: Phase) -> bool:
    """Whether the version in spec was rolled back or rejected."""
    return phase in REFUSED


def waits_for_person(phase: Phase) -> bool:
    """Whether the rollout waits until a person has decided."""
    return phase in _WAITS_FOR_PERSON
