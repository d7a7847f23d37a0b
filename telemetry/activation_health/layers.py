"""What is known of one layer: running totals, read and written under the layer's own lock, in bounded memory.

Per layer: at most 9 bytes per unit for the open window, some thirty integers for the totals; per thread that
observes: 128 KiB of scratch, shared by all layers.
"""

from __future__ import annotations

import threading
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from activation_health.exponents import EDGES, LAYOUTS, count_elements
from activation_health.windows import DormantWindow, Window, WindowTotals, ZeroWindow

if TYPE_CHECKING:
    from activation_health.sampling import RateCap


class RefusedError(ValueError):
    """An observation that cannot be used; `reason` is one of REASONS."""

    def __init__(self, reason: str, message: str) -> None:
        super().__init__(message)
        self.reason = reason


REASONS = ("unknown_layer", "dtype", "rank", "empty", "width", "internal")


@dataclass(frozen=True, slots=True)
class Layer:
    """How to read one layer's activations.

    `dormant_tau=None`: a unit is dead when it is exactly 0 (ReLU family). A number: when it is tau-dormant
    (LeakyReLU, GELU, SiLU; 0.025 is usual). `channel_axis` is the axis of units in (batch, ..., units, ...):
    1 for (batch, units) and (batch, channels, height, width), -1 for (batch, tokens, features). `units` fixes
    the width; left out, the first observation fixes it.
    """

    name: str
    dormant_tau: float | None = None
    channel_axis: int = 1
    units: int | None = None

    def __post_init__(self) -> None:
        if not isinstance(self.name, str) or not self.name:
            raise ValueError(f"layer name must be a non-empty string, not {self.name!r}: name the layer")
        tau = self.dormant_tau
        if tau is not None and not 0 <= tau < 1:
            raise ValueError(f"layer {self.name!r}: dormant_tau {tau!r} must lie in [0, 1); 0.025 is usual")
        if self.channel_axis == 0:
            raise ValueError(f"layer {self.name!r}: channel_axis 0 is the batch; use 1 or -1")
        if self.units is not None and self.units < 1:
            raise ValueError(f"layer {self.name!r}: units {self.units!r} must be 1 or more, or left out")

    @property
    def dead_if(self) -> str:
        return "zero" if self.dormant_tau is None else f"dormant<={self.dormant_tau:g}"


@dataclass(slots=True)
class Totals:
    """A consistent copy of one layer's counters."""

    offered: int
    samples: int
    elements: int
    zeros: int
    negatives: int
    nans: int
    infs: int
    buckets: tuple[int, ...]
    windows: WindowTotals
    alpha: tuple[float, float] | None


class LayerState:
    """Running totals of one layer. Thread-safe."""

    def __init__(self, layer: Layer, window: int, rate_cap: RateCap) -> None:
        self.layer = layer
        self._window_size = window
        self._cap = rate_cap
        self._lock = threading.Lock()
        self._window: Window | None = None
        self._window_totals = WindowTotals()
        self._units = layer.units
        self._offered = self._samples = self._elements = 0
        self._zeros = self._negatives = self._nans = self._infs = 0
        self._buckets = np.zeros(len(EDGES) + 1, np.int64)
        self._alpha: tuple[float, float] | None = None

    def observe(self, activations: npt.NDArray[Any]) -> None:
        """Add one request's activations; raises RefusedError when their form does not fit."""
        check_form(self.layer, activations)
        with self._lock:
            self._check_width(activations)
            self._offered += len(activations)
            rows = self._cap.grant(len(activations))
            if rows is not None:
                self._measure(canonical(self.layer, activations[rows]))

    def set_alpha(self, slopes: npt.NDArray[Any]) -> None:
        values = np.asarray(slopes, np.float64)
        with self._lock:
            self._alpha = float(values.mean()), float(values.var())

    def totals(self) -> Totals:
        with self._lock:
            return Totals(
                self._offered,
                self._samples,
                self._elements,
                self._zeros,
                self._negatives,
                self._nans,
                self._infs,
                tuple(self._buckets.tolist()),
                WindowTotals(
                    self._window_totals.windows,
                    self._window_totals.neurons,
                    self._window_totals.dead,
                    self._window_totals.dead_squared,
                ),
                self._alpha,
            )

    def _check_width(self, activations: npt.NDArray[Any]) -> None:
        width = activations.shape[self.layer.channel_axis]
        if self._units is None:
            self._units = width
        if width != self._units:
            raise RefusedError("width", f"layer {self.layer.name!r} has {self._units} units, got {width}")
        if self._window is None:
            self._window = self._open_window(width)

    def _open_window(self, units: int) -> Window:
        if self.layer.dormant_tau is None:
            return ZeroWindow(self._window_size, units)
        return DormantWindow(self._window_size, units, self.layer.dormant_tau)

    def _measure(self, rows: npt.NDArray[Any]) -> None:
        assert self._window is not None
        nonzero = rows != 0
        counts = count_elements(rows, nonzero=int(np.count_nonzero(nonzero)))
        self._window.push(rows, nonzero, self._window_totals)
        self._samples += len(rows)
        self._elements += counts.elements
        self._zeros += counts.zeros
        self._negatives += counts.negatives
        self._nans += counts.nans
        self._infs += counts.infs
        self._buckets += counts.buckets


def check_form(layer: Layer, activations: npt.NDArray[Any]) -> None:
    """Raise RefusedError unless this is a non-empty float array of rank 2 or more with a channel axis."""
    if not isinstance(activations, np.ndarray) or activations.dtype.newbyteorder("=") not in LAYOUTS:
        kind = getattr(activations, "dtype", type(activations).__name__)
        raise RefusedError(
            "dtype", f"layer {layer.name!r} needs a float16, float32 or float64 array, got {kind}"
        )
    rank = activations.ndim
    if rank < 2 or not -rank < layer.channel_axis < rank:  # noqa: PLR2004 - (batch, units) is the least
        raise RefusedError(
            "rank",
            f"layer {layer.name!r} needs (batch, units) or (batch, channels, ...), "
            f"units on axis {layer.channel_axis}, got shape {activations.shape}",
        )
    if not activations.size:
        raise RefusedError("empty", f"layer {layer.name!r} got an empty array of shape {activations.shape}")


def canonical(layer: Layer, rows: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """The rows as a C-contiguous, native (batch, units, positions) array; copies only where it must."""
    moved = rows if layer.channel_axis == 1 else np.moveaxis(rows, layer.channel_axis, 1)
    flat = moved.reshape(len(moved), moved.shape[1], -1)
    return np.ascontiguousarray(flat, flat.dtype.newbyteorder("="))
