"""Parquet by its real library: what is read, and what is refused before memory is taken for it."""

from __future__ import annotations

import io
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from pyarrow import parquet as pq

from modelrollout.prober.golden import parquet
from modelrollout.prober.golden.npz import MOST_BYTES, GoldenSetError, read_npz
from modelrollout.prober.golden.parquet import is_parquet, read_parquet
from modelrollout.prober.golden.parquet_process import RefusedError, arrays_of, pack

pytestmark = pytest.mark.slow  # imports pyarrow
X = np.random.default_rng(0).normal(size=(20, 3, 4)).astype(np.float32)


def written(table: Any, **options: Any) -> bytes:
    file = io.BytesIO()
    pq.write_table(table, file, **options)
    return file.getvalue()


def read(**columns: Any) -> dict[str, Any]:
    return packed(written(pa.table(columns)))


def packed(data: bytes) -> dict[str, Any]:
    """By way of the .npz that the process hands over."""
    file = io.BytesIO()
    pack(arrays_of(data, MOST_BYTES), file)
    return read_npz(file.getvalue(), "key")


def test_columns_are_arrays_and_lists_are_axes_to_the_last_bit():
    nested = pa.array(X.tolist(), pa.list_(pa.list_(pa.float32())))
    fixed = pa.FixedSizeListArray.from_arrays(pa.array(X.reshape(-1)), 12)
    found = read(
        nested=nested, fixed=fixed, tensor=pa.FixedShapeTensorArray.from_numpy_ndarray(X), half=X[:, 0, 0].astype("f2")
    )
    assert {name: array.dtype.str for name, array in found.items()} == {
        "nested": "<f4",
        "fixed": "<f4",
        "tensor": "<f4",
        "half": "<f2",
    }
    assert found["nested"].tobytes() == found["fixed"].tobytes() == found["tensor"].tobytes() == X.tobytes()
    assert (found["nested"].shape, found["tensor"].shape, found["fixed"].shape) == (X.shape, X.shape, (20, 12))


@pytest.mark.parametrize("kind", ["?", "i1", "i2", "i4", "i8", "u1", "u2", "u4", "u8", "f2", "f4", "f8"])
def test_every_number_that_a_model_takes_keeps_its_dtype(kind: str):
    values = np.arange(5).astype(kind)
    found = read(file=values, allow_pickle=values)
    assert found["file"].dtype == found["allow_pickle"].dtype == np.dtype(kind)
    assert found["file"].tolist() == values.tolist()


def test_row_groups_are_joined_and_an_index_of_pandas_is_left_out():
    table = pa.table({"X": X.reshape(20, 12).tolist(), "labels": np.arange(20), "__index_level_0__": np.arange(20)})
    found = packed(written(table, row_group_size=3, compression="zstd"))
    assert sorted(found) == ["X", "labels"]
    assert found["labels"].tolist() == list(range(20))


@pytest.mark.parametrize(
    ("columns", "said"),
    [
        ({"X": ["a"]}, "column 'X' holds string; use numbers or bools"),
        ({"X": [b"a"]}, "column 'X' holds binary; use numbers"),
        ({"X": pa.array(["a"]).dictionary_encode()}, "column 'X' holds dictionary<"),
        ({"X": pa.array([1], pa.timestamp("ms"))}, "column 'X' holds timestamp"),
        ({"X": [{"a": 1}]}, "column 'X' holds struct"),
        ({"X": [1.0, None]}, "column 'X' has no value in row 1; leave the row out, or fill it"),
        ({"X": [[1.0, 2.0], None]}, "column 'X' has no value in row 1"),
        ({"X": [[[1, 2], [3, 4]], [[5, 6], [7, None]]]}, "column 'X' has no value in row 1"),
        ({"X": [[1.0, 2.0], [1.0]]}, "column 'X' has a list of 1 in row 1, and of 2 in row 0"),
        ({"X": [[[1], [2]], [[3], [4, 5]]]}, "column 'X' has a list of 2 in row 1, and of 1 in row 0"),
        ({"X": [[[[[[[[[1]]]]]]]]]}, "column 'X' has 9 axes, more than 8"),
        ({"X": pa.array([], pa.float32())}, "it is empty; add a column for each input"),
        ({}, "it is empty"),
        ({f"c{n}": [1] for n in range(65)}, "it has 65 columns, more than 64"),
        ({"x" * 200: [1]}, "name each input once"),
        ({"X": np.zeros(100_001, "i1")}, "it says 100001 rows in 1 row groups; keep 100000"),
        ({"X": np.zeros(10), "Y": np.zeros(10)}, " bytes, more than 100; keep fewer rows"),
    ],
)
def test_what_no_model_can_be_sent_is_said_with_its_column(columns: dict[str, Any], said: str):
    with pytest.raises(RefusedError) as found:
        arrays_of(written(pa.table(columns)), 100 if "Y" in columns else MOST_BYTES)
    assert said in str(found.value)


ROWS, WIDTH = 20_000, 1000


def long_run() -> bytes:
    """80 MB of zeros in a few kB."""
    zeros = pa.FixedSizeListArray.from_arrays(pa.array(np.zeros(ROWS * WIDTH, np.float32)), WIDTH)
    return written(pa.table({"X": zeros}), compression="zstd", use_dictionary=False)


def lying(data: bytes) -> bytes:
    """The same, whose footer says that it has ten values: the number in as many bytes as before."""
    true = bytes((2 * ROWS * WIDTH >> 7 * at & 0x7F) | (0x80 if at < 3 else 0) for at in range(4))
    footer = len(data) - 8 - int.from_bytes(data[-8:-4], "little")
    assert true in data[footer:]
    return data[:footer] + data[footer:].replace(true, bytes([20 | 0x80, 0x80, 0x80, 0]))


def test_what_would_unpack_to_more_is_refused_by_its_metadata_a_lie_by_the_rows_and_all_else_by_memory(
    monkeypatch: pytest.MonkeyPatch,
):
    data = long_run()
    assert len(data) < 40_000
    with pytest.raises(GoldenSetError, match=r"goldenSet.key: unpacked it has 80\d{6} bytes, more than 67108864"):
        read_parquet(data, "key")
    with pytest.raises(RefusedError, match=f"it says {ROWS} rows and has [0-9]+; write it again"):
        arrays_of(lying(data), 10**9)
    monkeypatch.setattr(parquet, "MEMORY", 2**27)
    with pytest.raises(GoldenSetError, match=r"cannot be read within 20 s and 128 MiB \((Arrow)?MemoryError\)"):
        read_parquet(data, "key", most=2**28)


def test_what_is_no_parquet_file_is_said_by_whoever_reads_it():
    whole = written(pa.table({"X": [1.0]}))
    assert is_parquet(whole)
    for wrong in (whole[:-8] + b"\xff\xff\xff\x7fPAR1", whole[:40]):
        with pytest.raises(GoldenSetError, match=r"spec.preflight.goldenSet.file: the Parquet file cannot be read"):
            read_parquet(wrong, "file")


def test_a_reader_that_takes_too_long_is_ended(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(parquet, "PATIENCE", 0.01)
    with pytest.raises(GoldenSetError, match="its reader ended"):
        read_parquet(written(pa.table({"X": [1.0]})), "key")


def test_without_the_reader_the_extra_is_named(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(parquet, "find_spec", lambda name: None)
    with pytest.raises(GoldenSetError, match=r"--build-arg EXTRAS=parquet \(modelrollout\[parquet\]\), or write"):
        read_parquet(b"PAR1", "key")
