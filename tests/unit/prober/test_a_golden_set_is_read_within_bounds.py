"""A golden set is somebody else's file: what is wrong with it names its field, and nothing is ever unpickled."""

from __future__ import annotations

import io
import pickle
import zipfile
from typing import Any

import numpy as np
import pytest

from modelrollout.api.preflight import Preflight
from modelrollout.prober.golden.fit import ModelFacts, Tensor, fitted
from modelrollout.prober.golden.npz import GoldenSetError, read_npz

MODEL = ModelFacts(
    {"X": Tensor("FP32", (-1, 4)), "LABEL": Tensor("INT32", (-1,))}, ("CLASS", "SCORES"), frozenset({"LABEL"})
)
X = np.zeros((3, 4), np.float32)


def npz(**arrays: Any) -> bytes:
    file = io.BytesIO()
    np.savez(file, **arrays)
    return file.getvalue()


def asked(**golden: Any) -> Preflight:
    where = {"configMap": "golden", "key": "rows.npz", "output": "CLASS"} | golden
    return Preflight.model_validate({"goldenSet": {name: value for name, value in where.items() if value is not None}})


class Bomb:
    def __reduce__(self) -> Any:
        return pytest.fail, ("it was unpickled",)


def with_header(text: str) -> bytes:
    """An .npz whose only array has that header and 8 bytes of data."""
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as out:
        header = text.encode().ljust(118) + b"\n"
        out.writestr("X.npy", b"\x93NUMPY\x01\x00" + len(header).to_bytes(2, "little") + header + bytes(8))
    return file.getvalue()


def pickled() -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as out:
        out.writestr("X.npy", pickle.dumps(Bomb()))
    return file.getvalue()


def zip_bomb() -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as out:
        out.writestr("X.npy", bytes(2**20))
    return file.getvalue()


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (b"no zip at all", "is neither .npz nor Parquet"),
        (npz(), "it is empty"),
        (npz(X=X)[:-40], "is neither .npz nor Parquet"),
        (pickled(), "is no .npy array"),
        (with_header("{'descr': '|O', 'fortran_order': False, 'shape': (1,), }"), "pickled objects"),
        (with_header("{'descr': '<f4', 'fortran_order': False, 'shape': (1000000000000,), }"), "says shape"),
        (with_header("{'descr': '<f4', 'fortran_order': False, 'shape': (-3,), }"), "says shape"),
        (with_header("{'descr': '<M8[s]', 'fortran_order': False, 'shape': (1,), }"), "dates are never read"),
        (zip_bomb(), "more than 100000; keep fewer rows"),
        (npz(**{f"a{index}": X for index in range(65)}), "65 arrays"),
    ],
)
def test_what_is_no_golden_set_is_said(data: bytes, said: str):
    with pytest.raises(GoldenSetError, match=said) as caught:
        read_npz(data, "key", most=100_000)
    assert str(caught.value).startswith("spec.preflight.goldenSet.key: ")


def test_an_array_of_objects_is_never_unpickled():
    file = io.BytesIO()
    np.savez(file, X=np.array([Bomb()], dtype=object))
    with pytest.raises(GoldenSetError, match="pickled objects"):
        read_npz(file.getvalue(), "key")


@pytest.mark.parametrize(
    ("arrays", "changes", "said"),
    [
        ({"Y": X}, {}, r"key: it has no array for input 'X'; the model's inputs are LABEL, X"),
        ({"X": X, "Y": X}, {}, "key: array 'Y' is no input"),
        ({"X": X.astype(np.float64)}, {}, "key: array 'X' is float64, and the model takes FP32"),
        ({"X": X[:, :3]}, {}, r"key: array 'X' has rows of shape \(3,\)"),
        ({"X": X[:0]}, {}, "key: it has no rows"),
        ({"X": X, "LABEL": np.zeros(2, np.int32)}, {}, "key: the arrays have different numbers of rows"),
        ({"X": X}, {"labels": "labels"}, "labels: the set has no array 'labels'"),
        ({"X": X, "labels": np.zeros((3, 1), int)}, {}, "labels: array 'labels' has shape"),
        ({"X": X, "labels": np.zeros(2, int)}, {}, "labels: array 'labels' has shape"),
        ({"X": X, "labels": np.zeros(3)}, {}, "labels: array 'labels' has shape"),
        ({"X": X}, {"output": "OTHER"}, "output: the model has no output 'OTHER'; name one of CLASS, SCORES"),
        ({"X": X}, {"output": None}, "output: the model has outputs CLASS, SCORES; name the one"),
    ],
)
def test_what_does_not_fit_the_model_names_its_field(arrays: Any, changes: Any, said: str):
    with pytest.raises(GoldenSetError, match=rf"spec\.preflight\.goldenSet\.{said}"):
        fitted(arrays, asked(**changes), MODEL)


def test_accuracy_that_must_pass_needs_labels():
    wanted = asked().model_copy(update={"gates": ["accuracy"]})
    with pytest.raises(GoldenSetError, match="labels"):
        fitted({"X": X}, wanted, MODEL)


def test_a_set_that_fits_is_sent_row_by_row():
    rows = np.arange(12, dtype=np.float32).reshape(3, 4)
    found = fitted(read_npz(npz(X=np.asfortranarray(rows), labels=np.arange(3)), "key"), asked(), MODEL)
    assert found.rows == 3
    assert found.labels is not None
    assert (found.row(1)["X"] == rows[1:2]).all()
    fewer = asked().model_copy(update={"rows": 2})
    assert fitted({"X": rows}, fewer, MODEL).rows == 2


def test_a_model_without_a_batch_axis_gets_one_row_as_it_is():
    model = ModelFacts({"X": Tensor("FP32", (4,))}, ("CLASS",))
    found = fitted({"X": X}, asked(), model)
    assert found.row(0)["X"].shape == (4,)
