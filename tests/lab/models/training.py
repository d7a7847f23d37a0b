"""A model is trained once per user: its weights are cached under a hash of all that determined them."""

from __future__ import annotations

import hashlib
import json
import os
import warnings
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING

import numpy as np

from tests.lab.install.cache import cache_folder, locked
from tests.lab.models import conv_training
from tests.lab.models.data import SKLEARN, split

if TYPE_CHECKING:
    from pathlib import Path

#: Raised when the code below changes what it trains, so that no stale weights are used.
RECIPE = 1


@dataclass(frozen=True, slots=True)
class Training:
    """What determines the weights, on the training split.

    `network` "mlp": scikit-learn's MLPClassifier, ReLU, of these `hidden` widths; "conv": conv_training's, solver
    "sgd" alone.
    """

    solver: str
    learning_rate: float
    epochs: int
    seed: int = 1
    network: str = "mlp"
    hidden: tuple[int, ...] = (128, 64)

    def key(self) -> str:
        facts = {**asdict(self), "recipe": RECIPE, "sklearn": SKLEARN}
        return hashlib.sha256(json.dumps(facts, sort_keys=True).encode()).hexdigest()[:20]


GOOD = Training("sgd", 0.05, 5)
BETTER = Training("sgd", 0.05, 60)
DEAD_UNITS = Training("adam", 0.05, 20)
INACCURATE = Training("adam", 0.3, 20)
CONV_GOOD = Training("sgd", 0.01, 2, network="conv")
CONV_BETTER = Training("sgd", 0.01, 15, network="conv")
CONV_DEAD_UNITS = Training("sgd", 0.13, 20, network="conv")


def weights(training: Training) -> Path:
    """The .npz of this training (w0, b0, w1, ... as float32), trained now if it never was."""
    folder = cache_folder() / "models"
    path = folder / f"{training.network}-{training.key()}.npz"
    if not path.exists():
        with locked(f"model-{training.key()}"):
            if not path.exists():
                folder.mkdir(parents=True, exist_ok=True)
                partial = folder / f".{path.stem}-{os.getpid()}.npz"
                np.savez(partial, **_train(training))
                partial.replace(path)
    return path


def _train(training: Training) -> dict[str, np.ndarray]:
    from sklearn.exceptions import ConvergenceWarning  # noqa: PLC0415 - two seconds, and most find the weights cached
    from sklearn.neural_network import MLPClassifier  # noqa: PLC0415

    x, _, y, _ = split()
    if training.network == "conv":
        options = {"learning_rate": training.learning_rate, "epochs": training.epochs, "seed": training.seed}
        return {name: array.astype(np.float32) for name, array in conv_training.train(x, y, **options).items()}
    model = MLPClassifier(
        training.hidden,
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
