"""The digits network as Triton's Python backend serves it: numpy alone, watched by activation_health."""

from __future__ import annotations

import json
import time
from pathlib import Path

import numpy as np
import triton_python_backend_utils as pb_utils  # given by Triton to every Python model

from activation_health import Monitor, digest_arrays
from activation_health.sinks.triton import TritonSink

ORDINARY = "model.encoder.layers.{:02d}.feed_forward.intermediate_act_fn.gelu_out"


class Histogram:
    """Times to the first response, under the name and labels of tritonserver from release 26.01 on: ours is older."""

    def __init__(self, args: dict[str, str], growth: float) -> None:
        name = "nv_inference_first_response_histogram_ms_bucket"
        about = "Duration from request to first response in milliseconds"
        self.family = pb_utils.MetricFamily(name=name, description=about, kind=pb_utils.MetricFamily.COUNTER)
        steps = int(np.log(3000) / np.log(growth))
        self.edges = [growth**step for step in range(1, steps + 1)] + [np.inf]
        named = {"model": args["model_name"], "version": args["model_version"]}
        self.buckets = [
            self.family.Metric(labels=named | {"le": "+Inf" if edge == np.inf else f"{edge:.6g}"})
            for edge in self.edges
        ]

    def add(self, milliseconds: float) -> None:
        for edge, bucket in zip(self.edges, self.buckets, strict=True):
            if milliseconds <= edge:
                bucket.increment(1)


class TritonPythonModel:
    def initialize(self, args: dict[str, str]) -> None:
        folder = Path(args["model_repository"]) / args["model_version"]
        self.settings = json.loads((folder / "settings.json").read_text())
        with np.load(folder / "weights.npz") as stored:
            self.weights = {name: stored[name] for name in stored.files}
        self.depth = len(self.weights) // 2
        self.served = 0
        self.copies = [ORDINARY.format(index) for index in range(self.settings["copies"])]
        self.monitor = Monitor(
            args["model_name"],
            args["model_version"],
            layers=self.copies or [f"hidden_{index + 1}" for index in range(self.depth - 1)],
            window=self.settings["window"],
            rows_per_second=self.settings["rows_per_second"],
            one_in=self.settings["one_in"],
            digest=digest_arrays(self.weights),
        )
        self.histogram = None
        if self.settings["histogram_growth"]:
            self.histogram = Histogram(args, self.settings["histogram_growth"])
        self.sink = None
        if self.settings["telemetry"]:
            self.sink = TritonSink(self.monitor, pb_utils, interval=self.settings["flush_seconds"])

    def execute(self, requests: list) -> list:
        return [self.answer(request) for request in requests]

    def answer(self, request: object) -> object:
        started = time.perf_counter()
        self.served += 1
        try:
            response = self.infer(request)
            failed = False
        except ValueError as error:
            response = pb_utils.InferenceResponse(error=pb_utils.TritonError(str(error)))
            failed = True
        self.monitor.request(time.perf_counter() - started, failed=failed)
        if self.histogram is not None:
            self.histogram.add(1000 * (time.perf_counter() - started))
        return response

    def infer(self, request: object) -> object:
        x = pb_utils.get_input_tensor_by_name(request, "X").as_numpy()
        labels = pb_utils.get_input_tensor_by_name(request, "LABEL")
        if labels is not None and labels.as_numpy().shape != x.shape[:1]:
            raise ValueError(f"LABEL has shape {labels.as_numpy().shape}: give one label for each row of X")
        if self.is_of_the_share("error_share"):
            raise ValueError("this answer is of the share that fails")
        if self.settings["slow_ms"]:
            time.sleep(self.settings["slow_ms"] / 1000)
        probabilities = self.forward(x)
        classes = probabilities.argmax(axis=1).astype(np.int32)
        if labels is not None:
            self.judge(classes, labels.as_numpy())
        return pb_utils.InferenceResponse(
            output_tensors=[
                pb_utils.Tensor("CLASS", classes),
                pb_utils.Tensor("PROBABILITIES", probabilities),
            ]
        )

    def forward(self, x: np.ndarray) -> np.ndarray:
        broken = self.is_of_the_share("nan_share")
        for index in range(self.depth - 1):
            x = np.maximum(x @ self.weights[f"w{index}"] + self.weights[f"b{index}"], 0)
            if broken and index == 0:
                x[:, ::16] = np.nan  # NaN spreads through the layers behind it, as a real one would
            if self.sink is not None and not self.copies:
                self.monitor.observe(f"hidden_{index + 1}", x)
            for name in self.copies if self.sink is not None and index == 0 else ():
                self.monitor.observe(name, x)
        logits = x @ self.weights[f"w{self.depth - 1}"] + self.weights[f"b{self.depth - 1}"]
        odds = np.exp(logits - logits.max(axis=1, keepdims=True))
        return (odds / odds.sum(axis=1, keepdims=True)).astype(np.float32)

    def is_of_the_share(self, setting: str) -> bool:
        """Whether this request is of a share: evenly spread, so any run of them shows it."""
        share = self.settings[setting]
        return int(self.served * share) > int((self.served - 1) * share)

    def judge(self, classes: np.ndarray, labels: np.ndarray) -> None:
        known = labels >= 0
        right = int(np.count_nonzero(classes[known] == labels[known]))
        self.monitor.judged("labels", correct=right, total=int(np.count_nonzero(known)))

    def finalize(self) -> None:
        if self.sink is not None:
            self.sink.close()
