"""A model that misuses the telemetry in every way at once, from several threads; its answers must not suffer."""

from __future__ import annotations

import json
import threading
from pathlib import Path
from typing import Any

import numpy as np
import triton_python_backend_utils as pb_utils  # given by Triton to every Python model

from activation_health import Monitor
from activation_health.sinks.triton import TritonSink

BAD: tuple[Any, ...] = (
    np.zeros(4, np.float32),
    np.zeros((0, 4), np.float32),
    np.zeros((2, 9), np.float32),
    np.array([[object()] * 4]),
    np.full((2, 4), 7, np.int64),
    np.full((2, 4), np.nan, np.float32),
    np.full((2, 4), -np.inf, np.float64),
    None,
)


class TritonPythonModel:
    def initialize(self, args: dict[str, str]) -> None:
        folder = Path(args["model_repository"]) / args["model_version"]
        settings = json.loads((folder / "settings.json").read_text())
        version: Any = int(args["model_version"]) if settings["wrong_label"] else args["model_version"]
        self.monitor = Monitor(args["model_name"], version, ["h"], window=10, rows_per_second=1e9)
        self.monitor.observe("h", np.ones((1, 4), np.float32))
        self.sink = TritonSink(self.monitor, pb_utils, interval=0.05)

    def execute(self, requests: list) -> list:
        threads = [threading.Thread(target=self.misuse) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        return [self.answer(request) for request in requests]

    def misuse(self) -> None:
        for bad in BAD:
            self.monitor.observe("h", bad)
        self.monitor.observe("nowhere", BAD[0])
        self.monitor.request(float("nan"), failed=True)
        self.monitor.evals.compare("labels", [1, 2], [1])

    def answer(self, request: object) -> object:
        rows = len(pb_utils.get_input_tensor_by_name(request, "X").as_numpy())
        return pb_utils.InferenceResponse(output_tensors=[pb_utils.Tensor("CLASS", np.zeros(rows, np.int32))])

    def finalize(self) -> None:
        self.sink.close()
