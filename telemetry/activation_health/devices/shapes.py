"""How a tensor lies in memory, and in which tiles the kernel walks through it."""

from __future__ import annotations

from typing import Any, NamedTuple

_TILE = 2048
_WIDEST = 1024
_FEWEST_POSITIONS = 16


class Plan(NamedTuple):
    """Values as (rows, units, positions) with a stride each, and the tiles of one program: units x positions."""

    rows: int
    units: int
    positions: int
    row_stride: int
    unit_stride: int
    position_stride: int
    tile: tuple[int, int]
    programs: int


def plan_of(shape: tuple[int, ...], strides: tuple[int, ...], axis: int, most: int) -> Plan | None:
    """The plan of a tensor whose units are on `axis`; None where its positions are not evenly spaced (copy it).

    `most` is the number of programs that a device runs at once.
    """
    axis %= len(shape)
    others = [(shape[at], strides[at]) for at in range(1, len(shape)) if at != axis and shape[at] != 1]
    positions, step = 1, 1
    for size, stride in reversed(others):
        if positions == 1:
            step = stride
        elif stride != positions * step:
            return None
        positions *= size
    tile = _tile(shape[axis], positions, units_first=strides[axis] < step or positions == 1)
    tiles = shape[0] * -(-shape[axis] // tile[0]) * -(-positions // tile[1])
    programs = max(1, min(tiles, most))
    return Plan(shape[0], shape[axis], positions, strides[0], strides[axis], step, tile, programs)


def _tile(units: int, positions: int, *, units_first: bool) -> tuple[int, int]:
    """About 2,048 values, wide along what is contiguous in memory."""
    if units_first:
        deep = min(_power(positions), _FEWEST_POSITIONS)
        return min(_power(units), _TILE // deep), deep
    wide = min(_power(positions), _WIDEST)
    return min(_power(units), _TILE // wide), wide


def _power(number: int) -> int:
    """The next power of two."""
    return 1 << max(number - 1, 0).bit_length()


def plan(values: Any, axis: int, most: int) -> Plan | None:
    return plan_of(tuple(values.shape), values.stride(), axis, most)
