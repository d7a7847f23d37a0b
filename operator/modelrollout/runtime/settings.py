"""What the command line says: where the operator runs, not what it does."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Settings:
    """`health` and `metrics` are (address, port), port 0 for none. Seconds."""

    kubeconfig: str | None
    namespaces: tuple[str, ...]
    lease_namespace: str
    lease_name: str
    lease_duration: float
    health: tuple[str, int]
    metrics: tuple[str, int] = ("", 0)
    preflight_reports: str = ""
    """The ConfigMap in the Lease's namespace that the prober writes; empty where there is no prober."""
    stamped: bool = False
    """Whether the API server stamps who sends commands and who changes versions."""
