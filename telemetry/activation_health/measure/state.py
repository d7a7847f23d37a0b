"""What is known of one layer: running totals, read and written under the layer's own lock, in bounded memory.

Per layer of float32: at most 9 bytes per unit for the open window, 64 KiB of rows that wait and 8 KiB of
histogram (float64: 128 and 64). Per thread that observes 128 KiB of scratch, shared by all layers, and 256 KiB more
while a pass runs; per float type 128 KiB.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from activation_health.locks import new_lock
from activation_health.measure.batches import NumpyBatch
from activation_health.measure.histogram import NO_VALUES, Histogram, Tally
from activation_health.measure.waiting import Waiting
from activation_health.measure.windows import DormantWindow, Window, WindowTotals, ZeroWindow
from activation_health.spec import Layer, RefusedError, canonical, check_form, plain

if TYPE_CHECKING:
    from collections.abc import Callable, Sized

    import numpy.typing as npt

    from activation_health.measure.batches import Batch
    from activation_health.measure.exponents import ElementCounts
    from activation_health.measure.sampling import RateCap


@dataclass(slots=True)
class LayerTotals:
    """One layer's counters; `alpha` is the mean and variance of learnable slopes, where there are any."""

    offered: int = 0
    observations: int = 0
    samples: int = 0
    windows: WindowTotals = field(default_factory=WindowTotals)
    tally: Tally = NO_VALUES
    alpha: tuple[float, float] | None = None


class Found(NamedTuple):
    """What was counted elsewhere since the last time: rows, their values, and per completed window its dead units.

    `offered` rows and `observations` are those that were not told by `offer`.
    """

    rows: int
    elements: ElementCounts
    dead: tuple[int, ...]
    units: int
    offered: int = 0
    observations: int = 0


class LayerState:
    """Running totals of one layer. Thread-safe. `refused` is called for a pass over collected rows that failed."""

    def __init__(self, layer: Layer, window: int, rate_cap: RateCap, refused: Callable[[str, Exception], None]) -> None:
        self.layer = layer
        self._refused = refused
        self._window_size = window
        self._cap = rate_cap
        self._every = rate_cap.one_in == 1
        self._lock = new_lock()
        self._units = layer.units
        self._window = self._open_window(layer.units or 0)
        self._waiting = Waiting()
        self._totals = LayerTotals()
        self._histogram = Histogram()

    def observe(self, activations: npt.NDArray[Any]) -> None:
        """Add one request's activations; raises RefusedError when their form does not fit."""
        layer, activations = self.layer, plain(self.layer, activations)
        shape = check_form(layer, activations)
        with self._lock:
            granted = self._offer(shape[0], shape[layer.channel_axis])
            if granted is not None:
                self._take(canonical(layer, activations[granted]))

    def observe_batch(self, rows: int, units: int, make: Callable[[slice], Batch]) -> None:
        """Add `rows` rows of `units` units; `make` is called only where some of them are to be measured."""
        with self._lock:
            granted = self._offer(rows, units)
            if granted is not None:
                self._measure_waiting()
                self._measure(make(granted))

    def offer(self, rows: int, units: int) -> slice | None:
        """Which of them to count elsewhere, if any; what is found comes by `add_found`. Raises as `observe` does."""
        with self._lock:
            return self._offer(rows, units)

    def settle(self, units: int) -> None:
        """Fix the width, for what counts without offering; raises RefusedError where it is another one already."""
        with self._lock:
            if units != self._units:
                self._settle(units)

    def add_found(self, found: Found) -> None:
        """Add what was counted elsewhere."""
        with self._lock:
            totals = self._totals
            totals.offered += found.offered
            totals.observations += found.observations
            totals.samples += found.rows
            for dead in found.dead:
                totals.windows.add(found.units, dead)
            self._histogram.add(found.elements)

    def passes_over(self, rows: Sized) -> bool:
        """Whether this request is not one of the `one_in`: decided before anything else is done."""
        if self._every:
            return False
        try:
            number = len(rows)
        except TypeError:  # no array: it is to be refused
            return False
        with self._lock:
            if self._cap.chooses():
                return False
            self._totals.offered += number
            return True

    def set_alpha(self, slopes: npt.ArrayLike) -> None:
        """Raises RefusedError or what numpy raises where these are no finite numbers."""
        values = np.asarray(slopes, np.float64)
        if not values.size or not np.isfinite(values).all():
            raise RefusedError(
                "empty" if not values.size else "dtype", f"slopes of layer {self.layer.name!r}: {values}"
            )
        alpha = float(values.mean()), float(values.var())
        with self._lock:
            self._totals.alpha = alpha

    def totals(self) -> LayerTotals:
        """A consistent copy."""
        with self._lock:
            self._measure_waiting()
            totals = self._totals
            return replace(totals, windows=replace(totals.windows), tally=self._histogram.tally())

    def _offer(self, rows: int, units: int) -> slice | None:
        if units != self._units:
            self._settle(units)
        self._totals.offered += rows
        self._totals.observations += 1
        return self._cap.grant(rows)

    def _settle(self, units: int) -> None:
        if self._units is not None:
            raise RefusedError("width", f"layer {self.layer.name!r} has {self._units} units, got {units}")
        self._units, self._window = units, self._open_window(units)

    def _open_window(self, units: int) -> Window:
        if self.layer.dormant_tau is None:
            return ZeroWindow(self._window_size, units)
        return DormantWindow(self._window_size, units, self.layer.dormant_tau)

    def _take(self, rows: npt.NDArray[Any]) -> None:
        if self._waiting.take(rows):
            return
        self._measure_waiting()
        if not self._waiting.take_first(rows):
            self._measure(NumpyBatch(rows))

    def _measure_waiting(self) -> None:
        """Never raises: neither the next request nor a reader has to do with what waited."""
        rows = self._waiting.release()
        if rows is None:
            return
        try:
            self._measure(NumpyBatch(rows))
        except Exception as error:  # noqa: BLE001 - whatever it was, it is counted
            self._refused(self.layer.name, error)

    def _measure(self, batch: Batch) -> None:
        totals = self._totals
        with np.errstate(all="ignore"):  # NaN and overflow are what is counted; a host may have made them errors
            counts = batch.counts()
            self._window.push(batch, totals.windows)
        self._histogram.add(counts)
        totals.samples += batch.rows
