"""A real ensemble: Triton counts a failure in its member too, the operator in the model that clients ask alone.

Tritonserver 2.51 counts it twice in the ensemble itself (docs/gateways/any-gateway.md says so); that is pinned here.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import numpy as np
import pytest
import requests

from modelrollout.api.config import PrometheusServer
from modelrollout.core.analysis.metrics import model_series as s
from tests.lab import METRICS, Triton, query, remove_target, write_target
from tests.lab.models import build_repository
from tests.unit.analysis.gates.judged import ERRORS
from tests.unit.analysis.recorded import request_of, spec_of

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.lab import Member

ENSEMBLE = """\
name: "digits"
platform: "ensemble"
max_batch_size: 0
input [
  { name: "X", data_type: TYPE_FP32, dims: [ -1, 64 ] },
  { name: "LABEL", data_type: TYPE_INT32, dims: [ -1 ] }
]
output [ { name: "CLASS", data_type: TYPE_INT32, dims: [ -1 ] } ]
ensemble_scheduling { step [ {
  model_name: "scorer"
  model_version: -1
  input_map { key: "X" value: "X" }
  input_map { key: "LABEL" value: "LABEL" }
  output_map { key: "CLASS" value: "CLASS" }
} ] }
"""
RAISES = "raise RuntimeError('broken')"
FAILED = 7
BY_THE_ENSEMBLE, BY_ITS_MEMBER = 2, 1
"""How often each counts one failure."""


@pytest.fixture
def server(member: Member, namespace: str, tmp_path: Path) -> Iterator[Triton]:
    build_repository(tmp_path, 1, model="scorer")
    code = tmp_path / "scorer" / "1" / "model.py"
    code.write_text(code.read_text().replace("return [self.answer(request) for request in requests]", RAISES))
    (tmp_path / "digits" / "1").mkdir(parents=True)
    (tmp_path / "digits" / "config.pbtxt").write_text(ENSEMBLE)
    triton = Triton(member.site, f"{namespace}-ensemble", tmp_path, "digits")
    triton.start()
    labels = {"namespace": namespace, "service": "digits-v1"}
    write_target(member.site.targets, triton.name, f"{triton.address}:{METRICS}", labels)
    yield triton
    remove_target(member.site.targets, triton.name)
    triton.stop()


def failing(server: Triton) -> int:
    inputs = [
        {"name": "X", "shape": [1, 64], "datatype": "FP32", "data": np.ones(64).tolist()},
        {"name": "LABEL", "shape": [1], "datatype": "INT32", "data": [1]},
    ]
    return requests.post(f"{server.url}/v2/models/digits/infer", json={"inputs": inputs}, timeout=5).status_code


def test_only_the_public_model_is_read(member: Member, namespace: str, server: Triton):
    assert [failing(server) for _ in range(FAILED)] == [500] * FAILED
    asked = request_of(spec_of(ERRORS), namespace=namespace, dialect=None)
    chosen = s.model_selection(asked, PrometheusServer(url=member.site.prometheus), ()).text
    everything = f'{{__name__="{s.FAILURE}",namespace="{namespace}"}}'
    counted = (BY_THE_ENSEMBLE + BY_ITS_MEMBER) * FAILED
    end = time.monotonic() + 30
    while total(member, everything) < counted:
        assert time.monotonic() < end, "Triton counts it in the ensemble and in its member"
        time.sleep(0.5)
    assert total(member, everything) == counted
    failures = [one for one in query(member.site.prometheus, chosen) if one["metric"]["__name__"] == s.FAILURE]
    assert {one["metric"]["model"] for one in failures} == {"digits"}
    assert sum(float(one["value"][1]) for one in failures) == BY_THE_ENSEMBLE * FAILED


def total(member: Member, selector: str) -> float:
    return sum(float(one["value"][1]) for one in query(member.site.prometheus, selector))
