"""A gate of counts before stable's traffic: the same evidence as its verdicts, over expected counts."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from modelrollout.core.analysis.gates import formatting as say
from modelrollout.core.analysis.gates.plan.leaning import leans_bad
from modelrollout.core.analysis.gates.plan.path import Course, Path, bad_of, course_of, per_tick
from modelrollout.core.analysis.stats.arrays import CountTicks, StableHistory
from modelrollout.core.analysis.stats.count_evidence import count_evidence
from modelrollout.core.analysis.stats.limits import LimitLine

TOLERANCES = (0.0005, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1)
"""What is tried in place of a limit that cannot be proven."""


@dataclass(frozen=True)
class CountTest:
    """One limit: `needed` are the log odds at which it fails alone; `per_second` is of all versions together."""

    line: LimitLine
    needed: float
    per_second: float
    share: float
    """Of bad ones at stable."""
    history: StableHistory | None = None
    own: bool = True
    """Whether a worse candidate is worse in this; else it is as stable is."""

    @property
    def base(self) -> float:
        """What multiples are of: stable's share, or half a bad one in its history where it had none."""
        if self.share > 0 or self.history is None:
            return self.share
        return 0.5 / (float(np.sum(self.history.total)) + 1.0)

    @property
    def limit(self) -> float:
        """The highest share that is allowed beside stable's."""
        return min(float(self.line.at(np.asarray(self.share))), 1.0)


@dataclass(frozen=True)
class CountPlan:
    """The tests of one gate."""

    name: str
    required: bool
    tests: tuple[CountTest, ...]
    least: int
    """analysis.minimumRequests."""
    good: bool = False
    """Whether people read the share of good ones (Accuracy)."""
    noun: str = "requests"

    def course(self, path: Path, multiple: float) -> Course:
        """As GatePlan has it."""
        return course_of(self._judged(test, path, multiple if test.own else 1.0) for test in self.tests)

    def _judged(self, test: CountTest, path: Path, multiple: float) -> Course:
        candidate, stable = path.whole(test.per_second)
        ticks = CountTicks(
            path.seconds,
            bad_of(candidate, test.share if multiple == 1 else test.base * multiple, median=multiple != 1),
            per_tick(candidate),
            bad_of(stable, test.share, median=False),
            per_tick(stable),
            restart=path.restarts,
        )
        found = count_evidence(ticks, test.line, history=test.history, minimum_requests=self.least)
        seen = (candidate > 0) & ((stable > 0) | (not test.line.relative))
        return Course(found.log_bad >= test.needed, found.passing & seen, leans_bad(found) | ~seen)

    @property
    def main(self) -> CountTest:
        """The test that the gate is named for: the strictest of its own."""
        return min((test for test in self.tests if test.own), key=lambda test: test.limit)

    def allows(self, multiple: float) -> bool:
        """Whether so many times stable's share is within every limit."""
        return self.main.base * multiple <= self.main.limit

    @property
    def stable_words(self) -> str:
        """What stable has, as people read the gate."""
        share = self.main.share
        return say.percent(1 - share if self.good else share)

    @property
    def allowed_words(self) -> str:
        """What the candidate may have."""
        limit = self.main.limit
        return f">= {say.margin(1 - limit)}" if self.good else f"<= {say.margin(limit)}"

    def share_words(self, multiple: float) -> str:
        """The share of a candidate with so many times stable's bad ones."""
        share = min(self.main.base * multiple, 1.0)
        return say.percent(1 - share if self.good else share)

    def wider(self) -> tuple[tuple[str, CountPlan], ...]:
        """The same gate with a wider limit each, and how it is written."""
        main = self.main
        widths = [width for width in TOLERANCES if width > main.line.plus]
        return tuple((_written(main.line, width, good=self.good), self._with(main, width)) for width in widths)

    def busier(self, times: float) -> CountPlan:
        """The same gate at so many times the traffic."""
        return replace(self, tests=tuple(replace(test, per_second=test.per_second * times) for test in self.tests))

    def _with(self, main: CountTest, plus: float) -> CountPlan:
        wide = replace(main, line=LimitLine(main.line.ratio, plus))
        tests = tuple(wide if test is main else test for test in self.tests)
        return replace(self, tests=tests)


def _written(line: LimitLine, plus: float, *, good: bool) -> str:
    share = say.margin(1 - plus if good and not line.relative else plus).replace(" ", "")
    if line.relative:
        return f'versusStable {{ratio: {line.ratio:g}, plus: "{share}"}}'
    return f'min: "{share}"' if good else f'max: "{share}"'
