"""What a gateway counted of a version before its bake and in it."""

from __future__ import annotations

import numpy as np

from tests.unit.analysis.recorded import GATEWAY_HEARTBEAT, GATEWAY_REQUESTS, START, Recording, backend, scrapes


def baked(bad: float) -> Recording:
    """2 % of errors in both versions, all traffic to the candidate after 300 s, and `bad` of 100 errors from then."""
    rec = Recording(scrapes(900), "traefik").growing(GATEWAY_HEARTBEAT, 0)
    baking = rec.times > START + 300
    for code, one, two in (("200", 98, 100 - bad), ("503", 2, bad)):
        rec.growing(GATEWAY_REQUESTS, np.where(baking, 0, one), code=code, service=backend("1"))
        growth = np.where(baking, two, one / 10)
        rec.growing(GATEWAY_REQUESTS, growth, since=START, code=code, service=backend("2"))
    return rec
