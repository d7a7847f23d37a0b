"""The table that is made of new samples alone equals the one from scratch, whatever befell the series meanwhile."""

from __future__ import annotations

import random
from collections.abc import Mapping
from dataclasses import fields
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from modelrollout.core.analysis.metrics import model_series as s
from modelrollout.core.analysis.metrics.blocks.running import Running
from modelrollout.core.analysis.metrics.grid import make_grid
from modelrollout.core.analysis.metrics.samples import SampleStore
from modelrollout.core.analysis.metrics.series import Series, make_series
from modelrollout.core.analysis.metrics.series_reader import SeriesReader
from modelrollout.core.analysis.metrics.tick_table import TickTable, make_tick_table
from tests.unit.analysis.metrics.worlds import EVERY, READER, START, process
from tests.unit.analysis.recorded import request_of, spec_of

AGAIN = 60.0
"""Seconds of samples that are asked for again each time."""


def pod(rng: random.Random, number: int, scrapes: int) -> list[Series]:
    """A process like most: layers, a histogram, counters; it may begin late, end early, restart and lose scrapes."""
    version, first = rng.choice("12"), rng.choice([0, 0, rng.randrange(scrapes)])
    last = rng.choice([scrapes, scrapes, rng.randrange(first, scrapes) + 1])
    lost = {at for at in range(first, last) if rng.random() < 0.05}
    restart = rng.choice([-1, rng.randrange(scrapes)])
    where = {"job": "triton", "instance": f"10.1.0.{number}:8000", "model": "digits", "version": version}
    rate, layers = rng.choice([1, 9, 300]), [f"l{layer}" for layer in range(rng.randrange(1, 3))]
    counters: list[tuple[str, dict[str, str], float]] = [(s.SUCCESS, {}, rate), (s.FAILURE, {"reason": "OTHER"}, 0.1)]
    for layer in layers:
        late = {"layer": layer}
        counters += [(name, late, 1 if name == s.WINDOWS else 7) for name in (s.WINDOWS, s.WINDOW_DEAD, s.SAMPLES)]
        counters += [(s.NONFINITE, {**late, "kind": kind}, 0.02) for kind in ("nan", "inf")]
    counters += [(s.DURATION, {"le": le}, rate) for le in ("0.5", "1.0", "+Inf")]
    found, begin = [], {layer: first + rng.choice([0, 0, rng.randrange(6)]) for layer in ("", *layers)}
    bad = rng.random() < 0.2
    for name, labels, mean in counters:
        value, points = float(rng.choice([0, 0, 5, 900]) * (mean > 0.5)), []
        for at in range(first, last):
            step = int(mean) + (rng.random() < mean % 1) if rng.random() < 0.98 else int(rng.choice([40, 2000]) * mean)
            value = float(step) if at == restart else value + step
            if at not in lost and at >= begin[labels.get("layer", "")]:
                points.append(
                    (START + number * 0.3 + EVERY * at, float("nan") if bad and rng.random() < 0.01 else value)
                )
        if points:
            found.append(make_series({"__name__": name, **where, **labels}, points))
    for layer in layers:
        times = [
            (START + number * 0.3 + EVERY * at, 200.0) for at in range(max(first, begin[layer]), last) if at not in lost
        ]
        if times:
            found.append(make_series({"__name__": s.WINDOW_SIZE, **where, "layer": layer}, times))
            found.append(make_series({"__name__": s.LAYER_INFO, **where, "layer": layer, "dead_if": "zero"}, times))
    return found


def world(rng: random.Random) -> tuple[list[Series], int]:
    """Some of those, and sometimes processes to which everything happens at once."""
    scrapes = rng.randrange(24, 60)
    found = [one for number in range(rng.randrange(1, 4)) for one in pod(rng, number, scrapes)]
    if rng.random() < 0.4:
        found += process(rng, rng.choice([50, 2])).series(rng)
    return found, scrapes


def readable(series: list[Series], late: dict[tuple[int, int], float], low: float, high: float) -> list[Series]:
    """What can be read at `high` of the samples after `low`; a sample's time stands in `late` until when it cannot."""
    found = []
    for number, one in enumerate(series):
        seen = [
            1000 * low < at <= 1000 * high and late.get((number, int(at)), 0.0) <= high for at in one.times.tolist()
        ]
        if any(seen):
            found.append(Series(one.labels, one.times[seen], one.values[seen]))
    return found


def same(one: TickTable, other: TickTable) -> str:
    """Which field differs; empty where none does."""
    if set(one.growth) != set(other.growth) or any(
        not np.array_equal(one.growth[c], other.growth[c]) for c in one.growth
    ):
        return "growth"
    for name in ("sampled", "marks", "scraped"):
        mine, theirs = (flattened(getattr(table, name)) for table in (one, other))
        if mine.keys() != theirs.keys() or any(not np.array_equal(mine[key], theirs[key]) for key in mine):
            return name
    if [repr(each) for each in one.withheld] != [repr(each) for each in other.withheld]:
        return "withheld"
    left = ("left_out", "unreadable", "layouts", "gauges")
    assert {each.name for each in fields(TickTable)} == {
        *left,
        "grid",
        "growth",
        "sampled",
        "marks",
        "scraped",
        "withheld",
    }
    return next((name for name in left if getattr(one, name) != getattr(other, name)), "")


def flattened(found: Mapping[Any, Any]) -> dict[Any, Any]:
    """Nested by gap, `scraped` is flat."""
    out: dict[Any, Any] = {}
    for key, value in found.items():
        out |= {(key, gap): when for gap, when in value.items()} if isinstance(value, dict) else {key: value}
    return out


def read_on(seed: int) -> int:
    """Read a world bit by bit, compare at every step, and count the steps at which blocks were read on."""
    rng = random.Random(seed)
    series, scrapes = world(rng)
    spans = rng.choice([0.0, 0.0, 0.02])
    late = {
        (number, int(at)): at / 1000 + rng.uniform(0, 2 * AGAIN)
        for number, one in enumerate(series)
        for at in one.times.tolist()
        if rng.random() < spans
    }
    interval, reader, running, store, read_on_ = rng.choice([5.0, 15.0]), READER, Running(), SampleStore(), 0
    first, now, until = rng.choice([0, 0, 2]), START + rng.uniform(20, 80), START - 100
    while now < START + scrapes * EVERY + 20:
        store = store.replaced(readable(series, late, until, now), until, now)
        until = max(now - AGAIN, START - 100)
        if rng.random() < 0.03:  # everything read again, or the oldest forgotten
            store = SampleStore().replaced(readable(series, late, START - 100, now), START - 100, now)
        elif rng.random() < 0.03:
            store = store.since(START + rng.uniform(0, 40))
        if rng.random() < 0.2 and series:  # an old sample is rewritten, which somebody sees who asks further back
            number = rng.randrange(len(series))
            one = series[number]
            values = one.values + (np.arange(len(one.times)) == rng.randrange(len(one.times)))
            series[number] = Series(one.labels, one.times, values)
            store = store.replaced(readable(series, late, START - 100, now), START - 100, now)
            store = store.replaced(readable(series, late, until, now), until, now)
        if rng.random() < 0.03:  # another version is on trial
            reader = SeriesReader(request_of(replace_gate(), dialect=None, candidate=rng.choice("23")))
        last = int((now - START) / interval) - rng.choice([0, 0, 1, 9])
        if last > first + 1:
            grid = make_grid(START - interval, interval, first, last)
            mine, whole = (make_tick_table([store], reader, grid, EVERY, each) for each in (running, None))
            assert not (differs := same(mine, whole)), f"seed {seed} at {now - START:.0f}: {differs}"
            read_on_ += any(one.closed > 2 for each in running.of.values() for one in each.counts.values())
        now += rng.choice([5.0, 15.0, 31.0, 31.0])
    return read_on_


def replace_gate():
    return spec_of({"name": "errors", "type": "ErrorRate"})


def test_a_first_sample_that_is_rewritten_while_it_is_still_asked_for_is_read_again():
    where = {"job": "triton", "instance": "10.1.0.0:8000", "model": "digits", "version": "2"}
    busy = make_series({"__name__": s.SUCCESS, **where}, [(START + EVERY * at, 9.0 * at) for at in range(12)])
    running, store, grid = Running(), SampleStore(), make_grid(START - 15, 15.0, 0, 3)
    for first in (3.0, 5.0):
        new = make_series({"__name__": s.FAILURE, **where}, [(START + EVERY * at, first) for at in range(6, 12)])
        store = store.replaced([busy, new], START - 100, START + 60)
        mine, whole = (make_tick_table([store], READER, grid, EVERY, each) for each in (running, None))
        assert not same(mine, whole)


@pytest.mark.slow
@given(seed=st.integers(0, 10**9))
def test_what_is_read_on_is_what_is_read_anew(seed):
    read_on(seed)


@pytest.mark.slow
def test_most_worlds_are_read_on():
    assert sum(read_on(seed) > 0 for seed in range(12)) > 6
