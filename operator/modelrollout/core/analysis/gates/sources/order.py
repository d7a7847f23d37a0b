"""Gateway, Model, Triton: the first that exports what a gate needs, of stable if any does, else of the candidate.

So a gate may rest on the gateway's counters while another rests on Triton's histogram. Which one it is follows from
the samples alone, so every process reads the same.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from modelrollout.api.gates import Source
from modelrollout.core.analysis.gates.checks.readable import lacking
from modelrollout.core.analysis.gates.gate_input import GateInput
from modelrollout.core.analysis.metrics import model_series as s

ORDER: tuple[Source, ...] = ("Gateway", "Model", "Triton")


@dataclass(frozen=True)
class Needed:
    """What a gate reads of each source: the metric that is always there, and those that must be beside it."""

    whole: Mapping[Source, str]
    parts: Mapping[Source, tuple[str, ...]]

    def metrics(self, wanted: Source | None) -> frozenset[str]:
        """The metrics, or roles of a gateway's, that must be fetched."""
        return frozenset(self.whole[source] for source in allowed(wanted))


REQUESTS = Needed(
    {"Gateway": s.GATEWAY_REQUESTS, "Model": s.REQUESTS, "Triton": s.SUCCESS},
    {"Gateway": (), "Model": (s.REQUEST_ERRORS,), "Triton": (s.FAILURE,)},
)
HISTOGRAM = Needed(
    {"Gateway": s.GATEWAY_DURATION, "Model": s.DURATION, "Triton": s.TRITON_DURATION},
    {"Gateway": (), "Model": (), "Triton": ()},
)


def allowed(wanted: Source | None) -> tuple[Source, ...]:
    """The sources that a gate may read, in order. Model includes Triton's series: it always did for errors."""
    if wanted is None:
        return ORDER
    return ("Model", "Triton") if wanted == "Model" else (wanted,)


def is_blind(gate_input: GateInput, needed: Needed, source: Source) -> bool:
    """Whether the source counts errors of gRPC among the answers, where calls of gRPC are split."""
    dialect, traffic = gate_input.request.dialect, gate_input.request.spec.traffic
    asked = source == "Gateway" and needed is REQUESTS and traffic.has_grpc
    return asked and dialect is not None and not dialect.grpc_errors


def exporting(gate_input: GateInput, needed: Needed, wanted: Source | None, arm: s.Arm) -> Source | None:
    """The first allowed source that has what is needed of this version; one that lacks a part of it comes last."""
    found = [one for one in allowed(wanted) if gate_input.table.has(needed.whole[one], arm)]
    whole = [one for one in found if not lacking(gate_input, needed.whole[one], needed.parts[one], (arm,))]
    seeing = [one for one in whole if not is_blind(gate_input, needed, one)]
    return next(iter(seeing or whole or found), None)


def chosen(gate_input: GateInput, needed: Needed, wanted: Source | None) -> Source:
    """The source that counts now; where nothing is exported yet, the one that will have it with the first request."""
    for arm in s.ARMS:
        found = exporting(gate_input, needed, wanted, arm)
        if found is not None:
            return found
    dialect = gate_input.request.dialect
    known = dialect is not None and needed.whole["Gateway"] in s.metrics_of(dialect)
    known = known and (wanted == "Gateway" or not is_blind(gate_input, needed, "Gateway"))
    if known and "Gateway" in allowed(wanted) and gate_input.table.has(s.GATEWAY_HEARTBEAT, "both"):
        return "Gateway"
    return allowed(wanted)[-1]
