"""What a gate is judged by at one tick: the table of increments, and where evidence, step and bake start in it."""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from itertools import pairwise
from typing import Literal

import numpy as np

from modelrollout.core.analysis.metrics.model_series import exported_as
from modelrollout.core.analysis.metrics.tick_table import TickTable, missing_at_end
from modelrollout.core.analysis.stats.arrays import Array, Flags
from modelrollout.core.analysis.stats.kept.memo import Memo
from modelrollout.core.analysis.stats.parameters import HISTORY
from modelrollout.core.evaluation import EvaluationRequest
from modelrollout.core.finding import Finding

FULL = 100


@dataclass(frozen=True)
class Answer:
    """What a Query gate's expression said at tick ends: shape of the grid, NaN where it was no single number."""

    values: Array
    problem: Finding | None = None
    """Why the newest value is none."""


@dataclass(frozen=True)
class Told:
    """What a Webhook gate's far side has said about the current step; bounded and printable."""

    verdict: Literal["PASS", "FAIL", "CONTINUE"] | None = None
    """None where it has said nothing that can be used."""
    message: str = ""
    """In its own words."""
    at: float = 0.0
    """When it said so, in epoch seconds."""
    problem: Finding | None = None
    """Why there is no verdict."""


@dataclass(frozen=True)
class GateInput:
    """Everything a gate may see. Positions are indices into the table's arrays."""

    request: EvaluationRequest
    table: TickTable
    answers: Mapping[str, Answer | Told] = field(default_factory=dict)
    """Of Query and Webhook gates, by the gate's name."""
    warnings: tuple[str, ...] = ()
    """What reading the samples showed and people should know, whatever the gates say."""
    partial: Finding | None = None
    """Why the evidence is only a part, if so: nothing is raised by it."""
    scrapes: int = 0
    """Of the target that was scraped most often since the rollout started, up to now."""
    scrape_interval: float = 15.0
    """Seconds, as configured."""
    memo: Memo | None = None
    """What the evaluation before has worked out: it saves work, and changes nothing."""
    finer: TickTable | None = None
    """The same samples on finer ticks, up to the newest scrape; None where a tick holds no more than one."""

    @property
    def finest(self) -> GateInput:
        """The same with the finer ticks, where there are any."""
        return self if self.finer is None else replace(self, table=self.finer, finer=None)

    def exported(self, metric: str) -> str:
        """The name under which people find the metric, or a gateway's role, in Prometheus."""
        return exported_as(metric, self.request)

    def memo_of(self, *name: Hashable) -> Memo | None:
        """The part of the memo that is called so."""
        return None if self.memo is None else self.memo.at(*name)

    @property
    def parts(self) -> int:
        """Ticks of the table in an interval: 1 where they are whole."""
        return max(1, round(self.request.interval * 1000) // self.table.grid.interval)

    @property
    def since_whole(self) -> int:
        """Fine ticks after the newest whole one; 0 where the ticks are whole."""
        return (self.table.grid.last + 1) % self.parts

    @property
    def ends(self) -> Array:
        """Tick ends in epoch seconds."""
        return self.table.grid.ends

    def position(self, seconds: float) -> int:
        """First tick that starts at or after `seconds`, kept on the grid (count when none does)."""
        return min(max(self.table.grid.position(seconds), 0), self.table.grid.count)

    @cached_property
    def start(self) -> int:
        """Where evidence starts; what comes before is stable's history."""
        return self.position(max(self.request.evidence_from, self.request.started_at))

    @cached_property
    def step(self) -> int:
        """Where the current step (or the bake) starts."""
        return max(self.start, self.position(self.request.step_started_at))

    @property
    def bake(self) -> int | None:
        """Where the bake starts; None before it."""
        began = self.request.bake_started_at
        return None if began is None else max(self.start, self.position(began))

    @cached_property
    def frozen(self) -> slice:
        """Stable's last 30 minutes before the bake: what relative limits rest on while it has no traffic.

        After a bake in doubt only what both versions served since then: the hour before it was another one.
        """
        last = self.table.grid.count if self.bake is None else self.bake
        began = self.request.bake_started_at or self.request.started_at
        since = [
            at for (weight, _), (then, at) in pairwise(self.request.steps) if weight == FULL > then and at <= began
        ]
        return slice(min(self.position(max([began - HISTORY, *since])), last), last)

    @cached_property
    def restarts(self) -> Flags:
        """The first tick under each new weight."""
        flags = np.zeros(self.table.grid.count, dtype=bool)
        for _, began in self.request.steps:
            at = self.position(began)
            if at < len(flags):
                flags[at] = True
        return flags

    @cached_property
    def warming(self) -> Flags:
        """Ticks that end within the warm-up after readiness or a raise: latency says nothing there."""
        warmup = self.request.spec.analysis.warmup
        begins = [began for _, began in self.request.steps]
        begins += [at for at in (self.request.ready_at, self.request.bake_started_at) if at is not None]
        flags = np.zeros(self.table.grid.count, dtype=bool)
        interval = self.table.grid.interval / 1000
        for began in begins:
            flags |= (self.ends > began) & (self.ends - interval < began + warmup - 1e-6)
        return flags

    def missing(self, present: Flags) -> int:
        """Whole intervals in a row without a scrape up to now, as far as the candidate has been asked for any."""
        since = self.position(self.request.steps[0][1]) if self.request.steps else self.table.grid.count
        ticks = min(missing_at_end(present), max(self.table.grid.count - since, 0))
        return ticks if self.parts == 1 else (ticks + 1) // self.parts  # a scrape covers the fine tick after its own

    def per_second(self, totals: Array) -> float:
        """The present rate of `totals`: over the current step, at most its last five minutes."""
        interval = self.table.grid.interval / 1000
        first = max(min(self.step, len(totals) - 1), len(totals) - max(1, round(300 / interval)))
        counted = totals[max(first, 0) :]
        return float(counted.sum()) / (len(counted) * interval) if len(counted) else 0.0
