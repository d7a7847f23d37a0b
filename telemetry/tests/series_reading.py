"""Reading a Monitor's series by name and labels, for tests."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable


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
