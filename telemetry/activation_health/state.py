"""What is known of one layer: running totals, read and written under the layer's own lock, in bounded memory.

Per layer: at most 9 bytes per unit for the open window, some thirty integers for the totals; per thread that
observes: 128 KiB of scratch, shared by all layers.
"""

from __future__ import annotations

import threading
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from activation_health.batches import NumpyBatch
from activation_health.exponents import SLOTS, Tally, tally
from activation_health.spec import Layer, RefusedError, canonical, check_form
from activation_health.windows import DormantWindow, Window, WindowTotals, ZeroWindow

if TYPE_CHECKING:
    from collections.abc import Callable, Sized

    import numpy.typing as npt

    from activation_health.batches import Batch
    from activation_health.sampling import RateCap


def _no_slots() -> npt.NDArray[np.int64]:
    return np.zeros(2 * SLOTS, np.int64)


@dataclass(slots=True)
class LayerTotals:
    """One layer's counters; `alpha` is the mean and variance of learnable slopes, where there are any."""

    offered: int = 0
    samples: int = 0
    nonzero: int = 0
    nans: int = 0
    negative_fix: int = 0
    slots: npt.NDArray[np.int64] = field(default_factory=_no_slots)
    windows: WindowTotals = field(default_factory=WindowTotals)
    alpha: tuple[float, float] | None = None

    def tally(self) -> Tally:
        return tally(self.slots, self.nonzero, self.nans, self.negative_fix)


class LayerState:
    """Running totals of one layer. Thread-safe."""

    def __init__(self, layer: Layer, window: int, rate_cap: RateCap) -> None:
        self.layer = layer
        self._window_size = window
        self._cap = rate_cap
        self._every = rate_cap.one_in == 1
        self._lock = threading.Lock()
        self._window: Window | None = None
        self._units = layer.units
        self._totals = LayerTotals()

    def observe(self, activations: npt.NDArray[Any]) -> None:
        """Add one request's activations; raises RefusedError when their form does not fit."""
        check_form(self.layer, activations)

        def batch(rows: slice) -> NumpyBatch:
            return NumpyBatch(canonical(self.layer, activations[rows]))

        self.observe_batch(len(activations), activations.shape[self.layer.channel_axis], batch)

    def observe_batch(self, rows: int, units: int, make: Callable[[slice], Batch]) -> None:
        """Add `rows` rows of `units` units; `make` is called only where some of them are to be measured."""
        with self._lock:
            window = self._window_for(units)
            self._totals.offered += rows
            granted = self._cap.grant(rows)
            if granted is not None:
                self._measure(make(granted), window)

    def passes_over(self, rows: Sized) -> bool:
        """Whether this request is not one of the `one_in`: told before anything else is looked at."""
        if self._every:
            return False
        with self._lock:
            if self._cap.chooses():
                return False
            self._totals.offered += len(rows)
            return True

    def set_alpha(self, slopes: npt.NDArray[Any]) -> None:
        values = np.asarray(slopes, np.float64)
        alpha = float(values.mean()), float(values.var())
        with self._lock:
            self._totals.alpha = alpha

    def totals(self) -> LayerTotals:
        """A consistent copy."""
        with self._lock:
            totals = self._totals
            return replace(totals, slots=totals.slots.copy(), windows=replace(totals.windows))

    def _window_for(self, units: int) -> Window:
        if self._units is None:
            self._units = units
        if units != self._units:
            raise RefusedError("width", f"layer {self.layer.name!r} has {self._units} units, got {units}")
        if self._window is None:
            self._window = self._open_window(units)
        return self._window

    def _open_window(self, units: int) -> Window:
        if self.layer.dormant_tau is None:
            return ZeroWindow(self._window_size, units)
        return DormantWindow(self._window_size, units, self.layer.dormant_tau)

    def _measure(self, batch: Batch, window: Window) -> None:
        counts = batch.counts()
        totals = self._totals
        window.push(batch, totals.windows)
        totals.samples += batch.rows
        totals.nonzero += counts.nonzero
        totals.nans += counts.nans
        totals.negative_fix += counts.negative_fix
        totals.slots += counts.slots
