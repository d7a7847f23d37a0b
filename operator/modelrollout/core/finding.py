"""What a check or a gate found: a reason constant with its sentence."""

from __future__ import annotations

from dataclasses import dataclass

from modelrollout.core.reasons import AnyReason


@dataclass(frozen=True)
class Finding:
    """A named reason with its sentence."""

    reason: AnyReason
    message: str
