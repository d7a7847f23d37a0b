"""Answers stay what they were, and what cannot be watched is refused with what to do."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper
from onnx_models import Watched, convolutional, model_of, one, run, session

from activation_health import cli
from activation_health.graphs import files
from activation_health.graphs.instrument import instrument

N = helper.make_node


@pytest.mark.parametrize("opset", [11, 13, 18, 21])
@pytest.mark.parametrize("options", [{}, {"counts": "full"}, {"on_demand": True}])
def test_answers_are_the_same_to_the_last_bit_whatever_the_sizes(opset: int, options: dict[str, Any]) -> None:
    model = convolutional(opset)
    watched = Watched(model, **options)
    onnx.checker.check_model(watched.model)
    for rows, height, width in ((1, 5, 5), (3, 9, 6), (32, 7, 20)):
        x = np.random.default_rng(rows).normal(size=(rows, 1, height, width)).astype(np.float32)
        asks: dict[str, Any] = {"asks": True} if options.get("on_demand") else {}
        outputs = watched.outputs(x=x, **asks)
        assert outputs["y"].tobytes() == run(model, x=x)["y"].tobytes()
        assert {len(outputs[name]) for name in watched.layout.outputs} == {rows}


def test_external_weights_are_copied_beside_the_new_model(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    plain, made = tmp_path / "a" / "m.onnx", tmp_path / "b" / "m.onnx"
    onnx.save(convolutional(), plain, save_as_external_data=True, location="m.bin", size_threshold=0)
    assert cli.main(["instrument", str(plain), "--out", str(made), "--shape", "x=2,1,9,9"]) == 0
    assert (made.parent / "m.bin").read_bytes() == (plain.parent / "m.bin").read_bytes()
    assert onnx.load(made, load_external_data=False).graph.initializer[0].data_location == TensorProto.EXTERNAL
    (made.parent / "m.bin").write_bytes(b"others")
    with pytest.raises(ValueError, match="exists with other weights"):
        files.write(files.read(plain), plain, made)
    (plain.parent / "m.bin").unlink()
    with pytest.raises(ValueError, match="put the file there"):
        files.write(files.read(plain), plain, made)


def relu(shape: list[int | str | None], **options: Any) -> onnx.ModelProto:
    return model_of([one("Relu")], shape, **options)


TURNED = [N("Transpose", ["x"], ["a"], perm=[1, 0]), one("Relu", "a")]
REFUSED: dict[str, tuple[Any, dict[str, Any], str]] = {
    "old": (relu(["n", 4], opset=10), {}, r"opset 10, older than 11: convert it"),
    "scalar": (relu([]), {}, "no input has a batch axis: export"),
    "vector": (relu(["n"]), {}, r"its shape \(n\) has no units on axis 1"),
    "no activation": (model_of([one("Neg")], ["n", 4]), {}, "no activation was found among Neg"),
    "turned": (model_of(TURNED, ["n", 4]), {}, r"cannot be shown to be the batch: its shape is \(4, n\)"),
    "free units": (relu(["n", "m"]), {}, "number of its units is not fixed"),
    "whole numbers": (relu(["n", 4], kind=TensorProto.INT32, opset=14), {}, "its type is INT32"),
    "no match": (relu(["n", 4]), {"names": ["b*"]}, r"b\* matches none of 1 activations: act"),
    "no axis": (relu(["n", 4]), {"channel_axis": 3}, "has no units on axis 3"),
    "counts": (relu(["n", 4]), {"counts": "all"}, "counts='all' must be one of health, full"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_cannot_be_watched_is_refused_with_what_to_do(case: str) -> None:
    model, options, message = REFUSED[case]
    before = model.SerializeToString()
    with pytest.raises(ValueError, match=message):
        instrument(model, **options)
    assert model.SerializeToString() == before


def test_an_instrumented_model_is_not_instrumented_again() -> None:
    with pytest.raises(ValueError, match="instrument the original"):
        instrument(Watched(convolutional()).model)


def test_the_command_lists_writes_and_says_what_is_wrong(tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    plain, made = tmp_path / "m.onnx", tmp_path / "out.onnx"
    onnx.save(convolutional(), plain)
    assert cli.main(["instrument", str(plain), "--list"]) == 0
    assert "first/relu  Relu, 6 units on axis 1, dead at 0" in capsys.readouterr().out
    assert cli.main(["instrument", str(plain), "--out", str(made), "--layers", "first*"]) == 0
    assert "1 layers are watched, 0 are not; answers are the original's to the last bit" in capsys.readouterr().out
    assert len(session(onnx.load(made)).get_outputs()) == 3
    for wrong in (["--out", str(plain)], ["--out", str(made), "--channel-axis", "a"], ["--list", "--layers", "z"]):
        assert cli.main(["instrument", str(plain), *wrong]) == 1
    plain.write_text("no model")
    assert cli.main(["instrument", str(plain), "--list"]) == 1
    assert "is no ONNX model" in capsys.readouterr().err


def test_without_onnx_the_command_says_what_to_install() -> None:
    code = "import sys; sys.modules['onnx'] = None; from activation_health.cli import main; sys.exit(main())"
    command = [sys.executable, "-c", code, "instrument", "m", "--list"]
    made = subprocess.run(command, check=False, capture_output=True, text=True)
    assert made.returncode == 1
    assert "pip install 'activation-health[onnx]'" in made.stderr
