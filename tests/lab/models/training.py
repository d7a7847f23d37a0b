"""A model is trained once per user: its weights are cached under a hash of all that determined them."""

from __future__ import annotations

import hashlib
import json
import os
import warnings
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING

import numpy as np
import sklearn
from sklearn.exceptions import ConvergenceWarning
from sklearn.neural_network import MLPClassifier

from tests.lab.cache import cache_folder, locked
from tests.lab.models.data import split

if TYPE_CHECKING:
    from pathlib import Path

#: Raised when the code below changes what it trains, so that no stale weights are used.
RECIPE = 1


@dataclass(frozen=True, slots=True)
class Training:
    """What determines the weights: MLPClassifier (128, 64), ReLU, on the training split."""

    solver: str
    learning_rate: float
    epochs: int
    seed: int = 1

    def key(self) -> str:
        facts = {**asdict(self), "recipe": RECIPE, "sklearn": sklearn.__version__}
        return hashlib.sha256(json.dumps(facts, sort_keys=True).encode()).hexdigest()[:20]


GOOD = Training("sgd", 0.05, 5)
BETTER = Training("sgd", 0.05, 60)
DEAD_UNITS = Training("adam", 0.05, 20)
INACCURATE = Training("adam", 0.3, 20)


def weights(training: Training) -> Path:
    """The .npz of this training (w0, b0, w1, ... as float32), trained now if it never was."""
    folder = cache_folder() / "models"
    path = folder / f"digits-{training.key()}.npz"
    if not path.exists():
        with locked(f"model-{training.key()}"):
            if not path.exists():
                folder.mkdir(parents=True, exist_ok=True)
                partial = folder / f".{path.stem}-{os.getpid()}.npz"
                np.savez(partial, **_train(training))
                partial.replace(path)
    return path


def _train(training: Training) -> dict[str, np.ndarray]:
    x, _, y, _ = split()
    model = MLPClassifier(
        (128, 64),
        activation="relu",
        solver=training.solver,
        learning_rate_init=training.learning_rate,
        max_iter=training.epochs,
        random_state=training.seed,
    )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)  # a fixed number of epochs is what we ask for
        model.fit(x.astype(np.float64), y)
    arrays = {}
    for index, (matrix, bias) in enumerate(zip(model.coefs_, model.intercepts_, strict=True)):
        arrays[f"w{index}"] = matrix.astype(np.float32)
        arrays[f"b{index}"] = bias.astype(np.float32)
    return arrays
