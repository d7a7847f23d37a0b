"""What a test knows to exist is said once, for mypy and for the reader of a failure."""

from __future__ import annotations

from typing import TypeVar

T = TypeVar("T")


def present(found: T | None) -> T:
    """`found`, which is not None."""
    assert found is not None
    return found


def expect(kind: type[T], found: object) -> T:
    """`found`, which is a `kind`."""
    assert isinstance(found, kind), f"{found!r} is no {kind.__name__}"
    return found
