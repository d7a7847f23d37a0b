"""What the kernel writes, read back, is what counting on the host gives: any shape, layout and type, any batch."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from cpu_as_gpu import STREAM, torch
from hypothesis import given
from hypothesis import strategies as st

from activation_health.devices import buffer as words
from activation_health.devices.counts import DeviceCounts, Gate, heads_of
from activation_health.devices.shapes import plan_of
from activation_health.measure.sampling import RateCap
from activation_health.measure.state import LayerState
from activation_health.spec import Layer, RefusedError

CPU = torch.device("cpu")
SPECIAL = [float("nan"), float("inf"), -float("inf"), -0.0, -float("nan"), 2.0**-10, 2.0**10, 1e-30, -1e-30, 1024.1]


def layer_state(window: int, tau: float | None, axis: int) -> LayerState:
    def failed(_name: str, error: Exception) -> None:
        raise error

    layer = Layer("layer", dormant_tau=tau, channel_axis=axis)
    return LayerState(layer, window, RateCap(1e12, 1, 0, lambda: 0.0), failed)


def bring(counts: Any, state: LayerState) -> None:
    (head,) = heads_of([counts])
    assert head is not None
    state.add_found(counts.read(head))


def values_of(shape: tuple[int, ...], dtype: Any, seed: int, *, last: bool) -> Any:
    generator = torch.Generator().manual_seed(seed)
    values = torch.randn(shape, generator=generator) * torch.randn(shape, generator=generator).exp2()
    values = values.relu() if seed % 2 else values
    flat = values.view(-1)
    for at, special in enumerate(SPECIAL[: seed % 12]):
        flat[(7 * at + seed) % flat.numel()] = special
    values = values.to(dtype)
    return values.to(memory_format=torch.channels_last) if last and len(shape) == 4 else values


@pytest.mark.parametrize("tau", [None, 0.025])
@given(
    shape=st.one_of(
        st.tuples(st.integers(1, 9), st.integers(1, 70)),
        st.tuples(st.integers(1, 5), st.integers(1, 20), st.integers(1, 40)),
        st.tuples(st.integers(1, 4), st.integers(1, 20), st.integers(1, 9), st.integers(1, 9)),
    ),
    dtype=st.sampled_from([torch.float32, torch.float16, torch.bfloat16]),
    last=st.booleans(),
    window=st.integers(1, 12),
    batches=st.integers(1, 4),
    seed=st.integers(0, 999),
)
def test_every_series_is_that_of_the_host(
    tau: float | None, shape: tuple[int, ...], dtype: Any, last: bool, window: int, batches: int, seed: int
) -> None:
    axis = -1 if len(shape) == 3 and last else 1
    counts = DeviceCounts(shape[axis], window, tau, CPU)
    ours, theirs = layer_state(window, tau, axis), layer_state(window, tau, axis)
    for batch in range(batches):
        values = values_of(shape, dtype, seed + batch, last=last)
        counts.launch(values, axis, STREAM)
        theirs.observe(values.float().contiguous().numpy())
        if batch % 2:
            bring(counts, ours)
    bring(counts, ours)
    got, expected = ours.totals(), theirs.totals()
    assert got.tally == expected.tally
    assert (got.samples, got.windows) == (expected.samples, expected.windows)


def test_positions_that_are_not_evenly_spaced_are_copied() -> None:
    whole = torch.randn(4, 3, 6, 8)
    part = whole[:, :, ::2, ::3]
    assert plan_of(tuple(part.shape), part.stride(), 1, 8) is None
    counts, state = DeviceCounts(3, 2, None, CPU), layer_state(2, None, 1)
    counts.launch(part, 1, STREAM)
    bring(counts, state)
    assert state.totals().tally.elements == part.numel()


def test_another_width_is_refused() -> None:
    counts = DeviceCounts(3, 2, None, CPU)
    with pytest.raises(RefusedError, match="the layer has 3 units, got 4"):
        counts.launch(torch.randn(2, 4), 1, STREAM)


def test_a_launch_that_is_writing_just_now_is_read_later() -> None:
    counts, state = DeviceCounts(3, 2, None, CPU), layer_state(2, None, 1)
    counts.launch(torch.randn(2, 3), 1, STREAM)
    counts.buffer[words.ARRIVED] += 1
    assert heads_of([counts]) == [None]
    counts.buffer[words.ARRIVED] -= 1
    bring(counts, state)
    assert state.totals().samples == 2


def test_a_ring_that_nobody_reads_takes_no_more_and_loses_nothing() -> None:
    units, window = 70_000, 2
    counts, state = DeviceCounts(units, window, None, CPU), layer_state(window, None, 1)
    for number in range(6):
        assert counts.is_filling == (number > counts.ring // 2)
        counts.launch(torch.ones(window, units), 1, STREAM)
    bring(counts, state)
    assert state.totals().samples == counts.ring * window == 8
    counts.launch(torch.zeros(window, units), 1, STREAM)
    bring(counts, state)
    assert state.totals().windows.dead == units, "its place in the ring was cleared"


def test_a_graph_keeps_to_the_rate_and_to_one_in_so_many_by_itself() -> None:
    now = [0.0]
    counts = DeviceCounts(5, 10, None, CPU, Gate(25.0, 2, lambda: now[0]))
    state = layer_state(10, None, 1)
    state.settle(5)
    values = torch.randn(8, 5)
    measured = []
    for second in range(3):
        for _ in range(12):
            counts.launch(values, 1, STREAM)
        bring(counts, state)
        measured.append(state.totals().samples)
        now[0] = second + 1.0
    assert measured == [25, 25, 50], "one second's rows at once, then what each reading allows"
    totals = state.totals()
    assert (totals.offered, totals.observations, totals.windows.windows) == (3 * 12 * 8, 36, 5)


def test_a_graph_measures_one_launch_in_so_many() -> None:
    counts, state = DeviceCounts(5, 10, None, CPU, Gate(1e9, 3, lambda: 0.0)), layer_state(10, None, 1)
    for _ in range(9):
        counts.launch(torch.randn(8, 5), 1, STREAM)
    bring(counts, state)
    totals = state.totals()
    assert (totals.samples, totals.offered) == (24, 72)


def test_shapes_are_walked_along_memory() -> None:
    first = plan_of((8, 64, 112, 112), (64 * 112 * 112, 112 * 112, 112, 1), 1, 256)
    last = plan_of((8, 64, 112, 112), (64 * 112 * 112, 1, 112 * 64, 64), 1, 256)
    tokens = plan_of((8, 128, 3072), (128 * 3072, 3072, 1), -1, 256)
    assert first is not None
    assert last is not None
    assert tokens is not None
    assert (first.tile, last.tile, tokens.tile) == ((2, 1024), (64, 16), (128, 16))
    assert (first.positions, last.positions, tokens.positions) == (12544, 12544, 128)
    small = plan_of((1, 3), (3, 1), 1, 256)
    assert small is not None
    assert (first.programs, small.programs) == (256, 1)


def test_counters_are_told_apart() -> None:
    counters = np.zeros(words.COUNTERS, np.int64)
    counters[[words.ZERO, words.INFINITE, words.NAN, words.NEGATIVE, 3]] = 5, 4, 3, 2, 1
    elements = words.element_counts(counters)
    assert (elements.nonzero, elements.nans, elements.negative_fix, int(elements.codes.sum())) == (8, 3, 2, 13)
