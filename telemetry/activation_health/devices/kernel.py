# mypy: disable-error-code="no-untyped-def, untyped-decorator"
"""The kernel: one pass over a layer's activations, in the language Triton that comes with PyTorch for GPUs.

A launch waits for nothing and the host waits for no launch. Which rows it may measure is read from the device too, so
that a replayed CUDA graph, in which no Python runs, keeps to the rate cap and to windows of exactly n rows.
"""

from __future__ import annotations

import triton
import triton.language as tl

from activation_health.devices import buffer as words

ALLOWED = tl.constexpr(words.ALLOWED)
GRANT = tl.constexpr(words.GRANT)
BASE = tl.constexpr(words.BASE)
OFFERED = tl.constexpr(words.OFFERED)
CALLS = tl.constexpr(words.CALLS)
TICKET = tl.constexpr(words.TICKET)
ARRIVED = tl.constexpr(words.ARRIVED)
DEPARTED = tl.constexpr(words.DEPARTED)
STATE = tl.constexpr(words.STATE)
COPIES = tl.constexpr(words.COPIES)
COUNTERS = tl.constexpr(words.COUNTERS)
HEAD = tl.constexpr(words.HEAD)
LOWEST = tl.constexpr(words.LOWEST)
LARGEST = tl.constexpr(words.LARGEST)
INFINITE = tl.constexpr(words.INFINITE)
ZERO = tl.constexpr(words.ZERO)
NAN = tl.constexpr(words.NAN)
NEGATIVE = tl.constexpr(words.NEGATIVE)
PADDING = tl.constexpr(words.PADDING)
INF_BITS = tl.constexpr(0x7F800000)


@triton.jit
def count(
    values,
    buffer,
    rows,
    units,
    positions,
    row_stride,
    unit_stride,
    position_stride,
    window,
    ring,
    one_in,
    GATED: tl.constexpr,
    DORMANT: tl.constexpr,
    UNITS: tl.constexpr,
    POSITIONS: tl.constexpr,
):
    """Count `values` of shape (rows, units, positions) into `buffer`.

    GATED: only as many rows as the buffer grants, of one launch in `one_in`; else all of them.
    """
    base = tl.load(buffer + BASE)
    take = rows + tl.zeros_like(base)
    if GATED:
        take = tl.minimum(tl.load(buffer + GRANT), take)
    if take > 0:
        tl.atomic_add(buffer + ARRIVED, 1)
        _measure(
            values,
            buffer,
            take,
            units,
            positions,
            row_stride,
            unit_stride,
            position_stride,
            base,
            window,
            ring,
            DORMANT,
            UNITS,
            POSITIONS,
        )
    tl.debug_barrier()
    if tl.atomic_add(buffer + TICKET, 1) == tl.num_programs(0) - 1:
        _leave(buffer, base + take, rows, one_in)
        if take > 0:
            tl.debug_barrier()
            tl.atomic_xchg(buffer + DEPARTED, tl.load(buffer + ARRIVED, volatile=True))


@triton.jit
def _measure(
    values,
    buffer,
    take,
    units,
    positions,
    row_stride,
    unit_stride,
    position_stride,
    base,
    window,
    ring,
    DORMANT: tl.constexpr,
    UNITS: tl.constexpr,
    POSITIONS: tl.constexpr,
):
    """The tiles of this program; the others take those between."""
    position_tiles = tl.cdiv(positions, POSITIONS)
    row_tiles = tl.cdiv(units, UNITS) * position_tiles
    tiles = (take * row_tiles).to(tl.int32)
    first = (base % (window * ring)).to(tl.int32)
    seen = tl.zeros([COUNTERS], tl.int32)
    negative = tl.zeros([UNITS, POSITIONS], tl.int32)
    for tile in range(tl.program_id(0), tiles, tl.num_programs(0)):
        row = tile // row_tiles
        rest = tile % row_tiles
        unit = (rest // position_tiles) * UNITS + tl.arange(0, UNITS)
        position = (rest % position_tiles) * POSITIONS + tl.arange(0, POSITIONS)
        inside = (unit < units)[:, None] & (position < positions)[None, :]
        offset = unit.to(tl.int64)[:, None] * unit_stride + position.to(tl.int64)[None, :] * position_stride
        found = tl.load(values + row.to(tl.int64) * row_stride + offset, mask=inside, other=0.0).to(tl.float32)
        bits = found.to(tl.int32, bitcast=True)
        size = bits & 0x7FFFFFFF
        seen += tl.histogram(tl.ravel(tl.where(inside, _place(size), PADDING)), COUNTERS)
        negative += ((bits < 0) & (size != 0) & (size <= INF_BITS)).to(tl.int32)
        slot = ((first + row) // window) % ring
        _note(buffer, slot, unit, units, positions, ring, found, size, inside, DORMANT)
    counters = buffer + STATE + (tl.program_id(0) % COPIES) * COUNTERS
    place = tl.arange(0, COUNTERS)
    tl.atomic_add(counters + place, seen.to(tl.int64), mask=(place <= NAN) & (seen > 0))
    tl.atomic_add(counters + NEGATIVE, tl.sum(negative).to(tl.int64))


@triton.jit
def _place(size):
    """Which counter a value belongs to, by the bits of its magnitude."""
    finite = tl.minimum(tl.maximum((size >> 23) - LOWEST, 0), LARGEST)
    special = tl.where(size > INF_BITS, NAN, INFINITE)
    return tl.where(size >= INF_BITS, special, tl.where(size == 0, ZERO, finite))


@triton.jit
def _note(buffer, slot, unit, units, positions, ring, found, size, inside, DORMANT: tl.constexpr):
    """What the open window must know of each unit."""
    real = unit < units
    flags = (buffer + HEAD).to(tl.pointer_type(tl.int8), bitcast=True) + slot.to(tl.int64) * units + unit
    if DORMANT:
        sums = (buffer + HEAD).to(tl.pointer_type(tl.float64), bitcast=True) + slot.to(tl.int64) * units + unit
        flags += ring.to(tl.int64) * units * 8
        finite = inside & (size < INF_BITS)
        total = tl.sum(tl.where(finite, tl.abs(found).to(tl.float64), 0.0), axis=1)
        tl.atomic_add(sums, total / positions, mask=real)
        marked = tl.max((inside & (size >= INF_BITS)).to(tl.int32), axis=1)
    else:
        marked = tl.max((inside & (size != 0)).to(tl.int32), axis=1)
    tl.store(flags, tl.full([unit.shape[0]], 1, tl.int8), mask=real & (marked > 0))


@triton.jit
def _leave(buffer, base, rows, one_in):
    """By the program that is done last: what the next launch finds."""
    calls = tl.load(buffer + CALLS, volatile=True) + 1
    grant = tl.maximum(tl.load(buffer + ALLOWED, volatile=True) - base, 0)
    tl.store(buffer + CALLS, calls)
    tl.store(buffer + GRANT, tl.where(calls % one_in == 0, grant, 0))
    tl.store(buffer + OFFERED, tl.load(buffer + OFFERED, volatile=True) + rows)
    tl.store(buffer + BASE, base)
    tl.store(buffer + TICKET, tl.zeros_like(calls))
