"""The hooks of one attachment, and what they do with an output: which use of which layer it is, and its counts."""

from __future__ import annotations

import weakref
from functools import partial
from typing import TYPE_CHECKING, Any, Literal

import torch

from activation_health.adapters.torch_batch import TorchBatch
from activation_health.adapters.torch_calls import Places
from activation_health.adapters.torch_forms import why_not
from activation_health.adapters.torch_fused import Beginning, Fused
from activation_health.adapters.torch_hooks import Hook
from activation_health.adapters.torch_turn import Quick
from activation_health.adapters.torch_uses import Skipped, Uses
from activation_health.devices import cuda
from activation_health.devices.place import Devices, is_fused, is_plain_cuda
from activation_health.spec import Layer

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Self

    from activation_health.devices.counts import DeviceCounts
    from activation_health.monitor import Monitor

__all__ = ["Attachment", "Skipped"]


class Attachment:
    """The hooks of one `attach`; `layers` names what is watched, `skipped` what is not. Use as a context too.

    A module that runs several times in one pass, and a function that is called several times in one place, has a layer
    for each use: `relu`, `relu#2`, ... Layers of later uses and of functions are declared when they are first met.
    """

    def __init__(self, monitor: Monitor, only: Literal["eval", "train"] | None, uses: int) -> None:
        self.monitor = monitor
        self._only, self._uses = only, Uses(monitor, uses)
        self.layers, self.skipped = self._uses.layers, self._uses.skipped
        self._handles: list[Any] = []
        self._hooks: list[Hook] = []
        self._devices = Devices(monitor) if is_fused() else None

    def read(self) -> None:
        """Bring what GPUs have counted to the monitor now; it is done once a second anyway."""
        if self._devices is not None:
            self._devices.read()

    def detach(self) -> None:
        """Remove the hooks; the monitor keeps its counts. Safe to call twice."""
        while self._handles:
            self._handles.pop().remove()
        self._hooks.clear()
        if self._devices is not None:
            self._devices.end()

    def __reduce__(self) -> tuple[Any, ...]:
        """A copy has no hooks: those of a module that keeps its attachment are not copied either."""
        return Attachment, (self.monitor, self._only, self._uses.most)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.detach()

    def watch_root(self, module: Any) -> None:
        """Follow the forward passes of the whole module, to tell the uses of a layer in one of them apart."""
        fused = Beginning(partial(self._trace_begins, weakref.ref(module))) if self._devices is not None else None
        self._around(module, self._uses.begin, self._uses.end, fused=fused)

    def watch(self, layer: Layer, module: Any) -> None:
        """Measure what a module gives, from now on."""

        def act(called: Any, output: Any) -> None:
            self._observe(layer, called, output)

        self._uses.set_alpha(layer.name, module)
        if self._devices is None:
            hook = self._hook(layer.name, act, module)
        else:
            failed = partial(self.monitor.refuse_error, layer.name)
            fused = Fused(partial(self._trace, layer, module), layer.channel_axis, self._only, failed)
            hook = self._hook(layer.name, act, module, fused=fused)
            if self._only is None:
                hook.quick = Quick(layer.name, layer.channel_axis, self._uses.local, self._devices)
        self._handles.append(module.register_forward_hook(hook))
        self.layers.append(layer.name)

    def watch_calls(
        self, root: Any, modules: dict[str, Any], axis_of: Callable[[str], int], wanted: Callable[[str], bool]
    ) -> None:
        """Measure what activation functions give that `root`, or any of `modules` in it, calls; these by name."""
        hooks: dict[str, Hook] = {}

        def seen(name: str, module: Any, output: Any, tau: float | None) -> None:
            if name not in hooks and wanted(name):
                layer = Layer(name, dormant_tau=tau, channel_axis=axis_of(name))
                hooks[name] = Hook(partial(self._observe, layer, late=True), partial(self.monitor.refuse_error, name))
            if name in hooks:
                hooks[name].run(module, output)

        places = Places(seen, set(self.layers))
        self._around(root, lambda called, _: places.begin(called), lambda *_: places.end(), eager=True)
        for name, child in modules.items():
            self._around(child, partial(_enter, places, name), lambda *_: places.leave(), eager=True)

    def _around(
        self,
        module: Any,
        begin: Callable[[Any, Any], None],
        end: Callable[[Any, Any], None],
        *,
        eager: bool = False,
        fused: Any = None,
    ) -> None:
        self._handles += [
            module.register_forward_pre_hook(self._hook("", begin, module, eager=eager, fused=fused)),
            module.register_forward_hook(self._hook("", end, module, eager=eager, fused=fused), always_call=True),
        ]

    def _hook(
        self, name: str, act: Callable[[Any, Any], None], module: Any, *, eager: bool = False, fused: Any = None
    ) -> Hook:
        hook = Hook(act, partial(self.monitor.refuse_error, name), eager=eager, fused=fused).hold(module)
        self._hooks.append(hook)
        return hook

    def _trace_begins(self, module: weakref.ref[Any]) -> bool:
        """A compiler goes through the whole module: whether it is on a GPU."""
        self._uses.begin()
        root = module()
        first = None if root is None else next(iter(root.parameters()), None)
        return first is not None and cuda.has(first)

    def _trace(self, layer: Layer, module: Any, units: int, index: int) -> DeviceCounts | None:
        """A compiler meets a use of a layer on a GPU: where it is counted."""
        name = self._uses.name_of(layer, module)
        if name is None or self._devices is None:
            return None
        return self._devices.gated(name, units, cuda.device_of(index), "compiled")

    def _observe(self, layer: Layer, module: Any, output: Any, *, late: bool = False) -> None:
        if self._only is not None and (self._only == "train") != module.training:
            return
        name = self._uses.name_of(layer, module, late=late)
        if name is not None:
            self._measure(name, layer.channel_axis, module, output)

    def _measure(self, name: str, axis: int, module: Any, output: Any) -> None:
        fused = self._devices is not None and is_plain_cuda(output)
        problem = None if fused else why_not(output)
        if problem is not None:
            self.monitor.refuse(problem[0], f"layer {name!r} gave {problem[1]}, not values in a dense float tensor")
            return
        if module.training:
            self._uses.set_alpha(name, module)
        if output.dim() < 2 or not -output.dim() < axis < output.dim():  # noqa: PLR2004 - (batch, units) at least
            self.monitor.refuse("rank", f"layer {name!r} gave shape {tuple(output.shape)}: no units on axis {axis}")
            return
        if not output.numel():
            self.monitor.refuse("empty", f"layer {name!r} gave an empty tensor of shape {tuple(output.shape)}")
            return
        if fused and self._devices is not None:
            self._devices.observe(name, axis, output)
            return
        values: torch.Tensor = output.detach().resolve_neg()
        self.monitor.observe_batch(
            name, values.shape[0], values.shape[axis], lambda rows: TorchBatch(values[rows], axis)
        )


def _enter(places: Places, name: str, module: Any, _: Any) -> None:
    places.enter(name, module)
