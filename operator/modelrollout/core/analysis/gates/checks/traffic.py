"""What the gateway's own counts say beside the verdicts: warnings for people that decide nothing."""

from __future__ import annotations

import numpy as np

from modelrollout.core.analysis.gates import formatting as say
from modelrollout.core.analysis.gates.gate_input import GateInput
from modelrollout.core.analysis.gates.sources.order import REQUESTS, chosen
from modelrollout.core.analysis.metrics import model_series as s
from modelrollout.core.analysis.stats.arrays import Array


def traffic_warnings(gate_input: GateInput, candidate: Array, stable: Array) -> list[str]:
    """Requests that reached neither version, and a share of requests far from the weight that is set."""
    found = []
    if chosen(gate_input, REQUESTS, None) == "Gateway":
        errors = gate_input.table.errors(s.GATEWAY_ROUTER)
        routed = gate_input.table.total(s.GATEWAY_ROUTER, "both", details=errors)[gate_input.step :].sum()
        known = sum(
            float(gate_input.table.total(s.GATEWAY_REQUESTS, arm, details=errors)[gate_input.step :].sum())
            for arm in s.ARMS
        )
        if routed - known >= 1:
            found.append(
                f"the gateway answered {say.count(routed - known)} requests with errors that reached neither version: "
                "look at the endpoints of both Services"
            )
    if gate_input.bake is None and gate_input.request.steps:
        weight = gate_input.request.steps[-1][0] / 100
        mine, total = float(candidate[gate_input.step :].sum()), float((candidate + stable)[gate_input.step :].sum())
        spread = 5 * np.sqrt(total * weight * (1 - weight)) + 0.02 * total
        if abs(mine - weight * total) > spread and total >= gate_input.request.spec.analysis.minimum_requests:
            found.append(
                f"the candidate got {say.percent(mine / total)} of {say.count(total)} requests, its weight is "
                f"{say.percent(weight)}: testers, retries, or a gateway that reloads often"
            )
    return found
