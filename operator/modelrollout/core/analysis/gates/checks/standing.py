"""A test is one limit on one share; its standing is everything that verdict and sentence are made from."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

from modelrollout.api.status import Verdict
from modelrollout.core.analysis.gates.gate_input import GateInput
from modelrollout.core.analysis.stats.arrays import CountTicks
from modelrollout.core.analysis.stats.limits import LimitLine, absolute
from modelrollout.core.analysis.stats.parameters import CHANCE_RATIO, NOTHING, ROUNDING

Kind = Literal["limit", "stable"]
"""Against what: an absolute limit, or stable with a margin."""
LimitTest = tuple[Kind, LimitLine]
"""One test of a gate: what its share of bad ones is held against, and the line that is allowed."""


def is_relative(tests: Iterable[LimitTest]) -> bool:
    """Whether any of them needs stable's share."""
    return any(line.relative for _, line in tests)


@dataclass(frozen=True)
class Standing:
    """Where one test stands. Rates are fractions, counts requests, `odds` and `good` natural logs of odds."""

    kind: Kind
    verdict: Verdict
    rate: float
    bad: float
    total: float
    stable_rate: float | None
    stable_total: float
    limit: float
    odds: float | None = None
    needed: float | None = None
    """Log odds that this test needs alone."""
    good: float | None = None
    began: float | None = None
    """Epoch seconds at which the bad evidence started."""
    until: float | None = None
    """Epoch seconds at which it was strongest, where what followed hides it."""
    left: float | None = None
    """Candidate requests still needed."""
    leaning_bad: bool = False
    rare: bool = False
    rising: bool = False
    """At the end of the newest whole tick some alternative had grown so much that the next scrape may decide."""
    looks: int = 0
    """Threshold: evaluations beyond the limit in a row."""
    good_limit: float | None = None
    """What the evidence for it is judged by, where that is another limit: twice the margin."""
    good_at: str = ""
    """The same in words, where it is no share."""
    newest: str = ""
    """Why it does not pass although all before would: what the newest ticks say."""
    good_claim: str = ""
    """What the evidence for it says, in words, where that is not what is allowed."""
    excused: str = ""
    """Why enough odds against it do not count; empty as a rule."""
    paired: float | None = None
    """The part of `odds` that both versions, serving side by side, gave; None where that is all of it."""
    at_most: float | None = None
    """The bound on the candidate's share, valid at any time (checks/upper_bound.py); None where nobody asks for it."""
    frozen: bool = False
    """A FAIL against what stable was before the bake: due to the candidate or to the hour; which, is unknown."""
    of_the_past: bool = False
    """Whether `limit` is a margin over what stable was before the bake."""

    @property
    def attributable(self) -> float | None:
        """Log odds that speak of this candidate and nothing else: what may be combined with other gates'."""
        return self.odds if self.paired is None else self.paired


@dataclass(frozen=True)
class CountTest:
    """`ticks` on the whole grid, history included. `share`: its part of the promise."""

    kind: Kind
    ticks: CountTicks
    line: LimitLine
    share: float

    def cut(self, first: int, last: int | None = None) -> CountTicks:
        """Ticks first..last-1."""
        t, part = self.ticks, slice(first, last)
        counts = (t.candidate_bad[part], t.candidate_total[part], t.stable_bad[part], t.stable_total[part])
        return CountTicks(t.seconds[part], *counts, restart=None if t.restart is None else t.restart[part])


def leans_bad(odds: tuple[float, float], rate: float, limit: float, stable: float | None) -> bool:
    """Whether a step must wait: nothing speaks for the candidate, and something does against it.

    `odds` are the natural logs of those against it and for it. Against it are odds above 1:1, or a share that is beyond
    both its limit and what an equal version may show by chance. So two equal versions do not wait where no margin lies
    between them and the limit, and no evidence for either side can ever grow.
    """
    against, in_favour = odds
    if in_favour >= -NOTHING:
        return False
    return against > NOTHING or rate > max(limit, CHANCE_RATIO * (stable or 0.0)) + ROUNDING


def frozen_line(test: CountTest, gate_input: GateInput) -> LimitLine | None:
    """During the bake a relative limit is a fixed one: the margin over stable's last 30 minutes before it."""
    part = gate_input.frozen
    total = float(test.ticks.stable_total[part].sum())
    if total <= 0:
        return None
    return absolute(float(test.line.at(test.ticks.stable_bad[part].sum() / total)))
