"""A tritonserver spoken to directly: no gateway, no cluster, so that what is seen is the server's own doing."""

from __future__ import annotations

import json
import secrets
import time
import urllib.request
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

from prometheus_client.parser import text_string_to_metric_families

from tests.lab.components.triton import METRICS, Triton

if TYPE_CHECKING:
    from pathlib import Path

    import numpy as np

DIRECT = urllib.request.build_opener(urllib.request.ProxyHandler({}))


def own_site(folder: Path, python: Path) -> Any:
    """As much of a Site as a tritonserver alone needs."""
    return SimpleNamespace(folder=folder, mark=f"telemetry-{secrets.token_hex(4)}", model_python=python)


class Server(Triton):
    """A tritonserver of this test's own, spoken to directly."""

    def post(self, path: str, body: Any = None) -> dict:
        data = json.dumps(body or {}).encode()
        request = urllib.request.Request(f"{self.url}/v2/{path}", data=data, method="POST")
        with DIRECT.open(request, timeout=30) as response:
            return json.loads(response.read() or b"{}")

    def ask(self, rows: np.ndarray, labels: np.ndarray | None = None, version: int = 2) -> list[int]:
        inputs = [{"name": "X", "shape": list(rows.shape), "datatype": "FP32", "data": rows.ravel().tolist()}]
        if labels is not None:
            data = labels.tolist()
            inputs.append({"name": "LABEL", "shape": [len(data)], "datatype": "INT32", "data": data})
        body = {"inputs": inputs, "outputs": [{"name": "CLASS"}]}
        return self.post(f"models/{self.model}/versions/{version}/infer", body)["outputs"][0]["data"]

    def series(self, prefix: str = "model_") -> list:
        with DIRECT.open(f"http://{self.address}:{METRICS}/metrics", timeout=10) as response:
            text = response.read().decode()
        # This parser, unlike Prometheus, adds _total to a counter named _bucket: without types it leaves names alone.
        untyped = "\n".join(line for line in text.splitlines() if not line.startswith("#")) + "\n"
        families = text_string_to_metric_families(untyped)
        return [sample for one in families for sample in one.samples if sample.name.startswith(prefix)]

    def total(self, name: str, **labels: str) -> float:
        """The sum over loads, as a PromQL `sum` would have it."""
        fitting = [one for one in self.series(name) if labels.items() <= one.labels.items() and one.name == name]
        assert fitting, f"no series {name}{labels}"
        return sum(one.value for one in fitting)

    def settles(self, name: str, value: float, **labels: str) -> None:
        deadline = time.monotonic() + 10
        while (seen := self.total(name, **labels)) != value:
            assert time.monotonic() < deadline, f"{name}{labels} is {seen}, not {value}"
            time.sleep(0.1)
