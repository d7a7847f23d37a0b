"""Activation health of one layer as a TorchMetrics metric, for training and evaluation loops that collect such.

Needs the extra `torchmetrics`. Counts are exact, stay on the metric's device, and are summed over processes.
"""

from __future__ import annotations

import zlib
from collections.abc import Mapping
from typing import Any

import torch
from torchmetrics import Metric

from activation_health.adapters.torch_forms import why_not
from activation_health.spec import is_number

ELEMENTS, ZEROS, NONFINITE, WINDOWS, NEURONS, DEAD = range(6)


class ActivationHealth(Metric):  # type: ignore[misc] # torchmetrics has no types here
    """`update(activations)`: (batch, units) or (batch, units, ...), units on `channel_axis`.

    `compute()` gives shares in [0, 1] by name: `dead` (of units, over the completed windows of exactly `window`
    rows), `zero` and `nonfinite` (of values), and `windows`, how many were completed; a share of nothing is NaN. A
    unit is dead in a window when it is exactly 0 on each of its rows; with `dormant_tau` (0.025 is usual for GELU and
    the like) when its mean magnitude is at most so much of the layer's (Sokar et al., 2023). With a name, `layer`,
    `update` takes a mapping of layers too, so that one MetricCollection has a metric for each. It raises ValueError for
    what holds no values.
    """

    totals: torch.Tensor
    magnitude: torch.Tensor
    filled: torch.Tensor
    settings: torch.Tensor
    full_state_update = True
    is_differentiable = False
    higher_is_better = False

    def __init__(
        self,
        window: int = 200,
        *,
        layer: str | None = None,
        dormant_tau: float | None = None,
        channel_axis: int = 1,
        **options: Any,
    ) -> None:
        super().__init__(**options)
        if isinstance(window, bool) or not isinstance(window, int) or window < 1:
            raise ValueError(f"window={window!r} must be a whole number of rows, 1 or more; 200 is the default")
        if dormant_tau is not None and (not is_number(dormant_tau) or not 0 <= dormant_tau < 1):
            raise ValueError(f"dormant_tau={dormant_tau!r} must lie in [0, 1); 0.025 is usual")
        if channel_axis == 0:
            raise ValueError("channel_axis=0 is the batch; use 1 or -1")
        self.window, self.dormant_tau, self.channel_axis, self.layer = window, dormant_tau, channel_axis, layer
        self.add_state("totals", torch.zeros(6, dtype=torch.int64), dist_reduce_fx="sum")
        # The open window is each process's own: what is summed over processes is what was completed.
        self.add_state("magnitude", torch.zeros(0, dtype=torch.float64), dist_reduce_fx=None)
        self.add_state("filled", torch.zeros((), dtype=torch.int64), dist_reduce_fx=None)
        # A MetricCollection updates one of those whose states were equal after the first batch, and reads all from it:
        # what tells two metrics apart must be a state.
        name = zlib.crc32((layer or "").encode())
        known = [window, -1.0 if dormant_tau is None else dormant_tau, channel_axis, name]
        self.add_state("settings", torch.tensor(known, dtype=torch.float64), dist_reduce_fx="max")

    def update(self, activations: torch.Tensor | Mapping[str, torch.Tensor]) -> None:
        """Add a batch's rows, in their order; of a mapping those under this metric's `layer`."""
        if isinstance(activations, Mapping):
            activations = self._own(activations)
        problem = why_not(activations)
        if problem is not None:
            raise ValueError(f"activations: {problem[1]}: give a dense float tensor")
        axes = activations.dim()
        if axes < 2 or not -axes < self.channel_axis < axes:  # noqa: PLR2004 - (batch, units) at least
            shape = tuple(activations.shape)
            raise ValueError(f"activations of shape {shape} have no units on axis {self.channel_axis}")
        values = activations.detach().movedim(self.channel_axis, 1).unsqueeze(-1).flatten(2)
        units, before = values.shape[1], self.magnitude.numel()
        if before not in {0, units}:
            raise ValueError(f"activations have {units} units, {before} before: give each layer its own metric")
        self.totals[ELEMENTS] += values.numel()
        self.totals[ZEROS] += (values == 0).sum()
        self.totals[NONFINITE] += (~values.isfinite()).sum()
        rows = values.double().abs().mean(dim=2) if values.numel() else values.double().sum(dim=2)
        while len(rows):
            rows = self._push(rows)

    def _own(self, activations: Mapping[str, torch.Tensor]) -> torch.Tensor:
        if self.layer is None:
            raise ValueError("activations: a mapping of layers: say which one is this metric's with layer=NAME")
        if self.layer not in activations:
            has = ", ".join(map(str, activations))[:200] or "none"
            raise ValueError(f"activations: layer {self.layer!r} is not among them; they are {has}")
        return activations[self.layer]

    def _push(self, rows: torch.Tensor) -> torch.Tensor:
        """Fill the open window, and judge it where it is full; the rows that are left."""
        taken = min(len(rows), self.window - int(self.filled))
        before = self.magnitude if self.magnitude.numel() else torch.zeros_like(rows[0])
        self.magnitude = before + rows[:taken].sum(dim=0)
        self.filled = self.filled + taken
        if int(self.filled) == self.window:
            sound = self.magnitude[self.magnitude.isfinite()]
            limit = 0.0 if self.dormant_tau is None else self.dormant_tau * sound.mean()
            self.totals[WINDOWS] += 1
            self.totals[NEURONS] += self.magnitude.numel()
            self.totals[DEAD] += (sound <= limit).sum()
            self.magnitude, self.filled = torch.zeros_like(self.magnitude), torch.zeros_like(self.filled)
        return rows[taken:]

    def compute(self) -> dict[str, torch.Tensor]:
        """Shares by name; see the class."""
        totals = self.totals.double()
        return {
            "dead": totals[DEAD] / totals[NEURONS],
            "zero": totals[ZEROS] / totals[ELEMENTS],
            "nonfinite": totals[NONFINITE] / totals[ELEMENTS],
            "windows": totals[WINDOWS],
        }
