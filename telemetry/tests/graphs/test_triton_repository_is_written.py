"""Everything Triton serves is written under the public name; what it would not serve is refused."""

from __future__ import annotations

import json
import re
import sys
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import numpy as np
import onnx
import pytest
from onnx_models import Watched, convolutional, run
from series_reading import value_of

from activation_health import cli
from activation_health.graphs.triton.repository import Served, write_repository

if TYPE_CHECKING:
    from pathlib import Path


def written(tmp_path: Path, *options: str) -> dict[str, str]:
    """The configurations, by model."""
    onnx.save(convolutional(), tmp_path / "m.onnx")
    command = ["instrument", str(tmp_path / "m.onnx"), "--triton-repository", str(tmp_path / "models"), "--no-check"]
    assert cli.main([*command, "--name", "digits", "--version", "3", *options]) == 0
    return {path.parent.name: path.read_text() for path in (tmp_path / "models").glob("*/config.pbtxt")}


def names(config: str, word: str) -> list[str]:
    block = re.search(rf"^{word} \[\n(.*?)\n\]", config, re.DOTALL | re.MULTILINE)
    assert block
    return re.findall(r'name: "([^"]+)"', block[1])


def test_the_public_model_hides_the_counts(tmp_path: Path) -> None:
    configs = written(tmp_path)
    extra = ["activation_health/fired", "activation_health/magnitude", "activation_health/counts"]
    assert (names(configs["digits"], "input"), names(configs["digits"], "output")) == (["x"], ["y"])
    assert names(configs["digits_network"], "output") == ["y", *extra]
    assert 'platform: "onnxruntime_onnx"' in configs["digits_network"]
    assert "dims: [ -1, 1, -1, -1 ]" in configs["digits"]
    folder = tmp_path / "models"
    assert {"model.py", "layout.json"} == {path.name for path in (folder / "digits/3").iterdir()}
    assert {"model.onnx"} == {path.name for path in (folder / "digits_network/3").iterdir()}


def test_triton_joins_requests_where_it_is_told_to(tmp_path: Path) -> None:
    configs = written(tmp_path, "--max-batch-size", "8")
    assert all("max_batch_size: 8" in config for config in configs.values())
    assert "dims: [ 1, -1, -1 ]" in configs["digits"]


@pytest.mark.parametrize(
    ("backend", "platform", "said"),
    [("tensorrt", 'platform: "tensorrt_plan"', "trtexec --onnx="), ("python", 'backend: "python"', "scrape")],
)
def test_who_runs_the_network_is_chosen(
    tmp_path: Path, capsys: pytest.CaptureFixture, backend: str, platform: str, said: str
) -> None:
    assert platform in written(tmp_path, "--backend", backend)["digits_network"]
    assert said in capsys.readouterr().out


REFUSED: dict[str, tuple[dict[str, Any], dict[str, Any], str]] = {
    "a name with a slash": ({"name": "a/b"}, {}, "--name 'a/b' must be letters"),
    "version 0": ({"version": 0}, {}, "--version 0 must be 1 or more"),
    "another backend": ({"backend": "tf"}, {}, "--backend 'tf' must be one of"),
    "asking": ({}, {"on_demand": True}, "leave out --on-demand"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_triton_would_not_serve_is_refused(tmp_path: Path, case: str) -> None:
    changes, options, message = REFUSED[case]
    served = Served("digits", 3)._replace(**changes)
    with pytest.raises(ValueError, match=message):
        write_repository(Watched(convolutional(), **options).model, tmp_path / "m.onnx", tmp_path / "r", served)
    assert not (tmp_path / "r").exists()


class Tensor:
    """As Triton's module has it."""

    def __init__(self, name: str, array: np.ndarray) -> None:
        self._name, self._array = name, array

    def name(self) -> str:
        return self._name

    def as_numpy(self) -> np.ndarray:
        return self._array


class Answer:
    """As Triton's InferenceResponse."""

    def __init__(self, tensors: list[Tensor] | None = None, error: Any = None) -> None:
        self.names = [tensor.name() for tensor in tensors or ()]
        self._error = error

    def has_error(self) -> bool:
        return self._error is not None

    def error(self) -> Any:
        return self._error


def test_the_public_model_answers_whatever_the_counts_are(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    model = Watched(convolutional()).model
    rows = run(model, x=np.random.default_rng(0).normal(size=(4, 1, 8, 8)).astype(np.float32))
    shown = [rows, rows | {"activation_health/counts": np.zeros((4, 1), np.int32)}]

    def asked(**options: Any) -> SimpleNamespace:
        given = shown.pop(0) if shown else {}
        names = options["requested_output_names"]
        answer = SimpleNamespace(
            has_error=lambda: not given,
            error=lambda: SimpleNamespace(message=lambda: "no rows"),
            output_tensors=lambda: [Tensor(name, given[name]) for name in names],
        )
        return SimpleNamespace(exec=lambda: answer)

    fake = SimpleNamespace(
        InferenceRequest=asked,
        InferenceResponse=Answer,
        TritonModelException=RuntimeError,
        PreferredMemory=lambda *_: None,
        TRITONSERVER_MEMORY_CPU=0,
    )
    monkeypatch.setitem(sys.modules, "triton_python_backend_utils", fake)
    from activation_health.graphs.triton import public  # noqa: PLC0415 - needs Triton's module

    monkeypatch.setattr(public, "TritonSink", lambda monitor, utils: SimpleNamespace(close=lambda: None))
    write_repository(model, tmp_path / "m.onnx", tmp_path, Served("digits", 3, window=2, rows_per_second=1e9))
    given = dict(
        re.findall(r'key: "(\w+)" value: { string_value: "([^"]*)"', (tmp_path / "digits/config.pbtxt").read_text())
    )
    config = json.dumps({"parameters": {key: {"string_value": value} for key, value in given.items()}})
    args = {"model_repository": str(tmp_path / "digits"), "model_name": "digits", "model_version": "3"}
    served = public.TritonPythonModel()
    served.initialize(args | {"model_config": config})
    request = SimpleNamespace(requested_output_names=lambda: ["y"], inputs=list)
    answers = served.execute([request] * 3)
    assert [answer.names for answer in answers] == [["y"], ["y"], []]
    assert answers[2].error().message() == "no rows"
    with pytest.raises(RuntimeError, match="no rows"):  # or Triton counts it among the successes
        served.execute([request])
    assert value_of(served._monitor, "model_requests_total") == 4
    assert value_of(served._monitor, "model_request_errors_total") == 2
    assert value_of(served._monitor, "model_activation_windows_total", "first/relu") == 2
    assert value_of(served._monitor, "model_activation_dropped_observations_total", "width") == 1
    served.finalize()
