"""Networks of any of the bench's architectures are trained with numpy alone: a chain of convolutions.

A dense layer is a convolution over an image of one position, so one forward and one backward pass serve all.
Images are (rows, height, width, channels), float32.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[Any]
LEAK = 0.01
MOMENTUM, BATCH, WEIGHT_DECAY = np.float32(0.9), 32, np.float32(1e-4)


@dataclass(frozen=True)
class Architecture:
    """Units of the hidden layers, and the activation behind them; `convolution`: kernels of 3 positions a side."""

    name: str
    hidden: tuple[int, ...]
    activation: str = "ReLU"
    convolution: bool = False
    learning_rate: float = 0.02
    epochs: int = 30

    @property
    def dormant_tau(self) -> float | None:
        """What counts as dead: 0 on every row for ReLU, else tau-dormant at the usual 0.025 (docs/metrics.md)."""
        return None if self.activation == "ReLU" else 0.025


@dataclass(frozen=True)
class Network:
    """One (kernel, weights, bias) a layer; weights are (channels x kernel, units)."""

    activation: str
    kernels: tuple[tuple[int, int], ...]
    weights: list[Array]
    biases: list[Array]

    def hidden(self, images: Array) -> Iterator[Array]:
        """Every hidden layer's activations, (rows, height, width, units)."""
        for sums in self._sums(images)[1][:-1]:
            yield ACTIVATIONS[self.activation][0](sums)

    def accuracy(self, images: Array, labels: Array) -> float:
        """Share of the rows that get their label."""
        return float((self._sums(images)[1][-1].reshape(len(images), -1).argmax(axis=1) == labels).mean())

    def loss(self, images: Array, labels: Array) -> float:
        """Mean cross-entropy."""
        logits = self._sums(images)[1][-1].reshape(len(images), -1)
        highest = logits.max(axis=1)
        sums = highest + np.log(np.exp(logits - highest[:, None]).sum(axis=1))
        return float((sums - logits[np.arange(len(labels)), labels]).mean())

    def gradients(self, images: Array, labels: Array) -> list[tuple[Array, Array]]:
        """Of the loss, (weights, bias) for each layer, by back-propagation."""
        inputs, sums = self._sums(images)
        logits = sums[-1]
        odds = np.exp(logits - logits.max(axis=-1, keepdims=True))
        error = odds / odds.sum(axis=-1, keepdims=True)
        error[np.arange(len(labels)), 0, 0, labels] -= 1
        error /= len(labels)
        found = []
        for layer in reversed(range(len(sums))):
            seen = patches(inputs[layer], self.kernels[layer])
            flat = error.reshape(-1, error.shape[-1])
            found.append((seen.reshape(len(flat), -1).T @ flat, flat.sum(axis=0)))
            if layer:
                error = spread(error @ self.weights[layer].T, inputs[layer].shape, self.kernels[layer])
                error *= ACTIVATIONS[self.activation][1](sums[layer - 1])
        return found[::-1]

    def _sums(self, images: Array) -> tuple[list[Array], list[Array]]:
        """(inputs, weighted sums) of every layer."""
        inputs, sums = [images], []
        for kernel, weights, bias in zip(self.kernels, self.weights, self.biases, strict=True):
            sums.append(patches(inputs[-1], kernel) @ weights + bias)
            inputs.append(ACTIVATIONS[self.activation][0](sums[-1]))
        return inputs[:-1], sums


def train(architecture: Architecture, images: Array, labels: Array, seed: int) -> Network:
    """Momentum descent over the architecture's epochs, from He's initialisation (variance 2 / inputs)."""
    random = np.random.default_rng(seed)
    network = _initial(architecture, images.shape[1:], int(labels.max()) + 1, random)
    parameters = [array for pair in zip(network.weights, network.biases, strict=True) for array in pair]
    speeds = [np.zeros_like(array) for array in parameters]
    rate = np.float32(architecture.learning_rate)
    for _ in range(architecture.epochs):
        order = random.permutation(len(images))
        for start in range(0, len(images), BATCH):
            chosen = order[start : start + BATCH]
            slopes = [array for pair in network.gradients(images[chosen], labels[chosen]) for array in pair]
            for array, speed, slope in zip(parameters, speeds, slopes, strict=True):
                speed[:] = MOMENTUM * speed - rate * (slope + WEIGHT_DECAY * array)
                array[:] += speed
    return network


def _initial(architecture: Architecture, image: tuple[int, ...], classes: int, random: np.random.Generator) -> Network:
    height, width, channels = image
    kernels: list[tuple[int, int]] = []
    weights: list[np.ndarray[Any, Any]] = []
    biases: list[np.ndarray[Any, Any]] = []
    for units in (*architecture.hidden, classes):
        last = len(kernels) == len(architecture.hidden)
        kernel = (height, width)
        if architecture.convolution and not last:
            kernel = (min(3, height), min(3, width))
        inputs = channels * kernel[0] * kernel[1]
        kernels.append(kernel)
        weights.append((random.normal(size=(inputs, units)) * np.sqrt(2 / inputs)).astype(np.float32))
        biases.append(np.zeros(units, np.float32))
        height, width, channels = height - kernel[0] + 1, width - kernel[1] + 1, units
    return Network(architecture.activation, tuple(kernels), weights, biases)


def patches(images: Array, kernel: tuple[int, int]) -> Array:
    """Neighbourhoods: (rows, h, w, channels) -> (rows, h', w', channels x kernel)."""
    if kernel == (1, 1):
        return images
    windows = np.lib.stride_tricks.sliding_window_view(images, kernel, axis=(1, 2))
    return windows.reshape(*windows.shape[:3], -1)


def spread(slopes: Array, shape: tuple[int, ...], kernel: tuple[int, int]) -> Array:
    """What every input value gets back from the neighbourhoods it was in; the reverse of `patches`."""
    if kernel == (1, 1):
        return slopes
    parts = slopes.reshape(*slopes.shape[:3], shape[3], *kernel)
    out = np.zeros(shape, slopes.dtype)
    rows, columns = parts.shape[1:3]
    for row in range(kernel[0]):
        for column in range(kernel[1]):
            out[:, row : row + rows, column : column + columns] += parts[..., row, column]
    return out


def _gelu(x: Array) -> Array:
    return x * (1 + np.tanh(_inner(x))) / 2


def _gelu_slope(x: Array) -> Array:
    tanh = np.tanh(_inner(x))
    inner_slope = np.float32(np.sqrt(2 / np.pi)) * (1 + 3 * np.float32(0.044715) * x * x)
    return (1 + tanh + x * (1 - tanh * tanh) * inner_slope) / 2


def _inner(x: Array) -> Array:
    """GELU by its usual approximation, 0.5 x (1 + tanh(sqrt(2/pi) (x + 0.044715 x^3)))."""
    return np.float32(np.sqrt(2 / np.pi)) * (x + np.float32(0.044715) * x * x * x)


#: name: (activation, its slope), both of the weighted sum.
ACTIVATIONS: dict[str, tuple[Callable[[Array], Array], Callable[[Array], Array]]] = {
    "ReLU": (lambda x: np.maximum(x, 0), lambda x: (x > 0).astype(x.dtype)),
    "LeakyReLU": (
        lambda x: np.where(x > 0, x, np.float32(LEAK) * x),
        lambda x: np.where(x > 0, np.float32(1), np.float32(LEAK)),
    ),
    "GELU": (_gelu, _gelu_slope),
}
