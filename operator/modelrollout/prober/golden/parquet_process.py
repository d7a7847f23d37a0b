"""The process that makes an .npz of a Parquet file: `python -m ... MOST MEMORY`, the file on stdin, an .npz on stdout.

What the file's own metadata say is held to the bounds before a value is read; `MEMORY` holds where they lie.
"""

from __future__ import annotations

import math
import re
import resource
import sys
import zipfile
from collections.abc import Iterator
from typing import IO, Any

import numpy as np
import numpy.typing as npt
from numpy.lib import format as npy

Arrays = dict[str, npt.NDArray[Any]]
REFUSED, UNREADABLE = 3, 4
"""Exit statuses: what stands on stdout is a sentence about the set, or what the reader said."""
MOST_COLUMNS, MOST_ROWS, MOST_GROUPS, MOST_AXES = 64, 100_000, 10_000, 8
MOST_METADATA = 2**20
LONGEST_NAME = 128
INDEX = re.compile(r"__index_level_\d+__")
"""Columns that pandas adds for an index."""


class RefusedError(Exception):
    """Why the set cannot be used, with the fix."""


def arrays_of(data: bytes, most: int) -> Arrays:
    """The columns. Raises RefusedError, or what pyarrow raises for what is no Parquet file."""
    import pyarrow as pa  # noqa: PLC0415 - an extra
    from pyarrow import parquet  # noqa: PLC0415

    bounds = {"thrift_string_size_limit": MOST_METADATA, "thrift_container_size_limit": MOST_METADATA}
    file = parquet.ParquetFile(pa.BufferReader(data), **bounds)
    names = _bounded(file, most)
    table = file.read(columns=names, use_threads=False)
    if table.num_rows != file.metadata.num_rows:
        raise RefusedError(f"it says {file.metadata.num_rows} rows and has {table.num_rows}; write it again")
    return dict(_arrays(table, names))


def pack(arrays: Arrays, file: IO[bytes]) -> None:
    """An .npz, as numpy.savez writes it, for any names."""
    with zipfile.ZipFile(file, "w") as packed:
        for name, array in arrays.items():
            with packed.open(f"{name}.npy", "w") as member:
                npy.write_array(member, array, allow_pickle=False)


def _bounded(file: Any, most: int) -> list[str]:
    """The columns that are read, of a file whose metadata keep within the bounds."""
    metadata, schema = file.metadata, file.schema_arrow
    names = [str(name) for name in schema.names if not INDEX.fullmatch(str(name))]
    if not names or not metadata.num_rows:
        raise RefusedError("it is empty; add a column for each input of the model, and rows")
    if metadata.num_columns > MOST_COLUMNS:
        raise RefusedError(f"it has {metadata.num_columns} columns, more than {MOST_COLUMNS}; keep inputs and labels")
    for name in names:
        if not name.isprintable() or not 0 < len(name) <= LONGEST_NAME or names.count(name) > 1:
            raise RefusedError(f"a column is called {name[:LONGEST_NAME]!r}; name each input once")
        _insist_on_numbers(name, schema.field(name).type)
    if not 0 < metadata.num_rows <= MOST_ROWS or metadata.num_row_groups > MOST_GROUPS:
        text = f"it says {metadata.num_rows} rows in {metadata.num_row_groups} row groups"
        raise RefusedError(f"{text}; keep {MOST_ROWS} rows in {MOST_GROUPS} groups at most")
    groups = (metadata.row_group(index) for index in range(metadata.num_row_groups))
    chunks = [group.column(at) for group in groups for at in range(group.num_columns)]
    size = max(sum(chunk.total_uncompressed_size for chunk in chunks), sum(map(_bytes, chunks)))
    if not 0 <= size <= most:
        raise RefusedError(f"unpacked it has {size} bytes, more than {most}; keep fewer rows")
    return names


def _bytes(chunk: Any) -> int:
    """Of its values in memory: a run of one value takes a few bytes in the file, however long it is."""
    wide = {"DOUBLE": 8, "INT64": 8, "BOOLEAN": 1, "FIXED_LEN_BYTE_ARRAY": 2}  # the last one is float16
    return int(chunk.num_values) * wide.get(str(chunk.physical_type), 4)


def _insist_on_numbers(name: str, kind: Any) -> None:
    import pyarrow as pa  # noqa: PLC0415 - an extra

    leaf, axes = kind.storage_type if isinstance(kind, pa.FixedShapeTensorType) else kind, 1
    while pa.types.is_list(leaf) or pa.types.is_large_list(leaf) or pa.types.is_fixed_size_list(leaf):
        leaf, axes = leaf.value_type, axes + 1
    if axes > MOST_AXES:
        raise RefusedError(f"column {name!r} has {axes} axes, more than {MOST_AXES}; nest fewer lists")
    if not (pa.types.is_integer(leaf) or pa.types.is_floating(leaf) or pa.types.is_boolean(leaf)):
        text = f"column {name!r} holds {str(kind)[:60]}; use numbers or bools, or lists of them for a tensor's rows"
        raise RefusedError(text)


def _arrays(table: Any, names: list[str]) -> Iterator[tuple[str, npt.NDArray[Any]]]:
    import pyarrow as pa  # noqa: PLC0415 - an extra

    for name in names:
        column = table.column(name)
        kind = column.type
        shape = tuple(kind.shape) if isinstance(kind, pa.FixedShapeTensorType) else None
        if shape is not None and kind.permutation not in (None, list(range(len(shape)))):
            raise RefusedError(f"column {name!r} holds tensors with permuted axes; write them in their order")
        chunks = [chunk.storage if shape is not None else chunk for chunk in column.chunks]
        whole = chunks[0] if len(chunks) == 1 else pa.concat_arrays(chunks)
        found = _tensor(name, whole)
        yield name, found if shape is None else found.reshape(len(found), *shape)


def _tensor(name: str, values: Any) -> npt.NDArray[Any]:
    """Shape (rows, ...): a list is an axis, and all of a column must have the same length there."""
    import pyarrow as pa  # noqa: PLC0415 - an extra
    from pyarrow import compute  # noqa: PLC0415

    rows, shape = len(values), [len(values)]
    while True:
        if values.null_count:
            at = compute.index(values.is_null(), True).as_py() // max(math.prod(shape[1:]), 1)
            raise RefusedError(f"column {name!r} has no value in row {at}; leave the row out, or fill it")
        if not isinstance(values, (pa.ListArray, pa.LargeListArray, pa.FixedSizeListArray)):
            break
        lengths = compute.list_value_length(values).to_numpy(zero_copy_only=False)
        if len(lengths) and (lengths != lengths[0]).any():
            other = int(np.argmax(lengths != lengths[0]))
            row = other // max(math.prod(shape[1:]), 1)
            text = f"column {name!r} has a list of {lengths[other]} in row {row}, and of {lengths[0]} in row 0"
            raise RefusedError(f"{text}; a tensor's rows have one shape")
        values, shape = values.flatten(), [*shape, int(lengths[0]) if len(lengths) else 0]
    return np.ascontiguousarray(values.to_numpy(zero_copy_only=False)).reshape(rows, *shape[1:])


def main() -> int:
    """See the module."""
    most, memory = int(sys.argv[1]), int(sys.argv[2])
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    resource.setrlimit(resource.RLIMIT_DATA, (memory, memory))
    data = sys.stdin.buffer.read()
    try:
        arrays = arrays_of(data, most)
    except RefusedError as error:
        sys.stdout.buffer.write(str(error).encode())
        return REFUSED
    except Exception as error:  # noqa: BLE001 - whatever the reader makes of a file that is none
        sys.stdout.buffer.write(type(error).__name__.encode())
        return UNREADABLE
    pack(arrays, sys.stdout.buffer)
    return 0


if __name__ == "__main__":
    sys.exit(main())
