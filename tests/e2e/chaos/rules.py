"""The checker: rules 1 to 9 as questions about what was recorded; each breach is a sentence with numbers.

It reads the route's whole history (every write, by a watch), the client's answers, the statuses and the Events; it
knows nothing of what went wrong in between.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from modelrollout.core import reasons

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tests.lab import Answer, Weights

SETTLE = 5.0
"""Seconds in which a gateway on a busy machine acts on a changed route (it needs 2 s on an idle one)."""
LATE = 6.0
"""Three times the promise of two seconds."""


@dataclass(frozen=True)
class Rollout:
    """One rollout of a run: times are time.time(), `end` is when status said it was over."""

    stable: int
    candidate: int
    good: bool
    began: float
    end: float
    result: str
    """Empty where there was no end."""
    steps: Sequence[tuple[int, float]]
    """(weight, hold in seconds)."""
    aborted_at: float | None = None
    reason: str = ""
    """Why it ended, as status says."""


@dataclass
class Record:
    """Everything there is to judge one rollout by."""

    rollout: Rollout
    route: list[Weights]
    answers: list[Answer]
    statuses: list[tuple[float, dict[str, Any]]]
    service: str = "digits-v{}"
    unready: list[tuple[float, float]] = field(default_factory=list)
    """When the candidate's servers were down by our own hand."""

    def history(self) -> list[tuple[float, int]]:
        """(time, candidate's percent) at every route write, those before the rollout included."""
        name = self.service.format(self.rollout.candidate)
        return [(w.at, w.weights.get(name, 0)) for w in self.route if w.at <= self.rollout.end + LATE]

    def weights(self) -> list[tuple[float, int]]:
        """The part of the history that belongs to the rollout."""
        return [(at, weight) for at, weight in self.history() if at >= self.rollout.began]


def breaches(record: Record) -> list[str]:
    """Every rule that was broken, in a sentence each; [] is what there should be."""
    checks = (
        _only_steps,
        _one_after_the_other,
        _no_short_hold,
        _end,
        _turned_down,
        _answers,
        _totals,
        _abort,
        _reasons,
        _told_weight,
    )
    return [f"{record.rollout.stable} -> {record.rollout.candidate}: {found}" for c in checks for found in c(record)]


def _only_steps(record: Record) -> list[str]:
    """Rule 2: only weights of the steps, 0 and 100."""
    known = {0, 100, *(weight for weight, _ in record.rollout.steps)}
    return [f"weight {weight} is no step" for _, weight in record.weights() if weight not in known]


def _one_after_the_other(record: Record) -> list[str]:
    """Rules 2 and 4: the first raise is to the first step, each later one to the next above what it ever had."""
    ladder = [0, *(weight for weight, _ in record.rollout.steps), 100]
    highest, wrong = 0, []
    for _, weight in record.weights():
        if weight > highest and weight in ladder:
            if ladder.index(weight) != ladder.index(highest) + 1:
                wrong.append(f"raised from {highest} to {weight}, a step was left out")
            highest = weight
    return wrong


def _no_short_hold(record: Record) -> list[str]:
    """Rule 7: however often it crashed, no step was shorter than its hold."""
    holds, wrong = dict(record.rollout.steps), []
    first: dict[int, float] = {}
    for at, weight in record.weights():
        if weight not in first and weight > 0:
            below = max((w for w in first if w < weight), default=None)
            hold = holds.get(below or 0, 0.0)
            if below is not None and at - first[below] < hold - 0.25:
                wrong.append(f"{below} % was held for {at - first[below]:.2f} s instead of {hold:.0f} s")
            first[weight] = at
    return wrong


def _end(record: Record) -> list[str]:
    """Rules 3 and 5: a bad version never serves, and the route ends where status says."""
    rollout, weights = record.rollout, record.weights()
    last = weights[-1][1] if weights else 0
    if rollout.result == "Promoted":
        if not rollout.good:
            return [f"a bad version was promoted after {rollout.end - rollout.began:.0f} s"]
        return [] if last == 100 else [f"promoted, and the route gives it {last} %"]
    if rollout.result == "":
        return [f"no end after {rollout.end - rollout.began:.0f} s"]
    if rollout.result == "Aborted" and rollout.aborted_at is None:
        return ["aborted though nobody asked"]
    return [] if last == 0 else [f"{rollout.result}, and the route still gives it {last} %"]


def _turned_down(record: Record) -> list[str]:
    """Rule 6: gates turn down bad versions, and do find them; only a server killed by our hand excuses either."""
    rollout = record.rollout
    if rollout.result != "RolledBack" or record.unready:
        return []
    if rollout.reason == reasons.DEADLINE:
        return ["the deadline came with every server up: nothing was proven either way"]
    return ["a good version was rolled back"] if rollout.good else []


def _answers(record: Record) -> list[str]:
    """Rule 3: only versions with weight answer, and only requests to a candidate killed by our hand fail."""
    rollout, weights = record.rollout, record.history()
    wrong: list[str] = []
    mine = [a for a in record.answers if rollout.began <= a.at <= rollout.end]
    for answer in mine:
        if answer.status == 200 and answer.version == str(rollout.candidate) and not _had_weight(weights, answer.at):
            wrong.append(f"version {answer.version} answered at weight 0")
        if answer.status != 200 and not any(a - 1 <= answer.at <= b + LATE for a, b in record.unready):
            wrong.append(f"a request failed ({answer.failure or answer.status}) with every server up")
    return [*dict.fromkeys(wrong)]


def _had_weight(weights: list[tuple[float, int]], at: float) -> bool:
    """Whether the candidate had weight at some time in the SETTLE seconds before `at` (clocks: half a second)."""
    until = [w for t, w in weights if t <= at - SETTLE][-1:]
    return any([*until, *(w for t, w in weights if at - SETTLE < t <= at + 0.5)])


def _totals(record: Record) -> list[str]:
    """Rule 3: every write of the route adds up to 100, so no client is left without an answer."""
    rollout = record.rollout
    sums = [sum(w.weights.values()) for w in record.route if rollout.began <= w.at <= rollout.end]
    return [f"the route's weights add up to {total}" for total in sums if total != 100]


def _abort(record: Record) -> list[str]:
    """Rules 1 and 9: an abort with a living operator takes effect in time, whatever else hangs."""
    asked = record.rollout.aborted_at
    if asked is None:
        return []
    gone = [at for at, weight in record.weights() if at >= asked and weight == 0]
    carried = [weight for at, weight in record.weights() if at < asked]
    if not carried or carried[-1] == 0 or (gone and gone[0] - asked <= LATE):
        return []
    return [f"abort took {gone[0] - asked:.1f} s" if gone else "abort had no effect"]


def _reasons(record: Record) -> list[str]:
    """Rule 8: every status has a reason and a sentence."""
    wrong = [s for _, s in record.statuses if s.get("phase") and not (s.get("reason") and s.get("message"))]
    return [f"phase {s['phase']} without reason or sentence" for s in wrong[:1]]


def _told_weight(record: Record) -> list[str]:
    """Status ends up with the weight that the route has."""
    if not record.statuses or not record.weights() or record.rollout.result == "":
        return []
    observed = record.statuses[-1][1].get("weight", {}).get("observed")
    real = 0 if record.rollout.result == "Promoted" else record.weights()[-1][1]
    return [] if observed in (real, 100, 0) else [f"status says {observed} %, the route {real} %"]
