"""The samples of the last minutes as the operator's own analysis reads them: what there is, and what it makes of it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np

from modelrollout.api.gates import Gate, Source
from modelrollout.cli.doctor.checks.found import Found
from modelrollout.cli.doctor.facts import StoreFacts, Subject
from modelrollout.core.analysis.gates import registry
from modelrollout.core.analysis.gates.checks.counts import request_totals
from modelrollout.core.analysis.gates.evaluate import judge_all
from modelrollout.core.analysis.gates.gate_input import GateInput
from modelrollout.core.analysis.gates.plan.stable import stable_traffic
from modelrollout.core.analysis.gates.result import Judged
from modelrollout.core.analysis.gates.sources.order import HISTOGRAM
from modelrollout.core.analysis.metrics import model_series as s
from modelrollout.core.analysis.metrics.grid import make_grid
from modelrollout.core.analysis.metrics.samples import SampleStore
from modelrollout.core.analysis.metrics.scraped_twice import counted_once
from modelrollout.core.analysis.metrics.series_reader import SeriesReader
from modelrollout.core.analysis.metrics.tick_table import make_tick_table
from modelrollout.core.evaluation import EvaluationRequest
from modelrollout.core.finding import Finding

LATE = 3.5
"""Scrapes that may be missing before a target counts as not scraped: as the operator holds after three."""
TRITON = "nv_"


@dataclass(frozen=True)
class View:
    """What the samples show."""

    subject: Subject
    facts: StoreFacts
    stores: tuple[SampleStore, ...]
    twice: tuple[str, ...]
    gate_input: GateInput

    @property
    def request(self) -> EvaluationRequest:
        """What was asked."""
        return self.facts.request

    @cached_property
    def reader(self) -> SeriesReader:
        """Tells what a series counts."""
        return SeriesReader(self.request)

    @cached_property
    def found(self) -> Mapping[tuple[str, s.Arm], Found]:
        """By metric (a gateway's by its role) and arm."""
        found: dict[tuple[str, s.Arm], Found] = {}
        for store in self.stores:
            for labels, one in store.series.items():
                channel = self.reader.channel(dict(labels))
                if channel is None or not len(one.times):
                    continue
                gap = store.targets[one.target].gap
                here = Found(1, frozenset({one.target}), one.times[-1] / 1000, None if gap is None else gap / 1000)
                key = channel.metric, channel.arm
                found[key] = found.get(key, Found()).with_(here)
        return found

    def of(self, metrics: Iterable[str], arm: s.Arm) -> Found:
        """The series of any of the metrics."""
        found = Found()
        for metric in sorted(metrics):
            found = found.with_(self.found.get((metric, arm), Found()))
        return found

    def models(self, arm: s.Arm) -> Found:
        """All of the version's own series, the model's and its server's."""
        return self.of({metric for metric, _ in self.found} - s.GATEWAY, arm)

    def late(self, found: Found) -> bool:
        """Whether scrapes are missing now."""
        usual = max(found.gap or 0.0, self.facts.source.server.scrape_interval)
        return self.facts.now - found.newest > LATE * usual

    @cached_property
    def gates(self) -> tuple[Gate, ...]:
        """Those in force: the spec's, else the defaults as recorded, else as stable's series have it."""
        return registry.gates_in_force(self.subject.spec.gates, self.defaults)

    @cached_property
    def defaults(self) -> tuple[str, ...]:
        """Names of the default gates in force; empty where the spec has its own."""
        spec, status = self.subject.spec, self.subject.status
        if spec.gates:
            return ()
        if status is not None and status.rollout is not None and status.rollout.gates:
            return tuple(status.rollout.gates)
        return registry.default_gates(self.gate_input.table, self.gate_input.table.grid.count)

    @cached_property
    def judged(self) -> Mapping[str, Judged]:
        """What the operator would say of each gate by these samples alone."""
        return dict(zip([one.name for one in self.gates], judge_all(self.gates, self.gate_input), strict=True))

    @cached_property
    def lacking(self) -> Mapping[str, Finding]:
        """Why stable's side of a gate cannot be judged, where it cannot."""
        plans = stable_traffic(self.gates, self.gate_input).plans
        return {gate.name: plan for gate, plan in plans if isinstance(plan, Finding)}

    @cached_property
    def requests(self) -> tuple[float, float]:
        """(stable's, the candidate's) requests that were counted, by the first source that counts any."""
        candidate, stable = request_totals(self.gate_input)
        return float(np.sum(stable)), float(np.sum(candidate))

    def answered(self, arm: s.Arm) -> float:
        """Requests that the model or its server counted itself."""
        table = self.gate_input.table
        return max(float(table.total(s.REQUESTS, arm).sum()), float(table.total(s.SUCCESS, arm).sum()))

    def source_of(self, gate: Gate) -> Source:
        """Whose series the gate reads."""
        return registry.definition_of(gate).source_of(gate, self.gate_input) or "Model"

    def metrics_of(self, gate: Gate) -> frozenset[str]:
        """The metrics that the gate reads, of the source that it reads."""
        wanted, source = registry.definition_of(gate).series_of(gate), self.source_of(gate)
        if source == "Gateway":
            return (wanted & s.GATEWAY) or frozenset({s.GATEWAY_REQUESTS})
        others = frozenset(metric for of, metric in HISTOGRAM.whole.items() if of != source)
        return wanted - s.GATEWAY - others

    @property
    def minutes(self) -> str:
        """How long a time is looked at, in words."""
        return f"{self.facts.span / 60:.0f} min"


def look(subject: Subject, facts: StoreFacts) -> View:
    """The samples of `facts`, each counted once."""
    counted = [counted_once(store) for store in facts.stores]
    once = tuple(store for store, _ in counted)
    twice = tuple(dict.fromkeys(text for _, said in counted for text in said))
    request, scrape = facts.request, facts.source.server.scrape_interval
    ticks = max(1, round(facts.span / request.interval))
    grid = make_grid(request.started_at, request.interval, 0, ticks - 1)
    table = make_tick_table(once, SeriesReader(request), grid, scrape)
    return View(subject, replace(facts, stores=()), once, twice, GateInput(request, table))
