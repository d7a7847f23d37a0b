"""The only place where a status is copied with changes: a misspelt field or a value of another type is a type error.

pydantic's own model_copy takes any mapping and checks nothing. Texts and lists are cut here as the models cut them.
The typed dictionaries below repeat the fields of api/status.py;
tests/unit/rollout/test_changes_are_typed.py holds the two together.
"""

from __future__ import annotations

from typing import TypedDict, Unpack

from modelrollout.api.borders.bounds import bounded
from modelrollout.api.status import (
    Condition,
    GateStatus,
    HistoryEntry,
    LastCommand,
    Phase,
    PreflightStatus,
    Previous,
    PromotedVersion,
    Question,
    Rejected,
    RolloutStatus,
    Status,
    StepRecord,
    StepStatus,
    Weight,
)


class StatusChanges(TypedDict, total=False):
    """Fields of Status."""

    observed_generation: int
    phase: Phase
    reason: str
    message: str
    stable: str | None
    place: int | None
    previous: Previous | None
    candidate: str | None
    step: StepStatus | None
    steps: list[StepRecord]
    weight: Weight
    rollout: RolloutStatus | None
    preflight: PreflightStatus | None
    gates: list[GateStatus]
    deciding: str | None
    warnings: list[str]
    next_evaluation: float | None
    rejected: Rejected | None
    paused: bool
    last_command: LastCommand | None
    history: list[HistoryEntry]
    promoted: list[PromotedVersion]
    conditions: list[Condition]


class ClockChanges(TypedDict, total=False):
    """Fields of RolloutStatus that the deadline counts from."""

    clock_stopped_at: float | None
    clock_stopped_for: float


class RolloutChanges(ClockChanges, total=False):
    """Fields of RolloutStatus."""

    started_at: float
    attempt: int
    evidence_from: float
    gates_digest: str
    digest: str
    gates: list[str]
    waiting_since: float
    exposed: bool
    losses: int
    doubts: int
    reloads: int
    blind_since: float | None
    bake_started_at: float | None
    question: Question | None
    unproven: str
    plan: str


class StepChanges(TypedDict, total=False):
    """Fields of StepStatus."""

    index: int
    weight: int
    mirror: int | None
    started_at: float
    earliest_advance: float | None
    approved: bool


def update(status: Status, **changes: Unpack[StatusChanges]) -> Status:
    """A copy of the frozen status with some fields changed."""
    return status.model_copy(update=bounded(Status, dict(changes)))


def update_rollout(status: Status, **changes: Unpack[RolloutChanges]) -> RolloutStatus:
    """A copy of the rollout's facts with some changed; `status` must have a rollout."""
    assert status.rollout is not None
    return status.rollout.model_copy(update=bounded(RolloutStatus, dict(changes)))


def update_step(step: StepStatus, **changes: Unpack[StepChanges]) -> StepStatus:
    """A copy of the step with some fields changed."""
    return step.model_copy(update=bounded(StepStatus, dict(changes)))


def with_snapshot(status: Status, name: str, ended_at: float) -> Status:
    """The history entry of the rollout that ended then refers to the snapshot `name`; others to it no more."""
    if all(entry.ended_at != ended_at for entry in status.history):
        return status
    linked = [
        entry.model_copy(update={"snapshot": name if entry.ended_at == ended_at else None})
        if entry.ended_at == ended_at or entry.snapshot == name
        else entry
        for entry in status.history
    ]
    return update(status, history=linked)
