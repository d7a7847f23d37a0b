"""The Triton model in docs/instrument-your-model.md, as it stands but for its ellipses, on the real tritonserver."""

from __future__ import annotations

import re
import time
from typing import TYPE_CHECKING

import numpy as np
import pytest
import requests

from tests import ROOT
from tests.lab import METRICS, Triton
from tests.lab.models import build_repository

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.lab import Member

GUIDE = ROOT / "docs" / "instrument-your-model.md"
SERIES = 'model_activation_samples_total{layer="hidden_1"'
LOAD = """dict(np.load(args["model_repository"] + "/" + args["model_version"] + "/weights.npz"))"""
READ = """x = pb_utils.get_input_tensor_by_name(requests[0], "X").as_numpy()"""
ANSWER = """return [pb_utils.InferenceResponse([
            pb_utils.Tensor("CLASS", hidden.argmax(axis=1).astype(np.int32)),
            pb_utils.Tensor("PROBABILITIES", hidden[:, :10].astype(np.float32)),
        ])]"""


def as_written() -> str:
    """The code of the guide, each ellipsis filled in."""
    section = GUIDE.read_text().split("## Triton, Python backend")[1]
    code = re.findall(r"```python\n(.*?)```", section, flags=re.DOTALL)[0]
    for filled in (LOAD, READ, ANSWER):
        code = code.replace("...", filled, 1)
    return code


@pytest.fixture
def server(member: Member, namespace: str, tmp_path: Path) -> Iterator[Triton]:
    build_repository(tmp_path, 2)
    (tmp_path / "digits" / "2" / "model.py").write_text(as_written())
    triton = Triton(member.site, f"{namespace}-guide", tmp_path, "digits")
    triton.start()
    yield triton
    triton.stop()


def series(server: Triton) -> list[str]:
    page = requests.get(f"http://{server.address}:{METRICS}/metrics", timeout=5).text
    return [line for line in page.splitlines() if line.startswith(SERIES)]


def infer(server: Triton, rows: int) -> int:
    inputs = [{"name": "X", "shape": [rows, 64], "datatype": "FP32", "data": np.ones((rows, 64)).ravel().tolist()}]
    return requests.post(f"{server.url}/v2/models/digits/infer", json={"inputs": inputs}, timeout=5).status_code


def manage(server: Triton, what: str) -> None:
    requests.post(f"{server.url}/v2/repository/models/digits/{what}", json={}, timeout=30).raise_for_status()


def wait_for(what: str, server: Triton, values: list[float]) -> None:
    end = time.monotonic() + 20
    while (found := sorted(float(line.split()[-1]) for line in series(server))) != values:
        assert time.monotonic() < end, f"{what}: {found} instead of {values}"
        time.sleep(0.1)


def test_the_guides_model_counts_what_it_serves_and_leaves_nothing_behind(server: Triton):
    assert infer(server, 3) == 200
    wait_for("three rows", server, [3.0])
    assert 'model="digits"' in series(server)[0]
    assert 'version="2"' in series(server)[0]
    manage(server, "unload")
    wait_for("nothing left", server, [])
    manage(server, "load")
    assert infer(server, 2) == 200
    wait_for("counted again", server, [2.0])
