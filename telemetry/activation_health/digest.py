"""A digest names the weights that serve, since a version number can be reloaded with other weights."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

if TYPE_CHECKING:
    from collections.abc import Mapping


def digest_arrays(arrays: Mapping[str, npt.NDArray[Any]]) -> str:
    """`sha256:` and 16 hex digits over names, types, shapes and values, whatever the order of the mapping."""
    hasher = hashlib.sha256()
    for name in sorted(arrays):
        array = np.ascontiguousarray(arrays[name])
        hasher.update(f"{name}\0{array.dtype.str}\0{array.shape}\0".encode())
        hasher.update(array.tobytes())
    return f"sha256:{hasher.hexdigest()[:16]}"
