"""What can be watched and what cannot: of modules at `attach`, with advice, and of what they give at run time."""

from __future__ import annotations

from typing import Any

import torch
from torch import nn

from activation_health.monitor import label_problem

_PLAIN = torch.Tensor.__torch_dispatch__
_SEVERAL: tuple[Any, ...] = (nn.RNNBase, nn.MultiheadAttention)


def refuse_root(module: Any) -> None:
    """Raise where nothing below `module` could be watched."""
    if not isinstance(module, nn.Module):
        raise TypeError(f"module={type(module).__name__} must be a torch.nn.Module")
    reason = _scripted(module)
    if reason:
        raise ValueError(f"module={type(module).__name__} is {reason}")


def why_not_watched(name: str, path: str, child: Any, root: Any) -> str:
    """Why the submodule at `path` cannot be watched, with what to do; empty where it can. `name`: as people call it."""
    parts = path.split(".")
    for depth in range(1, len(parts)):
        reason = _scripted(root.get_submodule(".".join(parts[:depth])))
        if reason:
            return f"inside {inside('.'.join(parts[:depth]))!r}, which is {reason}"
    if _scripted(child):
        return _scripted(child)
    if type(child).__module__.startswith(("torch.ao.nn.quantized", "torch.ao.nn.intrinsic.quantized")):
        return "quantized: it gives integers; watch the version before quantization"
    if isinstance(child, _SEVERAL):
        return "of a type that gives several tensors: watch a submodule that gives one"
    problem = label_problem(name)
    return f"of a name that {problem}: rename the submodule, or a module above it" if name and problem else ""


def inside(path: str) -> str:
    """A submodule's name, the same whether a module above it is compiled or not."""
    return ".".join(part for part in path.split(".") if part != "_orig_mod")


def is_compiled(module: Any) -> bool:
    """Whether torch.compile has been at it."""
    return getattr(module, "_compiled_call_impl", None) is not None or hasattr(module, "_orig_mod")


def _scripted(module: Any) -> str:
    if isinstance(module, torch.jit.ScriptModule):
        return "compiled by TorchScript, where hooks do not run: watch and serve the module that it was made from"
    return ""


def why_not(output: Any) -> tuple[str, str] | None:
    """The reason and what was given, where a module's output holds no values that can be counted."""
    traced = _traced(output)
    if traced:
        return "tracing", traced
    if not isinstance(output, torch.Tensor) or type(output).__torch_dispatch__ is not _PLAIN:
        return "dtype", f"a {type(output).__name__}"
    if output.is_nested:
        return "dtype", "a nested tensor"
    if output.layout is not torch.strided:
        return "dtype", f"a tensor of layout {output.layout}"
    return None if output.is_floating_point() else ("dtype", f"{output.dtype}")


def _traced(output: Any) -> str:
    """What stands for values that do not exist, or not yet; empty for everything else."""
    if torch.jit.is_tracing():
        return "a value in torch.jit.trace"
    if type(output).__name__ in {"Proxy", "FakeTensor", "FunctionalTensor"}:
        return f"a {type(output).__name__}"
    if not isinstance(output, torch.Tensor):
        return ""
    if output.is_cuda and torch.cuda.is_current_stream_capturing():  # one copy to the CPU would end the capture
        return "a value in the capture of a CUDA graph"
    if torch._C._functorch.is_functorch_wrapped_tensor(output):  # noqa: SLF001 - there is no public name
        return "a tensor inside torch.func (vmap, grad)"
    return "a tensor on the meta device" if output.is_meta else ""
