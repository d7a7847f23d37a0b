"""In a graph compiled for a GPU: one operator a use, which launches the kernel and of which the compiler sees no more.

Which use of a module in a pass is which, and where it is counted, is settled while the graph is traced. A graph may be
captured afterwards, so that no Python runs with it: what it may measure is decided on the device.
"""

from __future__ import annotations

import itertools
import weakref
from typing import TYPE_CHECKING, Any

import torch

from activation_health.devices import cuda

if TYPE_CHECKING:
    from collections.abc import Callable

    from activation_health.devices.counts import DeviceCounts

    Failed = Callable[[Exception], None]

_NUMBERS = itertools.count()
_LIVE: dict[int, tuple[weakref.ref[DeviceCounts], int, Failed]] = {}


def _settled(function: Any) -> Any:
    """Called while a graph is traced, its result a constant of the graph.

    What torch._dynamo.assume_constant_result does, without importing the compiler where nothing is compiled. It takes
    no argument that the compiler may keep open, so a function belongs to one hook.
    """
    setattr(function, "_dynamo_marked_constant", True)  # noqa: B010 - it is PyTorch's own
    return function


class Fused:
    """What a layer's hook does in a compiled graph. `trace(units, device)` gives the counts of the use being traced."""

    def __init__(
        self, trace: Callable[[int, int], DeviceCounts | None], axis: int, only: str | None, failed: Failed
    ) -> None:
        self.axis, self.only, self.number = axis, only, next(_NUMBERS)
        found: list[DeviceCounts] = []

        def settle(units: int, index: int) -> int:
            """A number by which the operator finds the counts of this use; below 0 where it has none."""
            try:
                counts = trace(units, index)
            except Exception as error:  # noqa: BLE001 - measuring must never cost the caller an answer; counted
                failed(error)
                return -1
            if counts is None:
                return -1
            found[:] = [counts]
            number = next(_NUMBERS)
            _LIVE[number] = weakref.ref(counts, lambda _: _LIVE.pop(number, None)), axis, failed
            return number

        self.settle, self.ticket = _settled(settle), _settled(lambda: found[0].ticket)

    def count(self, module: Any, output: Any) -> bool:
        """Whether it deals with an output; in terms that PyTorch's compiler can follow."""
        if self.number < 0:  # looked at so that a graph holds for this hook alone
            return False
        if not isinstance(output, torch.Tensor) or not cuda.has(output) or output.dim() < 2:  # noqa: PLR2004
            return False
        if output.dtype not in (torch.float32, torch.float16, torch.bfloat16):
            return False
        if self.only is None or (self.only == "train") == module.training:
            number = self.settle(output.shape[self.axis], output.get_device())
            if number >= 0:
                torch.ops.activation_health.count(self.ticket(), number, output.detach())
        return True


class Beginning:
    """What the hooks around the whole module do in a compiled graph: uses are counted from the first again.

    `trace` tells whether the module is on a GPU.
    """

    def __init__(self, trace: Callable[[], bool]) -> None:
        self.number = next(_NUMBERS)

        def begins() -> int:
            return int(trace())

        self.begins = _settled(begins)

    def count(self, _module: Any, _output: Any) -> bool:
        """Whether nothing else is to be done, as for a module on a GPU."""
        return self.number >= 0 and bool(self.begins())


def _count(_ticket: torch.Tensor, number: int, values: torch.Tensor) -> None:
    found = _LIVE.get(number)
    counts = None if found is None else found[0]()
    if found is None or counts is None:
        return
    _, axis, failed = found
    try:
        index = values.get_device()
        if cuda.is_capturing():
            with cuda.relaxed():  # a kernel's first launch loads it, which a capture forbids otherwise
                counts.launch(values, axis, cuda.stream_of(index))
        else:
            counts.launch(values, axis, cuda.stream_of(index))
    except Exception as error:  # noqa: BLE001 - measuring must never cost the caller an answer; counted
        failed(error)


# The ticket is said to be written to, so that no compiler drops the operator or changes the order of two of them.
_operator: Any = torch.library.custom_op(
    "activation_health::count",
    _count,
    mutates_args=("ticket",),
    schema="(Tensor(a!) ticket, int number, Tensor values) -> ()",
)
_operator.register_fake(lambda *_: None)
