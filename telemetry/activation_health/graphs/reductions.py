"""The extra outputs of a layout, built from the reductions of its layers; see layout.py for what they hold."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from onnx import TensorProto, helper

from activation_health.graphs import nodes as built
from activation_health.graphs.layout import COUNTS, FIRED, MAGNITUDE, MEASURE
from activation_health.graphs.nodes import Nodes

if TYPE_CHECKING:
    from collections.abc import Callable

    from activation_health.graphs.facts import Facts
    from activation_health.graphs.layout import GraphLayer, GraphLayout

KINDS = {FIRED: TensorProto.BOOL, MAGNITUDE: TensorProto.FLOAT, COUNTS: TensorProto.INT32}
_NEVER_NEGATIVE = {"Relu", "ReLU6"}


class Reductions:
    """Writes the nodes of `layout` over the graph of `facts`, of operator set `opset`."""

    def __init__(self, facts: Facts, layout: GraphLayout, opset: int) -> None:
        self._facts, self._layout, self._opset = facts, layout, opset
        self._own = {node.output[0] for node in facts.nodes if node.op_type in {"Relu", "Clip", "Max"}}

    def nodes(self) -> list[Any]:
        """All nodes, in an order that a graph takes."""
        main = Nodes(self._opset)
        if not self._layout.on_demand:
            self._measure(main, lambda name: name)
            return main.made
        asked, quiet = Nodes(self._opset, "asked/"), Nodes(self._opset, "quiet/")
        outputs = self._measure(asked, lambda name: f"{name}/asked")
        kinds = [KINDS[name] for name in self._layout.outputs]
        asks = main.reduce("ReduceMax", main.add("Cast", MEASURE, to=TensorProto.FLOAT), [0, 1])
        found = built.if_else(
            main,
            main.add("Cast", asks, to=TensorProto.BOOL),
            (asked, outputs),
            (quiet, [self._nothing(quiet, name) for name in self._layout.outputs]),
            kinds,
        )
        for result, name in zip(found, self._layout.outputs, strict=True):
            main.add("Identity", result, output=name)
        return main.made

    def _measure(self, nodes: Nodes, named: Callable[[str], str]) -> list[str]:
        layers = self._layout.layers
        # The last layer first: ONNX Runtime walks back from the last node, so that each activation is read while warm.
        values = [self._values(nodes, layer) for layer in reversed(layers)][::-1]
        backwards = zip(reversed(layers), reversed(values), strict=True)
        sums = [self._sums(nodes, layer, value) for layer, value in backwards][::-1]
        guards, outputs = [], []
        for name, dormant in ((FIRED, False), (MAGNITUDE, True)):
            own = [one for one, layer in zip(sums, layers, strict=True) if (layer.dormant_tau is not None) == dormant]
            if not own:
                continue
            joined = nodes.joined(own, named(name) if dormant else "")
            guards.append(nodes.reduce("ReduceSum", nodes.add("Sub", joined, joined), [0, 1]))
            if not dormant:
                nodes.add("Not", nodes.add("Equal", joined, nodes.constant(0, np.float32)), output=named(name))
            outputs.append(named(name))
        columns = [self._positions(nodes, values, joined)]
        if self._layout.level == "full":
            columns += self._columns(nodes, self._every_count(nodes, values))
        else:
            columns.append(self._rarely(nodes, guards, joined))
        return [*outputs, nodes.joined(columns, named(COUNTS))]

    def _values(self, nodes: Nodes, layer: GraphLayer) -> str:
        facts, tensor = self._facts, layer.tensor
        return built.widened(nodes, layer, facts.quantized(tensor), facts.types[tensor])

    def _sums(self, nodes: Nodes, layer: GraphLayer, value: str) -> str:
        tensor = layer.tensor
        quantized = self._facts.quantized(tensor) is not None
        signed = layer.kind not in _NEVER_NEGATIVE or quantized or tensor not in self._own
        return built.magnitudes(nodes, layer, value, self._rank(layer), signed=signed, double=self._double(layer))

    def _positions(self, nodes: Nodes, values: list[str], rows: str) -> str:
        """int32 (rows, layers). Shapes are those of what is read anyway: see `widened`."""
        layers, shapes = self._layout.layers, self._facts.shapes
        pairs = zip(layers, values, strict=True)
        one = nodes.joined([built.positions(nodes, layer, value, shapes[layer.tensor]) for layer, value in pairs])
        return nodes.add("Expand", one, self._shape(nodes, rows, len(layers)))

    def _rarely(self, nodes: Nodes, guards: list[str], rows: str) -> str:
        """NaN and Inf, int32 (rows, 2 x layers), looked for only where some sum is not finite."""
        layers = self._layout.layers
        guard = guards[0] if len(guards) == 1 else nodes.add("Add", *guards)
        then, other = Nodes(self._opset, nodes.part + "found/"), Nodes(self._opset, nodes.part + "sound/")
        pairs = [built.not_finite(then, self._values(then, layer), self._rank(layer)) for layer in layers]
        counts = then.joined(self._columns(then, pairs))
        zeros = other.add("Expand", other.constant([[0]], np.int32), self._shape(other, rows, 2 * len(layers)))
        (found,) = built.if_else(
            nodes, nodes.add("IsNaN", guard), (then, [counts]), (other, [zeros]), [TensorProto.INT32]
        )
        return found

    def _every_count(self, nodes: Nodes, values: list[str]) -> list[tuple[str, ...]]:
        found = []
        for layer, value in zip(self._layout.layers, values, strict=True):
            rank = self._rank(layer)
            rest = built.elementwise(nodes, value, rank, double=self._double(layer))
            found.append((*built.not_finite(nodes, value, rank), *rest))
        return found

    def _columns(self, nodes: Nodes, by_layer: list[Any]) -> list[str]:
        """One tensor (rows, layers) a column, from a tuple of (rows, 1) a layer."""
        return [nodes.joined(list(column)) for column in zip(*by_layer, strict=True)]

    def _shape(self, nodes: Nodes, rows: str, width: int) -> str:
        first = nodes.add("Slice", nodes.add("Shape", rows), nodes.constant([0]), nodes.constant([1]))
        return nodes.add("Concat", first, nodes.constant([width]), axis=0)

    def _nothing(self, nodes: Nodes, name: str) -> str:
        zero = helper.make_tensor("", KINDS[name], [1, 1], [0])
        shape = self._shape(nodes, MEASURE, self._layout.width(name))
        return nodes.add("Expand", nodes.add("Constant", value=zero), shape)

    def _rank(self, layer: GraphLayer) -> int:
        return len(self._facts.shapes[layer.tensor])

    def _double(self, layer: GraphLayer) -> bool:
        quantized = self._facts.quantized(layer.tensor) is not None
        return self._facts.types[layer.tensor] == TensorProto.DOUBLE and not quantized
