"""Which activations can be watched: their first axis is the request's rows, and their units are known in number.

Where that cannot be proven from the graph, an activation is left out with the reason: a wrong guess would make a
request fail.
"""

from __future__ import annotations

from fnmatch import fnmatchcase
from typing import TYPE_CHECKING, Any, NamedTuple

from onnx import TensorProto

from activation_health.graphs.layout import GraphLayer
from activation_health.monitor import MAX_LABEL, MAX_LAYERS, label_problem

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from activation_health.graphs.facts import Facts

FLOATS = {TensorProto.FLOAT16, TensorProto.FLOAT, TensorProto.DOUBLE, TensorProto.BFLOAT16}
_CHANNELS_FIRST = {"Conv", "ConvTranspose", "BatchNormalization", "InstanceNormalization", "FusedConv"}
_FEATURES_LAST = {"MatMul", "Gemm", "LayerNormalization", "SkipLayerNormalization", "Attention", "FusedMatMul"}
_FAR = 64
NO_ROWS = "its first axis cannot be shown to be the batch"


class Skipped(NamedTuple):
    """An activation that is not watched, and why."""

    name: str
    reason: str


class Candidate(NamedTuple):
    """An activation's name for people, its tensor, its kind and when its units are dead."""

    name: str
    tensor: str
    kind: str
    dormant_tau: float | None


class Choice(NamedTuple):
    """What is watched, and what is not."""

    layers: tuple[GraphLayer, ...]
    skipped: tuple[Skipped, ...]


def choose(
    facts: Facts, candidates: Iterable[Candidate], names: tuple[str, ...], axes: int | Mapping[str, int] | None
) -> Choice:
    """Those whose name or tensor matches one of `names` (`*` as in file names), at most MAX_LAYERS."""
    layers: list[GraphLayer] = []
    skipped: list[Skipped] = []
    taken: set[str] = set()
    for one in candidates:
        if not any(fnmatchcase(text, pattern) for text in (one.name, one.tensor) for pattern in names):
            continue
        axis = _axis(facts, one, axes)
        reason = _why_not(facts, one, axis)
        if not reason and len(layers) >= MAX_LAYERS:
            reason = f"more than {MAX_LAYERS} layers: choose some by name"
        if reason:
            skipped.append(Skipped(one.name, reason))
            continue
        units = facts.shapes[one.tensor][axis]
        assert isinstance(units, int)
        layers.append(GraphLayer(_label(one.name, taken), one.tensor, one.kind, units, axis, one.dormant_tau))
    return Choice(tuple(layers), tuple(skipped))


def _why_not(facts: Facts, one: Candidate, axis: int) -> str:
    shape = facts.shapes.get(one.tensor)
    shown = "(" + ", ".join("?" if dim is None else str(dim) for dim in shape or ()) + ")"
    if shape is None:
        return "its shape cannot be inferred"
    if facts.types.get(one.tensor) not in FLOATS:
        kind = TensorProto.DataType.Name(facts.types.get(one.tensor, TensorProto.UNDEFINED))
        return f"its type is {kind}, not a float"
    if len(shape) < 2 or not 0 < axis < len(shape):  # noqa: PLR2004 - (batch, units) at least
        return f"its shape {shown} has no units on axis {axis}"
    if one.tensor not in facts.rows and (shape[0] is None or shape[0] != facts.batch):
        return f"{NO_ROWS}: its shape is {shown}, the batch {facts.batch}"
    quantizer = facts.quantized(one.tensor)
    if quantizer is not None and facts.scalar(quantizer.input[1]) is None:
        return "it is quantized by more than one scale"
    return _units_are_free(shape[axis], shown, axis)


def _units_are_free(units: Any, shown: str, axis: int) -> str:
    if not isinstance(units, int):
        return f"the number of its units is not fixed: its shape is {shown}, its units on axis {axis}"
    return ""


def _axis(facts: Facts, one: Candidate, axes: int | Mapping[str, int] | None) -> int:
    rank = len(facts.shapes.get(one.tensor, ()))
    given = axes
    if not isinstance(axes, int) and axes is not None:
        given = next((axis for pattern, axis in axes.items() if fnmatchcase(one.name, pattern)), None)
    if isinstance(given, int):
        return given + rank if given < 0 else given
    return rank - 1 if rank > 2 and _features_last(facts, one.tensor) else 1  # noqa: PLR2004


def _features_last(facts: Facts, tensor: str) -> bool:
    """By the nearest weighted sum behind the tensor: a convolution has its units first, a product of matrices last."""
    waiting: list[str] = [tensor]
    seen: set[int] = set()
    while waiting and len(seen) < _FAR:
        node: Any = facts.maker(waiting.pop(0))
        if node is None or id(node) in seen:
            continue
        seen.add(id(node))
        if node.op_type in _CHANNELS_FIRST:
            return False
        if node.op_type in _FEATURES_LAST:
            return True
        waiting += node.input
    return False


def _label(name: str, taken: set[str]) -> str:
    """A label that a Monitor takes, each given once."""
    clean = name.replace("\0", " ")
    if label_problem(clean):
        clean = clean[-MAX_LABEL:]
    found, number = clean, 2
    while found in taken:
        tail = f"#{number}"
        found, number = clean[: MAX_LABEL - len(tail)] + tail, number + 1
    taken.add(found)
    return found
