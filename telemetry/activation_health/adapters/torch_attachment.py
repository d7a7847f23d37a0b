"""The hooks of one attachment, and what they do with an output: which use of which layer it is, and its counts."""

from __future__ import annotations

import threading
from functools import partial
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

import torch
from torch import nn

from activation_health.adapters.torch_batch import TorchBatch
from activation_health.adapters.torch_calls import Places
from activation_health.adapters.torch_forms import why_not
from activation_health.adapters.torch_hooks import Hook
from activation_health.locks import new_lock
from activation_health.spec import Layer

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Self

    from activation_health.monitor import Monitor


class Skipped(NamedTuple):
    """A module that is not watched, and why."""

    name: str
    reason: str


class Attachment:
    """The hooks of one `attach`; `layers` names what is watched, `skipped` what is not. Use as a context too.

    A module that runs several times in one pass, and a function that is called several times in one place, has a layer
    for each use: `relu`, `relu#2`, ... Layers of later uses and of functions are declared when they are first met.
    """

    def __init__(self, monitor: Monitor, only: Literal["eval", "train"] | None, uses: int) -> None:
        self.monitor = monitor
        self.layers: list[str] = []
        self.skipped: list[Skipped] = []
        self._only, self._uses = only, uses
        self._handles: list[Any] = []
        self._hooks: list[Hook] = []
        self._met: dict[str, bool] = {}
        """Layers that were met after attaching, and whether the monitor had room for them."""
        self._lock = new_lock()
        self._local = threading.local()

    def detach(self) -> None:
        """Remove the hooks; the monitor keeps its counts. Safe to call twice."""
        while self._handles:
            self._handles.pop().remove()
        self._hooks.clear()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.detach()

    def watch_root(self, module: Any) -> None:
        """Follow the forward passes of the whole module, to tell the uses of a layer in one of them apart."""
        self._around(module, self._begin, self._end)

    def watch(self, layer: Layer, module: Any) -> None:
        """Measure what a module gives, from now on."""

        def act(called: Any, output: Any) -> None:
            self._observe(layer, called, output)

        self._set_alpha(layer.name, module)
        self._handles.append(module.register_forward_hook(self._hook(layer.name, act, module)))
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
        self, module: Any, begin: Callable[[Any, Any], None], end: Callable[[Any, Any], None], *, eager: bool = False
    ) -> None:
        self._handles += [
            module.register_forward_pre_hook(self._hook("", begin, module, eager=eager)),
            module.register_forward_hook(self._hook("", end, module, eager=eager), always_call=True),
        ]

    def _hook(self, name: str, act: Callable[[Any, Any], None], module: Any, *, eager: bool = False) -> Hook:
        hook = Hook(act, partial(self.monitor.refuse_error, name), eager=eager).hold(module)
        self._hooks.append(hook)
        return hook

    def _begin(self, *_: object) -> None:
        self._local.seen = {}

    def _end(self, *_: object) -> None:
        self._local.seen = None

    def _observe(self, layer: Layer, module: Any, output: Any, *, late: bool = False) -> None:
        if self._only is not None and (self._only == "train") != module.training:
            return
        number = self._number_of(layer.name)
        name = layer.name if number == 1 else f"{layer.name}#{number}"
        if number > self._uses:
            self.monitor.refuse("reused", f"layer {layer.name!r}: {self._uses} uses in a pass are watched (uses)")
            return
        if (number > 1 or late) and not self._has_room(name, layer, module):
            self.monitor.refuse("reused", f"layer {name!r} was met when the monitor had no room for another one")
            return
        self._measure(name, layer.channel_axis, module, output)

    def _number_of(self, name: str) -> int:
        """Which use of it in this pass this one is, from 1; outside of a pass of the whole module each is the first."""
        seen = getattr(self._local, "seen", None)
        if seen is None:
            return 1
        seen[name] = number = seen.get(name, 0) + 1
        return int(number)

    def _has_room(self, name: str, layer: Layer, module: Any) -> bool:
        if name in self._met:
            return self._met[name]
        with self._lock:
            if name not in self._met:
                try:
                    self.monitor.add_layer(Layer(name, dormant_tau=layer.dormant_tau, channel_axis=layer.channel_axis))
                    self._set_alpha(name, module)
                    self.layers.append(name)
                    self._met[name] = True
                except ValueError as error:
                    self._met[name] = False
                    self.skipped.append(Skipped(name, str(error)))
        return self._met[name]

    def _set_alpha(self, name: str, module: Any) -> None:
        if isinstance(module, nn.PReLU) and not module.weight.is_meta:
            self.monitor.set_alpha(name, module.weight.detach().float().cpu().numpy())

    def _measure(self, name: str, axis: int, module: Any, output: Any) -> None:
        problem = why_not(output)
        if problem is not None:
            self.monitor.refuse(problem[0], f"layer {name!r} gave {problem[1]}, not values in a dense float tensor")
            return
        if module.training:
            self._set_alpha(name, module)
        if output.dim() < 2 or not -output.dim() < axis < output.dim():  # noqa: PLR2004 - (batch, units) at least
            self.monitor.refuse("rank", f"layer {name!r} gave shape {tuple(output.shape)}: no units on axis {axis}")
            return
        if not output.numel():
            self.monitor.refuse("empty", f"layer {name!r} gave an empty tensor of shape {tuple(output.shape)}")
            return
        values: torch.Tensor = output.detach().resolve_neg()
        self.monitor.observe_batch(
            name, values.shape[0], values.shape[axis], lambda rows: TorchBatch(values[rows], axis)
        )


def _enter(places: Places, name: str, module: Any, _: Any) -> None:
    places.enter(name, module)
