"""Stable's last 30 minutes before a moment, as a table that the gates' own readers can read; no I/O."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from modelrollout.api.config import PrometheusServer
from modelrollout.api.gates import Gate
from modelrollout.api.spec import Spec
from modelrollout.core.analysis.gates import registry
from modelrollout.core.analysis.gates.gate_input import GateInput
from modelrollout.core.analysis.gates.plan.answers import Plan, make_plan
from modelrollout.core.analysis.gates.plan.stable import stable_traffic
from modelrollout.core.analysis.metrics.gateway.placed import history_ticks, in_their_places
from modelrollout.core.analysis.metrics.grid import make_grid
from modelrollout.core.analysis.metrics.model_series import Selection, gateway_selection, model_selection
from modelrollout.core.analysis.metrics.samples import SampleStore
from modelrollout.core.analysis.metrics.series_reader import SeriesReader
from modelrollout.core.analysis.metrics.tick_table import make_tick_table
from modelrollout.core.analysis.stats.parameters import HISTORY
from modelrollout.core.evaluation import EvaluationRequest


def selections(request: EvaluationRequest, server: PrometheusServer) -> list[Selection]:
    """What must be asked of the store: the gateway's series, where there is a dialect, and the model's."""
    gates = registry.gates_in_force(request.spec.gates, registry.every_default())
    wanted = registry.series_wanted(gates)
    gateway = gateway_selection(request, server, wanted)
    return [one for one in (gateway, model_selection(request, server, wanted)) if one is not None]


def since(request: EvaluationRequest, server: PrometheusServer) -> float:
    """Epoch seconds of the oldest sample that counts, with some before it to be counted from."""
    return request.started_at - HISTORY - 3 * server.scrape_interval


def history_before(request: EvaluationRequest, stores: Iterable[SampleStore], scrape: float) -> GateInput:
    """The ticks before the rollout's start; at least one, which may be empty."""
    grid = make_grid(request.started_at, request.interval, -max(history_ticks(request), 1), -1)
    return GateInput(request, in_their_places(make_tick_table(stores, SeriesReader(request), grid, scrape), request))


def gates_of(spec: Spec, history: GateInput) -> Sequence[Gate]:
    """The gates in force."""
    names = () if spec.gates else registry.default_gates(history.table, history.table.grid.count)
    return registry.gates_in_force(spec.gates, names)


def plan_before(
    request: EvaluationRequest, stores: Iterable[SampleStore], scrape: float, *, whole: bool = True
) -> Plan:
    """The plan of a rollout that starts at `request.started_at`, from the samples before it."""
    history = history_before(request, stores, scrape)
    traffic = stable_traffic(gates_of(request.spec, history), history)
    return make_plan(request.spec, traffic, whole=whole)
