"""Gates whose sample is a window or an evaluation, before what stable's telemetry exports."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from modelrollout.core.analysis.gates import formatting as say
from modelrollout.core.analysis.gates.plan.path import Course, Path, per_tick
from modelrollout.core.analysis.stats.arrays import Array
from modelrollout.core.analysis.stats.limits import LimitLine
from modelrollout.core.analysis.stats.replicates import ReplicateHistory, Replicates
from modelrollout.core.analysis.stats.window_evidence import WindowEvidence, WindowSettings, at_most, window_evidence


@dataclass(frozen=True)
class LayerTest:
    """One layer against one limit: `rate` and `variance` of stable's windows, `per_second` of both versions."""

    layer: str
    line: LimitLine
    settings: WindowSettings
    per_second: float
    rate: float
    variance: float
    limit: float
    history: ReplicateHistory | None = None


@dataclass(frozen=True)
class WindowPlan:
    """A DeadNeurons gate: the layers that decide soonest and latest stand for all."""

    name: str
    required: bool
    tests: tuple[LayerTest, ...]
    noun: str = "windows"

    def course(self, path: Path, multiple: float) -> Course:
        """As GatePlan has it."""
        found = [_judged(test, path, multiple) for test in self.tests]
        failing = np.any([one.failing for one in found], axis=0)
        passing = np.all([one.passing for one in found], axis=0)
        unseen = np.any([one.samples <= 0 for one in found], axis=0)
        leaning = np.any([one.hold | (np.nan_to_num(one.excess) > 0) for one in found], axis=0)
        return Course(failing, passing & ~failing, leaning | unseen)

    @property
    def main(self) -> LayerTest:
        """The layer with the least room."""
        return min(self.tests, key=lambda test: test.limit - test.rate)

    def allows(self, multiple: float) -> bool:
        """Whether so many times stable's dead units are within the limit."""
        return min(self.main.rate * multiple, 1.0) <= self.main.limit

    @property
    def stable_words(self) -> str:
        """Stable's dead units in the layer with the least room."""
        return f"{say.percent(self.main.rate)} dead"

    @property
    def allowed_words(self) -> str:
        """The limit there."""
        return f"<= {say.margin(self.main.limit)}"

    def share_words(self, multiple: float) -> str:
        """Of dead units."""
        return f"{say.percent(min(self.main.rate * multiple, 1.0))} dead"

    def busier(self, times: float) -> WindowPlan:
        """The same gate at so many times the windows."""
        return replace(self, tests=tuple(replace(test, per_second=test.per_second * times) for test in self.tests))


def _judged(test: LayerTest, path: Path, multiple: float) -> WindowEvidence:
    candidate, stable = path.whole(test.per_second)
    mine = _replicates(per_tick(candidate), min(test.rate * multiple, 1.0), test.variance)
    if not test.line.relative:
        return at_most(mine, test.line.plus, test.settings)
    other = _replicates(per_tick(stable), test.rate, test.variance)
    return window_evidence(path.seconds, mine, other, test.line, test.settings, history=test.history)


def _replicates(count: Array, rate: float, variance: float) -> Replicates:
    return Replicates(count, count * rate, count * min(rate, rate * rate + variance))


@dataclass(frozen=True)
class LooksPlan:
    """A gate that passes after a number of evaluations and whose failure is no question of traffic."""

    name: str
    required: bool
    ticks: int
    interval: float
    noun: str = "evaluations"

    def course(self, path: Path, multiple: float) -> Course:  # noqa: ARG002 - as GatePlan has it
        """As GatePlan has it."""
        nothing = np.zeros(len(path.weight), dtype=bool)
        return Course(nothing, path.seconds >= self.ticks * self.interval - 1e-9, nothing)

    def allows(self, multiple: float) -> bool:  # noqa: ARG002 - as GatePlan has it
        """What it counts is not known here."""
        return False

    @property
    def stable_words(self) -> str:
        """Unknown."""
        return "-"

    @property
    def allowed_words(self) -> str:
        """Unknown."""
        return "-"

    def share_words(self, multiple: float) -> str:  # noqa: ARG002 - as GatePlan has it
        """Unknown."""
        return "-"

    def busier(self, times: float) -> LooksPlan:  # noqa: ARG002 - as GatePlan has it
        """Traffic is not what it lacks."""
        return self
