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
from activation_health.graphs.check import _same
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
HIDDEN = [N("Reshape", ["x", "flat"], ["a"]), N("Reshape", ["a", "again"], ["b"]), one("Relu", "b")]
FLAT = {"flat": np.array([-1]), "again": np.array([-1, 4])}
REFUSED: dict[str, tuple[Any, dict[str, Any], str]] = {
    "old": (relu(["n", 4], opset=10), {}, r"opset 10, older than 11: convert it"),
    "scalar": (relu([]), {}, "no input has a batch axis: export"),
    "vector": (relu(["n"]), {}, r"its shape \(n\) has no units on axis 1"),
    "no activation": (model_of([one("Neg")], ["n", 4]), {}, "no activation was found among Neg"),
    "turned": (model_of(TURNED, ["n", 4]), {}, r"cannot be shown to be the batch: its shape is \(4, n\)"),
    "hidden rows": (
        model_of(HIDDEN, ["n", 4], weights=FLAT),
        {},
        "a Reshape hides it: fix .* --dim_param n --dim_value 1 MODEL",
    ),
    "rows elsewhere": (relu(["steps", "batch", 4]), {}, "input 'x' has its batch on axis 1, and steps on the first"),
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


def inside(kind: str) -> Any:
    """A branch with one activation."""
    given = helper.make_tensor_value_info(f"{kind}_out", TensorProto.FLOAT, None)
    return helper.make_graph([N(kind, ["x"], [f"{kind}_out"])], kind, [], [given])


def written(tmp_path: Path, model: onnx.ModelProto, *more: str) -> int:
    onnx.save(model, tmp_path / "m.onnx")
    return cli.main(["instrument", str(tmp_path / "m.onnx"), "--out", str(tmp_path / "out.onnx"), *more])


def test_what_stands_in_branches_alone_is_refused_with_what_to_do(
    tmp_path: Path, capsys: pytest.CaptureFixture
) -> None:
    choice = N("If", ["which"], ["y"], then_branch=inside("Relu"), else_branch=inside("Elu"))
    model = model_of([choice], ["n", 4])
    model.graph.input.append(helper.make_tensor_value_info("which", TensorProto.BOOL, []))
    assert written(tmp_path, model) == 1
    assert "outside its subgraphs, whose tensors cannot be outputs: export the branch" in capsys.readouterr().err


def test_answers_of_any_type_are_compared_and_inputs_of_any_type_are_made_up(
    tmp_path: Path, capsys: pytest.CaptureFixture
) -> None:
    """A scalar, a string, an unsigned number; a map for each row, as scikit-learn's converter gives, and a sequence."""
    nodes = [
        one("Relu"),
        N("ZipMap", ["y"], ["z"], domain="ai.onnx.ml", classlabels_strings=["a", "b", "c", "d"]),
        N("SplitToSequence", ["y"], ["s"], axis=1),
        N("If", ["which"], ["i"], then_branch=inside("Sigmoid"), else_branch=inside("Tanh")),
        N("Identity", ["text"], ["t"]),
        N("Identity", ["count"], ["c"]),
    ]
    model = model_of(nodes, ["n", 4])
    model.opset_import.append(helper.make_opsetid("ai.onnx.ml", 1))
    info, number = helper.make_tensor_value_info, TensorProto.FLOAT
    model.graph.input.extend(
        [
            info("which", TensorProto.BOOL, []),
            info("text", TensorProto.STRING, ["n"]),
            info("count", TensorProto.UINT32, ["n"]),
        ]
    )
    maps = helper.make_map_type_proto(TensorProto.STRING, helper.make_tensor_type_proto(number, []))
    model.graph.output.extend(
        [
            helper.make_value_info("z", helper.make_sequence_type_proto(maps)),
            helper.make_tensor_sequence_value_info("s", number, None),
            info("i", number, None),
            info("t", TensorProto.STRING, ["n"]),
            info("c", TensorProto.UINT32, ["n"]),
        ]
    )
    assert written(tmp_path, model) == 0
    assert "answers are the original's to the last bit" in capsys.readouterr().out


def test_another_answer_of_any_type_is_seen() -> None:
    ones, other = np.ones(2, np.float32), np.array([1, np.nextafter(np.float32(1), np.float32(2))], np.float32)
    for first, second in (
        (ones, other),
        ([{"a": ones}], [{"a": other}]),
        ([ones], [ones, ones]),
        ({"a": 1.0}, {"b": 1.0}),
        (np.array(["a"], object), np.array(["b"], object)),
        (ones, ones.astype(np.float64)),
    ):
        assert _same(first, first)
        assert not _same(first, second)


def test_no_rows_are_no_error() -> None:
    outputs = Watched(convolutional(), counts="full").outputs(x=np.zeros((0, 1, 5, 5), np.float32))
    assert all(len(value) == 0 for value in outputs.values())


@pytest.mark.parametrize("name", ["n" * 300, "слой/активация", "a\nb", ""])
def test_a_node_may_have_any_name(name: str) -> None:
    (layer,) = Watched(model_of([one("Relu", name=name)], ["n", 4])).layout.layers
    assert 0 < len(layer.name) <= 300


def test_no_name_of_a_file_is_obeyed_by_a_terminal(tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    onnx.save(model_of([one("Relu", name="a\n\x1b[2Jb\u202e")], ["n", 4]), tmp_path / "m.onnx")
    assert cli.main(["instrument", str(tmp_path / "m.onnx"), "--list"]) == 0
    assert cli.main(["instrument", str(tmp_path / "m.onnx"), "--list", "--layers", "\x1b[2J"]) == 1
    found = capsys.readouterr()
    assert found.out == "a  [2Jb   Relu, 4 units on axis 1, dead at 0\n"
    assert "\x1b" not in found.err


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
