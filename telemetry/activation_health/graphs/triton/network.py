"""For a Triton without the backend of ONNX Runtime: its Python backend runs the network by ONNX Runtime.

Needs `onnxruntime` where the Python backend finds it.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import onnxruntime as ort
import triton_python_backend_utils as pb_utils

from activation_health.graphs.triton.failures import counted


class TritonPythonModel:
    """As Triton's Python backend calls it."""

    def initialize(self, args: dict[str, str]) -> None:
        """Load `model.onnx`, on the CPU, with one thread: instances are how Triton uses more."""
        options = ort.SessionOptions()
        options.intra_op_num_threads = options.inter_op_num_threads = 1
        path = Path(args["model_repository"]) / args["model_version"] / "model.onnx"
        self._session = ort.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
        self._inputs = [one.name for one in self._session.get_inputs()]

    def execute(self, requests: list[Any]) -> list[Any]:
        """Each request by itself; one that fails is answered with its error."""
        return counted([self._answer(request) for request in requests], pb_utils)

    def _answer(self, request: Any) -> Any:
        try:
            given = {name: pb_utils.get_input_tensor_by_name(request, name).as_numpy() for name in self._inputs}
            names = list(request.requested_output_names())
            found = self._session.run(names, given)
        except Exception as error:  # noqa: BLE001 - the client is told
            return pb_utils.InferenceResponse(error=pb_utils.TritonError(str(error)))
        return pb_utils.InferenceResponse([pb_utils.Tensor(*one) for one in zip(names, found, strict=True)])
