"""A gate that nobody here can judge is told from one whose series are still to come: only proof counts as absence.

A series is proven absent of a version that has answered requests for a while, by anybody's count, at a store that has
scraped since the rollout started: whatever comes with traffic would be there. Anything less (a store that has just
started, a scrape that has not happened, no request yet) proves nothing, and the gate waits for its series as before.
"""

from __future__ import annotations

import math

from modelrollout.api.gates import Source
from modelrollout.core.analysis.gates import formatting as say
from modelrollout.core.analysis.gates.gate_input import GateInput
from modelrollout.core.analysis.gates.sources.order import REQUESTS, Needed, allowed, exporting
from modelrollout.core.analysis.metrics import model_series as s
from modelrollout.core.evaluation import SETTLED
from modelrollout.core.finding import Finding

ANSWERED = 10
"""Requests of a version, the newest two scrapes left out, after which a series that comes with traffic has come."""
COUNTERS: dict[Source, str] = {"Gateway": "the gateway's", "Model": "the model's own", "Triton": "Triton's"}
TELEMETRY = "export it with activation-health (docs/instrument-your-model.md)"
REMEDIES: dict[Source, str] = {
    "Gateway": "have the gateway count durations",
    "Model": "export the model's own with activation-health",
    "Triton": "start tritonserver with --metrics-config histogram_latencies=true",
}


def answered(gate_input: GateInput, arm: s.Arm) -> tuple[int, Source | None]:
    """(requests of the version so far, who counted them); the newest scrapes may not have everything yet."""
    source = exporting(gate_input, REQUESTS, None, arm)
    if source is None:
        return 0, None
    table = gate_input.table
    counted = table.total(REQUESTS.whole[source], arm)
    if source == "Triton":
        counted = counted + table.total(s.FAILURE, arm)
    late = max(1, math.ceil(2 * gate_input.scrape_interval * 1000 / table.grid.interval))
    return round(float(counted[:-late].sum())), source


def is_proven(gate_input: GateInput, arm: s.Arm) -> bool:
    """Whether what this version does not export by now will not come by itself."""
    return gate_input.scrapes >= SETTLED and answered(gate_input, arm)[0] >= ANSWERED


def absent(gate_input: GateInput, metric: str, *, relative: bool, detail: str | None = None) -> Finding | None:
    """Why no gate can rest on this series of the models; None where one can, or where that is not known yet.

    `relative`: the limit is stable's. An absolute one needs the candidate's alone.
    """
    table, arms = gate_input.table, ("stable",) if relative else s.ARMS
    if any(table.layers(metric, arm, detail=detail) for arm in arms):
        return None
    if not all(is_proven(gate_input, arm) for arm in arms):
        return None
    kind = f'{metric} with source="{detail}"' if detail else metric
    return Finding("NotExported", f"{_who(gate_input, arms)} no {kind}: {TELEMETRY}")


def no_source(gate_input: GateInput, needed: Needed, wanted: Source | None, *, relative: bool) -> Finding | None:
    """The same for a gate that may read several sources: none of them has what it needs."""
    arms: tuple[s.Arm, ...] = ("stable",) if relative else s.ARMS
    for arm in arms:
        found = exporting(gate_input, needed, wanted, arm)
        if found is not None and arm == "stable":
            return _part(gate_input, needed, found)
        if found is not None:
            return None
    request = gate_input.request
    if allowed(wanted) == ("Gateway",) and request.dialect is None and request.controller:
        return Finding("NoDialect", f"{_no_dialect(gate_input)}: {_other_than_gateway(needed)}")
    if not all(is_proven(gate_input, arm) for arm in arms):
        return None
    looked = "; ".join(_looked_for(gate_input, needed, one) for one in allowed(wanted))
    return Finding("NotExported", f"{_who(gate_input, arms)} none of: {looked}. {_remedy(needed, wanted)}")


def _part(gate_input: GateInput, needed: Needed, source: Source) -> Finding | None:
    """Stable exports the source without a part of it. What the candidate lacks is its own doing, and holds it."""
    table, whole = gate_input.table, needed.whole[source]
    missing = [part for part in needed.parts[source] if not table.has(part, "stable")]
    if not missing or not is_proven(gate_input, "stable"):
        return None
    text = f"stable exports {whole} without {missing[0]}: none is not the same as not exported; stop dropping it"
    return Finding("NotExported", text)


def _who(gate_input: GateInput, arms: tuple[s.Arm, ...]) -> str:
    number, source = answered(gate_input, "stable")
    counted = f"{say.count(number)} requests by {COUNTERS[source or 'Triton']} count"
    both, verb = (" and the candidate", "export") if len(arms) > 1 else ("", "exports")
    return f"stable (version {gate_input.request.stable}, {counted}){both} {verb}"


def _no_dialect(gate_input: GateInput) -> str:
    return f"the operator's configuration knows no series of a gateway of {gate_input.request.controller}"


def _looked_for(gate_input: GateInput, needed: Needed, source: Source) -> str:
    """The series of one source by the name it has in Prometheus, or why it has none."""
    metric, dialect = needed.whole[source], gate_input.request.dialect
    if source != "Gateway":
        return f"{metric} ({source})"
    if dialect is None:
        return "the gateway's, of which no dialect is known (Gateway)"
    if metric not in s.metrics_of(dialect):
        return f"the gateway's, of which dialect {dialect.name} has none (Gateway)"
    return f"{gate_input.exported(metric)} of this route (Gateway)"


def _other_than_gateway(needed: Needed) -> str:
    flag = "" if needed is REQUESTS else ", and have one of them export a histogram"
    return f"write source: Triton or Model{flag}, or describe the gateway under customDialects"


def _remedy(needed: Needed, wanted: Source | None) -> str:
    if needed is REQUESTS:
        return "Have Prometheus scrape the model servers' metrics, or the gateway's"
    ways = [REMEDIES[one] for one in allowed(wanted) if one != "Gateway" or wanted == "Gateway"]
    text = ", or ".join(ways)
    return text[:1].upper() + text[1:]
