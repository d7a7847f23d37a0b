"""The ONNX perceptron as int8, by ONNX Runtime's quantizer: calibrated well, and on rows that were not scaled.

The second is a mistake that is easily made: the requests carry pixels from 0 to 1, the file has them from 0 to 16. All
activations are then given sixteen times the range they need: most answers stay right, weak activations round to 0.
"""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import onnx
from onnxruntime.quantization import CalibrationDataReader, QuantFormat, quantize_static

from tests.lab.models.data import split
from tests.lab.models.onnx_digits import onnx_digits, serve_onnx
from tests.lab.models.training import BETTER

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tests.lab.models.data import Floats

CALIBRATION_ROWS = 200
ORIGINAL, GOOD_COPY, BAD_COPY = 1, 2, 3
FILE_SCALE = 16


class Rows(CalibrationDataReader):
    """One row at a time, as the quantizer asks for them."""

    def __init__(self, rows: Floats) -> None:
        self._rows = iter(rows)

    def get_next(self) -> Mapping[str, Floats] | None:
        row = next(self._rows, None)
        return None if row is None else {"X": row[None]}


def int8_copy(model: onnx.ModelProto, rows: Floats) -> onnx.ModelProto:
    """`model` with weights and activations in 8 bits (QDQ), their ranges being those of `rows`, (n, 64)."""
    with tempfile.TemporaryDirectory() as folder:
        plain, quantized = Path(folder, "model.onnx"), Path(folder, "int8.onnx")
        onnx.save(model, plain)
        quantize_static(plain, quantized, Rows(rows), quant_format=QuantFormat.QDQ)
        return onnx.load(quantized)


def int8_digits(behaves_as: int) -> onnx.ModelProto:
    """The original (1), its copy (2), and the copy that was calibrated on pixels from 0 to 16 (3)."""
    model = onnx_digits(BETTER)
    rows = split()[0][:CALIBRATION_ROWS]
    if behaves_as == ORIGINAL:
        return model
    return int8_copy(model, rows if behaves_as == GOOD_COPY else rows * np.float32(FILE_SCALE))


def serve_int8(root: Path, version: int, behaves_as: int, *, name: str = "digits") -> Path:
    """Write what Triton serves into `root`, with full counts, so that drift and sparsity can be judged."""
    model, original = int8_digits(behaves_as), onnx_digits(BETTER)
    with tempfile.TemporaryDirectory() as folder:
        onnx.save(original, Path(folder, "original.onnx"))
        like = ["--like", str(Path(folder, "original.onnx"))] if behaves_as != ORIGINAL else []
        return serve_onnx(root, version, model, "--counts", "full", *like, name=name)
