"""What was worked out for the ticks of the evaluation before is taken over, as far as all it was made from is equal.

Evidence is a function of ticks that is the same on a prefix as on the whole. So nobody has to know what may change
between two evaluations: the arguments are compared, tick by tick, and from the first that differs on all is new.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from modelrollout.core.analysis.stats.arrays import Array

Name = tuple[Hashable, ...]


@dataclass
class _Known:
    fixed: Hashable
    given: tuple[Array, ...]
    found: Array
    used: bool = True


@dataclass
class Memo:
    """Of one rollout on one grid, by the name of what was worked out; `at` narrows the name."""

    name: Name = ()
    _known: dict[Name, _Known] = field(default_factory=dict)

    def at(self, *name: Hashable) -> Memo:
        """The same memory, for a part of the work."""
        return Memo((*self.name, *name), self._known)

    @property
    def bytes(self) -> int:
        """About what it holds in memory."""
        return sum(one.found.nbytes + sum(each.nbytes for each in one.given) for one in self._known.values())

    def forget_unused(self) -> None:
        """Keep only what was asked for since the last time."""
        for name in [name for name, one in self._known.items() if not one.used]:
            del self._known[name]
        for one in self._known.values():
            one.used = False

    def ticks(
        self,
        name: Hashable,
        work: Callable[[Sequence[Array], int, Array | None], Array],
        given: Sequence[Array],
        fixed: Hashable = (),
    ) -> Array:
        """The result of `work` on `given`, arrays (..., T) that broadcast; (..., T) with any dimensions before.

        `work(given, first, before)` gives the ticks from `first` on; `before` are those before it, None where first is
        0. `fixed` is all else that it depends on.
        """
        full = (*self.name, name)
        arrays = tuple(np.array(one) for one in given)
        known = self._known.get(full)
        same = 0
        if known is not None and known.fixed == fixed and len(known.given) == len(arrays):
            same = min(_common(one, other) for one, other in zip(known.given, arrays, strict=True))
        if known is None or not same:
            found = work(arrays, 0, None)
        else:
            before = known.found[..., :same]
            new = work(arrays, same, before) if same < arrays[0].shape[-1] else before[..., :0]
            found = np.concatenate([before, new], axis=-1)
        self._known[full] = _Known(fixed, arrays, found)
        return found


def each_tick(
    memo: Memo | None,
    name: Hashable,
    work: Callable[..., Array],
    given: Sequence[Array],
    fixed: Hashable = (),
) -> Array:
    """`work(*given)`, which looks at every tick by itself; only at new ones where there is a memo."""
    if memo is None:
        return work(*given)
    return memo.ticks(name, lambda arrays, first, _: work(*(one[..., first:] for one in arrays)), given, fixed)


def _common(one: Array, other: Array) -> int:
    """How many ticks at the beginning are equal in every row."""
    if one.shape[:-1] != other.shape[:-1]:
        return 0
    count = min(one.shape[-1], other.shape[-1])
    differs = one[..., :count] != other[..., :count]
    if differs.ndim > 1:
        differs = differs.any(axis=tuple(range(differs.ndim - 1)))
    return int(differs.argmax()) if differs.any() else count
