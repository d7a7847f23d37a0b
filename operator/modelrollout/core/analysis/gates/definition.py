"""A gate type is one definition, at the end of its own file: what it reads, whose budget it spends, its judge."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Generic, Literal, Protocol, TypeVar, get_args

from pydantic import BaseModel

from modelrollout.api.gates import Gate, Source
from modelrollout.core.analysis.gates.checks.standing import LimitTest
from modelrollout.core.analysis.gates.gate_input import GateInput
from modelrollout.core.analysis.gates.result import Judged, not_unseen
from modelrollout.core.finding import Finding

Family = Literal["counts", "windows"]
"""Whose part of analysis.falseRollback a gate spends: that of the count tests, or that of windows and gauges."""
G = TypeVar("G", bound=Gate)


@dataclass(frozen=True)
class GateDefinition(Generic[G]):
    """Everything the analysis knows of one gate type."""

    model: type[G]
    """The gate as the API describes it; its `type` names the definition."""
    series: Callable[[G], frozenset[str]]
    """Metrics of metrics.model_series that must be fetched for such a gate."""
    family: Family
    judge: Callable[[G, GateInput, float], Judged]
    """(gate, input, its share of the family's budget) -> its standing."""
    default: G | None = None
    """The gate in force where a spec has none; None for a type that must be asked for."""
    needs: str | None = None
    """The metric that stable must have exported for `default` to be in force; None where it always is."""
    unjudgeable: Callable[[G, GateInput], Finding | None] = lambda _gate, _gate_input: None
    """Why nobody here exports what the gate needs, where that is proven."""
    exported: Callable[[G, GateInput], bool] = lambda _gate, _gate_input: True
    """Whether stable exports what the gate needs, as far as is known."""
    source: Callable[[G, GateInput], Source | None] = lambda _gate, _gate_input: "Model"
    """Whose series it rests on now; None where it asks by itself."""
    replay: Callable[[G], tuple[LimitTest, ...]] | None = None
    """The gate's count tests, where past counts alone can be judged by them (`kubectl modelrollout judge`)."""

    @property
    def type(self) -> str:
        """The gate's type as people write it."""
        return type_of(self.model)

    def series_of(self, gate: Gate) -> frozenset[str]:
        """As `series`, of a gate of this type."""
        return self.series(self._own(gate))

    def judged(self, gate: Gate, gate_input: GateInput, share: float) -> Judged:
        """As `judge`, of a gate of this type; no PASS without a sample in the newest tick."""
        return not_unseen(self.judge(self._own(gate), gate_input, share))

    def unjudgeable_by(self, gate: Gate, gate_input: GateInput) -> Finding | None:
        """As `unjudgeable`, of a gate of this type."""
        return self.unjudgeable(self._own(gate), gate_input)

    def exported_to(self, gate: Gate, gate_input: GateInput) -> bool:
        """As `exported`, of a gate of this type."""
        return self.exported(self._own(gate), gate_input)

    def source_of(self, gate: Gate, gate_input: GateInput) -> Source | None:
        """As `source`, of a gate of this type."""
        return self.source(self._own(gate), gate_input)

    def tests_of(self, gate: Gate) -> tuple[LimitTest, ...] | None:
        """As `replay`, of a gate of this type; None where past counts are not enough."""
        return None if self.replay is None else self.replay(self._own(gate))

    def _own(self, gate: Gate) -> G:
        assert isinstance(gate, self.model), f"{gate.type} is not defined by {self.type}"
        return gate


class Definition(Protocol):
    """A definition of any gate type: what can be used without knowing which."""

    @property
    def type(self) -> str: ...

    @property
    def family(self) -> Family: ...

    @property
    def default(self) -> Gate | None: ...

    @property
    def needs(self) -> str | None: ...

    def series_of(self, gate: Gate) -> frozenset[str]: ...

    def judged(self, gate: Gate, gate_input: GateInput, share: float) -> Judged: ...

    def unjudgeable_by(self, gate: Gate, gate_input: GateInput) -> Finding | None: ...

    def exported_to(self, gate: Gate, gate_input: GateInput) -> bool: ...

    def source_of(self, gate: Gate, gate_input: GateInput) -> Source | None: ...

    def tests_of(self, gate: Gate) -> tuple[LimitTest, ...] | None: ...


def always(*metrics: str) -> Callable[[Gate], frozenset[str]]:
    """The same metrics for every gate of a type."""
    found = frozenset(metrics)
    return lambda _: found


def type_of(model: type[BaseModel]) -> str:
    """What the API's model of a gate has as its `type`."""
    (found,) = get_args(model.model_fields["type"].annotation)
    return str(found)
