"""Models are read without their external weights and written beside them: gigabytes are copied, never loaded."""

from __future__ import annotations

import filecmp
import hashlib
import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Any

import onnx

if TYPE_CHECKING:
    from collections.abc import Iterator


def read(path: Path) -> Any:
    """The model, external data left where it is. Raises ValueError for what is no ONNX model."""
    try:
        model = onnx.load(path, load_external_data=False)
    except OSError as error:
        raise ValueError(f"{path} cannot be read: {error.strerror}") from None
    except Exception:  # noqa: BLE001 - protobuf's own errors
        raise ValueError(f"{path} is no ONNX model") from None
    if not model.graph.node:
        raise ValueError(f"{path} is no ONNX model: it has no nodes")
    return model


def write(model: Any, source: Path, target: Path) -> None:
    """Write the model, and copy the files of its external weights from beside `source` to beside `target`."""
    target.parent.mkdir(parents=True, exist_ok=True)
    for name in sorted(external_files(model)):
        weights, copy = source.parent / name, target.parent / name
        if not weights.is_file():
            raise ValueError(f"{source} keeps weights in {name}, which is not beside it: put the file there")
        if copy.exists() and (copy.samefile(weights) or filecmp.cmp(weights, copy, shallow=False)):
            continue
        if copy.exists():
            raise ValueError(f"{copy} exists with other weights: write the model into another folder")
        copy.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(weights, copy)
    onnx.save(model, target)


def digest(path: Path) -> str:
    """`sha256:` and 16 hex digits over a model's file and those of its external weights."""
    hasher = hashlib.sha256()
    for part in (path, *(path.parent / name for name in sorted(external_files(read(path))))):
        with part.open("rb") as file:
            for block in iter(lambda: file.read(1 << 20), b""):
                hasher.update(block)
    return f"sha256:{hasher.hexdigest()[:16]}"


def external_files(model: Any) -> set[str]:
    """The files of external weights, relative to the model's. Raises ValueError for one outside its folder."""
    found = {location for tensor in _tensors(model.graph) if (location := _location(tensor))}
    for location in found:
        if Path(location).is_absolute() or ".." in Path(location).parts:
            raise ValueError(f"the model keeps weights in {location}, outside its folder: save it anew beside them")
    return found


def _location(tensor: Any) -> str:
    if tensor.data_location != onnx.TensorProto.EXTERNAL:
        return ""
    return next((str(one.value) for one in tensor.external_data if one.key == "location"), "")


def _tensors(graph: Any) -> Iterator[Any]:
    yield from graph.initializer
    for node in graph.node:
        for attribute in node.attribute:
            if attribute.HasField("t"):
                yield attribute.t
            if attribute.HasField("g"):
                yield from _tensors(attribute.g)
