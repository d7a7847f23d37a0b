"""What `activation-health instrument` writes for Triton is served: old answers, exact series, clean reloads.

A failed request counts once under the public name.
"""

from __future__ import annotations

import json
import threading
import time
import urllib.error
from typing import TYPE_CHECKING, Any

import numpy as np
import onnxruntime as ort
import pytest

from tests.lab.install.triton_install import model_python, triton_installation
from tests.lab.models.data import holdout
from tests.lab.models.direct import Server, own_site
from tests.lab.models.onnx_digits import onnx_digits, serve_onnx
from tests.lab.models.reference import certain, images, stored
from tests.lab.models.training import BETTER

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    import numpy.typing as npt

    Array = npt.NDArray[Any]

pytestmark = pytest.mark.lab

LAYERS = ("blocks/0/relu", "blocks/1/relu")
ROWS = 400
FAILED = "nv_inference_request_failure"


@pytest.fixture(scope="module")
def python(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return model_python(tmp_path_factory.mktemp("python") / "venv", triton_installation())


@pytest.fixture
def server(tmp_path: Path, python: Path) -> Iterator[Server]:
    serve_onnx(tmp_path / "repository", 3, onnx_digits(BETTER, pixels="pixels"), rows_per_second=1e9)
    made = Server(own_site(tmp_path, python), "triton", tmp_path / "repository", "digits")
    made.start()
    yield made
    made.stop()


def answer(server: Server, rows: Array) -> dict[str, Array]:
    """Every output of the public model, as a client gets it that names none."""
    inputs = [{"name": "X", "shape": list(rows.shape), "datatype": "FP32", "data": rows.ravel().tolist()}]
    found = server.post("models/digits/versions/3/infer", {"inputs": inputs})["outputs"]
    kinds = {"FP32": np.float32, "INT32": np.int32}
    return {one["name"]: np.array(one["data"], kinds[one["datatype"]]).reshape(one["shape"]) for one in found}


def plain(rows: Array) -> dict[str, Array]:
    """The answer of the model that nobody instrumented."""
    options = ort.SessionOptions()
    options.intra_op_num_threads = 1
    session = ort.InferenceSession(onnx_digits(BETTER).SerializeToString(), options, providers=["CPUExecutionProvider"])
    names = [output.name for output in session.get_outputs()]
    return dict(zip(names, session.run(names, {"X": rows}), strict=True))


def test_clients_get_the_old_answer_and_the_public_names_series_are_exact(server: Server) -> None:
    x, _ = holdout()
    rows = x[certain(BETTER, x)][:ROWS].astype(np.float32)
    assert len(rows) == ROWS
    for at in range(0, ROWS, 8):
        found, old = answer(server, rows[at : at + 8]), plain(rows[at : at + 8])
        assert found.keys() == old.keys() == {"CLASS", "PROBABILITIES"}
        assert all((found[name] == old[name]).all() for name in old), at
    for name, values in zip(LAYERS, stored(BETTER).hidden(images(BETTER, rows)), strict=False):
        flat = values.reshape(ROWS, -1)
        dead = (flat.reshape(ROWS // 100, 100, -1) == 0).all(axis=1).sum()
        server.settles("model_activation_samples_total", ROWS, layer=name, model="digits", version="3")
        server.settles("model_activation_elements_total", flat.size, layer=name)
        server.settles("model_activation_windows_total", ROWS // 100, layer=name)
        server.settles("model_activation_window_dead_neurons_total", dead, layer=name)
    shown = server.series("model_")
    assert {(one.labels["model"], one.labels["version"]) for one in shown} == {("digits", "3")}
    assert {one.labels["layer"] for one in shown if "layer" in one.labels} == set(LAYERS)


def test_a_request_that_the_network_refuses_counts_once_under_the_public_name(server: Server) -> None:
    for _ in range(3):
        with pytest.raises(urllib.error.HTTPError) as refused:
            answer(server, np.ones((2, 63), np.float32))
        assert "Gemm" in json.loads(refused.value.read())["error"]
    odd = answer(server, np.full((2, 64), np.nan, np.float32))
    assert np.isnan(odd["PROBABILITIES"]).all()
    server.settles(FAILED, 3, model="digits")
    server.settles(FAILED, 3, model="digits_network")
    server.settles("nv_inference_request_success", 1, model="digits")
    server.settles("model_activation_samples_total", 2, layer=LAYERS[0])
    server.settles("model_requests_total", 4, model="digits")
    server.settles("model_request_errors_total", 3, model="digits")
    assert server.total(FAILED, model="digits") == 3, "what came a second later counts twice"


def test_without_its_network_the_public_model_fails_in_a_sentence_and_comes_back(server: Server) -> None:
    server.post("repository/models/digits_network/unload")
    gone(server, "digits_network")
    with pytest.raises(urllib.error.HTTPError) as refused:
        answer(server, np.ones((1, 64), np.float32))
    assert "digits_network" in json.loads(refused.value.read())["error"]
    server.settles(FAILED, 1, model="digits")
    server.post("repository/models/digits_network/load")
    assert len(answer(server, np.ones((1, 64), np.float32))["CLASS"]) == 1
    assert server.total(FAILED, model="digits") == 1


def gone(server: Server, name: str) -> None:
    """Until the server has unloaded it: it answers the request before."""
    end = time.monotonic() + 20
    while any(one["name"] == name and one.get("state") != "UNAVAILABLE" for one in index(server)):
        assert time.monotonic() < end, f"{name} is still there"
        time.sleep(0.1)


def index(server: Server) -> list[dict[str, Any]]:
    found: Any = server.post("repository/index")
    return list(found)


def test_reloads_under_load_fail_nobody_and_an_unload_takes_the_series_with_it(server: Server) -> None:
    stop, failures, answered = threading.Event(), [], []

    def send() -> None:
        while not stop.is_set():
            try:
                answered.append(len(answer(server, np.ones((3, 64), np.float32))["CLASS"]))
            except urllib.error.HTTPError as error:
                failures.append(error.read())
            time.sleep(0.01)

    worker = threading.Thread(target=send)
    worker.start()
    try:
        for name in ("digits", "digits_network", "digits"):
            server.post(f"repository/models/{name}/load")
            time.sleep(0.3)
    finally:
        stop.set()
        worker.join(20)
    assert failures == []
    assert answered
    for name in ("digits", "digits_network"):
        server.post(f"repository/models/{name}/unload")
        gone(server, name)
    end = time.monotonic() + 20
    while server.series("model_activation_"):
        assert time.monotonic() < end, "series are left behind"
        time.sleep(0.2)
    for name in ("digits_network", "digits"):
        server.post(f"repository/models/{name}/load")
    answer(server, np.ones((5, 64), np.float32))
    server.settles("model_activation_samples_total", 5, layer=LAYERS[0])
