"""The quick way of a hook on a GPU: what holds for a whole pass is settled once, so that a layer costs microseconds.

What it does not know it leaves to the long way: the first pass on a stream, captures, other tensors, other batches.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch

from activation_health.devices import cuda
from activation_health.devices.place import DTYPES

if TYPE_CHECKING:
    from activation_health.devices.counts import DeviceCounts
    from activation_health.devices.place import Devices

_TENSOR = torch.Tensor
_MOST_STREAMS = 64


class Turn:
    """One pass of the whole module in one thread; `seen` counts the uses of each layer."""

    __slots__ = ("device", "granted", "index", "observed", "ready", "rows", "seen", "settled", "stream")

    def __init__(self) -> None:
        self.seen: dict[str, int] = {}
        self.settled = self.ready = False

    def settle(self, output: Any, devices: Devices) -> None:
        """Choose for the whole pass, at its first layer on a GPU."""
        self.settled = True
        self.index = output.get_device()
        self.device, self.rows = output.device, output.shape[0] if output.dim() else 0
        if not self.rows or self.index != cuda.current() or _is_special(output):
            return
        self.stream = cuda.stream_of(self.index)
        self.observed, self.granted = devices.choose(self.rows)
        self.ready = True


def _is_special(output: Any) -> bool:
    """Whether somebody watches or transforms operators, or a graph is captured."""
    return bool(
        cuda.is_capturing()
        or torch.jit.is_tracing()
        or torch._C._len_torch_dispatch_stack()  # noqa: SLF001 - there is no public name
        or torch._C._len_torch_function_stack()  # noqa: SLF001
        or torch._C._functorch.is_functorch_wrapped_tensor(output)  # noqa: SLF001
    )


class Quick:
    """One layer's hook; `local.turn` is the pass that this thread is in."""

    def __init__(self, name: str, axis: int, local: Any, devices: Devices) -> None:
        self._name, self._axis = name, axis
        self._local, self._devices = local, devices
        self._counts: dict[Any, list[DeviceCounts]] = {}

    def __call__(self, output: Any) -> bool:
        """Whether this use is dealt with."""
        turn: Turn | None = getattr(self._local, "turn", None)
        if turn is None or type(output) is not _TENSOR or not cuda.has(output):
            return False
        if not turn.settled:
            turn.settle(output, self._devices)
        if not turn.ready or output.dtype not in DTYPES or output.shape[0] != turn.rows or output.is_neg():
            return False
        if cuda.stream_of(turn.index) != turn.stream or output.get_device() != turn.index:
            return False
        number = turn.seen.get(self._name, 0)
        counts = self._found(turn, number)
        if counts is None:
            return False
        turn.seen[self._name] = number + 1
        counts.note(turn.rows, turn.observed)
        granted = turn.granted
        if granted is not None:
            values = output if granted.step is None else output[granted]
            self._devices.launch(counts, values, self._axis, turn.stream)
        return True

    def _found(self, turn: Turn, number: int) -> DeviceCounts | None:
        """The counts of a use that the long way has met on this stream before."""
        known = self._counts.get(turn.stream)
        if known is None:
            if len(self._counts) >= _MOST_STREAMS:
                self._counts.clear()
            known = self._counts[turn.stream] = []
        while len(known) <= number:
            use = len(known) + 1
            name = self._name if use == 1 else f"{self._name}#{use}"
            counts = self._devices.known(name, turn.device, turn.stream)
            if counts is None:
                return None
            known.append(counts)
        return known[number]
