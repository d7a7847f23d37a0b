"""What the operator writes in `status`: what survives a restart is here, the rest is read from the world."""

from __future__ import annotations

from typing import Annotated, Any, Literal, Self

from pydantic import ConfigDict, Field, computed_field, model_validator

from modelrollout.api.base import ApiModel
from modelrollout.api.timestamps import Timestamp

Phase = Literal[
    "Adopting",
    "Serving",
    "Waiting",
    "Stepping",
    "AwaitingApproval",
    "Inconclusive",
    "Baking",
    "RolledBack",
    "Rejected",
]
Verdict = Literal["PASS", "FAIL", "CONTINUE", "NO_DATA", "NOT_COMPARABLE"]


class StatusModel(ApiModel):
    """Unknown fields are dropped, so that an older operator can read a newer one's status."""

    model_config = ConfigDict(extra="ignore")


class Previous(StatusModel):
    version: str
    replaced_at: Timestamp


class Weight(StatusModel):
    """Percent of requests for the candidate: what the operator intends, and what the route said last."""

    desired: int = 0
    observed: int | None = None
    lowered_at: Timestamp | None = Field(None, description="when the route was first seen below desired")


class StepStatus(StatusModel):
    index: int
    weight: int
    started_at: Timestamp
    earliest_advance: Timestamp | None = None
    approved: bool = False

    @computed_field(description="index + 1, as people count")
    def number(self) -> int:
        return self.index + 1


class StepRecord(StatusModel):
    weight: int
    started_at: Timestamp


class RolloutStatus(StatusModel):
    """The facts of the rollout in progress that time and evidence are counted from."""

    started_at: Timestamp = Field(description="origin of the evaluation grid")
    attempt: int = 1
    evidence_from: Timestamp = Field(description="later than startedAt when the gates were edited")
    gates_digest: str = ""
    gates: list[str] = Field([], description="names of the default gates found at the start, if spec has none")
    waiting_since: Timestamp
    exposed: bool = Field(False, description="whether the candidate has ever had weight in this rollout")
    losses: int = 0
    blind_since: Timestamp | None = None
    clock_stopped_at: Timestamp | None = None
    clock_stopped_for: float = Field(0.0, description="seconds the deadline's clock has stood still")
    bake_started_at: Timestamp | None = None


class GateStatus(StatusModel):
    """One gate as people read it: every number with its unit."""

    name: str
    type: str
    verdict: Verdict
    required: bool = True
    layer: str | None = None
    observed: str | None = None
    stable: str | None = None
    limit: str | None = None
    samples: str | None = None
    evidence: str | None = None
    eta: str | None = None
    message: str = ""


class Rejected(StatusModel):
    version: str
    attempt: int
    reason: str
    message: str = ""
    at: Timestamp


class LastCommand(StatusModel):
    verb: str
    nonce: str
    version: str | None = None
    step: int | None = None
    by: str | None = None
    manager: str | None = None
    why: str | None = None
    result: str = ""
    at: Timestamp


class HistoryEntry(StatusModel):
    stable: str
    candidate: str
    result: Literal["Promoted", "RolledBack", "Rejected", "Aborted", "Replaced", "FastRollback", "Adopted"]
    reason: str
    message: str = ""
    started_at: Timestamp
    ended_at: Timestamp
    snapshot: str | None = None


class Condition(StatusModel):
    type: Literal["Ready", "Reconciling", "Stalled", "Paused"]
    status: Literal["True", "False", "Unknown"]
    reason: str
    message: str = ""
    last_transition_time: Timestamp
    observed_generation: int = 0


class Status(StatusModel):
    observed_generation: int = -1
    phase: Phase = "Adopting"
    reason: str = ""
    message: str = ""
    stable: str | None = None
    previous: Previous | None = None
    candidate: str | None = None
    step: StepStatus | None = None
    steps: Annotated[list[StepRecord], Field(max_length=64)] = []
    weight: Weight = Weight()
    rollout: RolloutStatus | None = None
    gates: Annotated[list[GateStatus], Field(max_length=48)] = []
    next_evaluation: Timestamp | None = None
    rejected: Rejected | None = None
    paused: bool = Field(False, description="paused by command; spec.paused pauses too")
    last_command: LastCommand | None = None
    history: Annotated[list[HistoryEntry], Field(max_length=10)] = []
    conditions: Annotated[list[Condition], Field(max_length=8)] = []

    @model_validator(mode="after")
    def _whole(self) -> Self:
        """A phase without the facts that it stands on was not written by the operator."""
        running = ("Waiting", "Stepping", "AwaitingApproval", "Inconclusive", "Baking")
        if self.phase != "Adopting" and self.stable is None:
            raise ValueError(f"phase {self.phase} without stable")
        if self.phase in running and (self.candidate is None or self.rollout is None):
            raise ValueError(f"phase {self.phase} without candidate and rollout")
        if self.phase in running[1:] and self.step is None:
            raise ValueError(f"phase {self.phase} without step")
        return self


def dump(status: Status) -> dict[str, Any]:
    """The JSON object for the API server; absent means unset."""
    return status.model_dump(mode="json", by_alias=True, exclude_none=True)
