"""Every gate type of the API and its definition: one that lacks its definition stops the import of this module."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import get_args

from modelrollout.api.gates import Gate
from modelrollout.core.analysis.gates import (
    accuracy,
    dead_neurons,
    drift,
    error_rate,
    latency,
    non_finite,
    query,
    ratios,
)
from modelrollout.core.analysis.gates.definition import Definition, type_of
from modelrollout.core.analysis.gates.gate_input import GateInput
from modelrollout.core.analysis.gates.outside import webhook
from modelrollout.core.analysis.gates.wording import worded
from modelrollout.core.analysis.metrics.tick_table import TickTable

DEFINITIONS: tuple[Definition, ...] = (
    error_rate.DEFINITION,
    latency.DEFINITION,
    accuracy.DEFINITION,
    dead_neurons.DEFINITION,
    non_finite.DEFINITION,
    ratios.ZERO_RATIO,
    ratios.NEGATIVE_RATIO,
    drift.DEFINITION,
    query.DEFINITION,
    webhook.DEFINITION,
)
"""In the order in which default gates are listed."""


def by_type(definitions: Iterable[Definition], wanted: Iterable[str]) -> Mapping[str, Definition]:
    """The definition of each of the `wanted` types; TypeError where one is missing, twice there or not wanted."""
    found = [(one.type, one) for one in definitions]
    if sorted(name for name, _ in found) != sorted(wanted):
        raise TypeError(f"gate types {sorted(wanted)} are defined as {sorted(name for name, _ in found)}")
    return dict(found)


def gate_types() -> tuple[str, ...]:
    """The types that a spec may write."""
    union, *_ = get_args(Gate)
    return tuple(type_of(model) for model in get_args(union))


_BY_TYPE = by_type(DEFINITIONS, gate_types())
_DEFAULTS = {one.default.name: one for one in DEFINITIONS if one.default is not None}


def definition_of(gate: Gate) -> Definition:
    """The definition of a gate's type."""
    return _BY_TYPE[gate.type]


def series_wanted(gates: Iterable[Gate]) -> frozenset[str]:
    """The metrics that must be fetched for these gates."""
    return frozenset(name for gate in gates for name in definition_of(gate).series_of(gate))


def every_default() -> tuple[str, ...]:
    """Names of all gates that may be in force for a spec without any."""
    return tuple(_DEFAULTS)


def default_gates(table: TickTable, until: int) -> tuple[str, ...]:
    """Names of the gates for a spec without any: those that need nothing, and those whose series stable exports.

    `until`: only scrapes at grid positions before it count, so that the answer does not change later.
    """
    return tuple(
        name for name, one in _DEFAULTS.items() if one.needs is None or table.present(one.needs, "stable")[:until].any()
    )


def defaults_in_force(gate_input: GateInput, recorded: Sequence[str]) -> tuple[str, ...]:
    """Names of the gates for a spec without any: all but those of which stable is proven to export nothing.

    What could be judged once is `recorded` and stays; ErrorRate and Latency, which need no metric of ours, keep their
    share of the promise even while they are left out.
    """
    return tuple(
        gate.name
        for gate, one in _defaults()
        if one.needs is None or gate.name in recorded or _may_be_judged(gate, one, gate_input)
    )


def _may_be_judged(gate: Gate, one: Definition, gate_input: GateInput) -> bool:
    """A gate of which a defect leaves that open is in force: it is asked, and holds what it cannot judge."""
    return worded(lambda: one.unjudgeable_by(gate, gate_input), None) is None


def to_be_recorded(gate_input: GateInput, recorded: Sequence[str]) -> tuple[str, ...]:
    """Names of the default gates that can be judged now, and of those that could be once."""
    return tuple(gate.name for gate, one in _defaults() if gate.name in recorded or one.exported_to(gate, gate_input))


def _defaults() -> Iterable[tuple[Gate, Definition]]:
    return ((one.default, one) for one in _DEFAULTS.values() if one.default is not None)


def gates_in_force(gates: Sequence[Gate], defaults: Sequence[str]) -> tuple[Gate, ...]:
    """The spec's gates, or those named in `defaults` where it has none; unknown names are left out."""
    found = [_DEFAULTS[name].default for name in defaults if name in _DEFAULTS]
    return tuple(gates) or tuple(gate for gate in found if gate is not None)
