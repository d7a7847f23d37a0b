"""An ONNX model gets extra outputs that say how its activations are; nothing of it is removed or changed.

Needs the extra `onnx`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from onnx import TensorProto, helper

from activation_health.graphs.facts import BATCH, Dim, Facts
from activation_health.graphs.layout import LEVELS, MEASURE, METADATA, PREFIX, GraphLayout
from activation_health.graphs.patterns import activations
from activation_health.graphs.reductions import KINDS, Reductions
from activation_health.graphs.units import NO_ROWS, Candidate, Choice, choose

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from activation_health.graphs.layout import Level
    from activation_health.graphs.units import Skipped

OLDEST = 11
_EXAMPLES = 8


class Instrumented(NamedTuple):
    """What an instrumented model exports, and which activations it does not."""

    layout: GraphLayout
    skipped: tuple[Skipped, ...]


def listed(
    model: Any,
    *,
    names: Iterable[str] | None = None,
    channel_axis: int | Mapping[str, int] | None = None,
    like: Any = None,
) -> Choice:
    """What `instrument` would watch with the same arguments; the model stays as it is. Raises as `instrument` does."""
    return _chosen(model, names, channel_axis, like)[1]


def instrument(
    model: Any,
    *,
    names: Iterable[str] | None = None,
    counts: Level = "health",
    on_demand: bool = False,
    channel_axis: int | Mapping[str, int] | None = None,
    like: Any = None,
) -> Instrumented:
    """Add the extra outputs of layout.py to `model` (an onnx.ModelProto, changed in place).

    `names`: patterns (`*` as in file names) of the nodes or tensors to watch; without, every activation. `counts`:
    "health" is whether units fired, NaN and Inf; "full" adds zeros, negatives and magnitudes. `on_demand`: measured
    only where the input `activation_health/measure` asks. `channel_axis`: where the units lie, for all or by pattern;
    without, by the convolution or product behind the activation. `like`: the model of which this one is a quantized
    or rewritten copy: the same tensors are watched under the same names, whether or not their activation is left.
    Raises ValueError, with what to do, where nothing can be watched.
    """
    if counts not in LEVELS:
        raise ValueError(f"counts={counts!r} must be one of {', '.join(LEVELS)}")
    facts, choice = _chosen(model, names, channel_axis, like)
    layout = GraphLayout(counts, on_demand, choice.layers)
    if on_demand:
        batch = facts.batch
        model.graph.input.append(helper.make_tensor_value_info(MEASURE, TensorProto.BOOL, [batch, 1]))
    model.graph.node.extend(Reductions(facts, layout, opset(model)).nodes())
    for name in layout.outputs:
        model.graph.output.append(helper.make_tensor_value_info(name, KINDS[name], [facts.batch, layout.width(name)]))
    model.metadata_props.add(key=METADATA, value=layout.to_json())
    return Instrumented(layout, choice.skipped)


def opset(model: Any) -> int:
    """The version of ONNX's own operators that the model uses."""
    return next((one.version for one in model.opset_import if one.domain in {"", "ai.onnx"}), 0)


def layout_of(model: Any) -> GraphLayout | None:
    """The layout of an instrumented model, None for any other."""
    text = next((one.value for one in model.metadata_props if one.key == METADATA), None)
    return None if text is None else GraphLayout.from_json(text)


def _chosen(model: Any, names: Any, channel_axis: Any, like: Any) -> tuple[Facts, Choice]:
    version = opset(model)
    if version < OLDEST:
        raise ValueError(
            f"the model uses opset {version}, older than {OLDEST}: "
            "convert it with onnx.version_converter.convert_version(model, 13)"
        )
    own = [*model.graph.output, *model.graph.input]
    if layout_of(model) is not None or any(one.name.startswith(PREFIX) for one in own):
        raise ValueError("the model is instrumented already: instrument the original")
    facts = Facts(model)
    if facts.batch is None:
        raise ValueError(
            "no input has a batch axis: export the model with rows of requests on the first axis of its first input"
        )
    elsewhere = next((at for at, dim in enumerate(_dims_of(facts)) if at and "batch" in str(dim).lower()), None)
    if elsewhere is not None and "batch" not in str(facts.batch).lower():
        name, first = facts.inputs[0].name, facts.batch
        raise ValueError(
            f"input {name!r} has its batch on axis {elsewhere}, and {first} on the first: export it with rows first"
        )
    candidates = _candidates(facts) if like is None else _alike(facts, like)
    patterns = ("*",) if names is None else (names,) if isinstance(names, str) else tuple(names)
    choice = choose(facts, candidates, patterns, channel_axis)
    if not choice.layers:
        raise ValueError(_nothing(facts, candidates, choice, patterns))
    return facts, choice


def _dims_of(facts: Facts) -> tuple[Dim, ...]:
    """The lengths and names of the first input's axes."""
    return facts.shapes.get(facts.inputs[0].name, ()) if facts.inputs else ()


def _candidates(facts: Facts) -> list[Candidate]:
    return [
        Candidate(found.node.name or found.tensor, found.tensor, found.kind, found.dormant_tau)
        for found in activations(facts)
    ]


def _alike(facts: Facts, like: Any) -> list[Candidate]:
    layout = layout_of(like)
    if layout is None:
        known = _candidates(Facts(like))
    else:
        known = [Candidate(one.name, one.tensor, one.kind, one.dormant_tau) for one in layout.layers]
    return [one for one in known if one.tensor in facts.makers]


def _nothing(facts: Facts, candidates: list[Candidate], choice: Choice, patterns: tuple[str, ...]) -> str:
    if choice.skipped:
        name, reason = choice.skipped[0]
        fix = _rows_fixed(facts, next((one.tensor for one in candidates if one.name == name), "")) * (NO_ROWS in reason)
        return f"none of {len(choice.skipped)} activations can be watched: {name!r}: {reason}{fix}"
    if candidates:
        some = ", ".join(one.name for one in candidates[:_EXAMPLES]) + (", ..." if len(candidates) > _EXAMPLES else "")
        return f"{', '.join(patterns)} matches none of {len(candidates)} activations: {some}"
    operators = {node.op_type for node in facts.nodes}
    if "QLinearConv" in operators or "QLinearMatMul" in operators:
        return "the model's operators are quantized themselves: quantize it in QDQ format, or instrument it before"
    if "QuantizeLinear" in operators:
        return "quantizing removed the activations: name the model that was quantized with --like"
    if operators & {"If", "Loop", "Scan"}:
        fix = "export the branch that you serve as a model of its own"
        return f"no activation was found outside its subgraphs, whose tensors cannot be outputs: {fix}"
    return f"no activation was found among {', '.join(sorted(operators)[:20])}: nothing to watch"


def _rows_fixed(facts: Facts, tensor: str) -> str:
    """What to do where an operator such as Reshape gives the rows a name of its own."""
    first = facts.shapes.get(tensor, (0,))[0]
    if isinstance(first, int) or not isinstance(facts.batch, str) or facts.batch == BATCH:
        return ""
    tool = f"python -m onnxruntime.tools.make_dynamic_shape_fixed --dim_param {facts.batch} --dim_value 1"
    return f"; a Reshape hides it: fix the rows of a request with {tool} MODEL.onnx FIXED.onnx"
