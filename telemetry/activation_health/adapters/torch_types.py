"""Which modules and functions are activations, and when a unit of theirs is dead."""

from __future__ import annotations

import re
from typing import Any

import torch
from torch import nn
from torch.nn import functional

DORMANT_TAU = 0.025
ZERO_TYPES: tuple[Any, ...] = (nn.ReLU, nn.ReLU6, nn.Threshold)
DORMANT_TYPES: tuple[Any, ...] = (
    *(nn.LeakyReLU, nn.PReLU, nn.RReLU, nn.ELU, nn.SELU, nn.CELU),
    *(nn.GELU, nn.SiLU, nn.Mish, nn.Hardswish, nn.Softplus),
)
# Classes of other libraries say by their names what they are: transformers' NewGELUActivation, timm's SwishMe, ...
_AROUND = re.compile(
    r"^(new|fast|quick|pytorch|accurate|clipped|approximate|memoryefficient|fp32)+|(activation|jit|auto|me|tanh)+$"
)
_ZERO_NAMES = frozenset({"relu", "relu6", "relusquared", "squaredrelu", "threshold"})
_DORMANT_NAMES = frozenset(
    {"leakyrelu", "prelu", "rrelu", "elu", "selu", "celu", "gelu", "silu", "swish", "mish"}
    | {"hardswish", "hswish", "hardmish", "softplus", "xielu"}
)
_ZERO_CALLS = ("relu", "relu6", "threshold")
_DORMANT_CALLS = (
    *("leaky_relu", "prelu", "rrelu", "elu", "selu", "celu"),
    *("gelu", "silu", "mish", "hardswish", "softplus"),
)


def is_activation(module: Any) -> bool:
    """Whether its type, or the name of its class, is one of the ReLU family."""
    return isinstance(module, (*ZERO_TYPES, *DORMANT_TYPES)) or _plain(module) in _ZERO_NAMES | _DORMANT_NAMES


def tau_of(module: Any) -> float | None:
    """None where a unit is dead at exactly 0, else the share of the layer's mean below which it is dormant."""
    return None if isinstance(module, ZERO_TYPES) or _plain(module) in _ZERO_NAMES else DORMANT_TAU


def _plain(module: Any) -> str:
    if type(module).__module__.startswith("torch."):
        return ""  # those are told by their types: what PyTorch itself names alike is no activation of its own
    return _AROUND.sub("", type(module).__name__.replace("_", "").lower())


def _calls() -> dict[Any, tuple[str, float | None]]:
    """Functions by themselves: (what a layer of theirs is called, its tau)."""
    found: dict[Any, tuple[str, float | None]] = {}
    for name in (*_ZERO_CALLS, *_DORMANT_CALLS):
        for place in (functional, torch, torch.Tensor):
            for called in (name, name + "_"):
                function = getattr(place, called, None)
                if callable(function):
                    found[function] = name, None if name in _ZERO_CALLS else DORMANT_TAU
    return found


CALLS = _calls()
