"""Where a tensor is counted: into which buffer of which device, by the stream or the graph that a launch belongs to."""

from __future__ import annotations

import importlib.util
from functools import lru_cache
from typing import TYPE_CHECKING, Any

import torch

from activation_health.devices import cuda
from activation_health.devices.counts import DeviceCounts, Gate
from activation_health.devices.reader import Reader
from activation_health.locks import new_lock
from activation_health.measure.sampling import RateCap

if TYPE_CHECKING:
    from activation_health.measure.state import LayerState
    from activation_health.monitor import Monitor

DTYPES = frozenset({torch.float32, torch.float16, torch.bfloat16})


class Devices:
    """The buffers of one attachment."""

    def __init__(self, monitor: Monitor) -> None:
        self._monitor = monitor
        self._reader = Reader(lambda error: monitor.refuse_error("(device)", error))
        self._counts: dict[Any, DeviceCounts] = {}
        self._lock, self._cap_lock = new_lock(), new_lock()
        rows_per_second, one_in, clock = monitor.pace
        self._cap = RateCap(rows_per_second, one_in, monitor.seed, clock)

    def choose(self, rows: int) -> tuple[int, slice | None]:
        """For a whole pass of so many rows: whether it counts as observed, and which of its rows are measured."""
        with self._cap_lock:
            if not self._cap.chooses():
                return 0, None
            return 1, self._cap.grant(rows)

    def observe(self, name: str, axis: int, output: Any) -> None:
        """Count a dense CUDA tensor of one of DTYPES, (batch, ..., units on axis, ...), not empty."""
        index = output.get_device()
        values = output.detach().resolve_neg()
        with cuda.on(index):
            stream = cuda.stream_of(index)
            if cuda.is_capturing():
                counts = self.gated(name, values.shape[axis], values.device, cuda.capture_of(stream))
                with cuda.relaxed():  # a kernel's first launch loads it, which a capture forbids otherwise
                    counts.launch(values, axis, stream)
                return
            state = self._monitor.state_of(name)
            rows = values.shape[0]
            if state.passes_over(range(rows)):
                return
            granted = state.offer(rows, values.shape[axis])
            if granted is not None:
                counts = self._of(name, values.shape[axis], values.device, stream)
                self.launch(counts, values if granted == slice(0, rows) else values[granted], axis, stream)

    def launch(self, counts: DeviceCounts, values: Any, axis: int, stream: int) -> None:
        """Count rows that were granted."""
        counts.launch(values, axis, stream)
        if counts.is_filling:
            self._reader.hurry()

    def known(self, name: str, device: Any, stream: int) -> DeviceCounts | None:
        """The counts of a layer that was observed on a stream before."""
        return self._counts.get((name, device, stream))

    def gated(self, name: str, units: int, device: Any, graph: Any) -> DeviceCounts:
        """The counts of a graph that no Python accompanies."""
        return self._of(name, units, device, ("graph", graph))

    def read(self) -> None:
        self._reader.read()

    def end(self) -> None:
        self._reader.end()
        with self._lock:
            self._counts = {}

    def _of(self, name: str, units: int, device: Any, key: Any) -> DeviceCounts:
        place = name, device, key
        found = self._counts.get(place)
        if found is None:
            with self._lock:
                found = self._counts.get(place)
                if found is None:
                    found = self._counts[place] = self._made(name, device, units, isinstance(key, tuple))
        if found.units != units:
            self._monitor.state_of(name).settle(units)
        return found

    def _made(self, name: str, device: Any, units: int, gated: bool) -> DeviceCounts:
        state: LayerState = self._monitor.state_of(name)
        state.settle(units)
        gate = Gate(*self._monitor.pace) if gated else None
        return self._reader.add(
            lambda: DeviceCounts(units, self._monitor.window, state.layer.dormant_tau, device, gate),
            state.add_found,
            device,
        )


def is_plain_cuda(output: Any) -> bool:
    """Whether it is an ordinary tensor on a GPU that the kernel can read."""
    return (
        type(output) in {torch.Tensor, torch.nn.Parameter}
        and cuda.has(output)
        and output.dtype in DTYPES
        and output.layout is torch.strided
        and not torch._C._functorch.is_functorch_wrapped_tensor(output)  # noqa: SLF001 - there is no public name
        and not torch.jit.is_tracing()
    )


@lru_cache
def is_fused() -> bool:
    """Whether the kernel's language is there; without it each measured request waits for the device."""
    return importlib.util.find_spec("triton") is not None
