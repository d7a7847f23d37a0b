"""Reading a Monitor's series by name and labels, for tests."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from activation_health import Monitor

if TYPE_CHECKING:
    from collections.abc import Iterable


def used_monitor() -> Monitor:
    """One that has seen a little of everything."""
    monitor = Monitor("digits", "2", ["hidden_1", 'odd "name"\\\n'], digest="sha256:ab", window=2, rows_per_second=1e9)
    monitor.observe("hidden_1", np.array([[0, 1.5, -2], [0, np.nan, np.inf]], np.float32))
    monitor.set_alpha("hidden_1", np.array([0.1, 0.3]))
    monitor.request(0.0123)
    monitor.request(0.5, failed=True)
    monitor.judged("labels", correct=3, total=4)
    return monitor


def values_of(source: Any) -> dict[tuple[str, tuple[str, ...]], float]:
    """All series of a Monitor (or of anything with its `collect`)."""
    groups: Iterable[Any] = source.collect()
    return {sample.key: sample.value for group in groups for sample in group}


def value_of(source: Any, name: str, *labels: str) -> float:
    """One series; `labels` follow the model and the version."""
    found = [value for (one, given), value in values_of(source).items() if one == name and given[2:] == labels]
    assert len(found) == 1, f"{name}{labels}: {len(found)} series"
    return found[0]


class Clock:
    """A clock the test turns."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now
