"""PyTorch modules are watched by forward hooks that reduce on the tensor's device; only reductions are copied.

Needs the extra `torch`. Calls of `torch.nn.functional` are no modules and cannot be hooked.
"""

from __future__ import annotations

import threading
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

import torch
from torch import nn

from activation_health.adapters.torch_batch import TorchBatch
from activation_health.adapters.torch_forms import is_whole, refuse_root, why_not, why_not_watched
from activation_health.adapters.torch_hooks import Hook
from activation_health.monitor import MAX_LAYERS, Monitor
from activation_health.spec import Layer

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping
    from typing import Self

DORMANT_TAU = 0.025
ZERO_TYPES: tuple[Any, ...] = (nn.ReLU, nn.ReLU6, nn.Threshold)
DORMANT_TYPES: tuple[Any, ...] = (
    *(nn.LeakyReLU, nn.PReLU, nn.RReLU, nn.ELU, nn.SELU, nn.CELU),
    *(nn.GELU, nn.SiLU, nn.Mish, nn.Hardswish, nn.Softplus),
)


class Skipped(NamedTuple):
    """A module that is not watched, and why."""

    name: str
    reason: str


class Attachment:
    """The hooks of one `attach`; `layers` names what is watched, `skipped` what is not. Use as a context too."""

    def __init__(self, monitor: Monitor, only: Literal["eval", "train"] | None) -> None:
        self.monitor = monitor
        self.layers: list[str] = []
        self.skipped: list[Skipped] = []
        self._only = only
        self._handles: list[Any] = []
        self._hooks: list[Hook] = []
        self._local = threading.local()

    def detach(self) -> None:
        """Remove the hooks; the monitor keeps its counts. Safe to call twice."""
        while self._handles:
            self._handles.pop().remove()
        self._hooks.clear()

    def __reduce__(self) -> tuple[Any, ...]:
        """A copy has no hooks: those of a module that keeps its attachment are not copied either."""
        return Attachment, (self.monitor, self._only)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.detach()

    def watch_root(self, module: Any) -> None:
        """Follow the forward passes of the whole module, to notice a submodule that is called twice in one."""
        begin, end = self._hook("", self._begin, module), self._hook("", self._end, module)
        self._handles += [
            module.register_forward_pre_hook(begin),
            module.register_forward_hook(end, always_call=True),
        ]

    def watch(self, name: str, module: Any, channel_axis: int | None) -> None:
        def act(called: Any, output: Any) -> None:
            self._observe(name, called, output, channel_axis)

        self._set_alpha(name, module)
        self._handles.append(module.register_forward_hook(self._hook(name, act, module)))
        self.layers.append(name)

    def _hook(self, name: str, act: Callable[[Any, Any], None], module: Any) -> Hook:
        hook = Hook(act, lambda error: self.monitor.refuse_error(name, error)).hold(module)
        self._hooks.append(hook)
        return hook

    def _begin(self, *_: object) -> None:
        self._local.seen = set()

    def _end(self, *_: object) -> None:
        self._local.seen = None

    def _observe(self, name: str, module: Any, output: Any, channel_axis: int | None) -> None:
        if self._only is not None and (self._only == "train") != module.training:
            return
        seen = getattr(self._local, "seen", None)
        if seen is not None and name in seen:
            self.monitor.refuse("reused", f"layer {name!r} ran twice in one forward pass: give each use a module")
            return
        if seen is not None:
            seen.add(name)
        self._measure(name, module, output, channel_axis)

    def _set_alpha(self, name: str, module: Any) -> None:
        if isinstance(module, nn.PReLU) and not module.weight.is_meta:
            self.monitor.set_alpha(name, module.weight.detach().float().cpu().numpy())

    def _measure(self, name: str, module: Any, output: Any, channel_axis: int | None) -> None:
        problem = why_not(output)
        if problem is not None:
            self.monitor.refuse(problem[0], f"layer {name!r} gave {problem[1]}, not values in a dense float tensor")
            return
        if module.training:
            self._set_alpha(name, module)
        axis = channel_axis if channel_axis is not None else 1
        if output.dim() < 2 or not -output.dim() < axis < output.dim():  # noqa: PLR2004 - (batch, units) at least
            self.monitor.refuse("rank", f"layer {name!r} gave shape {tuple(output.shape)}: no units on axis {axis}")
            return
        if not output.numel():
            self.monitor.refuse("empty", f"layer {name!r} gave an empty tensor of shape {tuple(output.shape)}")
            return
        values = output.detach().resolve_neg()
        self.monitor.observe_batch(
            name, values.shape[0], values.shape[axis], lambda rows: TorchBatch(values[rows], axis)
        )


def attach(
    module: nn.Module,
    monitor: Monitor,
    *,
    names: Iterable[str] | None = None,
    channel_axis: int | Mapping[str, int] | None = None,
    only: Literal["eval", "train"] | None = None,
) -> Attachment:
    """Watch a module's activations; declares one layer a watched submodule, under the submodule's name.

    Without `names`, every submodule of the ReLU family; with, every submodule whose dotted name matches one of
    these patterns (`*` as in file names), whatever its type. Units of ReLU, ReLU6 and Threshold are dead at
    exactly 0, of all others when tau-dormant at 0.025. Units lie on axis 1; `channel_axis` says otherwise, for
    all or by name pattern; for outputs (batch, tokens, features) give -1. `only` leaves out training or
    evaluation passes. Attach before `torch.compile`. Raises TypeError or ValueError when nothing can be watched;
    then nothing is changed. From then on nothing raises: see docs/instrument-your-model.md for what is counted.
    """
    if not isinstance(monitor, Monitor):
        raise TypeError(f"monitor={type(monitor).__name__} must be an activation_health.Monitor")
    if only not in {None, "eval", "train"}:
        raise ValueError(f"only={only!r} must be 'eval', 'train' or left out")
    refuse_root(module)
    patterns = None if names is None else (names,) if isinstance(names, str) else tuple(names)
    attachment = Attachment(monitor, only)
    layers: list[tuple[Any, Layer, int | None]] = []
    for name, child in module.named_modules():
        reason = why_not_watched(name, child, module)
        wanted = _is_wanted(name, child, patterns)
        if reason and (wanted or (patterns is None and is_whole(name, child))):
            attachment.skipped.append(Skipped(name, reason))
        elif wanted and len(layers) >= MAX_LAYERS:
            attachment.skipped.append(Skipped(name, f"more than {MAX_LAYERS} layers: choose some with names=[...]"))
        elif wanted:
            axis = _axis_of(name, channel_axis)
            layers.append((child, _layer(name, child, axis), axis))
    if not layers:
        raise ValueError(_nothing_found(module, patterns, attachment.skipped))
    monitor.add_layers(layer for _, layer, _ in layers)
    for child, layer, axis in layers:
        attachment.watch(layer.name, child, axis)
    _note_shared(module, attachment)
    attachment.watch_root(module)
    return attachment


def _is_wanted(name: str, child: Any, patterns: tuple[str, ...] | None) -> bool:
    if patterns is None:
        return isinstance(child, (*ZERO_TYPES, *DORMANT_TYPES)) and bool(name)
    return bool(name) and any(fnmatchcase(name, pattern) for pattern in patterns)


def _note_shared(module: nn.Module, attachment: Attachment) -> None:
    """Name the further names of a watched module: its uses cannot be told apart, only the first is measured."""
    first: dict[int, str] = {}
    for name, child in module.named_modules(remove_duplicate=False):
        known = first.setdefault(id(child), name)
        if known != name and known in attachment.layers:
            attachment.skipped.append(Skipped(name, f"the same module as {known!r}: give each use its own module"))


def _axis_of(name: str, channel_axis: int | Mapping[str, int] | None) -> int | None:
    axis: object = channel_axis
    if not (channel_axis is None or isinstance(channel_axis, int)):
        axis = next((axis for pattern, axis in channel_axis.items() if fnmatchcase(name, pattern)), None)
    if axis is not None and (isinstance(axis, bool) or not isinstance(axis, int)):
        raise TypeError(f"channel_axis={axis!r} for {name!r} must be a whole number, such as -1")
    return axis


def _layer(name: str, child: Any, axis: int | None) -> Layer:
    tau = None if isinstance(child, ZERO_TYPES) else DORMANT_TAU
    return Layer(name, dormant_tau=tau, channel_axis=1 if axis is None else axis)


def _nothing_found(module: nn.Module, patterns: tuple[str, ...] | None, skipped: list[Skipped]) -> str:
    kind = type(module).__name__
    if skipped:
        return f"{kind} has no submodule that can be watched: {skipped[0].name!r} is {skipped[0].reason}"
    names = [name for name, _ in module.named_modules() if name]
    children = ", ".join(names[:MAX_LAYERS]) + (" ..." if len(names) > MAX_LAYERS else "") if names else "none"
    if patterns is not None:
        return f"names={list(patterns)} match no submodule of {kind}: it has {children}"
    if isinstance(module, torch.fx.GraphModule):
        return f"{kind} is a graph of function calls, which cannot be hooked: watch the module that it was made from"
    return (
        f"{kind} has no submodule of the ReLU family (functional calls cannot be hooked): "
        f"use nn.ReLU and the like, or names=[...] out of {children}"
    )
