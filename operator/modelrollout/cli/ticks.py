"""Ticks as a CSV file: every row is checked before anything is judged, and an error names its line."""

from __future__ import annotations

import csv
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from modelrollout.core.analysis.stats.arrays import Array, Index

COLUMNS = ("rollout", "time", "candidate_bad", "candidate_total", "stable_bad", "stable_total")
_NUMBERS = COLUMNS[1:]


class BadTicks(ValueError):  # noqa: N818 - says what the file holds
    """A sentence that names line, column, value and what to write instead."""


@dataclass(frozen=True)
class Series:
    """The ticks of one rollout: values (T, 5) in the order of COLUMNS without `rollout`, times rising."""

    rollout: str
    values: Array


def read_ticks(lines: Iterable[str]) -> list[Series]:
    """The rollouts of a CSV text in order of appearance; rows of several rollouts may alternate. Raises BadTicks."""
    reader = csv.reader(lines)
    try:
        names, rows, at = _rows(reader)
    except csv.Error as error:
        raise BadTicks(f"line {reader.line_num}: no CSV: {error}") from error
    if not rows:
        raise BadTicks("no ticks: add rows below the header line")
    values = _numbers(rows, at)
    _check_counts(values, at)
    order: dict[str, int] = {}
    group = np.array([order.setdefault(name, len(order)) for name in names])
    sorted_rows: Index = np.argsort(group, kind="stable")
    group, values, at = group[sorted_rows], values[sorted_rows], at[sorted_rows]
    _check_times(group, values[:, 0], at, list(order))
    bounds = np.searchsorted(group, np.arange(len(order) + 1))
    return [Series(name, values[bounds[k] : bounds[k + 1]]) for k, name in enumerate(order)]


def _rows(reader: Iterable[list[str]]) -> tuple[list[str], list[list[str]], Index]:
    names: list[str] = []
    rows: list[list[str]] = []
    at: list[int] = []
    picks: list[int] | None = None
    width = 0
    for row in reader:
        line: int = reader.line_num  # type: ignore[attr-defined] # csv's reader, which has no public type
        if not row or (len(row) == 1 and not row[0].strip()):
            continue
        if picks is None:
            picks, width = _header(row, line), len(row)
            continue
        if len(row) != width:
            raise BadTicks(f"line {line}: {len(row)} fields where the header has {width}: write one value per column")
        name = row[picks[0]].strip()
        if not name:
            raise BadTicks(f"line {line}: rollout is empty: name the rollout that the row belongs to")
        names.append(name)
        rows.append([row[k] for k in picks[1:]])
        at.append(line)
    if picks is None:
        raise BadTicks(f"line 1: no header: start with {','.join(COLUMNS)}")
    return names, rows, np.array(at, dtype=np.intp)


def _header(row: list[str], line: int) -> list[int]:
    found = [name.strip().removeprefix("\ufeff") for name in row]
    missing = [name for name in COLUMNS if name not in found]
    if missing:
        raise BadTicks(f"line {line}: missing column {', '.join(missing)}: the header must name {','.join(COLUMNS)}")
    twice = [name for name in COLUMNS if found.count(name) > 1]
    if twice:
        raise BadTicks(f"line {line}: column {twice[0]} is there twice: keep one of them")
    return [found.index(name) for name in COLUMNS]


def _numbers(rows: list[list[str]], at: Index) -> Array:
    try:
        values = np.array(rows, dtype=float)
    except ValueError:
        raise BadTicks(_no_number(rows, at)) from None
    wrong = np.argwhere(~np.isfinite(values))
    if len(wrong):
        row, column = wrong[0]
        text = rows[row][column].strip()
        raise BadTicks(
            f"line {at[row]}: {_NUMBERS[column]} is {text}: write a finite number, or leave the whole tick out"
        )
    return values


def _no_number(rows: list[list[str]], at: Index) -> str:
    for line, row in zip(at, rows, strict=True):
        for name, text in zip(_NUMBERS, row, strict=True):
            try:
                float(text)
            except ValueError:
                shown = text.strip() or "empty"
                return f"line {line}: {name} is {shown!r}: write a number, or leave the whole tick out"
    raise AssertionError("called only where a field is no number")


def _check_counts(values: Array, at: Index) -> None:
    negative = np.argwhere(values[:, 1:] < 0)
    if len(negative):
        row, column = negative[0]
        raise BadTicks(
            f"line {at[row]}: {_NUMBERS[column + 1]} is {values[row, column + 1]:g}: counts per tick are never "
            "negative (after a counter reset take the new value)"
        )
    for arm, bad, total in (("candidate", 1, 2), ("stable", 3, 4)):
        above = np.flatnonzero(values[:, bad] > values[:, total])
        if len(above):
            row = above[0]
            raise BadTicks(
                f"line {at[row]}: {arm}_bad is {values[row, bad]:g}, more than {arm}_total {values[row, total]:g}: "
                "bad requests are part of the total"
            )


def _check_times(group: Index, times: Array, at: Index, names: list[str]) -> None:
    same = group[1:] == group[:-1]
    back = np.flatnonzero(same & (times[1:] <= times[:-1]))
    if len(back):
        row = back[np.argmin(at[back + 1])] + 1
        how = "goes back from" if times[row] < times[row - 1] else "is again"
        raise BadTicks(
            f"line {at[row]}: time of rollout {names[group[row]]} {how} {times[row - 1]:.15g}"
            f"{f' to {times[row]:.15g}' if times[row] < times[row - 1] else ''}: "
            "write each tick once, in the order of time"
        )
