"""Drift and post-mortems read a layer's magnitudes on the edges that all have, however they are spelled."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from modelrollout.core.analysis.gates.drift import DEFINITION
from modelrollout.core.analysis.gates.gate_input import GateInput
from modelrollout.core.analysis.metrics import model_series as s
from modelrollout.core.analysis.metrics.grid import make_grid
from modelrollout.core.analysis.metrics.postmortem import summarize
from modelrollout.core.analysis.metrics.samples import SampleStore
from modelrollout.core.analysis.metrics.series import Series, make_series
from modelrollout.core.analysis.metrics.series_reader import SeriesReader
from modelrollout.core.analysis.metrics.tick_table import TickTable, make_tick_table
from modelrollout.core.evaluation import GateResult
from tests.unit.analysis.recorded import SCRAPE, START, request_of, spec_of

REQUEST = request_of(spec_of({"name": "drift", "type": "Drift", "max": "10%"}), dialect=None)
(GATE,) = REQUEST.spec.gates
TICKS = 40
SPREAD = {0.5: 60.0, 1.0: 30.0, 2.0: 10.0}
"""Elements per scrape by the edge that they lie under."""


def magnitudes(version: str, *edges: str, pod: str = "a", layer: str = "relu", since: int = 0) -> list[Series]:
    """A pod's histogram on some edges: one distribution, whatever the edges are."""
    at = np.arange(since, TICKS * 3)
    labels = {"job": "j", "instance": f"{pod}{version}", "model": "digits", "version": version, "layer": layer}

    def series(metric: str, growth: float, **more: str) -> Series:
        points = [(START + 1 + SCRAPE * n, growth * (n - since)) for n in at.tolist()]
        return make_series({"__name__": metric, **labels, **more}, points)

    below = {le: sum(count for edge, count in SPREAD.items() if edge <= float(le)) for le in edges}
    return [series(s.ELEMENTS, 100), *(series(s.MAGNITUDES, below[le], le=le) for le in edges)]


def table_of(*series: Series) -> TickTable:
    grid = make_grid(START, 15, 0, TICKS - 1)
    return make_tick_table([SampleStore().merged(series)], SeriesReader(REQUEST), grid, SCRAPE)


def judged(*series: Series) -> GateResult:
    return DEFINITION.judged(GATE, GateInput(REQUEST, table_of(*series)), 1.0).result


@pytest.mark.parametrize(
    ("sentence", "stable", "candidate"),
    [
        ("one spelling", ("0.5", "1", "2", "+Inf"), ("0.5", "1", "2", "+Inf")),
        ("another spelling", ("0.5", "1", "2", "+Inf"), (".5", "1.0", "2e0", "inf")),
        ("a finer candidate", ("1", "+Inf"), ("0.5", "1.0", "2", "+Inf")),
        ("one edge in common", ("0.5", "1", "+Inf"), ("1.00", "2", "+Inf")),
    ],
)
def test_equal_distributions_do_not_drift_under(sentence, stable, candidate):
    found = judged(*magnitudes("1", *stable), *magnitudes("2", *candidate))
    assert (found.verdict, found.observed) == ("PASS", "0 % divergence"), sentence


def test_without_a_shared_edge_the_layer_and_both_layouts_are_named():
    found = judged(*magnitudes("1", "0.5", "2", "+Inf"), *magnitudes("2", "1", "+Inf"))
    assert (found.verdict, found.layer) == ("NOT_COMPARABLE", "relu")
    assert "stable [0.5, 2], candidate [1]" in found.message


def test_layers_have_layouts_of_their_own():
    layers = [
        *(one for v in "12" for one in magnitudes(v, "0.5", "+Inf", layer="relu")),
        *(one for v in "12" for one in magnitudes(v, "1", "2", "+Inf", layer="head")),
    ]
    assert judged(*layers).verdict == "PASS"


def test_a_post_mortem_counts_each_element_once_on_the_edges_of_all_pods():
    pods = [*magnitudes("2", "0.5", "1", "+Inf"), *magnitudes("2", "1.0", "2", "inf", pod="b")]
    found: Any = summarize(table_of(*pods))["candidate"]["relu"]["histogram"]
    scrapes = 2 * (TICKS * 3 - 1)
    assert found == {"1": 90 * scrapes, "+Inf": 100 * scrapes}


def test_a_post_mortem_of_a_layer_without_magnitudes_has_an_empty_histogram():
    elements = [one for one in magnitudes("2", "1", "+Inf") if ("__name__", s.ELEMENTS) in one.labels]
    found: Any = summarize(table_of(*elements))["candidate"]["relu"]
    assert found["histogram"] == {}
