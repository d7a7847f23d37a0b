"""In the bake the limit is what stable was; a doubt about that hour is settled beside stable."""

from __future__ import annotations

import numpy as np
import pytest

from modelrollout.core.analysis.metrics import model_series as s
from tests.unit.analysis.gates.bake.baking import baked
from tests.unit.analysis.gates.judged import BOTH, ERRORS
from tests.unit.analysis.recorded import (
    GATEWAY_HEARTBEAT,
    GATEWAY_REQUESTS,
    START,
    Recording,
    backend,
    look,
    request_of,
    scrapes,
    spec_of,
)


@BOTH
async def test_during_the_bake_the_limit_is_stables_last_half_hour(method):
    request = request_of(spec_of({**ERRORS, "method": method}), bake_started_at=START + 300)
    found = await look(request, 600, baked(20))
    assert (found.gates[0].verdict, found.gates[0].frozen) == ("FAIL", True)
    assert found.gates[0].limit == "<= 2.6 %"


@pytest.mark.slow
@BOTH
async def test_after_a_bake_in_doubt_the_limit_is_what_stable_was_beside_the_candidate_since_then(method):
    rec = Recording(scrapes(900), "traefik").growing(GATEWAY_HEARTBEAT, 0)
    alone = ((rec.times > START + 200) & (rec.times <= START + 300)) | (rec.times > START + 500)
    worse = rec.times > START + 200
    for code, good, bad in (("200", 98, 70), ("503", 2, 30)):
        rec.growing(GATEWAY_REQUESTS, np.where(alone, 0, np.where(worse, bad, good)), code=code, service=backend("1"))
        growth = np.where(worse, bad, good)
        rec.growing(GATEWAY_REQUESTS, growth, since=START, code=code, service=backend("2"))
    steps = ((50, START), (100, START + 200), (50, START + 300), (100, START + 500))
    spec = spec_of({**ERRORS, "method": method})
    found = await look(request_of(spec, steps=steps, bake_started_at=START + 500), 700, rec)
    assert found.gates[0].verdict != "FAIL", found.gates[0].message
    once = await look(request_of(spec, steps=steps[:2], bake_started_at=START + 200), 290, rec)
    assert once.gates[0].verdict == "FAIL"


@BOTH
async def test_what_breaks_a_limit_of_its_own_in_the_bake_cannot_be_the_hours_fault(method):
    gate = {**ERRORS, "max": "5%", "method": method}
    found = await look(request_of(spec_of(gate), bake_started_at=START + 300), 600, baked(20))
    assert (found.gates[0].verdict, found.gates[0].frozen) == ("FAIL", False)


@BOTH
async def test_nan_that_begins_in_the_bake_is_the_versions_doing_whatever_the_hour(method):
    rec = Recording(scrapes(900), "triton")
    baking = rec.times > START + 300
    for version, rows, nan, since in (("1", np.where(baking, 0, 100), 0, -np.inf), ("2", 100, 10 * baking, START)):
        labels = {"model": "digits", "version": version, "layer": "out"}
        rec.growing(s.SAMPLES, rows, since=since, **labels)
        rec.growing(s.ELEMENTS, rows, since=since, **labels)
        rec.growing(s.NONFINITE, nan, since=since, kind="nan", **labels)
    spec = spec_of({"name": "nan", "type": "NonFinite", "method": method})
    found = await look(request_of(spec, bake_started_at=START + 300), 600, rec)
    assert (found.gates[0].verdict, found.gates[0].frozen) == ("FAIL", False), found.gates[0].message
