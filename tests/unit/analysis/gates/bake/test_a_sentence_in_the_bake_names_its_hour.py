"""In the bake a limit may be a margin over what stable was: whatever the verdict, the sentence says that it is."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

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

PAST = "by stable before the bake"


async def said(bad: float, at: float, bake: float | None, **gate: Any) -> tuple[str, str]:
    request = request_of(spec_of({**ERRORS, **gate}), bake_started_at=bake)
    (found,) = (await look(request, at, baked(bad))).gates
    return found.verdict, found.message


@BOTH
@pytest.mark.parametrize("bad", [0.5, 2, 2.5, 20])
async def test_a_limit_of_the_past_is_named_as_one_whatever_the_verdict(method: str, bad: float):
    verdict, text = await said(bad, 600, START + 300, method=method)
    assert PAST in text, (verdict, text)


@BOTH
async def test_beside_stable_and_with_a_limit_of_its_own_nothing_is_said_of_the_past(method: str):
    assert PAST not in (await said(2, 290, None, method=method))[1]
    assert PAST not in (await said(20, 600, START + 300, method=method, max="5%"))[1]


@pytest.mark.parametrize("rate", [0.7, 0.9, 1.0])
async def test_where_nobody_can_be_beyond_the_limit_no_number_of_requests_is_promised(rate: float):
    """At 100 % beside 100 % no bet is made on either side, so that more requests prove nothing."""
    rec = Recording(scrapes(900), "traefik").growing(GATEWAY_HEARTBEAT, 0)
    for version, since in (("1", -np.inf), ("2", START)):
        for code, share in (("200", 1 - rate), ("503", rate)):
            rec.growing(GATEWAY_REQUESTS, 100 * share, since=since, code=code, service=backend(version))
    (found,) = (await look(request_of(spec_of(ERRORS)), 600, rec)).gates
    assert found.verdict == "CONTINUE", found.message
    assert found.eta == "no decision in sight at these rates", found.message
