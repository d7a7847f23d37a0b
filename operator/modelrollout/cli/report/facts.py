"""Everything that a report shows of one rollout, as plain values; times in epoch seconds, weights in percent."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from modelrollout.api.spec import Spec
from modelrollout.api.status import HistoryEntry, Status
from modelrollout.core.analysis.metrics.model_series import Arm
from modelrollout.core.analysis.metrics.postmortem import LayerSummary
from modelrollout.core.evaluation import GateResult


@dataclass(frozen=True)
class Happening:
    """One Event about the resource."""

    at: float
    reason: str
    message: str
    warning: bool = False


@dataclass(frozen=True)
class Judgement:
    """Every gate's standing at one moment."""

    at: float
    gates: tuple[GateResult, ...]


@dataclass(frozen=True)
class Layers:
    """What both versions' layers counted over one span."""

    began: float
    until: float
    of: Mapping[Arm, Mapping[str, LayerSummary]]


@dataclass(frozen=True)
class Subject:
    """Which rollout of the resource is meant: the one in progress, or one that ended."""

    stable: str
    candidate: str
    started_at: float
    entry: HistoryEntry | None = None
    """How it ended; None while it goes on."""
    newest: bool = True
    """Whether `status` still speaks of it: its gates, its message, what to do now."""

    @property
    def ended_at(self) -> float | None:
        return None if self.entry is None else self.entry.ended_at


@dataclass(frozen=True)
class Facts:
    """One report. `missing` says in sentences what could not be read."""

    namespace: str
    name: str
    status: Status
    now: float
    subject: Subject | None = None
    """None where no rollout is known yet."""
    spec: Spec | None = None
    live: int | None = None
    """The candidate's percent on the route now; None where it could not be read."""
    weights: tuple[tuple[float, int], ...] = ()
    """(since when, the candidate's percent), oldest first; the last holds until the end."""
    judgements: tuple[Judgement, ...] = ()
    layers: Layers | None = None
    course: tuple[Layers, ...] = ()
    """The distributions slice by slice, where they were asked for."""
    happenings: tuple[Happening, ...] = ()
    missing: tuple[str, ...] = ()

    @property
    def until(self) -> float:
        """The end of what is shown."""
        ended = self.subject.ended_at if self.subject is not None else None
        return self.now if ended is None else ended


@dataclass(frozen=True)
class Kept:
    """What the snapshot of an ended rollout says of it; empty where there is none."""

    steps: tuple[tuple[int, float], ...] = ()
    """(weight, since when)."""
    bake_started_at: float | None = None
    evidence_from: float | None = None
    layers: Layers | None = None
    raw: Mapping[str, Any] = field(default_factory=dict)
