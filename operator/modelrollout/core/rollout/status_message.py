"""A phase that waits for a person always shows the question, after any other message."""

from __future__ import annotations

from modelrollout.api.base import LONGEST_STRING
from modelrollout.api.changes import update, update_rollout
from modelrollout.api.status import LONGEST_QUESTION, Question, Status
from modelrollout.core import reasons
from modelrollout.core.finding import Finding
from modelrollout.core.reasons import as_read

_OWN = (reasons.DEADLINE, reasons.BAKE_IN_DOUBT)
"""Reasons whose sentence is itself what a person is asked while Inconclusive."""


def say(status: Status, finding: Finding) -> Status:
    """`status` with this reason and sentence; what a person is asked follows, if it is something else."""
    question = asked(status)
    other = question is not None and question.message != finding.message
    end = f"; still to decide: {question.message}" if question and other else ""
    message = finding.message[: LONGEST_STRING - len(end)] + end
    return update(status, reason=finding.reason, message=message)


def asked(status: Status) -> Finding | None:
    """What a person is asked now; None in phases that do not wait for one."""
    if status.phase == "AwaitingApproval" and status.step is not None:
        return approval(status.step.index, status.step.weight)
    if status.phase != "Inconclusive":
        return None
    if status.rollout and status.rollout.question:
        return Finding(as_read(status.rollout.question.reason), status.rollout.question.message)
    if status.reason in _OWN:  # written before questions were kept
        return Finding(as_read(status.reason), status.message[:LONGEST_QUESTION])
    return Finding(reasons.DEADLINE, "not proven: resume, promote or abort it")


def approval(index: int, weight: int) -> Finding:
    """`index` counts steps from 0; `weight` in percent."""
    return Finding(reasons.APPROVAL_NEEDED, f"step {index + 1} at {weight} % is done; approve it to go on")


def remember(status: Status) -> Status:
    """Right after a change of phase: why it is Inconclusive cannot be derived from the rest of the status later.

    In any other phase what was asked before is over.
    """
    if status.rollout is None:
        return status
    inconclusive = status.phase == "Inconclusive"
    question = Question(reason=status.reason, message=status.message) if inconclusive else None
    return update(status, rollout=update_rollout(status, question=question))
