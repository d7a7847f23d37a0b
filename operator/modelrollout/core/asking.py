"""A phase that waits for a person keeps what is asked in sight, whatever else there is to tell."""

from __future__ import annotations

from modelrollout.api.status import Question, Status
from modelrollout.core import reasons
from modelrollout.core.facts import Finding

LONGEST = 4096
"""Characters of a message in status, as the CRD has it; a question gets half of them."""


def say(status: Status, finding: Finding) -> Status:
    """`status` with this reason and sentence; what a person is asked follows, if it is something else."""
    question = asked(status)
    message = finding.message
    if question is not None and question.message != message:
        message = f"{message}; still asked: {question.message}"
    return status.model_copy(update={"reason": finding.reason, "message": message[:LONGEST]})


def asked(status: Status) -> Finding | None:
    """What a person is asked now; None in phases that wait for nobody."""
    if status.phase == "AwaitingApproval" and status.step is not None:
        return approval(status.step.index, status.step.weight)
    question = status.rollout.question if status.rollout else None
    return Finding(question.reason, question.message) if question else None


def approval(index: int, weight: int) -> Finding:
    """`index` counts steps from 0; `weight` in percent."""
    return Finding(reasons.APPROVAL_NEEDED, f"step {index + 1} at {weight} % is done; approve it to go on")


def remember(status: Status) -> Status:
    """Right after a change of phase: why it is Inconclusive cannot be told from the rest of the status later."""
    if status.rollout is None:
        return status
    inconclusive = status.phase == "Inconclusive"
    question = Question(reason=status.reason, message=status.message[: LONGEST // 2]) if inconclusive else None
    return status.model_copy(update={"rollout": status.rollout.model_copy(update={"question": question})})
