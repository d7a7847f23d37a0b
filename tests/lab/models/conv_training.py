"""A small convolutional network is trained with numpy alone: 3x3 convolutions of 16 and 32 channels, then dense."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

Arrays = dict[str, npt.NDArray[Any]]
CHANNELS = (16, 32)
MOMENTUM, BATCH = 0.9, 32


def train(x: npt.NDArray[Any], y: npt.NDArray[Any], *, learning_rate: float, epochs: int, seed: int) -> Arrays:
    """Weights w0, b0, w1, b1, w2, b2 after `epochs` of momentum descent; x is (rows, 64), y (rows,)."""
    random = np.random.default_rng(seed)
    images = x.reshape(-1, 1, 8, 8).astype(np.float64)
    weights = initial(random)
    speed = {name: np.zeros_like(array) for name, array in weights.items()}
    for _ in range(epochs):
        order = random.permutation(len(images))
        for start in range(0, len(images), BATCH):
            chosen = order[start : start + BATCH]
            for name, slope in gradients(weights, images[chosen], y[chosen]).items():
                speed[name] = MOMENTUM * speed[name] - learning_rate * slope
                weights[name] = weights[name] + speed[name]
    return weights


def initial(random: np.random.Generator) -> Arrays:
    """He's initialisation: variance 2 / inputs."""
    shapes = [(9, CHANNELS[0]), (9 * CHANNELS[0], CHANNELS[1]), (16 * CHANNELS[1], 10)]
    weights: Arrays = {}
    for index, (inputs, outputs) in enumerate(shapes):
        weights[f"w{index}"] = random.normal(size=(inputs, outputs)) * np.sqrt(2 / inputs)
        weights[f"b{index}"] = np.zeros(outputs)
    return weights


def patches(x: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """3x3 neighbourhoods: (batch, channels, h, w) -> (batch, h-2, w-2, channels x 9)."""
    count, channels, height, width = x.shape
    windows = np.lib.stride_tricks.sliding_window_view(x, (3, 3), axis=(2, 3))
    flat: npt.NDArray[Any] = windows.transpose(0, 2, 3, 1, 4, 5)
    return flat.reshape(count, height - 2, width - 2, channels * 9)


def layers(weights: Arrays, images: npt.NDArray[Any]) -> tuple[npt.NDArray[Any], ...]:
    """(patches, hidden, patches, hidden, logits); hidden layers are (batch, channels, h, w)."""
    first = patches(images)
    hidden_1 = np.maximum(first @ weights["w0"] + weights["b0"], 0).transpose(0, 3, 1, 2)
    second = patches(hidden_1)
    hidden_2 = np.maximum(second @ weights["w1"] + weights["b1"], 0).transpose(0, 3, 1, 2)
    return first, hidden_1, second, hidden_2, hidden_2.reshape(len(images), -1) @ weights["w2"] + weights["b2"]


def gradients(weights: Arrays, images: npt.NDArray[Any], y: npt.NDArray[Any]) -> Arrays:
    """Of the mean cross-entropy, by back-propagation."""
    first, hidden_1, second, hidden_2, logits = layers(weights, images)
    odds = np.exp(logits - logits.max(axis=1, keepdims=True))
    error = odds / odds.sum(axis=1, keepdims=True)
    error[np.arange(len(y)), y] -= 1
    error /= len(y)
    slopes = {"w2": hidden_2.reshape(len(images), -1).T @ error, "b2": error.sum(axis=0)}
    into_2 = ((error @ weights["w2"].T).reshape(hidden_2.shape) * (hidden_2 > 0)).transpose(0, 2, 3, 1)
    slopes |= {"w1": np.tensordot(second, into_2, ((0, 1, 2), (0, 1, 2))), "b1": into_2.sum(axis=(0, 1, 2))}
    spread = (into_2 @ weights["w1"].T).reshape(*into_2.shape[:3], CHANNELS[0], 3, 3)
    into_1 = np.zeros((len(images), 6, 6, CHANNELS[0]))
    for row in range(3):
        for column in range(3):
            into_1[:, row : row + 4, column : column + 4] += spread[..., row, column]
    into_1 *= hidden_1.transpose(0, 2, 3, 1) > 0
    slopes |= {"w0": np.tensordot(first, into_1, ((0, 1, 2), (0, 1, 2))), "b0": into_1.sum(axis=(0, 1, 2))}
    return slopes
