"""Neighbouring ticks are read as one until they hold some requests: totals alone decide, never an outcome.

A factor compares the two versions within one tick, so what one of them had while the other had nothing says nothing.
Where a tick is as short as a scrape and requests are few, most of the evidence was lost like that. So a group of ticks
ends, and its counts are compared as those of one tick, when both versions together have JOIN_REQUESTS in it, or
JOIN_LONGEST has passed. Of the evidence 1 / (n_c + n_s) or so is lost then, whatever the split.

Why that keeps the promise. Where a group ends is known from totals and times, and given those the bad ones are
binomial: a group's factor is that of a tick which was chosen before any outcome was seen, and its expectation is at
most 1 (eprocess.py). What either version has alone decides nothing: a group that waited for the rarer one would end at
one of its requests, so that the other's were the older ones, and whatever drifts would be held against one of them. As
it is, the split alone draws which version a request goes to, and both have theirs alike in the group. Nothing counts
before its group has ended, in the evidence or in what is expected of stable: the factor of a part, looked at on the
way, would be a choice among several. A change of the split ends a group uncounted (Simpson again).

Groups follow from the samples and from where evidence starts, not from who looks when: a restarted operator has the
same.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np

from modelrollout.core.analysis.stats.parameters import JOIN_LONGEST

if TYPE_CHECKING:
    from modelrollout.core.analysis.stats.arrays import Array, CountTicks, Flags, Index

_ROUNDING = 1e-6


@dataclass(frozen=True)
class Groups:
    """Which ticks are read as one, arrays (..., T).

    `into`: the tick at which each tick's counts count, the last of its group; -1 where they do not (yet).
    `first`: the first tick of each one's group.
    """

    into: Index
    first: Index

    @cached_property
    def apart(self) -> bool:
        """Whether every tick is a group of its own."""
        return bool((self.into == np.arange(self.into.shape[-1])).all())

    def of(self, values: Array) -> Array:
        """`values` (..., T) or (..., T, B) with each group's sum at its last tick and 0 at the others."""
        if self.apart:
            return values
        ticks = self.into.shape[-1]
        inner = values.shape[self.into.ndim :]
        flat = np.broadcast_to(values, (*self.into.shape, *inner)).reshape(-1, *inner)
        into = (np.arange(self.into.size).reshape(self.into.shape) // ticks * ticks + self.into).ravel()
        counts = self.into.ravel() >= 0
        out = np.zeros(flat.shape)
        np.add.at(out, into[counts], flat[counts])
        return out.reshape(*self.into.shape, *inner)

    def ticks(self, clean: CountTicks) -> CountTicks:
        """The same ticks with each group's counts at its last one."""
        if self.apart:
            return clean
        counts = (clean.candidate_bad, clean.candidate_total, clean.stable_bad, clean.stable_total)
        candidate_bad, candidate_total, stable_bad, stable_total = (self.of(one) for one in counts)
        return replace(
            clean,
            candidate_bad=candidate_bad,
            candidate_total=candidate_total,
            stable_bad=stable_bad,
            stable_total=stable_total,
        )


def group(seconds: Array, total: Array, restart: Flags, requests: float) -> Groups:
    """The groups of ticks in which both versions together had `total` (..., T), of at least so many `requests`.

    `restart` marks ticks that start a group anyway.
    """
    each = np.broadcast_to(np.arange(total.shape[-1]), total.shape)
    into, first = each.copy(), each.copy()
    few = (total < requests).any(axis=-1)
    if not few.any():
        return Groups(into, first)
    seconds, restart = np.broadcast_to(seconds, total.shape), np.broadcast_to(restart, total.shape)
    for row in np.argwhere(few):
        at = tuple(row)
        into[at], first[at] = _walk(seconds[at], total[at], restart[at], requests)
    return Groups(into, first)


def _walk(seconds: Array, total: Array, restart: Flags, requests: float) -> tuple[list[int], list[int]]:
    """(`into`, `first`) of one rollout, (T,): plain numbers, since a step of NumPy would take ten times as long."""
    into, first = [-1] * len(seconds), [0] * len(seconds)
    begin, span, counted = 0, 0.0, 0.0
    lengths = np.diff(seconds, prepend=seconds[:1])
    rows = zip(lengths.tolist(), total.tolist(), restart.tolist(), strict=True)
    for at, (length, number, anew) in enumerate(rows):
        if anew or at == begin:
            begin, span, counted = at, 0.0, 0.0
        span, counted = span + length, counted + number
        first[at] = begin
        if counted >= requests or span + length > JOIN_LONGEST + _ROUNDING:
            into[begin : at + 1] = [at] * (at + 1 - begin)
            begin = at + 1
    return into, first
