"""What users write in `spec`: the desired version, its traffic, steps, gates and analysis."""

from __future__ import annotations

import hashlib
import itertools
import json
from typing import TYPE_CHECKING, Annotated, Literal, Self

from pydantic import Field, field_validator, model_validator

from modelrollout.api.base import ApiModel, wrong
from modelrollout.api.gates import DNS_LABEL, Gate, Name
from modelrollout.api.quantities import Duration, Share, format_duration
from modelrollout.api.serving import Serving

if TYPE_CHECKING:
    from pydantic_core import PydanticCustomError

VERSION = r"^[1-9][0-9]{0,17}$"
MODEL = r"^[A-Za-z0-9]([-A-Za-z0-9._]*[A-Za-z0-9])?$"
DNS_NAME = r"^[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*$"
HEADER = r"^[A-Za-z0-9][-A-Za-z0-9]*$"
HOSTNAME = r"^(\*\.)?[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*$"

Version = Annotated[str, Field(pattern=VERSION, max_length=18)]

ADDED_LATER = frozenset({"refused"})
"""Fields of gates that the first release did not have."""


class Model(ApiModel):
    """The model, and the version of it that should serve."""

    name: Annotated[str, Field(pattern=MODEL, max_length=128)]
    """Triton's name of the model."""
    version: Version
    """The version that should serve, a positive whole number in quotes. Changing it starts a rollout."""


class Gateway(ApiModel):
    """The Gateway that the operator's HTTPRoute attaches to."""

    name: Annotated[str, Field(pattern=DNS_NAME, max_length=253)]
    """Name of the Gateway."""
    namespace: Annotated[str, Field(pattern=DNS_LABEL, max_length=63)] | None = None
    """Namespace of the Gateway; the resource's own when unset."""
    section_name: Annotated[str, Field(pattern=DNS_NAME, max_length=253)] | None = None
    """The Gateway's listener; every listener that accepts the route when unset."""
    hostnames: Annotated[
        list[Annotated[str, Field(pattern=HOSTNAME, max_length=253)]], Field(min_length=1, max_length=16)
    ]
    """Host names that clients call."""


class Traffic(ApiModel):
    """The route; the operator creates and owns it, under the resource's own name."""

    gateway: Gateway
    tester_header: Annotated[str, Field(pattern=HEADER, max_length=128)] | None = None
    """Requests with this header and the value "always" reach the candidate during a rollout."""


class Step(ApiModel):
    """One weight, and how long it is held."""

    weight: Annotated[int, Field(ge=1, le=99)]
    """Percent of requests for the candidate, above the step before; 100 follows the last step automatically."""
    hold: Duration
    """The least time at this weight."""
    approval: bool = False
    """Whether a person must approve before the next step."""


class Approval(ApiModel):
    """Who may approve a step or promote; a command is a right of its own besides."""

    by_other: bool = False
    """Somebody else than who changed spec.model.version must approve or promote, as the API server says who it was."""


class Analysis(ApiModel):
    """How often and how strictly the gates are read; every default is the safe one."""

    prometheus: Name = "default"
    """A Prometheus server by its name in the operator's configuration."""
    interval: Duration = 15.0
    """How often the gates are read."""
    false_rollback: Share = 0.05
    """The promise: the probability of rolling back a candidate that keeps its limits stays below this."""
    minimum_requests: Annotated[int, Field(ge=1, le=1_000_000)] = 200
    """Requests the candidate must have answered in a step before the next one, and in the bake before its end."""
    warmup: Duration = 60.0
    """After readiness and after each raise, Latency is not judged for this long; errors and NaN are."""
    ready_for: Duration = 30.0
    """The candidate gets traffic after this much continuous readiness."""
    ready_deadline: Duration = 900.0
    """A candidate that is not ready after this long is Rejected; one that is ready at times, after twice as long."""
    deadline: Duration = 7200.0
    """A rollout not proven after this long is inconclusive; waiting for people, metrics or a fix is not counted."""
    max_blind: Duration = 900.0
    """Without metrics for longer than this, the weight goes back to the first step's."""
    on_breach: Literal["Rollback", "Pause"] = "Rollback"
    """What to do when a gate fails."""
    on_inconclusive: Literal["Pause", "Rollback", "Promote"] = "Pause"
    """At the deadline: ask a person, go back, or go on unproven where nothing speaks against it, saying so."""

    @model_validator(mode="after")
    def _bounds(self) -> Self:
        if not 1 <= self.interval <= 3600:  # noqa: PLR2004 - seconds: a Prometheus scrape, and an hour
            raise wrong("interval", 'choose between "1s" and "1h", such as "15s"')
        if not 0 < self.false_rollback < 0.5:  # noqa: PLR2004 - a promise above one half promises nothing
            raise wrong("falseRollback", 'choose above "0%" and below "50%", such as "5%"')
        if self.ready_deadline <= self.ready_for:
            raise self._never_ready()
        if self.deadline <= 0:
            raise wrong("deadline", 'choose more than "0s", such as "2h"')
        return self

    def _never_ready(self) -> PydanticCustomError:
        why = "or no candidate can ever get ready"
        if "ready_deadline" in self.model_fields_set:
            return wrong("readyDeadline", f"choose more than readyFor ({format_duration(self.ready_for)}), {why}")
        return wrong("readyFor", f"choose less than readyDeadline ({format_duration(self.ready_deadline)}), {why}")


class Spec(ApiModel):
    """Which version should serve, and how a new version gets its traffic."""

    model: Model
    serving: Serving
    traffic: Traffic
    steps: Annotated[list[Step], Field(min_length=1, max_length=20)]
    """Weights that rise from step to step."""
    approval: Approval = Approval()
    """What is asked of whoever approves."""
    bake: Duration = 900.0
    """Time at 100 % in which a breach still rolls back, before the candidate becomes stable."""
    gates: Annotated[list[Gate], Field(max_length=24)] = []
    """The limits that the candidate must keep. When empty: ErrorRate, Latency, and what stable has series for."""
    analysis: Analysis = Analysis()
    rollback_window: Duration = 86400.0
    """How long after a promotion the previous version may return at once, without steps."""
    attempt: Annotated[int, Field(ge=1, le=1_000_000)] = 1
    """Raise it to retry a version that was rolled back or rejected."""
    paused: bool = False
    """Hold the weight where it is; a breach still rolls back."""

    @field_validator("steps")
    @classmethod
    def _steps_rise(cls, steps: list[Step]) -> list[Step]:
        for index, (low, high) in enumerate(itertools.pairwise(steps), start=1):
            if high.weight <= low.weight:
                fix = f"choose more than the step before ({low.weight})"
                raise wrong(f"{index}.weight", f"{fix}: weights rise strictly, and 100 follows automatically")
        return steps

    @field_validator("gates")
    @classmethod
    def _names_once(cls, gates: list[Gate]) -> list[Gate]:
        names = [gate.name for gate in gates]
        for index, name in enumerate(names):
            if name in names[:index]:
                raise wrong(f"{index}.name", "give every gate a different name; this one is used twice")
        return gates

    @field_validator("gates")
    @classmethod
    def _shares_fit(cls, gates: list[Gate]) -> list[Gate]:
        total = 0.0
        for index, gate in enumerate(gates):
            total += gate.share or 0.0
            if total > 1 + 1e-9:
                raise wrong(f"{index}.share", 'lower it: all shares together may be at most "100%"')
        return gates

    def gates_digest(self) -> str:
        """A short digest of everything that evidence depends on: when it changes, evidence restarts.

        A field that a later version of the operator added counts only where it is set: an upgrade is no edit.
        """
        judged = {"prometheus", "interval", "false_rollback", "minimum_requests", "warmup"}
        found = self.model_dump(mode="json", include={"gates": True, "analysis": judged})
        for gate in found["gates"]:
            for name in ADDED_LATER & {key for key, value in gate.items() if value is None}:
                del gate[name]
        if self.serving.arm is not None:
            found["arm"] = self.serving.arm.model_dump(mode="json")
        return hashlib.sha256(json.dumps(found, sort_keys=True).encode()).hexdigest()[:12]
