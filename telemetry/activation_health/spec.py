"""What a layer is and what may be observed of it; everything else is refused with a reason."""

from __future__ import annotations

from dataclasses import dataclass
from numbers import Integral, Real
from typing import TYPE_CHECKING, Any

import numpy as np

from activation_health.measure.exponents import LAYOUTS

if TYPE_CHECKING:
    import numpy.typing as npt

REASONS = ("unknown_layer", "dtype", "rank", "empty", "width", "reused", "tracing", "internal")


class RefusedError(ValueError):
    """An observation that cannot be used; `reason` is one of REASONS."""

    def __init__(self, reason: str, message: str) -> None:
        super().__init__(message)
        self.reason = reason


@dataclass(frozen=True, slots=True)
class Layer:
    """How to read one layer's activations.

    `dormant_tau=None`: a unit is dead when it is exactly 0 (ReLU family). A number: when it is tau-dormant
    (LeakyReLU, GELU, SiLU; 0.025 is usual). `channel_axis` is the axis of units in (batch, ..., units, ...):
    1 for (batch, units) and (batch, channels, height, width), -1 for (batch, tokens, features). `units` fixes
    the width; left out, the first observation fixes it. `elementwise=False`: zeros, negatives and magnitudes are not
    looked at, so their series are not exported.
    """

    name: str
    dormant_tau: float | None = None
    channel_axis: int = 1
    units: int | None = None
    elementwise: bool = True

    def __post_init__(self) -> None:
        if not isinstance(self.name, str) or not self.name:
            raise ValueError(f"layer name must be a non-empty string, not {self.name!r}: name the layer")
        tau = self.dormant_tau
        if tau is not None and (not is_number(tau) or not 0 <= tau < 1):
            raise ValueError(f"layer {self.name!r}: dormant_tau {tau!r} must lie in [0, 1); 0.025 is usual")
        if not _is_whole(self.channel_axis):
            raise ValueError(f"layer {self.name!r}: channel_axis {self.channel_axis!r} must be a whole number")
        if self.channel_axis == 0:
            raise ValueError(f"layer {self.name!r}: channel_axis 0 is the batch; use 1 or -1")
        if self.units is not None and (not _is_whole(self.units) or self.units < 1):
            raise ValueError(f"layer {self.name!r}: units {self.units!r} must be 1 or more, or left out")

    @property
    def dead_if(self) -> str:
        return "zero" if self.dormant_tau is None else f"dormant<={self.dormant_tau:g}"


def is_number(value: object) -> bool:
    """Whether this can be compared with numbers."""
    return isinstance(value, Real) and not isinstance(value, bool)


def _is_whole(value: object) -> bool:
    return isinstance(value, Integral) and not isinstance(value, bool)


def plain(layer: Layer, activations: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """An array of numpy's own type, since those made of it compute in their own ways; what is none stays as it is."""
    if type(activations) is np.ndarray or not isinstance(activations, np.ndarray):
        return activations
    if isinstance(activations, np.ma.MaskedArray):
        raise RefusedError("dtype", f"layer {layer.name!r} needs values everywhere: fill the masked array")
    return activations.view(np.ndarray)


def check_form(layer: Layer, activations: npt.NDArray[Any]) -> tuple[int, ...]:
    """The shape; raises RefusedError unless this is a non-empty float array of rank 2 or more with a channel axis."""
    if not isinstance(activations, np.ndarray) or (
        activations.dtype not in LAYOUTS and activations.dtype.newbyteorder("=") not in LAYOUTS
    ):
        kind = getattr(activations, "dtype", type(activations).__name__)
        raise RefusedError("dtype", f"layer {layer.name!r} needs a float16, float32 or float64 array, got {kind}")
    rank = activations.ndim
    if rank < 2 or not -rank < layer.channel_axis < rank:  # noqa: PLR2004 - (batch, units) is the least
        raise RefusedError(
            "rank",
            f"layer {layer.name!r} needs (batch, units) or (batch, channels, ...), "
            f"units on axis {layer.channel_axis}, got shape {activations.shape}",
        )
    if not activations.size:
        raise RefusedError("empty", f"layer {layer.name!r} got an empty array of shape {activations.shape}")
    return activations.shape


def canonical(layer: Layer, rows: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """The rows as C-contiguous, native (batch, units) or (batch, units, positions); copies where it must."""
    flat = rows
    if rows.ndim > 2:  # noqa: PLR2004 - (batch, units) is as it should be
        moved = rows if layer.channel_axis == 1 else np.moveaxis(rows, layer.channel_axis, 1)
        flat = moved.reshape(len(moved), moved.shape[1], -1)
    if flat.flags.c_contiguous and flat.dtype.isnative:
        return flat
    return np.ascontiguousarray(flat, flat.dtype.newbyteorder("="))
