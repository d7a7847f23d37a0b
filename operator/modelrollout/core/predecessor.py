"""Order among rollouts: what is known of the ModelRollout that spec.after names."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Predecessor:
    """As it was read in this pass; `model` is "" where it is not there, or could not be read."""

    name: str
    """NAMESPACE/NAME."""
    model: str = ""
    stable: str | None = None
    running: bool = False
    """Whether a rollout of its own is under way."""
    refused: str | None = None
    """The version that it rolled back or rejected last."""
    unread: str = ""
    """Why it could not be read."""
    circle: tuple[str, ...] = ()
    """Who waits for whom until it comes back to the resource itself, by NAMESPACE/NAME; empty where it does not."""
