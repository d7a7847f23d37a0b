"""PyTorch modules are watched by forward hooks that reduce on the tensor's device; only reductions are copied.

Needs the extra `torch`. Calls of `torch.nn.functional` are watched where asked for.
"""

from __future__ import annotations

import warnings
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING, Any, Literal

import torch
from torch import nn

from activation_health.adapters.torch_attachment import Attachment, Skipped
from activation_health.adapters.torch_forms import inside, is_compiled, refuse_root, why_not_watched
from activation_health.adapters.torch_types import is_activation, tau_of
from activation_health.devices import cuda
from activation_health.devices.place import is_fused
from activation_health.monitor import MAX_LAYERS, Monitor
from activation_health.spec import Layer

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

__all__ = ["Attachment", "Skipped", "attach"]

MOST_USES = 16


def attach(
    module: nn.Module,
    monitor: Monitor,
    *,
    names: Iterable[str] | None = None,
    channel_axis: int | Mapping[str, int] | None = None,
    only: Literal["eval", "train"] | None = None,
    functional: bool = False,
    uses: int = MOST_USES,
) -> Attachment:
    """Watch a module's activations; declares one layer a watched submodule, under the submodule's name.

    Without `names`, every submodule of the ReLU family, told by its type or by the name of its class
    (transformers' GELUActivation, timm's SwishMe); with, every submodule whose dotted name matches one of these
    patterns (`*` as in file names), whatever its type. Units of the ReLU, ReLU6 and Threshold kind are dead at
    exactly 0, of all others when tau-dormant at 0.025. Units lie on axis 1; `channel_axis` says otherwise, for
    all or by name pattern; for outputs (batch, tokens, features) give -1. `only` leaves out training or
    evaluation passes. A module that runs several times in one pass has a layer for each of up to `uses` uses:
    relu, relu#2. `functional` watches calls of functions too, named by the submodule that makes them:
    block.relu(). A module that was compiled before is compiled again with the next call. Raises TypeError or
    ValueError when nothing can be watched; then nothing is changed. From then on nothing raises: see
    docs/instrument-your-model.md for what is counted.
    """
    _refuse(module, monitor, only, uses)
    patterns = None if names is None else (names,) if isinstance(names, str) else tuple(names)
    attachment = Attachment(monitor, only, uses)
    found = _found(module, patterns, channel_axis, attachment.skipped)
    if not found and not functional:
        raise ValueError(_nothing_found(module, patterns, attachment.skipped))
    if functional and isinstance(module, torch.fx.GraphModule):
        raise ValueError(_nothing_found(module, patterns, attachment.skipped))
    monitor.add_layers(layer for _, layer in found)
    for child, layer in found:
        attachment.watch(layer, child)
    if functional:
        called = {inside(name): child for name, child in module.named_modules() if name and not is_compiled(child)}
        attachment.watch_calls(
            inside_of(module),
            called,
            lambda name: _axis_of(name, channel_axis) or 1,
            lambda name: patterns is None or any(fnmatchcase(name, pattern) for pattern in patterns),
        )
    attachment.watch_root(inside_of(module))
    _let_the_compiler_see_hooks()
    _warn_of_waits(module)
    if any(is_compiled(child) for child in module.modules()):
        torch.compiler.reset()  # what is compiled already would not notice new hooks
    return attachment


def inside_of(module: Any) -> Any:
    """What torch.compile has wrapped, or the module itself."""
    return getattr(module, "_orig_mod", module)


def _let_the_compiler_see_hooks() -> None:
    """Else what is compiled for one instance of a class runs for all of them: without hooks, or with another's."""
    import torch._dynamo.config as compiler  # noqa: PLC0415 - a second, and only here

    compiler.skip_nnmodule_hook_guards = False


def _warn_of_waits(module: Any) -> None:
    if not is_fused() and any(cuda.has(parameter) for parameter in module.parameters()):
        advice = "pip install triton, or measure few requests (one_in)"
        warnings.warn(f"triton is not installed: each measured request waits for the GPU; {advice}", stacklevel=3)


def _refuse(module: Any, monitor: Any, only: Any, uses: Any) -> None:
    if not isinstance(monitor, Monitor):
        raise TypeError(f"monitor={type(monitor).__name__} must be an activation_health.Monitor")
    if only not in {None, "eval", "train"}:
        raise ValueError(f"only={only!r} must be 'eval', 'train' or left out")
    if isinstance(uses, bool) or not isinstance(uses, int) or not 1 <= uses <= MAX_LAYERS:
        raise ValueError(f"uses={uses!r} must be a whole number from 1 to {MAX_LAYERS}; {MOST_USES} is the default")
    refuse_root(module)


def _found(
    module: nn.Module,
    patterns: tuple[str, ...] | None,
    channel_axis: int | Mapping[str, int] | None,
    skipped: list[Skipped],
) -> list[tuple[Any, Layer]]:
    found: list[tuple[Any, Layer]] = []
    for path, child in module.named_modules():
        name = inside(path)
        reason = why_not_watched(name, path, child, module)
        wanted = _is_wanted(name, child, patterns)
        if reason and (wanted or (patterns is None and bool(name) and isinstance(child, torch.jit.ScriptModule))):
            skipped.append(Skipped(name, reason))
        elif wanted and len(found) >= MAX_LAYERS:
            skipped.append(Skipped(name, f"more than {MAX_LAYERS} layers: choose some with names=[...]"))
        elif wanted:
            axis = _axis_of(name, channel_axis)
            found.append((child, Layer(name, dormant_tau=tau_of(child), channel_axis=1 if axis is None else axis)))
    return found


def _is_wanted(name: str, child: Any, patterns: tuple[str, ...] | None) -> bool:
    if not name or hasattr(child, "_orig_mod"):
        return False  # what torch.compile has wrapped is met by itself
    if patterns is None:
        return is_activation(child)
    return any(fnmatchcase(name, pattern) for pattern in patterns)


def _axis_of(name: str, channel_axis: int | Mapping[str, int] | None) -> int | None:
    axis: object = channel_axis
    if not (channel_axis is None or isinstance(channel_axis, int)):
        axis = next((axis for pattern, axis in channel_axis.items() if fnmatchcase(name, pattern)), None)
    if axis is not None and (isinstance(axis, bool) or not isinstance(axis, int)):
        raise TypeError(f"channel_axis={axis!r} for {name!r} must be a whole number, such as -1")
    return axis


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
        f"{kind} has no submodule of the ReLU family (functional calls are no modules): "
        f"use nn.ReLU and the like, functional=True, or names=[...] out of {children}"
    )
