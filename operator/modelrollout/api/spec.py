"""What a person writes in `spec`: the desired version, its traffic, steps, gates and analysis."""

from __future__ import annotations

import hashlib
import json
from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from modelrollout.api.base import ApiModel
from modelrollout.api.gates import DNS_LABEL, Gate, Name
from modelrollout.api.quantities import Duration, Share

VERSION = r"^[1-9][0-9]{0,17}$"
HOSTNAME = r"^(\*\.)?[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*$"

Version = Annotated[str, Field(pattern=VERSION, max_length=18)]


class Model(ApiModel):
    name: Annotated[str, Field(pattern=r"^[A-Za-z0-9]([-A-Za-z0-9._]*[A-Za-z0-9])?$", max_length=128)]
    version: Version


class Serving(ApiModel):
    service: Annotated[
        str, Field(pattern=r"^[a-z]([-a-z0-9]*)\{version\}([-a-z0-9]*[a-z0-9])?$", max_length=54)
    ]
    port: Annotated[int, Field(ge=1, le=65535)] = 8000

    def service_of(self, version: str) -> str:
        """The Service that serves one version of the model."""
        return self.service.replace("{version}", version)


class Gateway(ApiModel):
    name: Annotated[str, Field(pattern=r"^[a-z0-9]([-a-z0-9.]*[a-z0-9])?$", max_length=253)]
    namespace: Annotated[str, Field(pattern=DNS_LABEL, max_length=63)] | None = None
    section_name: Annotated[str, Field(pattern=r"^[a-z0-9]([-a-z0-9.]*[a-z0-9])?$", max_length=253)] | None = None
    hostnames: Annotated[
        list[Annotated[str, Field(pattern=HOSTNAME, max_length=253)]], Field(min_length=1, max_length=16)
    ]


class Traffic(ApiModel):
    gateway: Gateway
    tester_header: Annotated[str, Field(pattern=r"^[A-Za-z0-9][-A-Za-z0-9]*$", max_length=128)] | None = None


class Step(ApiModel):
    weight: Annotated[int, Field(ge=1, le=99)]
    hold: Duration
    approval: bool = False


class Analysis(ApiModel):
    """How often and how strictly the gates are read; every default is the safe one."""

    prometheus: Name = "default"
    interval: Duration = 15.0
    false_rollback: Share = 0.05
    minimum_requests: Annotated[int, Field(ge=1, le=1_000_000)] = 200
    warmup: Duration = 60.0
    ready_for: Duration = 30.0
    ready_deadline: Duration = 900.0
    deadline: Duration = 7200.0
    max_blind: Duration = 900.0
    on_breach: Literal["Rollback", "Pause"] = "Rollback"
    on_inconclusive: Literal["Pause", "Rollback"] = "Pause"

    @model_validator(mode="after")
    def _bounds(self) -> Self:
        if not 1 <= self.interval <= 3600:  # noqa: PLR2004 - seconds: a Prometheus scrape, and an hour
            raise ValueError('interval: choose between "1s" and "1h"')
        if not 0 < self.false_rollback < 0.5:  # noqa: PLR2004 - a promise above one half promises nothing
            raise ValueError('falseRollback: choose between "0.1%" and "50%", such as "5%"')
        return self


class Spec(ApiModel):
    model: Model
    serving: Serving
    traffic: Traffic
    steps: Annotated[list[Step], Field(min_length=1, max_length=20)]
    bake: Duration = 900.0
    gates: Annotated[list[Gate], Field(max_length=24)] = []
    analysis: Analysis = Analysis()
    rollback_window: Duration = 86400.0
    attempt: Annotated[int, Field(ge=1, le=1_000_000)] = 1
    paused: bool = False

    @model_validator(mode="after")
    def _steps_rise(self) -> Self:
        for index, (low, high) in enumerate(zip(self.steps, self.steps[1:], strict=False), start=1):
            if high.weight <= low.weight:
                raise ValueError(
                    f"steps.{index}.weight: {high.weight} does not rise above {low.weight}; "
                    "write steps with strictly rising weights (100 follows by itself)"
                )
        return self

    @model_validator(mode="after")
    def _names_once(self) -> Self:
        names = [gate.name for gate in self.gates]
        twice = sorted({name for name in names if names.count(name) > 1})
        if twice:
            raise ValueError(f"gates: the name {twice[0]!r} stands twice; give every gate a name of its own")
        if sum(gate.share or 0.0 for gate in self.gates) > 1:
            raise ValueError('gates: the shares add up to more than "100%"; lower some')
        return self

    def gates_digest(self) -> str:
        """A short digest of everything that evidence depends on: when it changes, evidence restarts."""
        body = json.dumps(self.model_dump(mode="json", include={"gates", "analysis"}), sort_keys=True)
        return hashlib.sha256(body.encode()).hexdigest()[:12]
