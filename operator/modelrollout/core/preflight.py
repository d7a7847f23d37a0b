"""What the prober reports of one pre-flight, as plain values; it is believed about progress, never about verdicts."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

State = Literal["Checked", "Refused", "Waiting", "Running", "Unanswered", "Done"]
"""Checked, Refused: the golden set can, or cannot, be used. Waiting, Running, Done: a run's progress. Unanswered: the
candidate has not answered for so many rows in a row that the run was given up."""


@dataclass(frozen=True)
class PreflightReport:
    """The prober's newest word on one resource."""

    asked: str
    """Digest of what the spec asked for when it was said (Preflight.digest)."""
    run: str
    """The run that it is about (status.preflight.run); empty where it is about the golden set alone."""
    state: State
    rows: int = 0
    """Rows that both versions have been sent so far."""
    of: int = 0
    """Rows that will be."""
    message: str = ""


@dataclass(frozen=True)
class Prober:
    """What is known of the prober: its report, and for how long it has been silent."""

    installed: bool = False
    """Whether the operator was told where probers report (the chart's prober.enabled)."""
    report: PreflightReport | None = None
    changed_at: float | None = None
    """When its report last changed, by the operator's clock; None where it never has while the operator looked."""
    problem: str = ""
    """Why the reports cannot be read, if so."""
