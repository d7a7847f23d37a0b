"""Three clocks: the API server's, by which the operator counts; Prometheus's, by which samples do; and ours."""

from __future__ import annotations

from collections.abc import Iterator

from modelrollout.cli.doctor.facts import ClusterFacts, StoreFacts
from modelrollout.cli.doctor.finding import Finding, Reporter

NOTABLE = 5.0
"""Seconds, as the operator tolerates between Prometheus and the API server."""


def clocks(cluster: ClusterFacts | None, store: StoreFacts | None) -> Iterator[Finding]:
    """What can be compared."""
    if cluster is not None:
        yield _here(cluster.ahead)
    if store is not None and store.skew:
        fix = "set the clocks by NTP: beyond 5 s the operator refuses the server's answers, and holds the weight"
        yield Reporter("clock", "Prometheus").problem("prometheus-clock", store.skew, fix)
    elif store is not None and (store.failure is None or store.stores):
        text = f"within {NOTABLE:.0f} s of {store.clock}, where it says what time it is"
        yield Reporter("clock", "Prometheus").ok("prometheus-clock", text)


def _here(ahead: float) -> Finding:
    say = Reporter("clock", "this machine")
    if abs(ahead) <= NOTABLE:
        return say.ok("local-clock", f"within {NOTABLE:.0f} s of the API server's")
    side = "ahead of" if ahead > 0 else "behind"
    text = f"{abs(ahead):.0f} s {side} the API server's, by which everything here is counted"
    return say.warning("local-clock", text, "set it by NTP; the rollout does not depend on it")
