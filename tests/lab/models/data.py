"""The digits every lab model learns and is asked about: scikit-learn's 1,797 real 8x8 images, split once."""

from __future__ import annotations

import os
from functools import lru_cache
from importlib.metadata import version
from typing import Any

import numpy as np
import numpy.typing as npt

from tests.lab.install.cache import cache_folder, locked

Floats = npt.NDArray[np.float32]
Labels = npt.NDArray[np.int32]
#: What the images, their split and the training depend on.
SKLEARN = version("scikit-learn")
#: Raised when `_split` changes, and with it training.RECIPE.
RECIPE = 1


@lru_cache(maxsize=1)
def split() -> tuple[Floats, Floats, Labels, Labels]:
    """(train X, hold-out X, train y, hold-out y): X in [0, 1], shape (rows, 64); 450 rows are held out.

    Cached, because to import scikit-learn takes two seconds that every test worker would pay.
    """
    path = cache_folder() / "models" / f"split-r{RECIPE}-sklearn-{SKLEARN}.npz"
    if not path.exists():
        with locked("split"):
            if not path.exists():
                path.parent.mkdir(parents=True, exist_ok=True)
                partial = path.with_name(f".{path.stem}-{os.getpid()}.npz")
                np.savez(partial, *_split())
                partial.replace(path)
    with np.load(path) as stored:
        return stored["arr_0"], stored["arr_1"], stored["arr_2"], stored["arr_3"]


def _split() -> tuple[Floats, Floats, Labels, Labels]:
    from sklearn.datasets import load_digits  # noqa: PLC0415
    from sklearn.model_selection import train_test_split  # noqa: PLC0415

    digits: Any = load_digits()
    parts = train_test_split(digits.data / 16, digits.target, test_size=0.25, random_state=0)
    return (
        parts[0].astype(np.float32),
        parts[1].astype(np.float32),
        parts[2].astype(np.int32),
        parts[3].astype(np.int32),
    )


def holdout() -> tuple[Floats, Labels]:
    """The 450 images and labels no model was trained on: what the lab's client sends."""
    _, x, _, y = split()
    return x, y
