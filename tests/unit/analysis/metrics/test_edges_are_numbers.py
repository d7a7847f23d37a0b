"""An edge is its number: one histogram stays one, however its `le` is spelled and whenever the spelling changes."""

from __future__ import annotations

from itertools import permutations

import pytest

from modelrollout.api.gates import LatencyGate
from modelrollout.core.analysis.gates.checks.latency.histograms import Histograms, read_histograms
from modelrollout.core.analysis.gates.gate_input import GateInput
from modelrollout.core.analysis.metrics import model_series as s
from modelrollout.core.analysis.metrics.edges import canonical_edge, scaled_edge
from modelrollout.core.analysis.metrics.grid import make_grid
from modelrollout.core.analysis.metrics.samples import SampleStore
from modelrollout.core.analysis.metrics.series import Series, make_series
from modelrollout.core.analysis.metrics.series_reader import SeriesReader
from modelrollout.core.analysis.metrics.tick_table import TickTable, make_tick_table
from tests.unit.analysis.recorded import START, request_of, spec_of

REQUEST = request_of(spec_of({"name": "slow", "type": "Latency", "source": "Model"}), dialect=None)
GATE = LatencyGate(name="slow", type="Latency", source="Model")


def bucket(le: str, *points: tuple[float, float], pod: str = "a", version: str = "2") -> Series:
    """One bucket of a pod's histogram; times in seconds from the start."""
    labels = {"__name__": s.DURATION, "job": "j", "instance": pod, "model": "digits", "version": version, "le": le}
    return make_series(labels, [(START + at, value) for at, value in points])


def table_of(*series: Series, ticks: int = 4) -> TickTable:
    grid = make_grid(START, 15, 0, ticks - 1)
    return make_tick_table([SampleStore().merged(series)], SeriesReader(REQUEST), grid, 15.0)


def read(*series: Series, ticks: int = 4) -> Histograms:
    found = read_histograms(GATE, GateInput(REQUEST, table_of(*series, ticks=ticks)))
    assert isinstance(found, Histograms), found
    return found


def per_bucket(*series: Series) -> dict[float, float]:
    """Requests of the candidate by the edge they lie under, inf for those beyond the last."""
    found = read(*series)
    return dict(zip([*found.edges.tolist(), float("inf")], found.candidate.sum(axis=0).tolist(), strict=True))


@pytest.mark.parametrize(
    ("spelled", "edge"),
    [
        *((text, "1") for text in ("1", "1.0", "1.000", "1.", "+1", "1e0", "1E+0", "10e-1", "01")),
        *((text, "0.005") for text in ("0.005", ".005", "5e-3", "0.0050")),
        *((text, "+Inf") for text in ("+Inf", "Inf", "inf", "INF", "+infinity", "Infinity", "1e999")),
        ("0", "0"),
        ("-0.0", "0"),
        ("-1", "-1"),
        ("0.1", "0.1"),
        ("0.1000000000000001", "0.1"),
        ("1e-06", "1e-06"),
        ("0.000001", "1e-06"),
    ],
)
def test_an_edge_has_one_spelling(spelled, edge):
    assert canonical_edge(spelled) == edge


@pytest.mark.parametrize(
    "garbage",
    ["", " ", "NaN", "-Inf", "-1e999", "1_000", "1,5", "0x1p-2", "١", "1 ", "one", "1\n", "1e", "++1", "9" * 10_000],
)
def test_what_is_no_number_is_no_edge(garbage):
    assert canonical_edge(garbage) is None


def test_an_edge_in_milliseconds_is_in_seconds_as_any_other():
    assert scaled_edge("5", 0.001) == canonical_edge("5e-3")
    assert scaled_edge("+Inf", 0.001) == "+Inf"


UPGRADE = [
    bucket("0.5", (1, 0), (16, 10), (31, 20), (46, 30)),
    bucket("1", (1, 0), (16, 20)),
    bucket("1.0", (31, 40), (46, 60)),
    bucket("+Inf", (1, 0), (16, 20), (31, 40), (46, 60)),
]


@pytest.mark.alike(5)
@pytest.mark.parametrize("order", list(permutations(range(4))))
def test_an_upgrade_that_spells_anew_counts_every_request_once(order):
    assert per_bucket(*(UPGRADE[at] for at in order)) == {0.5: 30, 1.0: 30, float("inf"): 0}


@pytest.mark.parametrize("inf", ["+Inf", "Inf", "inf"])
@pytest.mark.parametrize("one", ["1", "1.0", "1e0"])
def test_a_spelling_by_pod_or_by_version_is_no_other_layout(one, inf):
    pods = [
        bucket(le, (1, 0), (16, number), pod=pod, version=version)
        for pod, version, spelled in (("a", "2", one), ("b", "2", "1.00"), ("c", "1", "+1"))
        for le, number in (("0.5", 10), (spelled, 10), (inf if pod == "a" else "+Inf", 11))
    ]
    found = read(*pods)
    assert found.edges.tolist() == [0.5, 1.0]
    assert found.candidate.sum(axis=0).tolist() == [20, 0, 2]
    assert found.stable.sum(axis=0).tolist() == [10, 0, 1]


def test_an_edge_under_two_spellings_at_once_is_counted_once():
    twice = [bucket(le, (1, 0), (16, 10), (31, 25)) for le in ("1", "1.0", "1e0")]
    assert per_bucket(*twice, bucket("+Inf", (1, 0), (16, 10), (31, 25))) == {1.0: 25, float("inf"): 0}


def test_spellings_that_overlap_for_some_scrapes_are_one_counter():
    both = [bucket("1", (1, 0), (16, 10), (31, 25)), bucket("1.0", (16, 10), (31, 25), (46, 30))]
    assert per_bucket(*both, bucket("+Inf", (1, 0), (16, 10), (31, 25), (46, 30))) == {1.0: 30, float("inf"): 0}


def test_a_bucket_without_a_number_is_left_out():
    found = table_of(bucket("1", (1, 0), (16, 5)), bucket("one", (1, 0), (16, 5)), bucket("", (1, 0), (16, 5)))
    assert {channel.detail for channel in found.growth} == {"1"}
