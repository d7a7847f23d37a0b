"""Whether a golden set fits the model as its server describes it: names, shapes, dtypes, rows, labels."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy.typing as npt

from modelrollout.api.preflight import Preflight
from modelrollout.prober.golden.npz import Arrays, GoldenSetError

DTYPES = {
    "BOOL": "b1",
    "UINT8": "u1",
    "UINT16": "u2",
    "UINT32": "u4",
    "UINT64": "u8",
    "INT8": "i1",
    "INT16": "i2",
    "INT32": "i4",
    "INT64": "i8",
    "FP16": "f2",
    "FP32": "f4",
    "FP64": "f8",
}
BYTES = "BYTES"


@dataclass(frozen=True)
class Tensor:
    """An input as the server describes it; a size of -1 is free."""

    dtype: str
    shape: tuple[int, ...]


@dataclass(frozen=True)
class ModelFacts:
    """What the stable version's server says of the model."""

    inputs: Mapping[str, Tensor]
    outputs: tuple[str, ...]
    optional: frozenset[str] = frozenset()


@dataclass(frozen=True)
class GoldenRows:
    """A set that fits. `inputs`: arrays whose first axis is the rows; `labels`: shape (rows,), or None."""

    inputs: Arrays
    dtypes: Mapping[str, str]
    labels: npt.NDArray[Any] | None
    output: str
    rows: int
    whole: frozenset[str] = field(default_factory=frozenset)
    """Inputs that the model takes without a batch axis."""

    def row(self, index: int) -> Arrays:
        """What one request carries."""
        return {
            name: array[index] if name in self.whole else array[index : index + 1]
            for name, array in self.inputs.items()
        }


def fitted(arrays: Arrays, asked: Preflight, model: ModelFacts) -> GoldenRows:
    """The rows that are to be sent. Raises GoldenSetError, naming the field."""
    golden = asked.golden_set
    source = "key" if golden.config_map is not None else "file"
    labels = arrays.get(golden.labels) if golden.labels not in model.inputs else None
    inputs = {name: array for name, array in arrays.items() if name in model.inputs}
    _names(arrays, inputs, golden.labels, model, source)
    count = _count(inputs, source)
    rows = min(count, asked.rows or count)
    if labels is None and ("labels" in golden.model_fields_set or "accuracy" in asked.gates):
        raise GoldenSetError("labels", f"the set has no array {golden.labels!r}; add one class for each row")
    if labels is not None and (labels.ndim != 1 or len(labels) != count or labels.dtype.kind not in "biu"):
        text = f"array {golden.labels!r} has shape {labels.shape} of {labels.dtype}; give {count} whole numbers"
        raise GoldenSetError("labels", text)
    whole = {name for name, array in inputs.items() if _fits(name, array, model.inputs[name], source)}
    return GoldenRows(
        inputs={name: array[:rows] for name, array in inputs.items()},
        dtypes={name: model.inputs[name].dtype for name in inputs},
        labels=None if labels is None else labels[:rows],
        output=_output(golden.output, model),
        rows=rows,
        whole=frozenset(whole),
    )


def _names(arrays: Arrays, inputs: Arrays, labels: str, model: ModelFacts, source: str) -> None:
    needed = sorted(set(model.inputs) - model.optional)
    missing = [name for name in needed if name not in inputs]
    if missing:
        text = f"it has no array for input {missing[0]!r}; the model's inputs are {', '.join(sorted(model.inputs))}"
        raise GoldenSetError(source, text)
    unknown = sorted(set(arrays) - set(inputs) - {labels})
    if unknown:
        text = f"array {unknown[0]!r} is no input of the model ({', '.join(sorted(model.inputs))}); rename or remove it"
        raise GoldenSetError(source, text)


def _count(inputs: Arrays, source: str) -> int:
    counts = {name: len(array) if array.ndim else 0 for name, array in inputs.items()}
    if not counts or not all(counts.values()):
        raise GoldenSetError(source, "it has no rows; the first axis of every array is the rows")
    if len(set(counts.values())) > 1:
        text = ", ".join(f"{name} {count}" for name, count in sorted(counts.items()))
        raise GoldenSetError(source, f"the arrays have different numbers of rows ({text}); give each the same")
    return next(iter(counts.values()))


def _fits(name: str, array: npt.NDArray[Any], wanted: Tensor, source: str) -> bool:
    """Whether the model takes it without a batch axis. Raises GoldenSetError where it does not take it at all."""
    is_bytes = wanted.dtype == BYTES and array.dtype.kind == "S"
    if not is_bytes and DTYPES.get(wanted.dtype) != array.dtype.str.lstrip("<>|="):
        text = f"array {name!r} is {array.dtype}, and the model takes {wanted.dtype}; convert it with astype"
        raise GoldenSetError(source, text)
    batched = array.ndim == len(wanted.shape)
    sizes = array.shape if batched else array.shape[1:]
    given = (1, *array.shape[1:]) if batched else sizes
    free = all(size in (-1, have) for size, have in zip(wanted.shape, given, strict=False))
    if len(given) != len(wanted.shape) or not free:
        text = f"array {name!r} has rows of shape {array.shape[1:]}, and the model takes {list(wanted.shape)}"
        raise GoldenSetError(source, f"{text}; the first axis is the rows")
    return not batched


def _output(named: str | None, model: ModelFacts) -> str:
    known = ", ".join(model.outputs) or "none"
    if named is not None and named not in model.outputs:
        raise GoldenSetError("output", f"the model has no output {named!r}; name one of {known}")
    if named is None and len(model.outputs) != 1:
        raise GoldenSetError("output", f"the model has outputs {known}; name the one whose answers are compared")
    return named or model.outputs[0]
