"""Histograms with other edges are compared on what they share; every request is counted once, or it is said why not."""

from __future__ import annotations

import random

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from modelrollout.core.analysis.gates.checks.latency.histograms import read_histograms
from modelrollout.core.analysis.gates.gate_input import GateInput
from modelrollout.core.analysis.gates.latency import judge_latency
from modelrollout.core.analysis.metrics.counters.layouts import per_bucket as counts_per_bucket
from modelrollout.core.analysis.metrics.series import Series
from modelrollout.core.finding import Finding
from tests.unit.analysis.metrics.test_edges_are_numbers import GATE, REQUEST, bucket, per_bucket, read, table_of

INF = float("inf")


def histogram(*edges: str, pod: str = "a", version: str = "2", at: int = 1, number: int = 10) -> list[Series]:
    """`number` requests of 0.1 s between two scrapes, the first `at` seconds after the start."""
    return [bucket(le, (at, 0), (at + 15, number), pod=pod, version=version) for le in edges]


def finding(*series: Series) -> Finding:
    found = read_histograms(GATE, GateInput(REQUEST, table_of(*series)))
    assert isinstance(found, Finding), found
    return found


LAYOUTS = [
    ("versions with other edges", ("0.5", "1", "2", "+Inf"), ("0.25", "1", "+Inf"), [1.0]),
    ("one version is finer", ("0.25", "0.5", "1", "+Inf"), ("0.5", "+Inf"), [0.5]),
    ("equal edges", ("0.5", "1", "+Inf"), ("0.5", "1", "+Inf"), [0.5, 1.0]),
    ("one edge each, the same", ("1", "+Inf"), ("1.0", "+Inf"), [1.0]),
]


@pytest.mark.parametrize(("sentence", "stable", "candidate", "edges"), LAYOUTS)
def test_versions_are_compared_on_the_edges_that_both_have(sentence, stable, candidate, edges):
    found = read(*histogram(*stable, version="1"), *histogram(*candidate))
    assert found.edges.tolist() == edges, sentence
    assert found.stable.sum(axis=0).tolist() == found.candidate.sum(axis=0).tolist() == [10.0] + [0.0] * len(edges)


@pytest.mark.parametrize(("sentence", "first", "second", "edges"), LAYOUTS)
def test_pods_are_summed_on_the_edges_that_all_have(sentence, first, second, edges):
    found = per_bucket(*histogram(*first, pod="a"), *histogram(*second, pod="b"))
    assert found == {edge: 20.0 * (edge == edges[0]) for edge in [*edges, INF]}, sentence


@pytest.mark.parametrize(("sentence", "before", "after", "edges"), LAYOUTS)
def test_a_pod_that_was_restarted_with_other_edges_counts_on_those_of_both_times(sentence, before, after, edges):
    first = {le: [(1, 0), (16, 10)] for le in before}
    second = {le: [(31, 0), (46, 10)] for le in after}
    both = [bucket(le, *first.get(le, []), *second.get(le, [])) for le in sorted(first.keys() | second.keys())]
    found = per_bucket(*both)
    assert found == {edge: 20.0 * (edge == edges[0]) for edge in [*edges, INF]}, sentence


def test_a_pod_that_counted_nothing_takes_no_edge_away():
    found = per_bucket(*histogram("0.5", "1", "+Inf"), *histogram("0.25", "+Inf", pod="b", number=0))
    assert found == {0.5: 10.0, 1.0: 0.0, INF: 0.0}


def test_without_a_shared_edge_versions_cannot_be_compared_and_both_layouts_are_named():
    series = [*histogram("0.5", "1", "2", "+Inf", version="1"), *histogram("0.25", "0.75", "+Inf")]
    problem = finding(*series)
    assert problem.reason == "BucketsDiffer"
    assert "stable [0.5, 1, 2]" in problem.message
    assert "candidate [0.25, 0.75]" in problem.message
    judged = judge_latency(GATE, GateInput(REQUEST, table_of(*series)), 1.0)
    assert judged.result.verdict == "NOT_COMPARABLE"
    assert judged.missing == 0


def test_pods_of_one_version_without_a_shared_edge_are_named_as_well():
    problem = finding(*histogram("0.5", "+Inf"), *histogram("0.25", "+Inf", pod="b"))
    assert problem.reason == "BucketsDiffer"
    assert "candidate [0.25] and [0.5]" in problem.message


@pytest.mark.parametrize("series", [histogram("0.5", "1"), [*histogram("1", "+Inf"), *histogram("1", pod="b")]])
def test_without_the_bucket_of_all_nobody_knows_how_many_there_were(series):
    problem = finding(*series, *histogram("0.5", "1", "+Inf", version="1"))
    assert (problem.reason, "+Inf" in problem.message) == ("BucketsIncomplete", True)


def test_a_histogram_of_one_bucket_says_nothing_of_time():
    problem = finding(*histogram("+Inf"), *histogram("+Inf", version="1"))
    assert problem.reason == "BucketsIncomplete"


def test_a_histogram_with_one_edge_can_be_judged():
    series = [*histogram("1", "+Inf"), *histogram("1", "+Inf", version="1")]
    assert judge_latency(GATE, GateInput(REQUEST, table_of(*series)), 1.0).result.verdict == "CONTINUE"


def test_an_edge_that_misses_at_one_scrape_moves_the_requests_to_the_next():
    series = [bucket("0.5", (1, 0), (31, 20)), bucket("+Inf", (1, 0), (16, 10), (31, 20))]
    assert per_bucket(*series) == {0.5: 20.0, INF: 0.0}


def test_a_torn_scrape_counts_every_request_once_and_in_its_bucket():
    ahead = [bucket("0.5", (1, 0), (16, 10), (31, 20)), bucket("+Inf", (1, 0), (16, 9), (31, 20))]
    assert per_bucket(*ahead) == {0.5: 20.0, INF: 0.0}
    behind = [bucket("0.5", (1, 0), (16, 9), (31, 20)), bucket("+Inf", (1, 0), (16, 10), (31, 20))]
    assert sum(per_bucket(*behind).values()) == 20


@given(st.integers(0, 2**32))
def test_buckets_are_never_negative_and_sum_to_the_number_of_requests(seed):
    rng = np.random.default_rng(seed)
    cumulative = rng.integers(0, 20, (12, 4)).astype(float)
    found = counts_per_bucket(cumulative)
    assert (found >= 0).all()
    assert (found.sum(axis=1) == cumulative[:, -1]).all()


@given(st.integers(0, 2**32))
def test_any_layouts_of_any_pods_count_each_request_once(seed):
    rng = random.Random(seed)
    series, total = [], 0
    for pod in range(rng.randrange(1, 4)):
        edges = [
            *rng.sample(["0.25", "0.5", "1", "2"], rng.randrange(4)),
            "1.00" if rng.random() < 0.5 else "3",
            "+Inf",
        ]
        number = rng.randrange(30)
        series += histogram(*dict.fromkeys(edges), pod=f"p{pod}", version=rng.choice("12"), number=number)
        total += number
    found = read_histograms(GATE, GateInput(REQUEST, table_of(*series)))
    if isinstance(found, Finding):
        assert found.reason == "BucketsDiffer"
    else:
        assert found.candidate.sum() + found.stable.sum() == total
        assert found.candidate[:, -1].sum() + found.stable[:, -1].sum() <= total


def test_a_limit_is_judged_on_the_candidates_own_edges_whatever_stable_has():
    limit = GATE.model_copy(update={"max": 0.25})
    series = [*histogram("0.5", "1", "+Inf", version="1"), *histogram("0.25", "+Inf")]
    gate_input = GateInput(REQUEST, table_of(*series))
    assert judge_latency(GATE, gate_input, 1.0).result.verdict == "NOT_COMPARABLE"
    judged = judge_latency(limit, gate_input, 1.0).result
    assert (judged.verdict, judged.limit, judged.stable) == ("CONTINUE", "P99 <= 250 ms", None)
    alike = [*histogram("0.25", "0.5", "+Inf", version="1"), *histogram("0.25", "+Inf")]
    assert judge_latency(limit, GateInput(REQUEST, table_of(*alike)), 1.0).result.stable == "P99 <= 250 ms"
