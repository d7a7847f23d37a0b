"""The model under the public name: it asks the network, keeps the counts to itself and gives the rest to the client.

Measuring must not fail an answer: whatever is wrong with the counts is dropped and counted. An error of the network is
the client's answer, and counts as one failed request of the public name.
"""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any

import triton_python_backend_utils as pb_utils

from activation_health.graphs.layout import GraphLayout
from activation_health.graphs.triton.failures import counted
from activation_health.graphs.watch import GraphOutputs
from activation_health.monitor import Monitor
from activation_health.sinks.triton import TritonSink


class TritonPythonModel:
    """As Triton's Python backend calls it."""

    def initialize(self, args: dict[str, str]) -> None:
        """Declare the layers of `layout.json`; series carry this model's name and version."""
        folder = Path(args["model_repository"]) / args["model_version"]
        layout = GraphLayout.from_json((folder / "layout.json").read_text(encoding="utf-8"))
        given = {key: value["string_value"] for key, value in json.loads(args["model_config"])["parameters"].items()}
        self._network, self._version = given["network"], int(args["model_version"])
        self._extra = layout.outputs
        self._monitor = Monitor(
            args["model_name"],
            args["model_version"],
            window=int(given["window"]),
            rows_per_second=float(given["rows_per_second"]),
            digest=given["digest"],
        )
        self._outputs = GraphOutputs(layout, self._monitor)
        self._sink = TritonSink(self._monitor, pb_utils)

    def execute(self, requests: list[Any]) -> list[Any]:
        """One answer a request, in order; raises where all failed, or Triton would not count them as failed."""
        answers = []
        for request in requests:
            started = time.perf_counter()
            answers.append(self._answer(request))
            self._monitor.request(time.perf_counter() - started, failed=answers[-1].has_error())
        return counted(answers, pb_utils)

    def _answer(self, request: Any) -> Any:
        wanted = list(request.requested_output_names())
        inner = pb_utils.InferenceRequest(
            model_name=self._network,
            model_version=self._version,
            requested_output_names=[*wanted, *self._extra],
            inputs=request.inputs(),
            preferred_memory=pb_utils.PreferredMemory(pb_utils.TRITONSERVER_MEMORY_CPU, 0),
        )
        response = inner.exec()
        if response.has_error():
            return pb_utils.InferenceResponse(error=response.error())
        tensors = {tensor.name(): tensor for tensor in response.output_tensors()}
        try:
            self._outputs.observe({name: tensors[name].as_numpy() for name in self._extra})
        except Exception as error:  # noqa: BLE001 - it would fail the answer
            self._monitor.refuse_error("graph", error)
        return pb_utils.InferenceResponse([tensors[name] for name in wanted])

    def finalize(self) -> None:
        """Give the series back, or they outlive the version."""
        self._sink.close()
