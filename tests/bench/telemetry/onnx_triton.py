"""What a client of an instrumented network waits for: `python -m tests.bench.telemetry.onnx_triton`.

One real tritonserver, the lab's digits network by ONNX Runtime in the Python backend, asked by turns over HTTP: plain;
by an ensemble that only hides the extra outputs, which is the least that hiding can cost and exports nothing; and by
the public model that `activation-health instrument --triton-repository` writes, which exports the series as well. Only
the ratio of what ran side by side is believed.
"""

from __future__ import annotations

import argparse
import http.client
import json
import random
import re
import shutil
import tempfile
import time
from pathlib import Path

import numpy as np
import onnx
from rich.console import Console
from rich.table import Table

from tests.bench.telemetry.triton_latency import RATE
from tests.lab import HTTP, model_python, triton_installation
from tests.lab.models import Server, build_repository, holdout, own_site

OUTPUTS = ("CLASS", "PROBABILITIES")
NAMES = {"plain": "plain", "ensemble": "digits_ensemble", "public model": "digits"}


def repository(root: Path) -> None:
    """The three, and the network behind two of them; the plain one computes nothing that no output needs."""
    build_repository(root, 3, behaves_as=2, network="onnx")
    watched, plain = root / "digits_network", root / "plain"
    shutil.copytree(watched, plain)
    model = onnx.load(plain / "3" / "model.onnx")
    kept = [one for one in model.graph.output if one.name in OUTPUTS]
    del model.graph.output[:]
    model.graph.output.extend(kept)
    onnx.save(model, plain / "3" / "model.onnx")
    config = (watched / "config.pbtxt").read_text()
    own = "\n".join(line for line in config.splitlines() if "activation_health/" not in line)
    own = re.sub(r"},(\s*\])", r"}\1", own)
    (plain / "config.pbtxt").write_text(own.replace('"digits_network"', '"plain"'))
    head = own[own.index("max_batch_size") : own.index("version_policy")]
    ways = "".join(f'output_map {{ key: "{name}" value: "{name}" }}\n' for name in OUTPUTS)
    step = f'model_name: "digits_network" model_version: -1 input_map {{ key: "X" value: "X" }}\n{ways}'
    (root / "digits_ensemble" / "3").mkdir(parents=True)
    text = f'name: "digits_ensemble"\nplatform: "ensemble"\n{head}ensemble_scheduling {{ step [ {{ {step} }} ] }}\n'
    (root / "digits_ensemble" / "config.pbtxt").write_text(text)


def asked(links: dict[str, http.client.HTTPConnection], seconds: float) -> dict[str, np.ndarray]:
    """Milliseconds to each answer, by way; each is asked RATE times a second."""
    rows, _ = holdout()
    taken: dict[str, list[float]] = {name: [] for name in links}
    due, ways = time.perf_counter(), list(links)
    for number in range(int(seconds * RATE)):
        random.shuffle(ways)
        for way in ways:
            due += 1 / len(ways) / RATE
            time.sleep(max(0.0, due - time.perf_counter()))
            inputs = [{"name": "X", "datatype": "FP32", "shape": [1, 64], "data": rows[number % 450].tolist()}]
            body = json.dumps({"inputs": inputs, "outputs": [{"name": name} for name in OUTPUTS]})
            started = time.perf_counter()
            links[way].request("POST", f"/v2/models/{NAMES[way]}/infer", body)
            answer = links[way].getresponse()
            answer.read()
            taken[way].append((time.perf_counter() - started) * 1000)
            if answer.status != http.client.OK:
                raise RuntimeError(f"{way} answered {answer.status}")
    return {way: np.array(values) for way, values in taken.items()}


def measured(folder: Path, rounds: int, seconds: float) -> list[dict[str, np.ndarray]]:
    repository(folder / "models")
    python = model_python(folder / "python", triton_installation())
    server = Server(own_site(folder, python), "triton-onnx", folder / "models", "digits")
    server.start()
    try:
        for name in ("plain", "digits_ensemble"):
            server.post(f"repository/models/{name}/load")
        links = {way: http.client.HTTPConnection(server.address, HTTP, timeout=5) for way in NAMES}
        asked(links, 3.0)
        return [asked(links, seconds) for _ in range(rounds)]
    finally:
        server.stop()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--seconds", type=float, default=10.0)
    chosen = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        seen = measured(Path(folder), chosen.rounds, chosen.seconds)
    title = f"{chosen.rounds} rounds of {chosen.seconds:g} s, {RATE:g} requests/s each way"
    table = Table("way", "P50, ms", "P99, ms", "P50 over plain", "P99 over plain", title=title)
    for way in NAMES:
        figures = []
        for quantile in (0.5, 0.99):
            figures.append([float(np.quantile(one[way], quantile)) for one in seen])
            figures.append(
                [float(np.quantile(one[way], quantile) / np.quantile(one["plain"], quantile)) for one in seen]
            )
        p50, over50, p99, over99 = (f"{np.median(each):.2f}" for each in figures)
        table.add_row(way, p50, p99, over50, over99)
    Console(width=120).print(table)


if __name__ == "__main__":
    main()
