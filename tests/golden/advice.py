"""What `status` tells a person to do, for every phase, and for every reason in every phase it can stand in."""

from __future__ import annotations

from typing import get_args

from modelrollout.api.status import Phase, Rejected, Status
from modelrollout.cli.advice import advice
from modelrollout.core import reasons

REASONS = sorted(value for name, value in vars(reasons).items() if name.isupper())


def made(phase: Phase, reason: str, *, paused: bool = False) -> Status:
    """Just the fields that advice looks at."""
    rejected = (
        Rejected(version="2", attempt=1, reason="GateFailed", at=0.0) if phase in {"RolledBack", "Rejected"} else None
    )
    return Status.model_construct(phase=phase, reason=reason, stable="1", paused=paused, rejected=rejected)


def texts() -> dict[str, str]:
    """By phase: the usual advice, while paused in either way, and wherever the reason changes it."""
    return {phase: "\n".join(_of(phase)) for phase in get_args(Phase)}


def _of(phase: Phase) -> list[str]:
    usual = advice(made(phase, ""), "vision", "digits")
    by_command = advice(made(phase, "", paused=True), "vision", "digits")
    in_spec = advice(made(phase, ""), "vision", "digits", paused_in_spec=True)
    found = {reason: advice(made(phase, reason), "vision", "digits") for reason in REASONS}
    pauses = {"paused by command": by_command, "paused in spec": in_spec}
    others = {**pauses, **found}
    return [usual, *(f"{name}: {text}" for name, text in others.items() if text != usual)]
