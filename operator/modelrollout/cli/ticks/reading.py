"""Lines become numbers one by one, so that a file costs 56 bytes a tick whatever its size in characters."""

from __future__ import annotations

import csv
from array import array
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import BinaryIO

import numpy as np

from modelrollout.cli.ticks.checks import BadTicks, check_times, check_values, refuse_counters
from modelrollout.cli.ticks.header import COLUMNS, NUMBERS, Header, count_in, no_number, read_header
from modelrollout.core.analysis.stats.arrays import Array, Index

MOST_TICKS = 2_000_000
MOST_TICKS_OF_ONE = 500_000
LONGEST_LINE = 1 << 20
LONGEST_NAME = 253


@dataclass(frozen=True)
class Series:
    """The ticks of one rollout: values (T, 5) in the order of COLUMNS without `rollout`, times rising."""

    rollout: str
    values: Array


def lines_of(file: BinaryIO) -> Iterator[str]:
    """The lines of a UTF-8 file without their ends, whatever system they come from. Raises BadTicks."""
    number = 0
    while data := file.readline(LONGEST_LINE + 1):
        number += 1
        if len(data) > LONGEST_LINE:
            raise BadTicks(f"line {number}: longer than {LONGEST_LINE >> 20} MiB: write one tick per line")
        try:
            text = data.decode("utf-8-sig" if number == 1 else "utf-8")
        except UnicodeDecodeError as error:
            raise BadTicks(
                f"line {number}: byte {error.start + 1} is not UTF-8: save the file as CSV in UTF-8"
            ) from error
        *more, last = text.removesuffix("\n").removesuffix("\r").split("\r")  # a lone \r ends lines of old Macs
        number += len(more)
        yield from (*more, last)


def read_ticks(lines: Iterable[str], *, increments: bool = False) -> list[Series]:
    """The rollouts of a CSV text in order of appearance; rows of several rollouts may alternate. Raises BadTicks.

    `increments` says that columns which only grow are no counters all the same.
    """
    rows = _Rows()
    header: Header | None = None
    for number, line in enumerate(lines, start=1):
        fields = _fields(line, number)
        if not fields or (len(fields) == 1 and not fields[0].strip()):
            continue
        if header is None:
            header = read_header(fields, number)
        else:
            rows.add(fields, header, number)
    if header is None:
        raise BadTicks(f"line 1: no header: start with {','.join(COLUMNS)}")
    if not rows.at:
        raise BadTicks("no ticks: add rows below the header line")
    return rows.series(increments=increments)


def _fields(line: str, number: int) -> list[str]:
    """One line is one row: a quote that stays open must not swallow the rest of the file."""
    if "\0" in line:
        raise BadTicks(f"line {number}: a NUL byte: save the file as CSV in UTF-8")
    try:
        return next(csv.reader((line,), strict=True), [])
    except csv.Error as error:
        why = "a quote stays open" if "end of data" in str(error) else str(error)
        raise BadTicks(f"line {number}: no CSV: {why}") from error


class _Rows:
    """What has been read so far: five numbers, a rollout and a line for each tick."""

    def __init__(self) -> None:
        self.at = array("q")
        self._names: dict[str, int] = {}
        self._group = array("q")
        self._values = array("d")

    def add(self, fields: list[str], header: Header, line: int) -> None:
        if len(fields) != header.width:
            raise BadTicks(
                f"line {line}: {len(fields)} fields where the header has {header.width}: write one value per column"
            )
        if len(self.at) >= MOST_TICKS:
            raise BadTicks(f"line {line}: more than {MOST_TICKS:,} ticks: judge fewer rollouts at a time")
        name = fields[header.rollout].strip()
        if not name:
            raise BadTicks(f"line {line}: rollout is empty: name the rollout that the row belongs to")
        if len(name) > LONGEST_NAME:
            raise BadTicks(f"line {line}: rollout has {len(name):,} characters: use at most {LONGEST_NAME}")
        texts = [fields[k] for k in header.numbers]
        try:
            self._values.extend([count_in(text) for text in texts])
        except ValueError:
            raise BadTicks(f"line {line}: {no_number(texts)}") from None
        self._group.append(self._names.setdefault(name, len(self._names)))
        self.at.append(line)

    def series(self, *, increments: bool) -> list[Series]:
        """Everything checked, by rollout."""
        values, at = np.array(self._values).reshape(-1, len(NUMBERS)), np.array(self.at)
        group, names = np.array(self._group), list(self._names)
        check_values(values, at)
        order: Index = np.argsort(group, kind="stable")
        group, values, at = group[order], values[order], at[order]
        check_times(group, values[:, 0], at, names)
        bounds = np.searchsorted(group, np.arange(len(names) + 1))
        found = []
        for k, name in enumerate(names):
            own = slice(bounds[k], bounds[k + 1])
            if bounds[k + 1] - bounds[k] > MOST_TICKS_OF_ONE:
                raise BadTicks(f"rollout {name} has more than {MOST_TICKS_OF_ONE:,} ticks: judge a part of it")
            if not increments:
                refuse_counters(name, values[own], int(at[own][0]))
            found.append(Series(name, values[own]))
        return found
