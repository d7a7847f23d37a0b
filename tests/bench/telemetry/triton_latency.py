"""Two real tritonservers, one with telemetry and one without, are asked by turns: only the ratio is believed."""

from __future__ import annotations

import http.client
import json
import random
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from tests.lab import HTTP, model_python, triton_installation
from tests.lab.models import Server, build_repository, holdout, own_site

if TYPE_CHECKING:
    from pathlib import Path

RATE = 20.0
PATH = "/v2/models/digits/versions/2/infer"


@dataclass(frozen=True)
class Round:
    """Latencies in milliseconds of one round, server by server."""

    on: np.ndarray
    off: np.ndarray

    def ratio(self, quantile: float) -> float:
        return float(np.quantile(self.on, quantile) / np.quantile(self.off, quantile))


def rounds(folder: Path, *, number: int, seconds: float, **options: float) -> list[Round]:
    """`number` rounds of `seconds`, each server asked RATE times a second, half a period apart."""
    python = model_python(folder / "python", triton_installation())
    servers = {}
    for name, telemetry in (("on", True), ("off", False)):
        settings: dict[str, Any] = {"window": 200, "rows_per_second": 50.0, "flush_seconds": 1.0} | options
        root = build_repository(folder / name, 2, telemetry=telemetry, **settings)
        servers[name] = Server(own_site(folder, python), f"triton-{name}", root, "digits")
        servers[name].start()
    try:
        links = {name: http.client.HTTPConnection(server.address, HTTP, timeout=5) for name, server in servers.items()}
        _round(links, 3.0)  # connections, first pages, first windows
        return [_round(links, seconds) for _ in range(number)]
    finally:
        for server in servers.values():
            server.stop()


def _round(links: dict[str, http.client.HTTPConnection], seconds: float) -> Round:
    rows, truth = holdout()
    names = list(links)
    taken: dict[str, list[float]] = {name: [] for name in links}
    due = time.perf_counter()
    for number in range(int(seconds * RATE)):
        random.shuffle(names)
        for name in names:
            body = _body(rows[number % 450], int(truth[number % 450]))
            due += 0.5 / RATE
            time.sleep(max(0.0, due - time.perf_counter()))
            started = time.perf_counter()
            links[name].request("POST", PATH, body)
            answer = links[name].getresponse()
            answer.read()
            taken[name].append((time.perf_counter() - started) * 1000)
            if answer.status != http.client.OK:
                raise RuntimeError(f"the server with telemetry {name} answered {answer.status}")
    return Round(np.array(taken["on"]), np.array(taken["off"]))


def _body(row: np.ndarray, label: int) -> bytes:
    inputs = [
        {"name": "X", "datatype": "FP32", "shape": [1, 64], "data": row.tolist()},
        {"name": "LABEL", "datatype": "INT32", "shape": [1], "data": [label]},
    ]
    return json.dumps({"inputs": inputs, "outputs": [{"name": "CLASS"}]}).encode()
