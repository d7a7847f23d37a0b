"""Trained weights are data of the project: another CPU's arithmetic trains another network from the same seed.

`trained/` holds one .npz for each of CATALOGUE, and manifest.json says what each was trained by; `make models`
(tests.lab.models.make_models) writes them all.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

TRAINED = Path(__file__).parent / "trained"


@dataclass(frozen=True, slots=True)
class Training:
    """What the weights were made by, on the training split.

    `network` "mlp": scikit-learn's MLPClassifier, ReLU, of these `hidden` widths; "conv": tests.lab.models.networks'
    convolution of 16 and 32 channels, solver "sgd" alone.
    """

    solver: str
    learning_rate: float
    epochs: int
    seed: int = 1
    network: str = "mlp"
    hidden: tuple[int, ...] = (128, 64)

    @property
    def name(self) -> str:
        """Of its file, below `trained/`: a folder for each recipe, in it one for every ten seeds."""
        recipe = f"{self.network}-{self.solver}-{self.learning_rate:g}-{self.epochs}"
        first = (self.seed - 1) // 10 * 10 + 1
        return f"{recipe}/seeds-{first}-{first + 9}/seed{self.seed}"


GOOD = Training("sgd", 0.05, 5)
BETTER = Training("sgd", 0.05, 60)
DEAD_UNITS = Training("adam", 0.05, 20)
INACCURATE = Training("adam", 0.3, 20)
CONV_GOOD = Training("sgd", 0.01, 2, network="conv")
CONV_BETTER = Training("sgd", 0.01, 15, network="conv")
CONV_DEAD_UNITS = Training("sgd", 0.15, 12, seed=4, network="conv")
#: As good as BETTER, which is the first of them; they differ in their seed alone.
RETRAINS = tuple(replace(BETTER, seed=seed) for seed in range(1, 22))
#: With as many dead units as most. Beside RETRAINS[0], with the fewest, the default margin accuses two of the others.
MIDDLING = RETRAINS[10]
CATALOGUE = (GOOD, *RETRAINS, DEAD_UNITS, INACCURATE, CONV_GOOD, CONV_BETTER, CONV_DEAD_UNITS)


def weights(training: Training) -> Path:
    """The .npz of this training: w0, b0, w1, ... as float32. ValueError where there is none."""
    path = TRAINED / f"{training.name}.npz"
    if not path.exists():
        raise ValueError(f"{training.name} is not among the trained models: add it to CATALOGUE and run `make models`")
    return path
