"""A graph asked by tensor name: who makes it, who reads it, which constant it is, which shape it has.

Shapes are inferred anew: what an exporter noted down may be out of date, and a wrong batch axis would break answers.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import onnx
from onnx import numpy_helper, shape_inference
from onnx.reference import ReferenceEvaluator

from activation_health.graphs.rows import batch_first

if TYPE_CHECKING:
    from collections.abc import Iterator

Dim = int | str | None
BATCH = "activation_health_batch"
_SMALL = 64  # values: more is no constant of an activation's formula
_FOLDED = {  # operators of which lengths and paddings are computed
    *("Concat", "Cast", "Gather", "Mul", "Add", "Sub", "Div", "Neg", "Reshape", "Slice", "Transpose", "Squeeze"),
    *("Unsqueeze", "ConstantOfShape", "Shape", "Identity", "Range", "Expand"),
}
_SAME = {"Identity", "QuantizeLinear", "DequantizeLinear"}


class Facts:
    """Read-only facts of `model.graph`; subgraphs of If and Loop are not looked into."""

    def __init__(self, model: Any) -> None:
        graph = model.graph
        self.nodes: list[Any] = list(graph.node)
        self.initializers = {tensor.name: tensor for tensor in graph.initializer}
        self.inputs: list[Any] = [one for one in graph.input if one.name not in self.initializers]
        self.makers = {name: node for node in self.nodes for name in node.output if name}
        self.readers: dict[str, list[Any]] = {}
        for node in self.nodes:
            for name in node.input:
                self.readers.setdefault(name, []).append(node)
        self.batch, self.shapes, self.types = _shapes(model, self.inputs)
        self._known: dict[str, list[Any] | None] = {}
        self._opsets = list(model.opset_import)
        self.rows = batch_first(self)

    def maker(self, tensor: str) -> Any:
        """The node behind a tensor, quantizing and renaming passed over; None for inputs and constants."""
        return self.makers.get(self.root(tensor))

    def root(self, tensor: str) -> str:
        while (node := self.makers.get(tensor)) is not None and node.op_type in _SAME:
            tensor = node.input[0]
        return tensor

    def readers_beyond(self, tensor: str) -> list[Any]:
        """Who reads a tensor, at once or behind quantizing and renaming."""
        found: list[Any] = []
        for node in self.readers.get(tensor, []):
            found += self.readers_beyond(node.output[0]) if node.op_type in _SAME else [node]
        return found

    def quantized(self, tensor: str) -> Any:
        """The QuantizeLinear that reads this tensor, or None."""
        return next((node for node in self.readers.get(tensor, []) if node.op_type == "QuantizeLinear"), None)

    def scalar(self, tensor: str) -> float | None:
        """The value of a constant of one element; None for anything else."""
        value = self._constant(self.root(tensor))
        if value is None:
            return None
        array = numpy_helper.to_array(value)
        return float(array.reshape(-1)[0]) if array.size == 1 else None

    def numbers(self, tensor: str) -> list[Any] | None:
        """The values of a small constant, such as axes or lengths."""
        if not tensor:
            return None
        if tensor not in self._known:
            self._known[tensor] = None  # where it is asked for meanwhile
            value = self._constant(self.root(tensor))
            array = self._computed(tensor) if value is None else numpy_helper.to_array(value)
            self._known[tensor] = None if array is None or array.size > _SMALL else array.reshape(-1).tolist()
        return self._known[tensor]

    def _computed(self, tensor: str) -> Any:
        """What a few nodes make of constants alone, as exporters write paddings; None for anything else."""
        waiting: list[str] = [tensor]
        nodes: dict[int, Any] = {}
        while waiting:
            name = waiting.pop()
            node = self.makers.get(name)
            if not name or self._constant(name) is not None or (node is not None and id(node) in nodes):
                continue
            if node is None or node.op_type not in _FOLDED or len(nodes) >= _SMALL:
                return None
            nodes[id(node)] = node
            waiting += node.input
        order = [node for node in self.nodes if id(node) in nodes]
        names = dict.fromkeys(name for node in order for name in node.input if name)
        constants = [one for name in names if (one := self._named(name)) is not None]
        output = onnx.helper.make_empty_tensor_value_info(tensor)
        graph = onnx.helper.make_graph(order, "constant", [], [output], constants)
        try:
            model = onnx.helper.make_model(graph, opset_imports=self._opsets)
            return ReferenceEvaluator(model).run(None, {})[0]
        except Exception:  # noqa: BLE001 - then it is not known
            return None

    def _named(self, name: str) -> Any:
        value = self._constant(name)
        if value is None:
            return None
        copy = onnx.TensorProto()
        copy.CopyFrom(value)
        copy.name = name
        return copy

    def shape(self, tensor: str) -> tuple[Dim, ...] | None:
        """The shape of any tensor, weights included; None where it is not known."""
        weights = self.initializers.get(tensor)
        if weights is not None:
            return tuple(weights.dims)
        constant = self._constant(tensor)
        return self.shapes.get(tensor) if constant is None else tuple(constant.dims)

    @staticmethod
    def attribute(node: Any, name: str) -> Any:
        """A node's attribute as Python has it, None where it is left out."""
        return next((onnx.helper.get_attribute_value(one) for one in node.attribute if one.name == name), None)

    def _constant(self, tensor: str) -> Any:
        node = self.makers.get(tensor)
        value = self.initializers.get(tensor)
        if node is not None and node.op_type == "Constant":
            value = next((one.t for one in node.attribute if one.name == "value"), None)
            for one in node.attribute:
                if one.name in {"value_float", "value_int"}:
                    number = one.f if one.name == "value_float" else one.i
                    return onnx.helper.make_tensor("", onnx.TensorProto.FLOAT, [], [float(number)])
        if value is None or value.data_location == onnx.TensorProto.EXTERNAL:
            return None
        size = 1
        for length in value.dims:
            size *= length
        return value if size <= _SMALL else None


def _shapes(model: Any, inputs: list[Any]) -> tuple[Dim, dict[str, tuple[Dim, ...]], dict[str, int]]:
    """The batch axis's length (a number, a name, None without such an axis), shapes and element types by tensor."""
    asked = onnx.ModelProto()
    asked.CopyFrom(model) if model.ByteSize() < _TOO_LARGE else _copy_without_weights(model, asked)
    del asked.graph.value_info[:]
    for output in asked.graph.output:
        output.type.tensor_type.ClearField("shape")
    batch = _named_batch(asked.graph, {one.name for one in inputs})
    try:
        known = shape_inference.infer_shapes(asked, data_prop=True)
    except Exception:  # noqa: BLE001 - operators that ONNX does not know: their outputs have no shape
        known = asked
    shapes, types = {}, {}
    for value in (*known.graph.value_info, *known.graph.output, *known.graph.input):
        tensor = value.type.tensor_type
        types[value.name] = tensor.elem_type
        if tensor.HasField("shape"):
            shapes[value.name] = tuple(_dims(tensor.shape))
    return batch, shapes, types


def _dims(shape: Any) -> Iterator[Dim]:
    for dim in shape.dim:
        yield dim.dim_value if dim.HasField("dim_value") and dim.dim_value > 0 else dim.dim_param or None


_TOO_LARGE = 1 << 28
_KEPT_BYTES = 4096


def _copy_without_weights(model: Any, copy: Any) -> None:
    """Shapes need no weights, and a copy of gigabytes would not fit."""
    for name in ("ir_version", "opset_import", "functions"):
        if name == "ir_version":
            copy.ir_version = model.ir_version
        else:
            getattr(copy, name).extend(getattr(model, name))
    graph = model.graph
    copy.graph.name = graph.name
    for name in ("node", "input", "output"):
        getattr(copy.graph, name).extend(getattr(graph, name))
    for tensor in graph.initializer:
        if tensor.ByteSize() <= _KEPT_BYTES:
            copy.graph.initializer.append(tensor)
        else:
            copy.graph.initializer.add(name=tensor.name, data_type=tensor.data_type, dims=tensor.dims)


def _named_batch(graph: Any, names: set[str]) -> Dim:
    """The first axis of the first input; one without a name gets one, so that inference can follow it."""
    for value in graph.input:
        shape = value.type.tensor_type.shape
        if value.name not in names or not len(shape.dim):
            continue
        first = shape.dim[0]
        if first.HasField("dim_value") and first.dim_value > 0:
            return int(first.dim_value)
        if not first.dim_param:
            first.dim_param = BATCH
        return str(first.dim_param)
    return None
