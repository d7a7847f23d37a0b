"""Small ONNX models made here, and what a Monitor says of them by the graph's counts and by numpy's."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import onnx
import onnxruntime as ort
from onnx import TensorProto, helper, numpy_helper
from series_reading import values_of

from activation_health import Layer, Monitor
from activation_health.graphs.instrument import instrument, layout_of
from activation_health.graphs.layout import MEASURE
from activation_health.graphs.watch import GraphOutputs

if TYPE_CHECKING:
    from collections.abc import Sequence

    from activation_health.graphs.layout import GraphLayout

FLOATS = {TensorProto.FLOAT: np.float32, TensorProto.FLOAT16: np.float16, TensorProto.DOUBLE: np.float64}


def model_of(
    nodes: list[Any],
    shape: Sequence[int | str | None],
    *,
    kind: int = TensorProto.FLOAT,
    opset: int = 13,
    weights: dict[str, np.ndarray] | None = None,
    outputs: Sequence[str] = ("y",),
    rank: int = 0,
) -> onnx.ModelProto:
    """A graph from input `x` to `outputs`, of the input's rank unless told."""
    found = [numpy_helper.from_array(value, name) for name, value in (weights or {}).items()]
    graph = helper.make_graph(
        nodes,
        "g",
        [helper.make_tensor_value_info("x", kind, shape)],
        [helper.make_tensor_value_info(name, kind, [None] * (rank or len(shape))) for name in outputs],
        found,
    )
    imports = [helper.make_opsetid("", opset), helper.make_opsetid("com.microsoft", 1)]
    return helper.make_model(graph, opset_imports=imports, ir_version=8)


def one(operator: str, *inputs: str, name: str = "act", **attributes: Any) -> Any:
    return helper.make_node(operator, inputs or ["x"], ["y"], name=name, **attributes)


def convolutional(opset: int = 13, classes: int = 10) -> onnx.ModelProto:
    """Two convolutions with ReLU, a dense layer with LeakyReLU; rows and pictures of any size."""
    random = np.random.default_rng(0)
    weights: dict[str, Any] = {
        "w0": random.normal(size=(6, 1, 3, 3)).astype(np.float32) / 3,
        "b0": random.normal(size=6).astype(np.float32) / 3,
        "w1": random.normal(size=(8, 6, 3, 3)).astype(np.float32) / 7,
        "b1": np.full(8, -0.1, np.float32),
        "w2": random.normal(size=(8, 5)).astype(np.float32),
        "w3": random.normal(size=(5, classes)).astype(np.float32),
    }
    nodes = [
        helper.make_node("Conv", ["x", "w0", "b0"], ["c0"], name="conv0"),
        helper.make_node("Relu", ["c0"], ["r0"], name="first/relu"),
        helper.make_node("Conv", ["r0", "w1", "b1"], ["c1"], name="conv1"),
        helper.make_node("Relu", ["c1"], ["r1"], name="second/relu"),
        helper.make_node("GlobalAveragePool", ["r1"], ["p"], name="pool"),
        helper.make_node("Flatten", ["p"], ["f"], name="flat"),
        helper.make_node("MatMul", ["f", "w2"], ["d"], name="dense"),
        helper.make_node("LeakyRelu", ["d"], ["l"], name="third/leaky"),
        helper.make_node("MatMul", ["l", "w3"], ["y"], name="out"),
    ]
    return model_of(nodes, ["batch", 1, "height", "width"], weights=weights, opset=opset, rank=2)


def session(model: onnx.ModelProto) -> ort.InferenceSession:
    options = ort.SessionOptions()
    options.log_severity_level = 4
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    return ort.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])


def run(model: onnx.ModelProto, **inputs: np.ndarray) -> dict[str, np.ndarray]:
    """Every output by name."""
    made = session(model)
    return dict(zip([output.name for output in made.get_outputs()], made.run(None, inputs), strict=True))


def copied(model: onnx.ModelProto) -> onnx.ModelProto:
    copy = onnx.ModelProto()
    copy.CopyFrom(model)
    return copy


class Watched:
    """An instrumented copy, its session kept; the watched tensors are outputs too, so that numpy can count them."""

    def __init__(self, model: onnx.ModelProto, **options: Any) -> None:
        self.model = copied(model)
        self.skipped = instrument(self.model, **options).skipped
        layout = layout_of(self.model)
        assert layout is not None
        self.layout: GraphLayout = layout
        shown = copied(self.model)
        known = {output.name for output in shown.graph.output}
        for layer in layout.layers:
            if layer.tensor not in known:
                shown.graph.output.append(helper.make_empty_tensor_value_info(layer.tensor))
        self._session = session(shown)

    def outputs(self, *, asks: bool | None = None, **inputs: np.ndarray) -> dict[str, np.ndarray]:
        rows = len(next(iter(inputs.values())))
        asked = {} if asks is None else {MEASURE: np.full((rows, 1), asks)}
        names = [output.name for output in self._session.get_outputs()]
        return dict(zip(names, self._session.run(None, {**inputs, **asked}), strict=True))

    def monitors(self, outputs: dict[str, np.ndarray], window: int = 2) -> tuple[Monitor, Monitor]:
        """(by the graph's counts, by numpy's own)."""
        by_graph, by_numpy = (Monitor("m", "1", window=window, rows_per_second=1e12) for _ in range(2))
        GraphOutputs(self.layout, by_graph).observe(outputs)
        for layer in self.layout.layers:
            elementwise = self.layout.level == "full"
            tau, axis = layer.dormant_tau, layer.axis
            declared = Layer(layer.name, tau, channel_axis=axis, units=layer.units, elementwise=elementwise)
            by_numpy.add_layer(declared)
            by_numpy.observe(layer.name, outputs[layer.tensor])
        assert by_graph.last_refusal == by_numpy.last_refusal == ""
        return by_graph, by_numpy


def series(monitor: Monitor, *, windows: bool = True) -> dict:
    """All series but those of single requests; `windows=False` leaves out what rests on sums of floats."""
    left = () if windows else ("_window_dead",)
    return {key: value for key, value in values_of(monitor).items() if not any(part in key[0] for part in left)}
