"""Activations are found by what a graph computes, as one operator or as the small formulas that exporters write.

| activation | single | written out |
|---|---|---|
| ReLU, ReLU6 | Relu, Clip from 0 | Max with 0 |
| GELU | Gelu; com.microsoft Gelu, FastGelu, BiasGelu, QuickGelu | x/2 (1 + Erf or Tanh ...), x Sigmoid(1.702 x) |
| SiLU | Swish | x Sigmoid(x) |
| HardSwish | HardSwish | x HardSigmoid(x), x Clip(x + 3, 0, 6) / 6 |
| Mish | Mish | x Tanh(Softplus(x)) |

The others are single operators. What a formula consists of is not found a second time.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterator

    from activation_health.graphs.facts import Facts

DORMANT_TAU = 0.025
ZERO_KINDS = {"Relu", "ReLU6", "ThresholdedRelu"}
SINGLE = {
    "ai.onnx": {"Relu", "LeakyRelu", "PRelu", "ThresholdedRelu", "Elu", "Celu", "Selu", "Gelu", "HardSwish", "Swish"}
    | {"Softplus", "Mish"},
    "com.microsoft": {"Gelu", "FastGelu", "BiasGelu", "QuickGelu"},
}
_FACTOR = 0.5
_SUMS = {"Add", "Conv", "ConvTranspose", "MatMul", "Gemm", "BatchNormalization"}


class Found(NamedTuple):
    """An activation: the node whose output it is, and its kind."""

    node: Any
    kind: str

    @property
    def tensor(self) -> str:
        return str(self.node.output[0])

    @property
    def dormant_tau(self) -> float | None:
        return None if self.kind in ZERO_KINDS else DORMANT_TAU


def activations(facts: Facts) -> list[Found]:
    """All activations of the main graph, in its order."""
    parts: set[int] = set()
    found: dict[int, Found] = {}
    for node in facts.nodes:
        for end, kind, inner in _written_out(facts, node):
            found[id(end)] = Found(end, kind)
            parts |= {id(one) for one in inner}
    for node in facts.nodes:
        kind = _single(facts, node)
        if kind and id(node) not in parts:
            found.setdefault(id(node), Found(node, kind))
    return [found[id(node)] for node in facts.nodes if id(node) in found and id(node) not in parts]


def _single(facts: Facts, node: Any) -> str:
    if node.op_type in SINGLE.get(node.domain or "ai.onnx", ()):
        return str(node.op_type)
    if node.op_type == "Clip" and node.domain in {"", "ai.onnx"}:
        low, high = (facts.scalar(name) if name else None for name in (*node.input[1:], "", "")[:2])
        return ("Relu" if high is None else "ReLU6") if low == 0 else ""
    if node.op_type == "Max" and len(node.input) == 2:  # noqa: PLR2004 - Max(x, 0)
        made = {maker.op_type for name in node.input if (maker := facts.maker(name)) is not None}
        # Behind a difference it is a variance kept from falling below 0.
        return "Relu" if any(facts.scalar(name) == 0 for name in node.input) and made & _SUMS else ""
    return ""


def _written_out(facts: Facts, node: Any) -> Iterator[tuple[Any, str, list[Any]]]:
    """(last node, kind, the nodes inside) where `node` completes or begins a formula."""
    if node.op_type == "Mul" and len(node.input) == 2:  # noqa: PLR2004 - x times its gate
        for x, gate in (node.input, node.input[::-1]):
            found = _gated(facts, facts.root(x), gate)
            if found:
                kind, inner = found
                end = _scaled(facts, node) if kind == "HardSwish6" else node
                yield end, kind.removesuffix("6"), [*inner, *([node] if end is not node else [])]
    elif node.op_type in {"Erf", "Tanh"}:
        found_gelu = _gelu(facts, node)
        if found_gelu:
            yield found_gelu


def _gated(facts: Facts, x: str, gate: str) -> tuple[str, list[Any]] | None:
    """What x times this gate is, and the nodes of the gate."""
    node = facts.maker(gate)
    if node is None:
        return None
    argument = facts.root(node.input[0]) if node.input else ""
    if node.op_type == "Sigmoid":
        inner = facts.maker(argument)
        scaled = inner is not None and inner.op_type == "Mul" and x in {facts.root(name) for name in inner.input}
        return ("SiLU", [node]) if argument == x else ("QuickGelu", [node]) if scaled else None
    if node.op_type == "HardSigmoid":
        return ("HardSwish", [node]) if argument == x else None
    if node.op_type == "Tanh":
        plus = facts.maker(argument)
        mish = plus is not None and plus.op_type == "Softplus" and facts.root(plus.input[0]) == x
        return ("Mish", [node, plus]) if mish else None
    if node.op_type in {"Div", "Mul"} and any(facts.scalar(name) is not None for name in node.input):
        clip = next((facts.maker(name) for name in node.input if facts.scalar(name) is None), None)
        return ("HardSwish", [node, clip]) if _clips_x_plus_3(facts, clip, x) else None
    return ("HardSwish6", [node]) if _clips_x_plus_3(facts, node, x) else None


def _clips_x_plus_3(facts: Facts, node: Any, x: str) -> bool:
    if node is None or node.op_type != "Clip" or _single(facts, node) != "ReLU6":
        return False
    add = facts.maker(node.input[0])
    return add is not None and add.op_type == "Add" and x in {facts.root(name) for name in add.input}


def _scaled(facts: Facts, node: Any) -> Any:
    """The division by 6 behind x Clip(x + 3, 0, 6), or `node` itself where there is none."""
    readers = facts.readers_beyond(node.output[0])
    if len(readers) == 1 and readers[0].op_type in {"Div", "Mul"}:
        others = [name for name in readers[0].input if facts.root(name) != node.output[0]]
        if len(others) == 1 and facts.scalar(others[0]) is not None:
            return readers[0]
    return node


def _gelu(facts: Facts, node: Any) -> tuple[Any, str, list[Any]] | None:
    """From Erf or Tanh on: + 1, then times x and a half in any order; the last product is the activation."""
    readers = facts.readers_beyond(node.output[0])
    if len(readers) != 1 or readers[0].op_type != "Add" or all(facts.scalar(name) != 1 for name in readers[0].input):
        return None
    inner, last, halved, multiplied = [node, readers[0]], readers[0], False, False
    while not (halved and multiplied):
        readers = facts.readers_beyond(last.output[0])
        if len(readers) != 1 or readers[0].op_type != "Mul":
            return None
        others = [name for name in readers[0].input if facts.root(name) != last.output[0]]
        if len(others) != 1:
            return None
        maker = facts.maker(others[0])
        constant = facts.scalar(others[0])
        half_x = maker is not None and maker.op_type == "Mul" and _FACTOR in {facts.scalar(n) for n in maker.input}
        if constant is not None and constant != _FACTOR:
            return None
        multiplied |= constant is None
        halved |= constant is not None or half_x
        inner.append(readers[0])
        last = readers[0]
    return last, "Gelu", inner[:-1]
