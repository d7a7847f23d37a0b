"""What a tool did to a canary, read from the weights that its route had; pure."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from tests.bench.peers.story import BY_NAME, WEIGHT, Moments

Weights = Sequence[tuple[float, int]]
"""(time.time(), percent for the candidate), every change from the start on."""
Count = tuple[int, str, int, int]
"""(second, version that answered, status, requests); version "" and status 0 where nobody did."""
CANDIDATE = "2"
OK = 200


@dataclass(frozen=True)
class Outcome:
    """Seconds are from the onset to the route's write; None: it did not happen.

    `false`: rolled back while nothing was wrong with the candidate alone. `found`: a bad candidate's rollback.
    `incident`: rolled back though stable was as bad. `outage`: moved while Prometheus was away or had just come back;
    None where it no longer had traffic then. `raised`: it got more than the story's weight.
    """

    scenario: str
    false: bool = False
    found: float | None = None
    incident: bool = False
    outage: bool | None = None
    raised: bool = False
    errors: int = 0

    @property
    def counts(self) -> bool:
        """Whether its candidate was there at the onset."""
        return not self.false or self.scenario == "equal"


def lowered(weights: Weights) -> float | None:
    """When the candidate lost its traffic, after it had some."""
    exposed = next((at for at, share in weights if share > 0), None)
    return None if exposed is None else next((at for at, share in weights if at > exposed and share == 0), None)


def share_at(weights: Weights, moment: float) -> int:
    return next((share for at, share in reversed(weights) if at <= moment), 0)


def judge(scenario: str, weights: Weights, counts: Iterable[Count], moments: Moments) -> Outcome:
    """The Outcome of one canary; `weights` begin with the rollout."""
    is_bad, at = BY_NAME[scenario].is_bad, lowered(weights)
    raised = any(share > WEIGHT for _, share in weights)
    before = at is not None and at < moments.onset
    within = at is not None and moments.onset <= at < moments.until
    outage = None
    if moments.outage is not None and share_at(weights, moments.outage[0]) > 0 and not is_bad:
        outage = any(moments.outage[0] < when < moments.end for when, _ in weights)
    return Outcome(
        scenario,
        false=before or (within and scenario == "equal"),
        found=at - moments.onset if at is not None and within and is_bad else None,
        incident=within and scenario == "incident",
        outage=outage,
        raised=raised,
        errors=failed(counts, moments),
    )


def failed(counts: Iterable[Count], moments: Moments) -> int:
    """Requests that the candidate failed between onset and the end of the watch for it."""
    return sum(
        number
        for second, version, status, number in counts
        if version == CANDIDATE and status != OK and moments.onset <= second < moments.until
    )


def unanswered(counts: Iterable[Count], since: float, until: float) -> int:
    """Requests that no version answered: those are the route's doing, or the gateway's."""
    return sum(number for second, version, _, number in counts if not version and since <= second < until)
