"""A Triton model repository holds exactly one version of one lab model; its behaviour is chosen apart.

`behaves_as` picks a behaviour by its number in the scenarios:
1 good, 2 trained longer and better, 3 as accurate as 2 with three quarters of a layer dead, 4 = 2 but slow,
5 = 2 that emits NaN in some answers, 6 accuracy lost, 7 = 2 that fails some requests. The convolutional network has 1,
2, and 3: within a point of 1's accuracy with half of a layer's channels dead. Of "int8", 1 is the ONNX model of 2, and
2 and 3 are its copies in int8, the second badly calibrated.
"""

from __future__ import annotations

import json
import shutil
from dataclasses import asdict, dataclass, field, fields, replace
from pathlib import Path

import numpy as np

from tests.lab.models.training import (
    BETTER,
    CONV_BETTER,
    CONV_DEAD_UNITS,
    CONV_GOOD,
    DEAD_UNITS,
    GOOD,
    INACCURATE,
    Training,
    weights,
)

SERVING = Path(__file__).parent / "serving"


@dataclass(frozen=True, slots=True)
class Settings:
    """What a version does beside its weights; written as settings.json next to them.

    `window`: rows per dead-unit window; `rows_per_second`: the monitor's cap; `slow_ms`: sleep per request;
    `nan_share`: share of requests whose activations and answer carry NaN; `error_share`: share that is answered with an
    error (HTTP 500); `instances`: model instances;
    `telemetry`: whether the monitor runs at all; `flush_seconds`: how often its series are written;
    `copies`: layers with ordinary long names, in place of its own, that all show what its first one does;
    `histogram_growth`: by how much the edges of the histogram grow that newer tritonservers have (0: there is none).
    """

    window: int = 100
    rows_per_second: float = 200.0
    one_in: int = 1
    slow_ms: float = 0.0
    nan_share: float = 0.0
    error_share: float = 0.0
    instances: int = 1
    telemetry: bool = True
    flush_seconds: float = 0.5
    copies: int = 0
    histogram_growth: float = 0.0


@dataclass(frozen=True, slots=True)
class Behaviour:
    training: Training
    settings: Settings = field(default_factory=Settings)


MLP: dict[int, Behaviour] = {
    1: Behaviour(GOOD),
    2: Behaviour(BETTER),
    3: Behaviour(DEAD_UNITS),
    4: Behaviour(BETTER, Settings(slow_ms=90.0)),
    5: Behaviour(BETTER, Settings(nan_share=0.2)),
    6: Behaviour(INACCURATE),
    7: Behaviour(BETTER, Settings(error_share=0.25)),
}
CONV: dict[int, Behaviour] = {1: Behaviour(CONV_GOOD), 2: Behaviour(CONV_BETTER), 3: Behaviour(CONV_DEAD_UNITS)}
ONNX = {number: Behaviour(MLP[number].training) for number in (1, 2, 3, 6)}
INT8 = {number: Behaviour(BETTER) for number in (1, 2, 3)}
BEHAVIOURS = {"mlp": MLP, "conv": CONV, "onnx": ONNX, "int8": INT8}

CONFIG = """\
name: "{model}"
backend: "python"
max_batch_size: 0
input [
  {{ name: "X", data_type: TYPE_FP32, dims: [ -1, 64 ] }},
  {{ name: "LABEL", data_type: TYPE_INT32, dims: [ -1 ], optional: true }}
]
output [
  {{ name: "CLASS", data_type: TYPE_INT32, dims: [ -1 ] }},
  {{ name: "PROBABILITIES", data_type: TYPE_FP32, dims: [ -1, 10 ] }}
]
instance_group [ {{ count: {instances}, kind: KIND_CPU }} ]
version_policy: {{ specific: {{ versions: [ {version} ] }} }}
"""


def build_repository(
    root: Path,
    version: int,
    *,
    model: str = "digits",
    behaves_as: int | None = None,
    network: str = "mlp",
    training: Training | None = None,
    kill: tuple[int, float] | None = None,
    directory: int | None = None,
    **options: float | bool,
) -> Path:
    """Write `root`/`model`/`version` and its config.pbtxt; returns `root`, a Triton model repository.

    `directory` is the version's number at Triton where it is another one, as in storage paths that all have `1`.

    `network` is "mlp", "conv", or "onnx": the mlp as an instrumented ONNX model, which has no settings; or "int8".
    `training` puts other weights under the behaviour (a retrain: another seed).
    `kill=(1, 0.2)` makes a fifth of the first hidden layer's units dead. `options` are Settings' fields and
    override those of the behaviour. Raises ValueError for anything unknown.
    """
    behaviour = _behaviour(network, version if behaves_as is None else behaves_as)
    unknown = set(options) - {one.name for one in fields(Settings)}
    if unknown:
        names = ", ".join(one.name for one in fields(Settings))
        raise ValueError(f"unknown option {min(unknown)!r}: use {names}")
    if network in ("onnx", "int8"):
        if options or directory is not None:
            raise ValueError("an ONNX model has no settings and no other directory")
        number = version if behaves_as is None else behaves_as
        return _onnx(root, version, model, network, number, training or behaviour.training, kill)
    settings = replace(behaviour.settings, **options)  # type: ignore[arg-type]  # names were checked above
    number = version if directory is None else directory
    folder = root / model / str(number)
    folder.mkdir(parents=True, exist_ok=True)
    (root / model / "config.pbtxt").write_text(CONFIG.format(model=model, version=number, instances=settings.instances))
    shutil.copyfile(weights(training or behaviour.training), folder / "weights.npz")
    if kill is not None:
        _kill(folder / "weights.npz", *kill)
    shutil.copyfile(SERVING / f"{network}.py", folder / "model.py")
    (folder / "settings.json").write_text(json.dumps(asdict(settings), indent=1))
    return root


def _onnx(
    root: Path, version: int, model: str, network: str, number: int, training: Training, kill: tuple[int, float] | None
) -> Path:
    """Importing what writes it takes seconds."""
    if network == "int8":
        from tests.lab.models.int8_digits import serve_int8  # noqa: PLC0415

        return serve_int8(root, version, number, name=model)
    from tests.lab.models.onnx_digits import onnx_digits, serve_onnx  # noqa: PLC0415

    return serve_onnx(root, version, onnx_digits(training, kill), name=model)


def _behaviour(network: str, number: int) -> Behaviour:
    if network not in BEHAVIOURS:
        raise ValueError(f"network={network!r} is unknown: use one of {sorted(BEHAVIOURS)}")
    if number not in BEHAVIOURS[network]:
        raise ValueError(f"behaves_as={number} is unknown: use one of {sorted(BEHAVIOURS[network])}")
    return BEHAVIOURS[network][number]


def _kill(path: Path, layer: int, share: float) -> None:
    """Make an evenly spread share of a hidden layer's units 0 on every input."""
    with np.load(path) as stored:
        arrays = {name: stored[name] for name in stored.files}
    width = arrays[f"b{layer - 1}"].size
    doomed = np.linspace(0, width, round(width * share), endpoint=False).astype(int)
    arrays[f"w{layer - 1}"][:, doomed] = 0
    arrays[f"b{layer - 1}"][doomed] = -1
    np.savez(path, **arrays)
