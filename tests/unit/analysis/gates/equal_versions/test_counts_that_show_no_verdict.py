"""A verdict of latency whose counts do not show it is none: evidence of ticks at edges that have moved since."""

from __future__ import annotations

import asyncio
from dataclasses import replace

import numpy as np

from modelrollout.core.analysis.gates.checks.latency import by_evidence
from modelrollout.core.analysis.stats.latency_evidence import LatencyEvidence, versus_stable
from tests.unit.analysis.gates.equal_versions.layouts import LAYOUTS, recorded
from tests.unit.analysis.recorded import look, request_of, spec_of


def judged(monkeypatch, change):
    """The whole evaluation of two equal versions whose evidence was changed."""
    monkeypatch.setattr(by_evidence, "versus_stable", lambda *given, **more: change(versus_stable(*given, **more)))
    spread = LAYOUTS["growth 1.25"]
    spec = spec_of({"name": "latency", "type": "Latency"})
    return asyncio.run(look(request_of(spec), 600, recorded(600, spread, spread)))


def against(evidence: LatencyEvidence) -> LatencyEvidence:
    ones = [replace(p, evidence=replace(p.evidence, log_bad=p.evidence.log_bad + 50)) for p in evidence.parts]
    return replace(evidence, log_bad=evidence.log_bad + 50, parts=tuple(ones))


def in_favour_at_the_lowest_edge(evidence: LatencyEvidence) -> LatencyEvidence:
    low = [replace(p, edge=np.zeros_like(p.edge), allowed=np.zeros_like(p.edge)) for p in evidence.parts]
    return replace(evidence, log_good=evidence.log_good + 50, parts=tuple(low))


def test_a_failure_that_no_edge_shows_holds_the_step_and_rolls_nothing_back(monkeypatch):
    found = judged(monkeypatch, against)
    assert found.gates[0].verdict == "CONTINUE"
    assert found.gates[0].leaning_bad
    assert "not held against it" in found.gates[0].message
    assert found.rollback is None


def test_no_pass_is_said_beside_a_quantile_beyond_what_it_excludes(monkeypatch):
    found = judged(monkeypatch, in_favour_at_the_lowest_edge)
    assert found.gates[0].verdict == "CONTINUE"
    assert "passes at" not in found.gates[0].message
