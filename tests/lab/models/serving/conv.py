"""The convolutional digits network, instrumented as docs/instrument-your-model.md says: channels are the units."""

from __future__ import annotations

import json
import time
from pathlib import Path

import numpy as np
import triton_python_backend_utils as pb_utils  # given by Triton to every Python model

from activation_health import Monitor, digest_arrays
from activation_health.sinks.triton import TritonSink


class TritonPythonModel:
    def initialize(self, args: dict[str, str]) -> None:
        folder = Path(args["model_repository"]) / args["model_version"]
        self.settings = json.loads((folder / "settings.json").read_text())
        with np.load(folder / "weights.npz") as stored:
            self.weights = {name: stored[name] for name in stored.files}
        self.monitor = Monitor(
            args["model_name"],
            args["model_version"],
            layers=["conv_1", "conv_2"],
            digest=digest_arrays(self.weights),
            window=self.settings["window"],
            rows_per_second=self.settings["rows_per_second"],
        )
        self.sink = TritonSink(self.monitor, pb_utils, interval=self.settings["flush_seconds"])

    def execute(self, requests: list) -> list:
        return [self.answer(request) for request in requests]

    def answer(self, request: object) -> object:
        started = time.perf_counter()
        x = pb_utils.get_input_tensor_by_name(request, "X").as_numpy()
        labels = pb_utils.get_input_tensor_by_name(request, "LABEL")
        time.sleep(self.settings["slow_ms"] / 1000)
        probabilities = self.forward(x.reshape(-1, 1, 8, 8))
        classes = probabilities.argmax(axis=1).astype(np.int32)
        if labels is not None:
            known = labels.as_numpy() >= 0
            right = int(np.count_nonzero(classes[known] == labels.as_numpy()[known]))
            self.monitor.judged("labels", correct=right, total=int(known.sum()))
        self.monitor.request(time.perf_counter() - started)
        return pb_utils.InferenceResponse(
            output_tensors=[pb_utils.Tensor("CLASS", classes), pb_utils.Tensor("PROBABILITIES", probabilities)]
        )

    def forward(self, x: np.ndarray) -> np.ndarray:
        for index in (0, 1):
            x = np.maximum(patches(x) @ self.weights[f"w{index}"] + self.weights[f"b{index}"], 0)
            x = x.transpose(0, 3, 1, 2)  # (batch, channels, height, width)
            self.monitor.observe(f"conv_{index + 1}", x)
        logits = x.reshape(len(x), -1) @ self.weights["w2"] + self.weights["b2"]
        odds = np.exp(logits - logits.max(axis=1, keepdims=True))
        return (odds / odds.sum(axis=1, keepdims=True)).astype(np.float32)

    def finalize(self) -> None:
        self.sink.close()


def patches(x: np.ndarray) -> np.ndarray:
    """3x3 neighbourhoods: (batch, channels, h, w) -> (batch, h-2, w-2, channels x 9)."""
    count, channels, height, width = x.shape
    windows = np.lib.stride_tricks.sliding_window_view(x, (3, 3), axis=(2, 3))
    return windows.transpose(0, 2, 3, 1, 4, 5).reshape(count, height - 2, width - 2, channels * 9)
