"""Kinds of outputs, and of what is done with a watched module: the tests and the guide's table name the same."""

from __future__ import annotations

import copy
import io
import pickle
from dataclasses import dataclass
from typing import Any

import pytest
from series_reading import value_of

from activation_health import Monitor
from activation_health.spec import REASONS

torch: Any = pytest.importorskip("torch", reason="torch is not installed: pip install './telemetry[torch]'")
nn: Any = torch.nn

DROPPED = "model_activation_dropped_observations_total"
SAMPLES = "model_activation_samples_total"


def monitor_of(**options: Any) -> Monitor:
    return Monitor("m", "1", window=5, rows_per_second=1e12, **options)


def dropped(monitor: Monitor) -> dict[str, float]:
    return {why: count for why in REASONS if (count := value_of(monitor, DROPPED, why))}


class Labelled(torch.Tensor):
    """A subclass with names, which every operator keeps."""


class Quarrelsome(torch.Tensor):
    """A subclass whose every operator but the ones before the hook raises."""

    armed = False

    @classmethod
    def __torch_function__(cls, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        if cls.armed:
            raise RuntimeError("not this one")
        return super().__torch_function__(func, types, args, kwargs or {})


class Wrapper(torch.Tensor):
    """A subclass that holds its values elsewhere."""

    @staticmethod
    def __new__(cls, inner: Any) -> Any:
        return torch.Tensor._make_wrapper_subclass(cls, inner.shape, dtype=inner.dtype)

    def __init__(self, inner: Any) -> None:
        self.inner = inner

    @classmethod
    def __torch_dispatch__(cls, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        raise NotImplementedError(str(func))  # this kind of tensor refuses every operation: that is what is tested


IGNORED = "ignore::DeprecationWarning", "ignore::FutureWarning", "ignore::UserWarning"


@dataclass
class Answer:
    logits: Any


def values() -> Any:
    return torch.randn(2, 3, generator=torch.Generator().manual_seed(0))


def quantized() -> Any:
    return torch.quantize_per_tensor(values(), 0.1, 0, torch.qint8)


def quarrelsome() -> Any:
    made = values().as_subclass(Quarrelsome)
    Quarrelsome.armed = True
    return made


PACKED = getattr(torch, "float4_e2m1fn_x2", torch.int8)
"""Older versions have no such type: then it is another that is refused."""


MEASURED = {
    "float32": values,
    "float64": lambda: values().double(),
    "float16": lambda: values().half(),
    "bfloat16": lambda: values().bfloat16(),
    "float8": lambda: values().to(torch.float8_e4m3fn),
    "transposed": lambda: values().T,
    "strided": lambda: torch.randn(8, 9)[::3, ::2],
    "expanded": lambda: torch.ones(1, 3).expand(50, 3),
    "with a gradient": lambda: values().requires_grad_() * 2,
    "a parameter": lambda: nn.Parameter(values()),
    "a subclass": lambda: values().as_subclass(Labelled),
    "a subclass that raises": quarrelsome,
    "an imaginary part": lambda: torch.randn(2, 3, dtype=torch.complex64).conj().imag,
    "not finite": lambda: torch.full((2, 3), float("nan")),
    "channels last": lambda: torch.randn(2, 3, 4, 4).to(memory_format=torch.channels_last),
    "wide": lambda: torch.randn(2, 300_000),
}
REFUSED = {
    "nested": (lambda: torch.nested.nested_tensor([torch.ones(2, 3), torch.ones(1, 3)]), "dtype"),
    "jagged": (lambda: torch.nested.nested_tensor([torch.ones(2, 3), torch.ones(1, 3)], layout=torch.jagged), "dtype"),
    "sparse by coordinates": (lambda: values().to_sparse(), "dtype"),
    "sparse by rows": (lambda: values().to_sparse_csr(), "dtype"),
    "quantized": (quantized, "dtype"),
    "a wrapper": (lambda: Wrapper(values()), "dtype"),
    "complex": (lambda: values().to(torch.complex64), "dtype"),
    "whole numbers": (lambda: values().int(), "dtype"),
    "truths": (lambda: values() > 0, "dtype"),
    "on the meta device": (lambda: values().to("meta"), "tracing"),
    "a tuple": (lambda: (values(), None), "dtype"),
    "a list": (lambda: [values()], "dtype"),
    "a dict": (lambda: {"logits": values()}, "dtype"),
    "a dataclass": (lambda: Answer(values()), "dtype"),
    "two in a byte": (lambda: torch.empty(3, 4, dtype=PACKED), "dtype"),
    "None": (lambda: None, "dtype"),
    "a number": (lambda: 0.5, "dtype"),
    "without axes": (lambda: torch.tensor(1.0), "rank"),
    "one axis": (lambda: torch.ones(3), "rank"),
    "no rows": (lambda: torch.ones(0, 3), "empty"),
    "no units": (lambda: torch.ones(3, 0), "empty"),
}


class Gives(nn.Module):
    def __init__(self, output: Any) -> None:
        super().__init__()
        self.output = output

    def forward(self, _: Any) -> Any:
        return self.output


def network() -> Any:
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(4, 8), nn.ReLU(), nn.Linear(8, 5), nn.PReLU(), nn.Linear(5, 3)).eval()


def loaded(save: Any, load: Any) -> Any:
    def through(module: Any) -> Any:
        file = io.BytesIO()
        save(module, file)
        file.seek(0)
        return load(file)

    return through


def from_state(module: Any) -> Any:
    made = network()
    made.load_state_dict(module.state_dict())
    return made


COPIES = {
    "copied": copy.deepcopy,
    "copied twice": lambda module: copy.deepcopy(copy.deepcopy(module)),
    "pickled": lambda module: pickle.loads(pickle.dumps(module)),
    "pickled, then copied": lambda module: copy.deepcopy(pickle.loads(pickle.dumps(copy.deepcopy(module)))),
    "saved": loaded(torch.save, lambda file: torch.load(file, weights_only=False)),
    "saved as its state": from_state,
}
TRACED = {
    "traced by TorchScript": lambda module: torch.jit.trace(module, torch.ones(6, 4)),
    "exported": lambda module: torch.export.export(module, (torch.ones(6, 4),)).module(),
}
WATCHED = {
    "copied in its own layer alone": copy.copy,
    "shared": lambda module: module.share_memory(),
    "a graph of torch.fx": torch.fx.symbolic_trace,
    "in parallel": nn.DataParallel,
    "a graph of the compiler": lambda module: torch.compile(module, backend="eager"),
    "a whole graph of the compiler": lambda module: torch.compile(module, backend="eager", fullgraph=True),
    "compiled with gradients": lambda module: torch.compile(module, backend="aot_eager", fullgraph=True),
    "called with weights": lambda module: (
        lambda x: torch.func.functional_call(module, dict(module.named_parameters()), (x,))
    ),
    "registered elsewhere": lambda module: nn.Sequential(nn.Identity(), module),
    "moved": lambda module: module.to("cpu").float().requires_grad_(False),
}
