"""What twenty equally good trainings of each architecture on each data set had for dead units, read from a record.

The record (data/retrains.npz, `make records`) holds counts, not weights: another CPU's arithmetic changes nothing.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from tests.lab.models import Architecture

PATH = Path(__file__).parent / "data/retrains.npz"
SEEDS = 20
WINDOWS = (100, 200)
"""Rows of a window."""
POOL = 300
"""Windows drawn per network; the simulated streams pick from these."""
DATA = ("digits", "breast cancer")
REFERENCE = Architecture("MLP 128, 64", (128, 64))
"""Of the same shape as the network with dead layers, BROKEN."""
NARROW = Architecture("narrow MLP 32, 16", (32, 16))
ARCHITECTURES = (
    NARROW,
    REFERENCE,
    Architecture("wide MLP 512, 256", (512, 256)),
    Architecture("convolution 16, 32", (16, 32), convolution=True),
    Architecture("LeakyReLU MLP 128, 64", (128, 64), "LeakyReLU"),
    Architecture("GELU MLP 128, 64", (128, 64), "GELU"),
)
BROKEN = "dead layers"


@dataclass(frozen=True)
class Network:
    """Accuracy on the hold-out rows, and per layer the dead units of POOL windows."""

    accuracy: float
    dead: tuple[np.ndarray, ...]
    widths: tuple[int, ...]

    def share(self, layer: int) -> float:
        """Of the layer's units, dead in the mean window."""
        return float(self.dead[layer].mean()) / self.widths[layer]

    def with_layer(self, layer: int, other: Network, more: float) -> Network:
        """The same but for one layer: the other network's, with a share of `more` of its units dead besides."""
        width = self.widths[layer]
        dead = np.clip(other.dead[layer] + more * width, 0, width)
        return replace(self, dead=(*self.dead[:layer], dead, *self.dead[layer + 1 :]))


@dataclass(frozen=True)
class Group:
    """Networks that differ in their seed alone, watched in windows of `window` rows."""

    data: str
    architecture: Architecture
    window: int
    networks: tuple[Network, ...]


def groups() -> Iterator[Group]:
    """Every architecture on every data set, at both sizes of window."""
    with np.load(PATH) as record:
        for data in DATA:
            for architecture in ARCHITECTURES:
                for window in WINDOWS:
                    networks = _networks(record, data, architecture.name, architecture.hidden, window)
                    yield Group(data, architecture, window, networks)


def broken(window: int) -> Network:
    """The lab's network with dead layers, as accurate as the reference on the digits."""
    with np.load(PATH) as record:
        return _networks(record, DATA[0], BROKEN, REFERENCE.hidden, window)[0]


def key(data: str, name: str, *what: object) -> str:
    """The name of an array in the record: (seeds, POOL) for a window and layer, (seeds,) for the accuracy."""
    return "/".join(map(str, (data, name, *what)))


def _networks(
    record: np.lib.npyio.NpzFile, data: str, name: str, hidden: tuple[int, ...], window: int
) -> tuple[Network, ...]:
    layers = [record[key(data, name, window, layer)] for layer in range(len(hidden))]
    accuracies = record[key(data, name, "accuracy")]
    return tuple(
        Network(float(accuracy), tuple(layer[seed] for layer in layers), hidden)
        for seed, accuracy in enumerate(accuracies)
    )
