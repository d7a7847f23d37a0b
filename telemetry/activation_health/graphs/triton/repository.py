"""Two models hide the extra outputs: the network, and the public name that clients know.

| folder | is | clients |
|---|---|---|
| NAME | the Python backend with this library: asks NAME_network, exports its counts, answers without them | call it |
| NAME_network | the instrumented model, by ONNX Runtime, TensorRT or ONNX Runtime inside the Python backend | never |

An ensemble cannot do it: Triton refuses a step whose outputs nobody reads (`ensemble tensor is unused`), so that the
watcher's would have to be among the client's.
"""

from __future__ import annotations

import json
import re
import shutil
from typing import TYPE_CHECKING, Any, NamedTuple

from onnx import TensorProto

from activation_health.graphs import files
from activation_health.graphs.instrument import layout_of
from activation_health.graphs.layout import PREFIX

if TYPE_CHECKING:
    from pathlib import Path

    from activation_health.graphs.layout import GraphLayout

BACKENDS = ("onnxruntime", "tensorrt", "python")
LAYOUT = "layout.json"
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")
_TYPES = {
    TensorProto.FLOAT: "FP32",
    TensorProto.FLOAT16: "FP16",
    TensorProto.BFLOAT16: "BF16",
    TensorProto.DOUBLE: "FP64",
    **{getattr(TensorProto, name): name for name in ("BOOL", "INT8", "INT16", "INT32", "INT64", "STRING")},
    **{getattr(TensorProto, name): name for name in ("UINT8", "UINT16", "UINT32", "UINT64")},
}


class Tensor(NamedTuple):
    """As a config.pbtxt has it: the batch axis is among `dims` only where Triton does not batch."""

    name: str
    kind: str
    dims: list[int]


class Served(NamedTuple):
    """How it is served: the public name, a version, who runs the network, Triton's largest batch (0: none)."""

    name: str
    version: int
    backend: str = "onnxruntime"
    largest: int = 0
    window: int = 200
    rows_per_second: float = 50.0
    instances: int = 2


def write_repository(model: Any, source: Path, root: Path, served: Served) -> list[str]:
    """Write the two models of an instrumented `model` read from `source`; returns what is left to do, as sentences.

    Other versions in `root` stay. Raises ValueError for what Triton would not serve.
    """
    layout = layout_of(model)
    if layout is None:
        raise ValueError("the model is not instrumented")
    _check(served, layout)
    inputs = [_tensor(one, served) for one in model.graph.input if one.name not in _weights(model)]
    outputs = [_tensor(one, served) for one in model.graph.output]
    public = [one for one in outputs if not one.name.startswith(PREFIX)]
    version, inner = str(served.version), f"{served.name}_network"
    network, front = root / inner, root / served.name
    for folder in (network, front):
        (folder / version).mkdir(parents=True, exist_ok=True)
    files.write(model, source, network / version / "model.onnx")
    more = _cpu(served) if served.backend == "python" else ""
    _write(network, _config(inner, _PLATFORMS[served.backend], served, inputs, outputs, more))
    if served.backend == "python":
        (network / version / "model.py").write_text(_MODEL.format(module="network"))
    more = _cpu(served) + _parameters(served, inner, files.digest(network / version / "model.onnx"))
    _write(front, _config(served.name, _PLATFORMS["python"], served, inputs, public, more))
    (front / version / "model.py").write_text(_MODEL.format(module="public"))
    (front / version / LAYOUT).write_text(layout.to_json())
    return _left(served, inner, network / version)


def _check(served: Served, layout: GraphLayout) -> None:
    if not _NAME.fullmatch(served.name):
        raise ValueError(f"--name {served.name!r} must be letters, digits, dots, dashes and underscores")
    if served.version < 1:
        raise ValueError(f"--version {served.version} must be 1 or more")
    if served.backend not in BACKENDS:
        raise ValueError(f"--backend {served.backend!r} must be one of {', '.join(BACKENDS)}")
    if served.instances < 1:
        raise ValueError(f"--instances {served.instances} must be 1 or more")
    if served.largest < 0:
        raise ValueError(f"--max-batch-size {served.largest} must be 0 or more")
    if layout.on_demand:
        raise ValueError("a model that measures on demand needs someone who asks: leave out --on-demand")


def _weights(model: Any) -> set[str]:
    return {tensor.name for tensor in model.graph.initializer}


def _tensor(value: Any, served: Served) -> Tensor:
    tensor = value.type.tensor_type
    if tensor.elem_type not in _TYPES or not tensor.HasField("shape"):
        raise ValueError(f"{value.name!r} has no shape or a type that Triton does not have: give the model its shapes")
    dims = [dim.dim_value if dim.dim_value > 0 else -1 for dim in tensor.shape.dim]
    if served.largest:
        if not dims or dims[0] != -1:
            raise ValueError(f"{value.name!r} has no free first axis: leave out --max-batch-size")
        dims = dims[1:]
    return Tensor(value.name, _TYPES[tensor.elem_type], dims)


_MODEL = '''\
"""Written by activation-health; install that package where Triton's Python backend finds it."""

from activation_health.graphs.triton.{module} import TritonPythonModel  # noqa: F401
'''
_PLATFORMS = {
    "onnxruntime": 'platform: "onnxruntime_onnx"',
    "tensorrt": 'platform: "tensorrt_plan"',
    "python": 'backend: "python"',
}


def _cpu(served: Served) -> str:
    return f"instance_group [ {{ count: {served.instances}, kind: KIND_CPU }} ]\n"


def _parameters(served: Served, network: str, digest: str) -> str:
    given = {"network": network, "window": served.window, "rows_per_second": served.rows_per_second, "digest": digest}
    return "".join(
        f'parameters {{ key: "{key}" value: {{ string_value: {json.dumps(str(value))} }} }}\n'
        for key, value in given.items()
    )


def _config(name: str, what: str, served: Served, inputs: list[Tensor], outputs: list[Tensor], more: str) -> str:
    versions = f"version_policy: {{ specific: {{ versions: [ {served.version} ] }} }}\n"
    head = f'name: "{name}"\n{what}\nmax_batch_size: {served.largest}\n'
    return head + _list("input", inputs) + _list("output", outputs) + versions + more


def _list(word: str, tensors: list[Tensor]) -> str:
    rows = (
        f"  {{ name: {json.dumps(one.name)}, data_type: TYPE_{one.kind}, dims: [ {', '.join(map(str, one.dims))} ] }}"
        for one in tensors
    )
    return f"{word} [\n" + ",\n".join(rows) + "\n]\n"


def _write(folder: Path, config: str) -> None:
    """An older version's configuration is kept as a copy: Triton serves one configuration a model."""
    path = folder / "config.pbtxt"
    if path.exists() and path.read_text() != config:
        shutil.copyfile(path, folder / "config.pbtxt.before")
    path.write_text(config)


def _left(served: Served, network: str, folder: Path) -> list[str]:
    found = [f"load {network}, then {served.name}: clients call it as before"]
    if served.backend == "tensorrt":
        plan = folder / "model.plan"
        found.append(f"build the plan for your GPU: trtexec --onnx={folder / 'model.onnx'} --saveEngine={plan}")
        found.append("build both versions of a rollout alike: marked outputs can end a fusion")
    found.append(f'scrape Triton\'s metrics port: the series say model="{served.name}", version="{served.version}"')
    return found
