"""An instrumented model is run beside the original: the same answers to the last bit, or it is not written.

Needs ONNX Runtime. Inputs are made up: small numbers of a fixed seed, 2 rows and 1 where the batch is free, 64 where
another length is, unless told.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from activation_health.graphs.layout import MEASURE

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    import numpy.typing as npt

    Arrays = dict[str, npt.NDArray[Any]]

FREE = 64
_TYPES = {
    "float": np.float32,
    "float16": np.float16,
    "double": np.float64,
    "int64": np.int64,
    "int32": np.int32,
    "int16": np.int16,
    "int8": np.int8,
    "uint8": np.uint8,
    "uint16": np.uint16,
    "uint32": np.uint32,
    "uint64": np.uint64,
    "bool": np.bool_,
    "string": np.object_,
}


class Checked(NamedTuple):
    """`same`: all answers were; None where the original itself cannot be run on what was made up. `why` says more."""

    same: bool | None
    why: str


def same_answers(original: Path, instrumented: Path, shapes: Mapping[str, tuple[int, ...]]) -> Checked:
    """Run both on made-up rows; `shapes` are those of inputs that need their own."""
    try:
        import onnxruntime as ort  # noqa: PLC0415 - only a check needs it
    except ImportError:
        return Checked(None, "ONNX Runtime is not installed: pip install onnxruntime")
    options = ort.SessionOptions()
    options.log_severity_level = 4
    providers = ["CPUExecutionProvider"]
    try:
        plain = ort.InferenceSession(str(original), options, providers=providers)
    except Exception as error:  # noqa: BLE001 - whatever the runtime says of the original is no fault of ours
        return Checked(None, f"ONNX Runtime does not load the original: {_short(error)}")
    watched = ort.InferenceSession(str(instrumented), options, providers=providers)
    names = [output.name for output in plain.get_outputs()]
    for rows in (2, 1):
        given = made_up(plain.get_inputs(), rows, shapes)
        try:
            expected = plain.run(names, given)
        except Exception as error:  # noqa: BLE001 - as above
            why = f"the original does not run on made-up inputs: {_short(error)}; give --shape NAME=1,3,..."
            return Checked(None, why)
        asked = {MEASURE: np.ones((rows, 1), np.bool_)} if _asks(watched) else {}
        found = watched.run(None, {**given, **asked})[: len(names)]
        for name, one, other in zip(names, expected, found, strict=True):
            if not _same(one, other):
                return Checked(False, f"output {name!r} differs")
    return Checked(True, "")


def made_up(inputs: Any, rows: int, shapes: Mapping[str, tuple[int, ...]]) -> Arrays:
    """An array for each input of a session."""
    random = np.random.default_rng(0)
    found: Arrays = {}
    batch = inputs[0].shape[0] if inputs and inputs[0].shape else None
    for one in inputs:
        free = [length if isinstance(length, int) and length > 0 else FREE for length in one.shape]
        for axis, length in enumerate(one.shape):
            if not isinstance(length, int) and (axis == 0 or (length is not None and length == batch)):
                free[axis] = rows
        kind: Any = _TYPES.get(one.type.removeprefix("tensor(").removesuffix(")"), np.float32)
        values = np.asarray(random.normal(size=shapes.get(one.name, tuple(free))))
        if kind is np.object_:
            found[one.name] = np.full(values.shape, "a", kind)
        else:
            found[one.name] = np.asarray(values if np.issubdtype(kind, np.floating) else np.abs(values)).astype(kind)
    return found


def _same(one: Any, other: Any) -> bool:
    """To the last bit; sequences and maps (those of ZipMap) value by value."""
    if isinstance(one, dict):
        return isinstance(other, dict) and list(one) == list(other) and _same([*one.values()], [*other.values()])
    if isinstance(one, list):
        return isinstance(other, list) and len(one) == len(other) and all(map(_same, one, other))
    first, second = np.asarray(one), np.asarray(other)
    if first.dtype == np.object_:
        return bool(first.tolist() == second.tolist())
    return (first.dtype, first.shape) == (second.dtype, second.shape) and first.tobytes() == second.tobytes()


def _asks(session: Any) -> bool:
    return any(one.name == MEASURE for one in session.get_inputs())


def _short(error: Exception) -> str:
    return " ".join(str(error).split())[-200:]
