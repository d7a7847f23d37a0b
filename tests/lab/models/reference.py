"""What a trained model's layers hold, so exactly that no CPU's way of adding can change an assertion about it.

Everything is computed in float64. Where a server that computes in float32 is compared, `certain` names the rows whose
sums are so far from an edge that no order of additions carries them across.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from tests.lab.models.networks import Network, patches
from tests.lab.models.training import Training, weights

if TYPE_CHECKING:
    from tests.lab.models.data import Floats
    from tests.lab.models.networks import Array

CONV_KERNELS = ((3, 3), (3, 3), (4, 4))
UNIT = 2.0**-24
"""Half a unit in the last place of a float32."""


def stored(training: Training) -> Network:
    """The model as trained, in float64."""
    with np.load(weights(training)) as arrays:
        layers = range(len(arrays.files) // 2)
        matrices = [arrays[f"w{layer}"].astype(np.float64) for layer in layers]
        biases = [arrays[f"b{layer}"].astype(np.float64) for layer in layers]
    kernels = CONV_KERNELS if training.network == "conv" else ((1, 1),) * len(matrices)
    return Network("ReLU", kernels, matrices, biases)


def images(training: Training, rows: Floats) -> Array:
    """Rows of 64 pixels as the network takes them, in float64."""
    shape = (8, 8, 1) if training.network == "conv" else (1, 1, 64)
    return rows.astype(np.float64).reshape(-1, *shape)


def certain(training: Training, rows: Floats, edges: tuple[float, ...] = (0.0,)) -> Array:
    """Whether float32 arithmetic, in whatever order, leaves every hidden sum of a row on its side of every edge.

    A sum of n products errs by at most n u / (1 - n u) of the sum of their magnitudes (Higham, Accuracy and Stability
    of Numerical Algorithms, 3.1), beside what its inputs err by.
    """
    network = stored(training)
    inputs = images(training, rows)
    reach = np.zeros_like(inputs)
    sure = np.ones(len(rows), dtype=bool)
    for kernel, matrix, bias in list(zip(network.kernels, network.weights, network.biases, strict=True))[:-1]:
        terms = len(matrix) + 1
        own = terms * UNIT / (1 - terms * UNIT)
        sums = patches(inputs, kernel) @ matrix + bias
        most = patches(np.abs(inputs) + reach, kernel) @ np.abs(matrix) + np.abs(bias)
        reach = own * most + patches(reach, kernel) @ np.abs(matrix)
        for edge in edges:
            sure &= (np.abs(sums - edge) > reach).all(axis=(1, 2, 3))
        inputs = np.maximum(sums, 0)
    return sure
