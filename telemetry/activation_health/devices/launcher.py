"""Launching the kernel from Python in a few microseconds."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

import triton

from activation_health.devices.kernel import count

if TYPE_CHECKING:
    from activation_health.devices.counts import DeviceCounts
    from activation_health.devices.shapes import Plan

_VERSION = tuple(int(part) for part in triton.__version__.split(".")[:2])
_QUICK_SINCE = (3, 3)  # from then on a compiled kernel takes every parameter in order


class Launcher:
    """Launches of one plan into one buffer. After the first one it passes over what compiling needs."""

    def __init__(self, counts: DeviceCounts, plan: Plan) -> None:
        gate = counts.gate
        self._buffer, self._grid = counts.buffer, (plan.programs, 1, 1)
        one_in = 1 if gate is None else gate.one_in
        fixed = gate is not None, counts.tau is not None, *plan.tile
        self._rest = *plan[:6], counts.window, counts.ring, one_in, *fixed
        self._run: Any = None
        self._loaded: tuple[Any, ...] = ()

    def __call__(self, values: Any, stream: int) -> None:
        """Launch it on the current stream, whose handle is `stream`."""
        if self._run is not None:
            self._run(stream, *self._loaded, values, self._buffer, *self._rest)
            return
        compiled = count[self._grid](values, self._buffer, *self._rest)
        if compiled is not None and _VERSION >= _QUICK_SINCE:
            self._run = partial(compiled.run, *self._grid)
            self._loaded = compiled.function, compiled.packed_metadata, None, None, None
