"""Which tensors have the request's rows on their first axis, followed from the inputs operator by operator.

Where every length is a number or one name all along, shapes alone tell; exporters leave gaps, as behind Resize, Pad and
Reshape. A tensor is only named here where its operator keeps rows for certain.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable

    from activation_health.graphs.facts import Facts

# fmt: off
_FIRST = {  # the first input's rows are the output's
    "Conv", "ConvTranspose", "ConvInteger", "MaxPool", "AveragePool", "GlobalAveragePool", "GlobalMaxPool",
    "LpPool", "BatchNormalization", "InstanceNormalization", "LayerNormalization", "GroupNormalization", "LRN",
    "Relu", "LeakyRelu", "PRelu", "ThresholdedRelu", "Elu", "Celu", "Selu", "Gelu", "FastGelu", "QuickGelu",
    "BiasGelu", "HardSwish", "Swish", "Mish", "Softplus", "Softsign", "Sigmoid", "HardSigmoid", "Tanh", "Erf",
    "Clip", "Cast", "Identity", "Dropout", "QuantizeLinear", "DequantizeLinear", "DynamicQuantizeLinear", "Exp",
    "Log", "Sqrt", "Abs", "Neg", "Reciprocal", "Floor", "Ceil", "Round", "Sign", "Sin", "Cos", "Not", "IsNaN",
    "IsInf", "DepthToSpace", "SpaceToDepth", "SkipLayerNormalization",
}
_ELEMENTWISE = {
    "Add", "Sub", "Mul", "Div", "Pow", "Max", "Min", "Sum", "Mean", "Where", "Equal", "Less", "Greater", "And",
    "Or", "LessOrEqual", "GreaterOrEqual",
}
# fmt: on
_WHOLE = 1_000_000_000  # an end that means to the end
_BY_AXIS = {"Concat": 0, "Softmax": -1, "LogSoftmax": -1, "Gather": 0, "GatherElements": 0, "Split": 0, "TopK": -1}


def batch_first(facts: Facts) -> set[str]:
    """Tensors of which axis 0 is that of the first input."""
    batch: set[str] = set()
    for one in facts.inputs:
        shape = facts.shapes.get(one.name, ())
        if shape and shape[0] == facts.batch:
            batch.add(one.name)
    for name, shape in facts.shapes.items():
        if len(shape) > 1 and shape[0] == facts.batch and isinstance(facts.batch, str):
            batch.add(name)
    for node in facts.nodes:
        if _keeps(facts, node, batch):
            batch.update(name for name in node.output if name and facts.shapes.get(name, True))
    return batch


def _keeps(facts: Facts, node: Any, batch: set[str]) -> bool:
    operator = node.op_type
    if operator in _ELEMENTWISE:
        return _broadcast(facts, node, batch)
    own = node.input if operator == "Concat" else node.input[:1]
    if not own or any(name not in batch for name in own):
        return False
    if operator in _FIRST:
        return True
    if operator in _BY_AXIS:
        return _axes(facts, node, node.input[0], "axis", _BY_AXIS[operator]) > {0}
    rule = _RULES.get("Reduce" if operator.startswith("Reduce") else operator)
    return rule is not None and rule(facts, node, batch)


def _broadcast(facts: Facts, node: Any, batch: set[str]) -> bool:
    """All operands have rows, or broadcast over them."""
    ranks = {name: len(facts.shapes[name]) for name in node.input if name in batch and name in facts.shapes}
    if len(set(ranks.values())) != 1:
        return False
    (rank,) = set(ranks.values())
    for name in node.input:
        if name in ranks:
            continue
        shape = facts.shape(name)
        if shape is None or len(shape) > rank or (len(shape) == rank and shape[0] != 1):
            return False
    return True


def _axes(facts: Facts, node: Any, tensor: str, attribute: str, default: int | None) -> set[int]:
    """{0} and the axes named, which are counted from the front; {0} alone where one is axis 0 or cannot be told."""
    given = facts.attribute(node, attribute)
    values = [default] if given is None else given if isinstance(given, list) else [given]
    return _counted_from_front(facts, tensor, values)


def _counted_from_front(facts: Facts, tensor: str, values: list[Any] | None) -> set[int]:
    rank = len(facts.shapes.get(tensor, ()))
    if not values or any(value is None or (value < 0 and not rank) for value in values):
        return {0}
    axes = {value + rank if value < 0 else value for value in values}
    return {0} if 0 in axes else {0, *axes}


def _by_axes(facts: Facts, node: Any, batch: set[str]) -> bool:  # noqa: ARG001 - one signature for all rules
    """Reduce, Squeeze, Unsqueeze: an attribute, or the second input."""
    values = facts.attribute(node, "axes")
    if values is None and len(node.input) > 1:
        values = facts.numbers(node.input[1])
    return _counted_from_front(facts, node.input[0], values) > {0}


def _slice(facts: Facts, node: Any, batch: set[str]) -> bool:  # noqa: ARG001
    given = [facts.numbers(name) for name in node.input[1:]]
    starts, ends, axes, steps = (*given, None, None, None, None)[:4]
    if not axes or not starts or not ends:
        return False
    cut = [
        axis
        for index, axis in enumerate(axes)
        if (starts[index], steps[index] if steps else 1) != (0, 1) or ends[index] < _WHOLE
    ]
    return not cut or _counted_from_front(facts, node.input[0], cut) > {0}


def _transpose(facts: Facts, node: Any, batch: set[str]) -> bool:  # noqa: ARG001
    order = facts.attribute(node, "perm")
    return bool(order) and order[0] == 0


def _pad(facts: Facts, node: Any, batch: set[str]) -> bool:  # noqa: ARG001
    if len(node.input) > 3:  # noqa: PLR2004 - with axes
        return False
    pads: list[Any] = (facts.numbers(node.input[1]) if len(node.input) > 1 else facts.attribute(node, "pads")) or []
    return bool(pads) and pads[0] == 0 == pads[len(pads) // 2]


def _resize(facts: Facts, node: Any, batch: set[str]) -> bool:
    scales = next((facts.numbers(name) for name in node.input[1:3] if name and facts.numbers(name)), None)
    if scales:
        return len(scales) == len(facts.shapes.get(node.input[0], ())) and scales[0] == 1
    return len(node.input) > 3 and _first_length(facts, node.input[3], batch)  # noqa: PLR2004 - sizes


def _matmul(facts: Facts, node: Any, batch: set[str]) -> bool:
    left, right = facts.shapes.get(node.input[0], ()), facts.shape(node.input[1])
    if right is None or not left:
        return False
    if node.input[1] in batch and node.input[1] not in facts.initializers:
        return len(left) == len(right) > 2  # noqa: PLR2004 - products of matrices, row by row
    return len(left) > len(right) or len(left) == len(right) == 2  # noqa: PLR2004


def _gemm(facts: Facts, node: Any, batch: set[str]) -> bool:
    bias = node.input[2] if len(node.input) > 2 else ""  # noqa: PLR2004
    return not facts.attribute(node, "transA") and node.input[1] not in batch and bias not in batch


def _flatten(facts: Facts, node: Any, batch: set[str]) -> bool:  # noqa: ARG001
    return facts.attribute(node, "axis") in {None, 1}


def _reshape(facts: Facts, node: Any, batch: set[str]) -> bool:
    lengths = facts.numbers(node.input[1])
    if not lengths:
        return _first_length(facts, node.input[1], batch)
    if lengths[0] == 0:
        return not facts.attribute(node, "allowzero")
    rest = facts.shapes.get(node.input[0], ())[1:]
    if lengths[0] != -1 or not rest or not all(isinstance(length, int) for length in rest):
        return False
    return _product(lengths[1:]) == _product([int(length or 0) for length in rest]) > 0


def _first_length(facts: Facts, shape: str, batch: set[str]) -> bool:
    """Whether this computed shape begins with the batch: Concat(Shape(x)[0], ...) of an x that has rows."""
    node = facts.maker(shape)
    while node is not None and node.op_type in {"Cast", "Unsqueeze", "Squeeze", "Concat", "Reshape"}:
        node = facts.maker(node.input[0])
    if node is None or node.op_type not in {"Gather", "Slice"}:
        return False
    start = facts.numbers(node.input[1])
    end = facts.numbers(node.input[2]) if node.op_type == "Slice" else [1]
    maker = facts.maker(node.input[0])
    while maker is not None and maker.op_type == "Cast":
        maker = facts.maker(maker.input[0])
    return start == [0] and end == [1] and maker is not None and maker.op_type == "Shape" and maker.input[0] in batch


def _product(lengths: list[int]) -> int:
    product = 1
    for length in lengths:
        product *= length
    return product


_RULES: dict[str, Callable[[Facts, Any, set[str]], bool]] = {
    "Reduce": _by_axes,
    "Squeeze": _by_axes,
    "Unsqueeze": _by_axes,
    "Slice": _slice,
    "Transpose": _transpose,
    "Pad": _pad,
    "Resize": _resize,
    "Upsample": _resize,
    "MatMul": _matmul,
    "Gemm": _gemm,
    "Flatten": _flatten,
    "Reshape": _reshape,
}
