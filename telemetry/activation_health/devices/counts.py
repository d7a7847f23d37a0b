"""One layer's buffer on one device, for the launches of one stream or the replays of one graph, and how it is read."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from activation_health.devices import buffer as words
from activation_health.devices import cuda
from activation_health.devices.shapes import plan
from activation_health.locks import new_lock
from activation_health.measure.state import Found
from activation_health.measure.windows import dormant_units
from activation_health.spec import RefusedError

if TYPE_CHECKING:
    from collections.abc import Callable

    import numpy.typing as npt

    from activation_health.devices.launcher import Launcher

PROGRAMS = 256
_MOST_LAUNCHERS = 256  # of shapes that a layer is met with; then it begins anew


class Gate:
    """What a graph's launches may measure; the device keeps to it, since no Python runs with a replay."""

    def __init__(self, rows_per_second: float, one_in: int, clock: Callable[[], float]) -> None:
        self.one_in = one_in
        self._rate, self._clock = rows_per_second, clock
        self.capacity = max(rows_per_second, 1.0)
        self._left, self._last = self.capacity, clock()

    def allowed(self, measured: int, before: int) -> int:
        """Rows that may have been measured in all, when `measured` were and `before` were allowed."""
        now = self._clock()
        left = max(before - measured, 0) + self._left
        left = min(self.capacity, left + max(now - self._last, 0.0) * self._rate)
        self._last, self._left = now, left % 1.0
        return measured + int(left)


class DeviceCounts:
    """Counts of one layer. `gate` is of a captured or compiled graph; without it each launch measures all its rows."""

    def __init__(self, units: int, window: int, tau: float | None, device: Any, gate: Gate | None = None) -> None:
        self.units, self.window, self.tau, self.gate = units, window, tau, gate
        self.ring = words.ring_of(units, dormant=tau is not None)
        length = words.words_of(units, self.ring, dormant=tau is not None)
        self.buffer = torch.zeros(length, dtype=torch.int64, device=device)
        self.ticket = torch.zeros(1, device=device)
        self._launchers: dict[Any, Launcher] = {}
        self._before = np.zeros(words.HEAD, np.int64)
        self._granted = self._closed = self._offered = self._observations = 0
        self._limit = self.ring * window
        self._lock = new_lock()
        if gate is not None:
            self.buffer[words.ALLOWED] = self.buffer[words.GRANT] = self._allow(gate, 0)

    @property
    def is_filling(self) -> bool:
        """Whether half of the ring is taken."""
        return self._limit - self._granted < self.ring * self.window // 2

    def note(self, rows: int, observations: int) -> None:
        """Rows that were shown, whether they are measured or not."""
        with self._lock:
            self._offered += rows
            self._observations += observations

    def launch(self, values: Any, axis: int, stream: int) -> None:
        """Count a tensor of float32, float16 or bfloat16 with its units on `axis`; waits for nothing.

        Where nobody has read the ring for long, it is not measured. `stream` is the handle of the current stream.
        Raises RefusedError where the tensor's form does not fit.
        """
        key = values.shape, values.stride(), values.dtype, values.data_ptr() % 16
        launcher = self._launchers.get(key)
        if launcher is None:
            launcher = self._made(key, values, axis)
            if launcher is None:
                self.launch(values.contiguous(), axis, stream)
                return
        if self.gate is not None or self._reserve(values.shape[0]):
            launcher(values, stream)

    def _reserve(self, rows: int) -> bool:
        """Whether the windows that nobody has read yet leave room for so many rows."""
        with self._lock:
            if self._granted + rows > self._limit:
                return False
            self._granted += rows
            return True

    def _made(self, key: Any, values: Any, axis: int) -> Launcher | None:
        from activation_health.devices.launcher import Launcher  # noqa: PLC0415 - the language is there on GPUs alone

        shape = plan(values, axis, PROGRAMS)
        if shape is None:
            return None
        if shape.units != self.units:
            raise RefusedError("width", f"the layer has {self.units} units, got {shape.units}")
        if len(self._launchers) >= _MOST_LAUNCHERS:
            self._launchers.clear()
        launcher = self._launchers[key] = Launcher(self, shape)
        return launcher

    def read(self, head: npt.NDArray[np.int64]) -> Found:
        """What is new in a consistent copy of the buffer's head; closes its windows, so call it on a stream."""
        new = head - self._before
        self._before = head
        counters = new[words.STATE : words.HEAD].reshape(words.COPIES, words.COUNTERS).sum(axis=0)
        dead = self._close(int(head[words.BASE]) // self.window)
        if self.gate is None:
            with self._lock:
                offered, calls, self._offered, self._observations = self._offered, self._observations, 0, 0
        else:
            offered, calls = int(new[words.OFFERED]), int(new[words.CALLS])
            allowed = self._allow(self.gate, int(head[words.BASE]), int(head[words.ALLOWED]))
            self.buffer[words.ALLOWED].fill_(allowed)
        return Found(int(new[words.BASE]), words.element_counts(counters), dead, self.units, offered, calls)

    def _allow(self, gate: Gate, measured: int, before: int = 0) -> int:
        return min(gate.allowed(measured, before), self._limit)

    def _close(self, completed: int) -> tuple[int, ...]:
        """The dead units of windows that are complete by now; their places in the ring are free again."""
        slots = [number % self.ring for number in range(self._closed, completed)]
        if not slots:
            return ()
        index = torch.tensor(slots, device=self.buffer.device)
        flags, sums = self._rings()
        marked = flags[index].cpu().numpy() != 0
        flags[index] = 0
        if sums is None or self.tau is None:
            dead = tuple(int(self.units - np.count_nonzero(row)) for row in marked)
        else:
            magnitudes = sums[index].cpu().numpy()
            sums[index] = 0.0
            pairs = zip(magnitudes, marked, strict=True)
            dead = tuple(dormant_units(row, broken, self.tau) for row, broken in pairs)
        cuda.wait(self.buffer.device)  # a launch of another stream must not write before these places are cleared
        self._closed = completed
        self._limit = (completed + self.ring) * self.window
        return dead

    def _rings(self) -> tuple[Any, Any]:
        size = self.ring * self.units
        start = words.HEAD + (0 if self.tau is None else size)
        flags = self.buffer[start:].view(torch.uint8)[:size].view(self.ring, self.units)
        if self.tau is None:
            return flags, None
        return flags, self.buffer[words.HEAD : words.HEAD + size].view(torch.float64).view(self.ring, self.units)


def heads_of(counts: list[DeviceCounts]) -> list[npt.NDArray[np.int64] | None]:
    """A copy of each one's head, None where a launch was writing meanwhile. All on one device; waits for it."""
    heads = torch.stack([one.buffer[: words.HEAD] for one in counts]).cpu().numpy()
    arrived = torch.stack([one.buffer[words.ARRIVED] for one in counts]).cpu().numpy()
    still = (heads[:, words.ARRIVED] == heads[:, words.DEPARTED]) & (heads[:, words.ARRIVED] == arrived)
    return [head if quiet else None for head, quiet in zip(heads, still, strict=True)]
