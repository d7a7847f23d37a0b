"""Blocks that share one ReLU, activations of other libraries, calls of functions, and modules compiled before."""

from __future__ import annotations

import threading
from typing import Any

import pytest
from series_reading import value_of
from torch_kinds import IGNORED, SAMPLES, dropped, monitor_of, network, nn, torch

from activation_health.adapters.torch import attach
from activation_health.adapters.torch_types import is_activation, tau_of

functional: Any = torch.nn.functional
ZERO = ("ReLUSquaredActivation", "SquaredReLU", "ReLU", "ReLU6", "Relu_")
DORMANT = (
    *("GELUActivation", "NewGELUActivation", "FastGELUActivation", "QuickGELUActivation", "PytorchGELUTanh"),
    *("AccurateGELUActivation", "ClippedGELUActivation", "GELUTanh", "SiLUActivation", "MishActivation"),
    *("Swish", "SwishJit", "SwishMe", "SwishJitAutoFn", "Mish", "MishMe", "HardSwish", "HardSwishJit", "HardMishMe"),
    *("QuickGELU", "GELU", "ApproximateGELU", "FP32SiLU", "MemoryEfficientSwish", "h_swish", "PReLU", "LeakyReLU"),
)
NONE = ("Conv2dNormActivation", "LinearActivation", "Sigmoid", "GEGLU", "SwiGLU", "SelfAttention", "Me", "Model", "Jit")


def of(name: str) -> Any:
    """A module whose class another library has named so."""
    return type(name, (nn.Module,), {"forward": lambda _, x: torch.relu(x)})()


@pytest.mark.parametrize("name", ZERO)
def test_classes_of_other_libraries_are_known_by_their_names(name: str) -> None:
    assert is_activation(of(name))
    assert tau_of(of(name)) is None


@pytest.mark.parametrize("name", [name for name in DORMANT if name != "SwishJitAutoFn"])
def test_classes_that_never_give_0_are_dormant_below_a_share(name: str) -> None:
    assert is_activation(of(name))
    assert tau_of(of(name)) == 0.025


@pytest.mark.parametrize("name", NONE)
def test_a_name_that_only_looks_like_one_is_none(name: str) -> None:
    assert not is_activation(of(name))


class Bottleneck(nn.Module):
    """As a residual network has it: one ReLU, three uses."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.one, self.two, self.three = (nn.Conv2d(width, width, 1) for _ in range(3))
        self.relu = nn.ReLU(inplace=True)

    def forward(self, x: Any) -> Any:
        out = self.relu(self.one(x))
        out = self.relu(self.two(out))
        return self.relu(self.three(out) + x)


def residual() -> Any:
    """The blocks of a network of 50 layers: 1 use, then 3 + 4 + 6 + 3 blocks of three uses each."""
    torch.manual_seed(0)
    return nn.Sequential(nn.Conv2d(3, 4, 1), nn.ReLU(), *(Bottleneck(4) for _ in range(3 + 4 + 6 + 3))).eval()


def test_all_49_uses_of_a_residual_network_are_watched() -> None:
    model, monitor = residual(), monitor_of()
    x = torch.randn(2, 3, 5, 5)
    expected = model(x)
    with attach(model, monitor) as attachment:
        for _ in range(3):
            torch.testing.assert_close(model(x), expected, rtol=0, atol=0)
    assert len(attachment.layers) == len(set(attachment.layers)) == 49
    assert "2.relu#3" in attachment.layers
    assert {value_of(monitor, SAMPLES, name) for name in attachment.layers} == {6}
    assert dropped(monitor) == {}


def test_uses_in_several_threads_are_those_of_each_pass() -> None:
    model, monitor = residual(), monitor_of()
    with attach(model, monitor) as attachment:
        threads = [threading.Thread(target=lambda: [model(torch.randn(1, 3, 4, 4)) for _ in range(5)]) for _ in "123"]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert len(attachment.layers) == 49
    assert {value_of(monitor, SAMPLES, name) for name in attachment.layers} == {15}


class Calls(nn.Module):
    """Functions where others have modules; a GELU of another library calls one too."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.act = nn.Linear(4, 6), of("GELUActivation")
        self.inner = nn.Sequential(nn.Linear(6, 6), nn.ReLU())

    def forward(self, x: Any) -> Any:
        x = functional.relu(self.first(x))
        x = self.inner(x).relu()
        return functional.gelu(self.act(torch.relu_(x)))


def test_calls_of_functions_are_watched_where_asked_each_at_its_place() -> None:
    torch.manual_seed(0)
    model, monitor = nn.Sequential(Calls(), nn.Linear(6, 2)).eval(), monitor_of()
    x = torch.randn(3, 4)
    expected = model(x)
    with attach(model, monitor, functional=True) as attachment:
        torch.testing.assert_close(model(x), expected, rtol=0, atol=0)
        torch.testing.assert_close(model(x), expected, rtol=0, atol=0)
        assert torch.relu(torch.ones(3)).sum() == 3  # outside of a pass
    called = ["0.relu()", "0.relu()#2", "0.relu()#3", "0.gelu()"]
    assert attachment.layers == ["0.act", "0.inner.1", *called]
    assert {value_of(monitor, SAMPLES, name) for name in attachment.layers} == {6}
    assert dropped(monitor) == {}
    assert not torch._C._len_torch_function_stack()


def test_functions_are_chosen_by_name_as_modules_are() -> None:
    model, monitor = Calls().eval(), monitor_of()
    with attach(model, monitor, functional=True, names=["gelu()", "inner.*"], channel_axis=-1) as attachment:
        model(torch.randn(3, 4))
    assert attachment.layers == ["inner.0", "inner.1", "gelu()"]


def test_a_pass_that_raises_leaves_no_mode_behind() -> None:
    model, monitor = Calls().eval(), monitor_of()
    with attach(model, monitor, functional=True):
        with pytest.raises(RuntimeError):
            model(torch.randn(3, 5))
        assert not torch._C._len_torch_function_stack()
        model(torch.randn(3, 4))
    assert value_of(monitor, SAMPLES, "relu()") == 3


@pytest.mark.filterwarnings(*IGNORED)
@pytest.mark.parametrize("ran", [False, True])
@pytest.mark.parametrize("form", ["wrapped", "in place", "a part"])
def test_what_was_compiled_before_is_watched_under_the_same_names(form: str, ran: bool) -> None:
    torch.compiler.reset()
    plain, x = network(), torch.ones(2, 4)
    expected = plain(x)
    module, monitor = plain, monitor_of()
    if form == "wrapped":
        module = torch.compile(plain, backend="eager")
    elif form == "in place":
        plain.compile(backend="eager")
    else:
        module = nn.Sequential(nn.Identity(), torch.compile(plain, backend="eager"))
    if ran:
        module(x)
    with attach(module, monitor) as attachment:
        for _ in range(3):
            torch.testing.assert_close(module(x), expected, rtol=0, atol=0)
    assert attachment.layers == (["1.1", "1.3"] if form == "a part" else ["1", "3"])
    assert {value_of(monitor, SAMPLES, name) for name in attachment.layers} == {6}
    assert dropped(monitor) == {}


@pytest.mark.filterwarnings(*IGNORED)
def test_calls_of_functions_in_a_compiled_graph_are_answered_as_they_are() -> None:
    torch.compiler.reset()
    model, monitor = Calls().eval(), monitor_of()
    x = torch.randn(3, 4)
    expected = model(x)
    with attach(model, monitor, functional=True):
        compiled = torch.compile(model, backend="eager", fullgraph=True)
        for _ in range(3):
            torch.testing.assert_close(compiled(x), expected)
    assert value_of(monitor, SAMPLES, "inner.1") == 9
    assert not torch._C._len_torch_function_stack()


@pytest.mark.parametrize("uses", [0, 65, True, "2", 1.0])
def test_uses_are_a_number_that_a_monitor_can_hold(uses: Any) -> None:
    with pytest.raises(ValueError, match=r"uses=.* whole number from 1 to 64"):
        attach(network(), monitor_of(), uses=uses)
