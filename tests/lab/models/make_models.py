"""`make models`: retrain every model of the catalogue and write it, the digits and the manifest to trained/.

On another CPU the same seeds give other networks: what depends on them (the record of `make records`, the tests of
the models) is to be run again then.
"""

from __future__ import annotations

import hashlib
import json
import warnings
from dataclasses import asdict
from importlib.metadata import version
from typing import TYPE_CHECKING, Any

import numpy as np

from tests.lab.models import networks
from tests.lab.models.data import PATH, shuffled_digits, split
from tests.lab.models.training import CATALOGUE, TRAINED, Training

if TYPE_CHECKING:
    from collections.abc import Iterable

    import numpy.typing as npt

    from tests.lab.models.data import Floats, Labels

    Arrays = dict[str, npt.NDArray[Any]]


def main() -> None:
    """A minute or two."""
    from threadpoolctl import threadpool_limits  # noqa: PLC0415 - comes with scikit-learn, which only this needs

    TRAINED.mkdir(exist_ok=True)
    np.savez_compressed(PATH, **shuffled_digits())  # type: ignore[arg-type]  # numpy's stub takes it for a flag
    models = {}
    for training in CATALOGUE:
        path = TRAINED / f"{training.name}.npz"
        path.parent.mkdir(parents=True, exist_ok=True)
        with threadpool_limits(1):  # so that the number of cores changes nothing
            arrays = train(training)
        np.savez_compressed(path, **arrays)  # type: ignore[arg-type]  # the same
        models[f"{training.name}.npz"] = {**asdict(training), "sha256": digest(path.read_bytes())}
        print(training.name, flush=True)
    written = {"made_with": made_with(), PATH.name: {"sha256": digest(PATH.read_bytes())}, "models": models}
    (TRAINED / "manifest.json").write_text(json.dumps(written, indent=1) + "\n", encoding="utf-8")


def digest(content: bytes) -> str:
    """What the manifest names a file by."""
    return hashlib.sha256(content).hexdigest()


def made_with() -> dict[str, str]:
    """Whatever else the weights depend on."""
    from threadpoolctl import threadpool_info  # noqa: PLC0415

    kernels = {str(one.get("architecture")) for one in threadpool_info() if one["internal_api"] == "openblas"}
    packages = {name: version(name) for name in ("numpy", "scikit-learn")}
    return packages | {"OpenBLAS kernel": ", ".join(sorted(kernels))}


def train(training: Training) -> Arrays:
    """w0, b0, w1, ... as float32."""
    x, _, y, _ = split()
    if training.network == "conv":
        return _convolution(training, x, y)
    from sklearn.exceptions import ConvergenceWarning  # noqa: PLC0415
    from sklearn.neural_network import MLPClassifier  # noqa: PLC0415

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
    return _named(model.coefs_, model.intercepts_)


def _convolution(training: Training, x: Floats, y: Labels) -> Arrays:
    architecture = networks.Architecture(
        "convolution",
        (16, 32),
        convolution=True,
        learning_rate=training.learning_rate,
        epochs=training.epochs,
    )
    network = networks.train(architecture, x.reshape(-1, 8, 8, 1), y, training.seed)
    return _named(network.weights, network.biases)


def _named(matrices: Iterable[npt.NDArray[Any]], biases: Iterable[npt.NDArray[Any]]) -> Arrays:
    found = {}
    for index, (matrix, bias) in enumerate(zip(matrices, biases, strict=True)):
        found[f"w{index}"], found[f"b{index}"] = matrix.astype(np.float32), bias.astype(np.float32)
    return found


if __name__ == "__main__":
    main()
