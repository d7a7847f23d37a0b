"""What one look at the evidence needs to know: everything but the samples, as plain values."""

from __future__ import annotations

import math
from dataclasses import dataclass

from modelrollout.api.config import Dialect
from modelrollout.api.spec import Spec


@dataclass(frozen=True)
class EvaluationRequest:
    """One rollout to judge. Times in epoch seconds; all of it comes from spec and status, nothing from memory."""

    rollout: str
    """Identity of what is judged, handed back in the Evaluation."""
    namespace: str
    name: str
    spec: Spec
    stable: str
    candidate: str
    started_at: float
    """Origin of the grid: tick k covers (started_at + k*interval, started_at + (k+1)*interval]."""
    evidence_from: float
    """Ticks that begin before this only seed estimates."""
    steps: tuple[tuple[int, float], ...]
    """(weight, started_at) of every step so far, oldest first; the bake is no step."""
    ready_at: float | None = None
    """Since when the candidate has been ready; warm-up counts from here and from every raise."""
    bake_started_at: float | None = None
    dialect: Dialect = "None"
    default_gates: tuple[str, ...] | None = None
    """status.rollout.gates where spec.gates is empty; None or () until they were found and recorded."""

    @property
    def interval(self) -> float:
        """Length of a tick in seconds."""
        return self.spec.analysis.interval

    @property
    def step_started_at(self) -> float:
        """When the current step (or the bake) began; the rollout's start before the first step."""
        if self.bake_started_at is not None:
            return self.bake_started_at
        return self.steps[-1][1] if self.steps else self.started_at

    def tick_end(self, tick: int) -> float:
        """End of tick `tick`, to the millisecond (Prometheus knows no finer)."""
        return round(self.started_at + (tick + 1) * self.interval, 3)

    def last_ended(self, now: float) -> int:
        """The newest tick that has ended at `now`; -1 when none has."""
        return max(-1, math.floor((now - self.started_at) / self.interval + 1e-9) - 1)
