"""Chance in tests: seeded data never change, and bounds on counted traffic fail less than once in a million runs."""

from __future__ import annotations

import math

import numpy as np

#: A test that may fail by chance does so at most with this probability, and says so.
ERROR = 1e-6
Random = np.random.Generator | np.random.RandomState


def fixed(seed: int) -> np.random.RandomState:
    """Draws that are the same under every release of NumPy: a seeded test judges fixed data.

    NumPy keeps RandomState's streams for good (NEP 19); those of default_rng may change with any release.
    """
    return np.random.RandomState(seed)


def binomial_bounds(number: int, chance: float, error: float = ERROR) -> tuple[int, int]:
    """(least, most) successes in `number` independent trials, missed with probability `error` at most."""
    if not 0 < chance < 1:
        sure = round(number * chance)
        return sure, sure
    logs = [
        math.lgamma(number + 1) - math.lgamma(k + 1) - math.lgamma(number - k + 1)
        + k * math.log(chance) + (number - k) * math.log1p(-chance)
        for k in range(number + 1)
    ]  # fmt: skip
    below = np.cumsum(np.exp(logs))
    above = np.cumsum(np.exp(logs[::-1]))[::-1]
    least = int(np.searchsorted(below, error / 2, side="right"))
    most = int(number - np.searchsorted(above[::-1], error / 2, side="right"))
    return least, most
