"""The reductions of one instrumented graph, written with operators that opset 11 has.

An activation is read once: the sum of |h| over a unit's positions says whether it fired (a sum of magnitudes is 0
only where all are), how large it is when dormant units are looked for, and, not being finite, that a NaN or an Inf
may be there (or an overflow). Only then is anything counted, inside an If. Counts are int32: exact.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from onnx import TensorProto, helper, numpy_helper

from activation_health.graphs.layout import PREFIX
from activation_health.measure.histogram import EDGES

if TYPE_CHECKING:
    from activation_health.graphs.layout import GraphLayer

_REDUCES_BY_INPUT = {"ReduceSum": 13}
_ELSE = 18
NARROW = {TensorProto.FLOAT16, TensorProto.BFLOAT16}


class Nodes:
    """Nodes being written, with names of their own; `part` keeps those of subgraphs apart."""

    def __init__(self, opset: int, part: str = "") -> None:
        self.opset, self.part = opset, part
        self.made: list[Any] = []

    def add(self, operator: str, *inputs: str, output: str = "", **attributes: Any) -> str:
        """The name of the output."""
        name = output or f"{PREFIX}{self.part}{len(self.made)}_{operator}"
        node = helper.make_node(operator, inputs, [name], name=f"{PREFIX}{self.part}node{len(self.made)}", **attributes)
        self.made.append(node)
        return name

    def constant(self, value: Any, kind: type[Any] = np.int64) -> str:
        return self.add("Constant", value=numpy_helper.from_array(np.array(value, kind)))

    def reduce(self, operator: str, tensor: str, axes: list[int], *, keepdims: int = 0) -> str:
        """`operator` over `axes`; from some opset on they are an input."""
        if not axes:
            return tensor
        if self.opset >= _REDUCES_BY_INPUT.get(operator, _ELSE):
            return self.add(operator, tensor, self.constant(axes), keepdims=keepdims)
        return self.add(operator, tensor, axes=axes, keepdims=keepdims)

    def joined(self, tensors: list[str], output: str = "") -> str:
        """Side by side on axis 1."""
        return self.add("Concat", *tensors, axis=1, output=output)


def widened(nodes: Nodes, layer: GraphLayer, quantizer: Any, kind: int) -> str:
    """The activation as float32 (float64 stays); behind a QuantizeLinear the value that is served, not the one before.

    The quantized tensor is dequantized by plain arithmetic, to the same bits: one more reader of the activation, or of
    a DequantizeLinear, and the runtime could not join the quantized operators any more, and answers would change.
    """
    if quantizer is not None:
        value, scale = (
            nodes.add("Cast", name, to=TensorProto.FLOAT) for name in (quantizer.output[0], quantizer.input[1])
        )
        zero_point = quantizer.input[2] if len(quantizer.input) > 2 else ""  # noqa: PLR2004 - x, scale, zero point
        if zero_point:
            value = nodes.add("Sub", value, nodes.add("Cast", zero_point, to=TensorProto.FLOAT))
        return nodes.add("Mul", value, scale)
    return nodes.add("Cast", layer.tensor, to=TensorProto.FLOAT) if kind in NARROW else layer.tensor


def magnitudes(nodes: Nodes, layer: GraphLayer, tensor: str, rank: int, *, signed: bool, double: bool) -> str:
    """(rows, units) float32: the sum over positions of |h|, not finite where a value is not.

    Of doubles that are dead at 0, 1 or 0 in place of the sum: a sum too small for float32 is no 0.
    """
    positions = [axis for axis in range(1, rank) if axis != layer.axis]
    if signed:
        sums = nodes.reduce("ReduceSum", nodes.add("Abs", tensor), positions)
    else:
        sums = nodes.reduce("ReduceSum", tensor, positions)
    if not double:
        return sums
    if layer.dormant_tau is not None:
        return nodes.add("Cast", sums, to=TensorProto.FLOAT)
    zero = nodes.constant(0, np.float64)
    fired = nodes.add("Cast", nodes.add("Not", nodes.add("Equal", sums, zero)), to=TensorProto.FLOAT)
    return nodes.add("Add", fired, nodes.add("Cast", nodes.add("Sub", sums, sums), to=TensorProto.FLOAT))


def positions(nodes: Nodes, layer: GraphLayer, tensor: str, shape: tuple[Any, ...]) -> str:
    """int32 (1, 1): values of one unit on one row. `tensor` has the activation's shape, and may be read."""
    others = [axis for axis in range(1, len(shape)) if axis != layer.axis]
    if all(isinstance(shape[axis], int) for axis in others):
        return nodes.constant([[int(np.prod([shape[axis] for axis in others], initial=1))]], np.int32)
    lengths = nodes.add("Gather", nodes.add("Shape", tensor), nodes.constant(others))
    product = nodes.reduce("ReduceProd", nodes.add("Cast", lengths, to=TensorProto.INT32), [0], keepdims=1)
    return nodes.add("Reshape", product, nodes.constant([1, 1]))


def counted(nodes: Nodes, mask: str, rank: int) -> str:
    """int32 (rows, 1): how many are true."""
    flat = nodes.reduce("ReduceSum", nodes.add("Cast", mask, to=TensorProto.INT32), list(range(1, rank)), keepdims=1)
    return flat if rank == 2 else nodes.add("Reshape", flat, nodes.constant([-1, 1]))  # noqa: PLR2004


def not_finite(nodes: Nodes, tensor: str, rank: int) -> tuple[str, str]:
    """(NaN, Inf) counts."""
    return counted(nodes, nodes.add("IsNaN", tensor), rank), counted(nodes, nodes.add("IsInf", tensor), rank)


def elementwise(nodes: Nodes, tensor: str, rank: int, *, double: bool) -> list[str]:
    """Counts of zeros, negatives and magnitudes below each edge."""
    kind = np.float64 if double else np.float32
    zero, size = nodes.constant(0, kind), nodes.add("Abs", tensor)
    below = [nodes.add("Less", size, nodes.constant(edge, kind)) for edge in EDGES]
    masks = [nodes.add("Equal", tensor, zero), nodes.add("Less", tensor, zero), *below]
    return [counted(nodes, mask, rank) for mask in masks]


def if_else(
    nodes: Nodes, condition: str, then: tuple[Nodes, list[str]], other: tuple[Nodes, list[str]], kinds: list[int]
) -> list[str]:
    """An If of two branches, each (its nodes, its outputs of `kinds`, tables of rows)."""
    branches = []
    for name, (made, outputs) in (("then", then), ("else", other)):
        pairs = zip(outputs, kinds, strict=True)
        values = [helper.make_tensor_value_info(out, kind, [None, None]) for out, kind in pairs]
        branches.append(helper.make_graph(made.made, f"{PREFIX}{made.part}{name}", [], values))
    results = [f"{PREFIX}{nodes.part}{len(nodes.made)}_If_{index}" for index in range(len(kinds))]
    node = helper.make_node("If", [condition], results, then_branch=branches[0], else_branch=branches[1])
    node.name = f"{PREFIX}{nodes.part}node{len(nodes.made)}"
    nodes.made.append(node)
    return results
