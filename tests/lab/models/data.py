"""The digits every lab model learns and is asked about: 1,797 real 8x8 images (UCI, as scikit-learn ships them).

They are kept here in the order of their split, so that nothing that runs or serves a model needs scikit-learn.
`make models` writes them beside the models that were trained on them.
"""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float32]
Labels = npt.NDArray[np.int32]
PATH = Path(__file__).parent / "trained/digits.npz"
HELD_OUT = 450


@lru_cache(maxsize=1)
def split() -> tuple[Floats, Floats, Labels, Labels]:
    """(train X, hold-out X, train y, hold-out y): X in [0, 1], shape (rows, 64); the last 450 rows are held out."""
    with np.load(PATH) as stored:
        x = (stored["pixels"] / np.float32(16)).astype(np.float32)
        y = stored["digits"].astype(np.int32)
    return x[:-HELD_OUT], x[-HELD_OUT:], y[:-HELD_OUT], y[-HELD_OUT:]


def holdout() -> tuple[Floats, Labels]:
    """The 450 images and labels no model was trained on: what the lab's client sends."""
    _, x, _, y = split()
    return x, y


def shuffled_digits() -> dict[str, npt.NDArray[np.uint8]]:
    """What PATH holds, from scikit-learn: pixels are whole numbers from 0 to 16."""
    from sklearn.datasets import load_digits  # noqa: PLC0415 - for `make models` alone
    from sklearn.model_selection import train_test_split  # noqa: PLC0415

    found: Any = load_digits()
    x, kept_x, y, kept_y = train_test_split(found.data, found.target, test_size=HELD_OUT, random_state=0)
    return {
        "pixels": np.concatenate([x, kept_x]).astype(np.uint8),
        "digits": np.concatenate([y, kept_y]).astype(np.uint8),
    }
