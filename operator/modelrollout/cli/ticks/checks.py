"""What ticks cannot be, found over whole columns at once: each finding is one sentence with the line and a fix."""

from __future__ import annotations

import numpy as np

from modelrollout.core.analysis.stats.arrays import Array, Index

_NUMBERS = ("time", "candidate_bad", "candidate_total", "stable_bad", "stable_total")
_LATEST = 1e11
"""In seconds the year 5138; milliseconds of this century lie beyond it."""
_UNITS = ((1e14, "milliseconds", 1e3), (1e17, "microseconds", 1e6), (1e20, "nanoseconds", 1e9))
_MOST = 2.0**53
_YEAR = 366 * 86400.0
_FEWEST = 10
"""Ticks from which on a column that only grows is told from chance: ten numbers are sorted once in 3.6 million."""
_RISES, _FALLS = 0.4, 0.1
"""A counter rises in at least so many ticks (not in idle ones), and falls in at most so many (restarts)."""


class BadTicks(ValueError):  # noqa: N818 - says what the file holds
    """A sentence that names line, column, value and what to write instead."""


def check_values(values: Array, at: Index) -> None:
    """Each row by itself. Raises BadTicks."""
    for wrong, fix in (
        (~np.isfinite(values), "write a finite number, or leave the whole tick out"),
        (values[:, :1] < 0, "write seconds from 0 on"),
        (_counts(values) < 0, "counts per tick are never negative (after a counter reset take the new value)"),
        (_counts(values) > _MOST, "counts above 2^53 cannot be told apart; is this a count?"),
    ):
        found = np.argwhere(wrong)
        if len(found):
            row, column = found[0]
            raise BadTicks(f"line {at[row]}: {_NUMBERS[column]} is {values[row, column]:.15g}: {fix}")
    _check_parts(values, at)
    _check_units(values[:, 0], at)


def _counts(values: Array) -> Array:
    """The values with a harmless 0 for the time."""
    return np.column_stack([np.zeros(len(values)), values[:, 1:]])


def _check_parts(values: Array, at: Index) -> None:
    for arm, bad, total in (("candidate", 1, 2), ("stable", 3, 4)):
        above = np.flatnonzero(values[:, bad] > values[:, total])
        if len(above):
            row = above[0]
            raise BadTicks(
                f"line {at[row]}: {arm}_bad is {values[row, bad]:g}, more than {arm}_total {values[row, total]:g}: "
                "bad requests are part of the total"
            )


def _check_units(times: Array, at: Index) -> None:
    late = np.flatnonzero(times >= _LATEST)
    if not len(late):
        return
    line, time = at[late[0]], times[late[0]]
    for most, unit, size in _UNITS:
        if time < most:
            fix = f"these look like {unit}; write seconds, here {time / size:.15g}"
            raise BadTicks(f"line {line}: time is {time:.0f}: {fix}")
    raise BadTicks(f"line {line}: time is {time:.6g}: these cannot be seconds")


def check_times(group: Index, times: Array, at: Index, names: list[str]) -> None:
    """Rows sorted by rollout: times rise within each, and a rollout ends within a year. Raises BadTicks."""
    same = group[1:] == group[:-1]
    back = np.flatnonzero(same & (times[1:] <= times[:-1]))
    if len(back):
        row = back[np.argmin(at[back + 1])] + 1
        falls = times[row] < times[row - 1]
        how = f"goes back from {times[row - 1]:.15g} to {times[row]:.15g}" if falls else f"is again {times[row]:.15g}"
        fix = "write each tick once, in the order of time"
        raise BadTicks(f"line {at[row]}: time of rollout {names[group[row]]} {how}: {fix}")
    far = np.flatnonzero(same & (times[1:] - times[:-1] > _YEAR))
    if len(far):
        row = far[np.argmin(at[far + 1])] + 1
        how = f"jumps from {times[row - 1]:.15g} to {times[row]:.15g}, more than a year"
        raise BadTicks(f"line {at[row]}: time of rollout {names[group[row]]} {how}: write seconds in every row")


def refuse_counters(name: str, values: Array, line: int) -> None:
    """Counters that grow since a process started are no increments: every tick would count again. Raises BadTicks."""
    if len(values) < _FEWEST:
        return
    for arm, bad, total in (("candidate", 1, 2), ("stable", 3, 4)):
        steps = np.diff(values[:, total])
        if np.mean(steps > 0) < _RISES or not (_only_restarts(values[:, bad]) and _only_restarts(values[:, total])):
            continue
        first, last = values[0, total], values[-1, total]
        raise BadTicks(
            f"line {line}: {arm}_total of rollout {name} grows from tick to tick, {first:.15g} to {last:.15g}, as "
            "a counter does: write what was counted within each tick, or pass --increments if traffic really grew"
        )


def _only_restarts(column: Array) -> bool:
    """Whether it falls hardly ever, and then to less than half, as a counter does that begins again."""
    falls = column[1:] < column[:-1]
    return bool(np.mean(falls) <= _FALLS and (column[1:][falls] <= column[:-1][falls] / 2).all())
