"""A batch on a torch device: exact counts by exponent bits, reduced there, a few hundred numbers copied."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from activation_health.measure.exponents import ElementCounts, counts_from_codes

if TYPE_CHECKING:
    import numpy.typing as npt


class TorchBatch:
    """Rows of a detached tensor with its units on `axis`; half and bfloat16 are widened, which loses nothing."""

    def __init__(self, tensor: torch.Tensor, axis: int) -> None:
        wide = tensor if tensor.dtype == torch.float64 else tensor.float()
        self._values = wide.movedim(axis, 1).flatten(2) if wide.dim() > 2 else wide.unsqueeze(2)  # noqa: PLR2004
        self.rows = int(self._values.shape[0])

    def counts(self) -> ElementCounts:
        values = self._values
        double = values.dtype == torch.float64
        bits = values.contiguous().view(torch.int64 if double else torch.int32).flatten()
        mantissa, width = (52, 4096) if double else (23, 512)
        codes = torch.bincount((bits >> mantissa) & (width - 1), minlength=width)
        return counts_from_codes(
            codes.cpu().numpy().astype(np.int64),
            width,
            int(torch.count_nonzero(values)),
            lambda: (int(values.isnan().sum()), int((values < 0).sum())),
        )

    def fired(self, start: int, stop: int) -> npt.NDArray[np.bool_]:
        flags: Any = (self._values[start:stop] != 0).any(dim=2).any(dim=0)
        found: npt.NDArray[np.bool_] = flags.cpu().numpy()
        return found

    def magnitude(self, start: int, stop: int) -> npt.NDArray[np.float64]:
        sums: Any = self._values[start:stop].abs().double().mean(dim=2).sum(dim=0)
        found: npt.NDArray[np.float64] = sums.cpu().numpy()
        return found
