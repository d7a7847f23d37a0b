"""What the operator writes in `status`: what survives a restart is here, the rest is read from the world."""

from __future__ import annotations

from typing import Annotated, Any, Literal, Self

from pydantic import ConfigDict, Field, computed_field, model_validator

from modelrollout.api.base import LONGEST_STRING, ApiModel
from modelrollout.api.borders.bounds import Longest, Newest, Shown, bounded
from modelrollout.api.timestamps import Timestamp

Phase = Literal[
    "Adopting",
    "Serving",
    "Waiting",
    "Preflight",
    "Stepping",
    "AwaitingApproval",
    "Inconclusive",
    "Baking",
    "RolledBack",
    "Rejected",
]
PHASES_OF_A_ROLLOUT: tuple[Phase, ...] = (
    "Waiting",
    "Preflight",
    "Stepping",
    "AwaitingApproval",
    "Inconclusive",
    "Baking",
)
"""They need a candidate, and all but the first two a step."""
Verdict = Literal["PASS", "FAIL", "CONTINUE", "NO_DATA", "NOT_COMPARABLE"]
Result = Literal["Promoted", "RolledBack", "Rejected", "Aborted", "Replaced", "FastRollback", "Adopted"]
Outcome = Literal["Applied", "Refused"]
ConditionType = Literal["Ready", "Reconciling", "Stalled", "Paused"]
Truth = Literal["True", "False", "Unknown"]

MOST_RECORDS, MOST_GATES, MOST_ENTRIES, MOST_WARNINGS = 64, 48, 10, 8
"""The most items that the lists of a status hold; every writer keeps to it."""
MOST_LAYERS, LONGEST_LAYER = 64, 100
"""Layers that are kept of a promoted version, and characters of their names."""
LONGEST_GATE_MESSAGE, LONGEST_HISTORY_MESSAGE, LONGEST_WARNING = 1024, 512, 300
"""Characters of the sentences that a status holds many of."""
LONGEST_QUESTION = LONGEST_STRING // 2
"""Characters of what a person is asked; the other half of the status' message is for the sentence before it."""

Sentence = Annotated[str, Longest(LONGEST_STRING)]
Percent = Annotated[int, Field(ge=0, le=100)]
Count = Annotated[int, Field(ge=0, le=2**31 - 1)]


class StatusModel(ApiModel):
    """Unknown fields are dropped, so that an older operator can read a newer one's status.

    Texts and lists are cut to the limits below here and in api/changes.py, and nowhere else: no text is too long or
    too strange for a status, read or written.
    """

    model_config = ConfigDict(extra="ignore", str_max_length=None)

    @model_validator(mode="before")
    @classmethod
    def _bounded(cls, data: object) -> object:
        return bounded(cls, data) if isinstance(data, dict) else data


class Previous(StatusModel):
    version: str
    """The version that served before stable."""
    replaced_at: Timestamp
    """When stable replaced it."""


class Weight(StatusModel):
    """Percent of requests for the candidate: what the operator intends, and what the route says."""

    desired: Percent = 0
    """What the operator wants."""
    observed: Percent | None = None
    """What the route said when last read, or what is being written to it: a raise is recorded before it is written."""
    lowered_at: Timestamp | None = Field(None, description="when the route was first seen below desired")


class StepStatus(StatusModel):
    index: Count
    """Counted from 0."""
    weight: Percent
    """Percent of this step."""
    mirror: Percent | None = None
    """Percent of the requests that the candidate gets copies of, in a step without weight."""
    started_at: Timestamp
    """When the candidate got this weight."""
    earliest_advance: Timestamp | None = None
    """When the step's hold is over."""
    approved: bool = False
    """Whether a person has approved the next step."""

    @computed_field(description="index + 1, as people count")
    def number(self) -> int:
        return self.index + 1


class StepRecord(StatusModel):
    weight: Percent
    started_at: Timestamp


class Question(StatusModel):
    """What a person is asked to decide, as it was first put."""

    reason: str
    """Reason constant."""
    message: Annotated[str, Longest(LONGEST_QUESTION)] = ""
    """The sentence with what can be done."""


class PreflightStatus(StatusModel):
    """The pre-flight of the rollout in progress."""

    run: str
    """Names this run: the prober answers for no other."""
    asked: str
    """Digest of what was asked for; an edit asks for another pre-flight."""
    started_at: Timestamp
    """When this run was asked for."""
    stopped_before: float = Field(0.0, description="seconds for which the rollout's clock had been stopped by then")
    passed: bool = False
    """Whether the required gates passed."""
    rows: Count = 0
    """Rows that both versions were sent, as the prober says."""
    of: Count = 0
    """Rows that they are to be sent."""


class RolloutStatus(StatusModel):
    """The facts of the rollout in progress that time and evidence are counted from."""

    started_at: Timestamp = Field(description="origin of the evaluation grid")
    attempt: Count = 1
    evidence_from: Timestamp = Field(description="later than startedAt when gates were edited or weights reloaded")
    gates_digest: str = ""
    digest: str = Field("", description="digest of the weights that are analysed, where telemetry names one")
    gates: list[str] = Field(
        [], description="names of the default gates that could be judged once, if spec has none: they stay in force"
    )
    waiting_since: Timestamp
    exposed: bool = Field(False, description="whether the candidate has ever had weight in this rollout")
    losses: Count = 0
    doubts: Count = Field(0, description="bakes left because the candidate was worse than stable was before them")
    reloads: Count = Field(0, description="times the analysis started again because the weights were other ones")
    blind_since: Timestamp | None = None
    clock_stopped_at: Timestamp | None = None
    clock_stopped_for: float = Field(0.0, description="seconds for which the deadline's clock was stopped")
    bake_started_at: Timestamp | None = None
    question: Question | None = Field(None, description="what a person is asked while Inconclusive")
    unproven: Annotated[str, Longest(LONGEST_HISTORY_MESSAGE)] = Field(
        "", description="what was not proven where it went on at the deadline (onInconclusive: Promote)"
    )
    plan: Annotated[str, Longest(LONGEST_HISTORY_MESSAGE)] = Field(
        "", description="what stable's traffic can prove before the deadline, as found at the start"
    )


class GateStatus(StatusModel):
    """One gate as people read it: every number with its unit."""

    name: str
    """The gate's name in spec, or of the default gate."""
    type: str
    """What it watches."""
    verdict: Verdict
    """What the evidence says so far."""
    required: bool = True
    """Whether it decides."""
    left_out: bool | None = None
    """Whether it is a default gate that nobody here can judge: it decides nothing until somebody can."""
    source: str | None = None
    """Whose series it rests on: Gateway, Model or Triton."""
    layer: str | None = None
    """The worst layer."""
    observed: str | None = None
    """The candidate's value."""
    stable: str | None = None
    """Stable's value over the same time."""
    limit: str | None = None
    """What the value is compared with."""
    samples: str | None = None
    """How much was seen."""
    evidence: str | None = None
    """The odds so far, and the odds at which it decides."""
    eta: str | None = None
    """When a decision is expected."""
    message: Annotated[str, Longest(LONGEST_GATE_MESSAGE)] = ""
    """The sentence with the numbers."""


class Rejected(StatusModel):
    version: str
    """The version that is not retried automatically."""
    attempt: Count
    """The attempt that was rolled back or rejected."""
    reason: str
    """Reason constant."""
    message: Sentence = ""
    """The sentence with the numbers."""
    at: Timestamp
    """When."""


class LastCommand(StatusModel):
    verb: str
    """The command."""
    nonce: str
    """Identifies the command."""
    version: str | None = None
    """The version it named."""
    step: int | None = None
    """The step it named, counted from 0."""
    rollout: str | None = None
    """When the rollout that it named began; empty where it named none, absent where an older operator wrote it."""
    by: str | None = None
    """Who sent it: the API server's word, or with "(claimed)" their own."""
    manager: str | None = None
    """The field manager that wrote it."""
    why: Annotated[str | None, Longest(LONGEST_GATE_MESSAGE)] = None
    """The reason given."""
    result: Sentence = ""
    """Applied, or refused and why."""
    outcome: Outcome | None = None
    """The same for programs; absent where an older operator wrote it."""
    at: Timestamp
    """When it was consumed."""

    @property
    def applied(self) -> bool:
        """Whether the command took effect; an older operator said so in the result alone."""
        return self.outcome == "Applied" if self.outcome else self.result == "applied"


class HistoryEntry(StatusModel):
    stable: str
    """The version that served."""
    candidate: str
    """The version that was tried."""
    result: Result
    reason: str
    """Reason constant."""
    message: Annotated[str, Longest(LONGEST_HISTORY_MESSAGE)] = ""
    """The sentence with the numbers."""
    started_at: Timestamp
    """When the rollout started."""
    ended_at: Timestamp
    """When it ended."""
    snapshot: str | None = None
    """The ModelRolloutSnapshot that keeps the distributions; a ConfigMap of that name where there is none."""


class DeadShare(StatusModel):
    """What one layer of a version had for dead units, and how that was measured."""

    layer: str
    dead: float
    """The share of its units that were dead in the mean window, from 0 to 1."""
    units: int
    """Units of the layer."""
    window_size: int
    """Rows per window."""
    dead_if: str = ""
    """The rule for a dead unit, where telemetry names one."""


class PromotedVersion(StatusModel):
    """What later retrains are compared with."""

    version: str
    at: Timestamp
    """When it was promoted."""
    layers: Annotated[list[DeadShare], Field(max_length=MOST_LAYERS)] = []


class Condition(StatusModel):
    type: ConditionType
    status: Truth
    reason: str
    message: Sentence = ""
    last_transition_time: Timestamp
    observed_generation: int = 0


class Status(StatusModel):
    observed_generation: int = -1
    """The generation of spec that this status is about."""
    phase: Phase = "Adopting"
    """Where the rollout stands, for people."""
    reason: str = ""
    """Why, as a constant."""
    message: Sentence = ""
    """Why, as a sentence with numbers."""
    stable: str | None = None
    """The version that serves."""
    place: Annotated[int, Field(ge=0, le=1)] | None = None
    """Stable's place among the route's backends, where the gateway knows versions by it; it keeps a candidate's."""
    previous: Previous | None = None
    candidate: str | None = None
    """The version that is being tried."""
    step: StepStatus | None = None
    steps: Annotated[list[StepRecord], Field(max_length=MOST_RECORDS), Newest()] = []
    weight: Weight = Weight()
    rollout: RolloutStatus | None = None
    preflight: PreflightStatus | None = None
    gates: Annotated[list[GateStatus], Field(max_length=MOST_GATES), Shown()] = []
    deciding: Annotated[str | None, Longest(LONGEST_WARNING)] = None
    """The gate to look at first, what was seen, its limit, and its odds."""
    warnings: Annotated[list[str], Field(max_length=MOST_WARNINGS), Longest(LONGEST_WARNING)] = []
    """What people should know about the evidence; it changes no verdict."""
    next_evaluation: Timestamp | None = None
    """When the gates are read again."""
    rejected: Rejected | None = None
    paused: bool = Field(False, description="paused by command; spec.paused pauses too")
    last_command: LastCommand | None = None
    history: Annotated[list[HistoryEntry], Field(max_length=MOST_ENTRIES), Newest(), Shown()] = []
    promoted: Annotated[list[PromotedVersion], Field(max_length=MOST_ENTRIES), Newest(), Shown()] = []
    """Dead units of the versions promoted last: from three on, a retrain's margin is learned from them."""
    conditions: Annotated[list[Condition], Field(max_length=8), Shown()] = []

    @property
    def subject(self) -> float | None:
        """When what a command can be about began: the rollout in progress, or else the refusal of the last version."""
        if self.rollout is not None:
            return self.rollout.started_at
        return self.rejected.at if self.rejected is not None else None

    @model_validator(mode="after")
    def _whole(self) -> Self:
        """A phase without the facts that it stands on was not written by the operator."""
        if self.phase != "Adopting" and self.stable is None:
            raise ValueError(f"phase {self.phase} without stable")
        if self.phase == "Adopting" and self.stable is not None:
            raise ValueError(f"phase Adopting with stable {self.stable}")
        if self.phase in PHASES_OF_A_ROLLOUT and (self.candidate is None or self.rollout is None):
            raise ValueError(f"phase {self.phase} without candidate and rollout")
        if self.phase == "Preflight" and self.preflight is None:
            raise ValueError("phase Preflight without preflight")
        if self.phase in PHASES_OF_A_ROLLOUT[2:] and self.step is None:
            raise ValueError(f"phase {self.phase} without step")
        return self


def dump(status: Status) -> dict[str, Any]:
    """The JSON object for the API server; absent means unset."""
    return status.model_dump(mode="json", by_alias=True, exclude_none=True)
