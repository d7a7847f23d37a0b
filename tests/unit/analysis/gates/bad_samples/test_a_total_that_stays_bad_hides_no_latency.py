"""A histogram whose le="+Inf" is no number: slow requests below its highest edge still fail, and none is accused."""

from __future__ import annotations

import math
from typing import Any

import pytest

from tests.unit.analysis.gates.bad_samples.test_one_bad_sample_is_one_bad_sample import spoil
from tests.unit.analysis.recorded import GATEWAY_DURATION, Recording, histogram, look, request_of, spec_of

UNTIL = 900.0
FAST, SLOW = {0.02: 60.0}, {0.02: 20.0, 0.12: 40.0}
TAIL = {0.02: 40.0, math.inf: 20.0}
"""A third of the requests is slower than every edge."""
LIMITS: tuple[dict[str, str], ...] = ({"max": "50ms"}, {})
BAD = (math.nan, -1.0, 1e308)


def recorded(stable: Any, candidate: Any, bad: str, since: float, value: float) -> Recording:
    found = histogram(UNTIL, stable=stable, candidate=candidate)
    return spoil(found, (since, math.inf), value, f"'{GATEWAY_DURATION}'", "'+Inf'", f"digits-v{bad}")


async def gate_of(recording: Recording, limit: Any) -> Any:
    request = request_of(spec_of({"name": "slow", "type": "Latency", "method": "Sequential", **limit}))
    return (await look(request, UNTIL, recording)).gates[0]


@pytest.mark.alike(3)
@pytest.mark.parametrize("limit", LIMITS)
@pytest.mark.parametrize("value", BAD)
@pytest.mark.parametrize("since", [-math.inf, 0, 60, UNTIL / 2])
async def test_a_candidate_that_hides_its_total_fails_by_what_its_edges_say(since: float, value: float, limit: Any):
    gate = await gate_of(recorded(FAST, SLOW, "2", since, value), limit)
    assert gate.verdict == "FAIL", gate.message


@pytest.mark.slow
@pytest.mark.alike(3)
@pytest.mark.parametrize("limit", LIMITS)
@pytest.mark.parametrize("version", ["1", "2"])
@pytest.mark.parametrize("since", [-math.inf, 60, UNTIL / 2])
@pytest.mark.parametrize("both", [FAST, SLOW, TAIL])
async def test_an_equal_candidate_is_not_accused_and_none_passes_by_a_part(
    both: Any, since: float, version: str, limit: Any
):
    known = await gate_of(histogram(UNTIL, stable=both, candidate=both), limit)
    gate = await gate_of(recorded(both, both, version, since, math.nan), limit)
    assert gate.verdict != "FAIL" or known.verdict == "FAIL", gate.message
    if version == "2" or not limit:
        assert gate.verdict != "PASS", gate.message
        assert gate.verdict == "FAIL" or gate.message.startswith("SampleNotANumber"), gate.message


@pytest.mark.slow
async def test_a_total_that_is_good_again_counts_as_if_it_had_never_been_bad():
    clean = await gate_of(histogram(UNTIL, stable=FAST, candidate=FAST), {})
    found = histogram(UNTIL, stable=FAST, candidate=FAST)
    again = spoil(found, (60, UNTIL / 2), math.nan, f"'{GATEWAY_DURATION}'", "'+Inf'", "digits-v2")
    gate = await gate_of(again, {})
    assert (gate.verdict, gate.samples, gate.observed) == (clean.verdict, clean.samples, clean.observed)
