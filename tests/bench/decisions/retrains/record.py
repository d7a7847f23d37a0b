"""`make records`: train twenty seeds of each architecture on each data set and record their dead units per window.

Takes some ten minutes on two cores. Another CPU rounds otherwise and trains other networks, as good as these: so the
record belongs to the repository, and nothing that reads it trains.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Any

import numpy as np
import numpy.typing as npt

from tests.bench.decisions.retrains.recorded import ARCHITECTURES, BROKEN, DATA, PATH, POOL, SEEDS, WINDOWS, key
from tests.lab.models import DEAD_UNITS, Architecture, split, train, weights

Array = npt.NDArray[Any]


def main() -> None:
    """Write the record."""
    from threadpoolctl import threadpool_limits  # noqa: PLC0415 - comes with scikit-learn, which only this needs

    with threadpool_limits(1):  # so small are the matrices that threads would wait for each other
        _record()


def _record() -> None:
    began = time.monotonic()
    arrays: dict[str, Any] = {}
    for data in DATA:
        parts = DATA_SETS[data]()
        for architecture in ARCHITECTURES:
            arrays |= _trained(data, architecture, *parts)
            print(f"[{time.monotonic() - began:4.0f} s] {data}: {architecture.name}", flush=True)
    arrays |= _broken()
    kept: dict[str, Any] = arrays
    np.savez_compressed(PATH, **kept)


def _trained(data: str, architecture: Architecture, x: Array, seen: Array, y: Array, truth: Array) -> dict[str, Array]:
    """Windows are drawn from the rows that no network was trained on."""
    learnt, asked = (_images(data, rows, architecture.convolution) for rows in (x, seen))
    accuracies, dead = [], []
    for seed in range(1, SEEDS + 1):
        network = train(architecture, learnt, y, seed)
        accuracies.append(network.accuracy(asked, truth))
        dead.append(dict(_windows(list(network.hidden(asked)), architecture.dormant_tau, seed)))
    found = {key(data, architecture.name, *what): np.stack([one[what] for one in dead]) for what in dead[0]}
    return {key(data, architecture.name, "accuracy"): np.array(accuracies)} | found


def _broken() -> dict[str, Array]:
    """The lab's network with dead layers, on the digits."""
    _, rows, _, truth = split()
    with np.load(weights(DEAD_UNITS)) as stored:
        first = np.maximum(rows @ stored["w0"] + stored["b0"], 0)
        second = np.maximum(first @ stored["w1"] + stored["b1"], 0)
        answers = (second @ stored["w2"] + stored["b2"]).argmax(axis=1)
    found = _windows([one[:, None, None, :] for one in (first, second)], None, 0)
    accuracy = {key(DATA[0], BROKEN, "accuracy"): np.array([(answers == truth).mean()])}
    return accuracy | {key(DATA[0], BROKEN, *what): counts[None] for what, counts in found}


def _windows(hidden: list[Array], tau: float | None, seed: int) -> Iterator[tuple[tuple[int, int], Array]]:
    """((rows of a window, layer), dead units of POOL windows), by the rule of activation_health.windows."""
    random = np.random.default_rng(seed)
    for window in WINDOWS:
        picks = random.integers(0, len(hidden[0]), (POOL, window))
        for layer, activations in enumerate(hidden):
            yield (window, layer), dead_units(np.abs(activations).mean(axis=(1, 2)), picks, tau)


def dead_units(magnitude: Array, picks: Array, tau: float | None) -> Array:
    """Per window of rows, the units that are 0 throughout, or tau-dormant; `magnitude` is (rows, units)."""
    means = np.stack([magnitude[pick].mean(axis=0, dtype=np.float64) for pick in picks])
    limit = 0.0 if tau is None else tau * means.mean(axis=1, keepdims=True)
    dead: Array = (means <= limit).sum(axis=1).astype(np.uint16)
    return dead


def _digits() -> tuple[Array, Array, Array, Array]:
    return split()


def _breast_cancer() -> tuple[Array, Array, Array, Array]:
    """Wisconsin's 569 tumours, 30 measures each by the training half's mean and spread; half is held out."""
    from sklearn.datasets import load_breast_cancer  # noqa: PLC0415

    found: Any = load_breast_cancer()
    order = np.random.default_rng(0).permutation(len(found.target))
    learnt, asked = order[::2], order[1::2]
    x = (found.data - found.data[learnt].mean(axis=0)) / found.data[learnt].std(axis=0)
    x = x.astype(np.float32)
    return x[learnt], x[asked], found.target[learnt], found.target[asked]


DATA_SETS = dict(zip(DATA, (_digits, _breast_cancer), strict=True))


def _images(data: str, rows: Array, convolution: bool) -> Array:
    """Digits are 8x8 pixels; a tumour is ten measures in a row, each with its mean, error and worst as channels."""
    if not convolution:
        return rows[:, None, None, :]
    if data == DATA[0]:
        return rows.reshape(-1, 8, 8, 1)
    return np.ascontiguousarray(rows.reshape(-1, 3, 10).transpose(0, 2, 1)[:, :, None, :])


if __name__ == "__main__":
    main()
