"""What the extra outputs of an instrumented graph mean; written into the model, and read without any ONNX package.

With B rows in a request and L layers, of which those dead at 0 have U units together and the others V:

- `activation_health/fired`, bool (B, U): whether any value of the unit differs from 0 on that row (NaN does);
- `activation_health/magnitude`, float32 (B, V): the sum of |h| over the unit's positions;
- `activation_health/counts`, int32 (B, columns x L), column by column: see `COLUMNS`.

A graph that measures when asked has one more input, `activation_health/measure`, bool (B, 1). Where no row of a
batch asks, every count is 0, positions too.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from typing import Literal

from activation_health.measure.histogram import EDGES
from activation_health.spec import Layer

PREFIX = "activation_health/"
FIRED, MAGNITUDE, COUNTS, MEASURE = (PREFIX + name for name in ("fired", "magnitude", "counts", "measure"))
METADATA = "activation_health"
HEALTH_COLUMNS = ("positions", "nan", "inf")
COLUMNS = (*HEALTH_COLUMNS, "zero", "negative", *(f"below {edge:g}" for edge in EDGES))
_FORMAT = 1

Level = Literal["health", "full"]
LEVELS: tuple[Level, ...] = ("health", "full")


@dataclass(frozen=True, slots=True)
class GraphLayer:
    """One watched activation: its label, the graph's tensor, what made it, its units and the axis they lie on."""

    name: str
    tensor: str
    kind: str
    units: int
    axis: int
    dormant_tau: float | None

    def declared(self, level: Level) -> Layer:
        """The layer as a Monitor takes it."""
        return Layer(self.name, dormant_tau=self.dormant_tau, units=self.units, elementwise=level == "full")


@dataclass(frozen=True, slots=True)
class GraphLayout:
    """All watched layers, in the order of the outputs' columns."""

    level: Level
    on_demand: bool
    layers: tuple[GraphLayer, ...]

    @property
    def columns(self) -> tuple[str, ...]:
        return COLUMNS if self.level == "full" else HEALTH_COLUMNS

    @property
    def fired_units(self) -> int:
        return sum(layer.units for layer in self.layers if layer.dormant_tau is None)

    @property
    def dormant_units(self) -> int:
        return sum(layer.units for layer in self.layers if layer.dormant_tau is not None)

    @property
    def outputs(self) -> tuple[str, ...]:
        """The names of the extra outputs that this graph has."""
        fired = (FIRED,) if self.fired_units else ()
        return (*fired, *((MAGNITUDE,) if self.dormant_units else ()), COUNTS)

    def width(self, output: str) -> int:
        """How many values an extra output has a row."""
        units = {FIRED: self.fired_units, MAGNITUDE: self.dormant_units}
        return units.get(output, len(self.columns) * len(self.layers))

    def to_json(self) -> str:
        return json.dumps({"format": _FORMAT, **asdict(self)})

    @classmethod
    def from_json(cls, text: str) -> GraphLayout:
        """Raises ValueError for what this version of the library did not write."""
        try:
            read = json.loads(text)
            known = read.pop("format") == _FORMAT and read["level"] in LEVELS
            layers = tuple(GraphLayer(**layer) for layer in read.pop("layers"))
            found = cls(layers=layers, **read)
        except (ValueError, TypeError, KeyError, AttributeError):
            known = False
        if not known:
            raise ValueError("the model's activation_health metadata is not of this version: instrument it again")
        return found
