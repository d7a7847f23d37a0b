"""An .npz file from somebody else: read within bounds, without unpickling anything, or refused with a sentence.

Sizes are checked before memory is taken: a member's header says its shape, and must agree with its length.
"""

from __future__ import annotations

import io
import math
import zipfile
from typing import IO, Any

import numpy as np
import numpy.typing as npt
from numpy.lib import format as npy

MOST_BYTES = 64 * 2**20
"""Of all arrays of a set together, unpacked."""
MOST_ARRAYS = 64
LONGEST_NAME = 128
KINDS = "biufS"
"""Kinds of dtype that a model can be sent: bool, whole numbers, floats, bytes."""
Arrays = dict[str, npt.NDArray[Any]]


class GoldenSetError(Exception):
    """Why a golden set cannot be used: the field of spec.preflight.goldenSet, and a sentence with the fix."""

    def __init__(self, field: str, message: str) -> None:
        super().__init__(f"spec.preflight.goldenSet{'.' + field if field else ''}: {message}")


def read_npz(data: bytes, field: str, most: int = MOST_BYTES) -> Arrays:
    """The arrays by name; `field` is where they come from. Raises GoldenSetError."""
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as file:
            return _members(file, field, most)
    except zipfile.BadZipFile:
        raise GoldenSetError(
            field, "it is neither .npz nor Parquet; write one with numpy.savez(FILE, INPUT=rows)"
        ) from None
    except (NotImplementedError, RuntimeError, EOFError, OSError) as error:  # encrypted, cut off, an odd compression
        raise GoldenSetError(field, f"it cannot be unpacked ({type(error).__name__}); write it again") from None


def _members(file: zipfile.ZipFile, field: str, most: int) -> Arrays:
    members = file.infolist()
    if not members:
        raise GoldenSetError(field, "it is empty; add one array for each input of the model")
    if len(members) > MOST_ARRAYS:
        raise GoldenSetError(field, f"it has {len(members)} arrays, more than {MOST_ARRAYS}; keep inputs and labels")
    total = sum(member.file_size for member in members)
    if total > most:
        text = f"unpacked it has {total} bytes, more than {most}; keep fewer rows"
        raise GoldenSetError(field, text)
    found: Arrays = {}
    for member in members:
        name = member.filename.removesuffix(".npy")
        if not name.isprintable() or not 0 < len(name) <= LONGEST_NAME or name in found:
            raise GoldenSetError(field, f"an array is called {name[:LONGEST_NAME]!r}; name each input once")
        with file.open(member) as stream:
            found[name] = _array(stream, name, member.file_size, field)
    return found


def _array(stream: IO[bytes], name: str, size: int, field: str) -> npt.NDArray[Any]:
    """One .npy member of `size` bytes."""
    try:
        major, _ = npy.read_magic(stream)
        read = npy.read_array_header_1_0 if major == 1 else npy.read_array_header_2_0
        shape, fortran, dtype = read(stream)
    except Exception:  # noqa: BLE001 - any header that is none; what it says is somebody else's
        raise GoldenSetError(field, f"array {name!r} is no .npy array; write it with numpy.savez") from None
    if dtype.hasobject or dtype.kind not in KINDS:
        text = f"array {name!r} holds {dtype}: pickled objects and dates are never read; use numbers, bools or bytes"
        raise GoldenSetError(field, text)
    needed = math.prod(shape) * dtype.itemsize
    if min(shape, default=0) < 0 or needed > size:
        raise GoldenSetError(field, f"array {name!r} says shape {shape} and has {size} bytes; write it again")
    data = stream.read(needed)
    if len(data) != needed:
        raise GoldenSetError(field, f"array {name!r} is cut off; write it again")
    return np.frombuffer(data, dtype=dtype).reshape(shape, order="F" if fortran else "C")
