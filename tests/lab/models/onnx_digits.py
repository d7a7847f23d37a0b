"""The lab's perceptron as an ONNX model that knows nothing of telemetry, and what Triton serves once it is watched.

The lab's tritonserver has the Python backend alone: ONNX Runtime runs the network inside it. The public model in front,
the server and its series are those of any Triton.
"""

from __future__ import annotations

import tempfile
from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from activation_health import cli
from tests.lab.models.training import Training, weights

BIAS_OF_THE_DEAD = -100.0


def onnx_digits(
    training: Training, kill: tuple[int, float] | None = None, *, pixels: int | str = 64
) -> onnx.ModelProto:
    """X (rows, 64) -> CLASS (rows,), PROBABILITIES (rows, 10); `kill` as in build_repository, by weight surgery.

    `pixels` as text leaves the width of X free, so that a wrong one is an error of the network, not of the server's.
    """
    with np.load(weights(training)) as stored:
        arrays = {name: stored[name].astype(np.float32) for name in stored.files}
    if kill is not None:
        _kill(arrays, *kill)
    depth = len(arrays) // 2
    nodes, last = [], "X"
    for layer in range(depth):
        inputs = [last, f"w{layer}", f"b{layer}"]
        nodes.append(helper.make_node("Gemm", inputs, [f"sum_{layer}"], name=f"dense_{layer}"))
        last = f"sum_{layer}"
        if layer < depth - 1:
            nodes.append(helper.make_node("Relu", [last], [f"hidden_{layer}"], name=f"blocks/{layer}/relu"))
            last = f"hidden_{layer}"
    nodes += [
        helper.make_node("Softmax", [last], ["PROBABILITIES"], axis=1),
        helper.make_node("ArgMax", [last], ["best"], axis=1, keepdims=0),
        helper.make_node("Cast", ["best"], ["CLASS"], to=TensorProto.INT32),
    ]
    graph = helper.make_graph(
        nodes,
        "digits",
        [helper.make_tensor_value_info("X", TensorProto.FLOAT, ["rows", pixels])],
        [
            helper.make_tensor_value_info("CLASS", TensorProto.INT32, ["rows"]),
            helper.make_tensor_value_info("PROBABILITIES", TensorProto.FLOAT, ["rows", 10]),
        ],
        [numpy_helper.from_array(array, name) for name, array in arrays.items()],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=8)


def _kill(arrays: dict[str, np.ndarray], layer: int, share: float) -> None:
    """Make an evenly spread share of a hidden layer's units 0 on every input."""
    width = arrays[f"b{layer - 1}"].size
    doomed = np.linspace(0, width, round(width * share), endpoint=False).astype(int)
    arrays[f"w{layer - 1}"][:, doomed] = 0
    arrays[f"b{layer - 1}"][doomed] = BIAS_OF_THE_DEAD


def serve_onnx(
    root: Path, version: int, model: onnx.ModelProto, *options: str, name: str = "digits", rows_per_second: float = 200
) -> Path:
    """Write what Triton serves into `root`, by the command that a user runs; `options` are more of that command's."""
    with tempfile.TemporaryDirectory() as folder:
        plain = Path(folder, "model.onnx")
        onnx.save(model, plain)
        served = ["--triton-repository", str(root), "--name", name, "--version", str(version), "--backend", "python"]
        served += ["--instances", "1", "--window", "100", "--rows-per-second", str(rows_per_second)]
        if code := cli.main(["instrument", str(plain), *served, "--shape", "X=8,64", *options]):
            raise ValueError(f"activation-health instrument ended with {code}")
    return root
