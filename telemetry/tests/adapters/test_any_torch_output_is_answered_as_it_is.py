"""Whatever a layer gives: the same answer to the bit, and a count."""

from __future__ import annotations

from typing import Any, NoReturn

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from series_reading import value_of
from torch_kinds import (
    IGNORED,
    MEASURED,
    REFUSED,
    SAMPLES,
    Gives,
    Quarrelsome,
    dropped,
    monitor_of,
    network,
    nn,
    torch,
)

from activation_health.adapters.torch import attach


@pytest.fixture(autouse=True)
def _peace() -> Any:
    yield
    Quarrelsome.armed = False


MODES = {
    "as it is": torch.enable_grad,
    "without gradients": torch.no_grad,
    "for inference": torch.inference_mode,
    "in bfloat16": lambda: torch.autocast("cpu", torch.bfloat16),
    "where anomalies are sought": lambda: torch.autograd.set_detect_anomaly(True),
}


@pytest.mark.filterwarnings(*IGNORED)
@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize(
    "kind", [pytest.param(kind, marks=[pytest.mark.slow] * (kind == "jagged")) for kind in (*MEASURED, *REFUSED)]
)
def test_any_output_is_answered_as_it_is_and_counted(kind: str, mode: str) -> None:
    make, reason = (MEASURED[kind], "") if kind in MEASURED else REFUSED[kind]
    output, monitor = make(), monitor_of()
    model = nn.Sequential(Gives(output))
    with attach(model, monitor, names=["0"]), MODES[mode]():
        assert model(torch.ones(1)) is output
    Quarrelsome.armed = False
    assert dropped(monitor) == ({reason: 1} if reason else {})
    assert value_of(monitor, SAMPLES, "0") == (0 if reason else output.shape[0])


@pytest.mark.filterwarnings(*IGNORED)
@pytest.mark.parametrize("transform", ["vmap", "grad", "jvp", "jacrev"])
def test_transforms_are_answered_the_same(transform: str) -> None:
    def answer(module: Any) -> Any:
        x = torch.linspace(-1, 1, 24).reshape(3, 2, 4)
        if transform == "vmap":
            return torch.func.vmap(module)(x)
        if transform == "jvp":
            return torch.func.jvp(module, (x,), (x,))[1]
        total = lambda x: module(x).sum()  # noqa: E731 - one line is enough
        return getattr(torch.func, transform)(total)(x)

    module, monitor = network(), monitor_of()
    with attach(module, monitor):
        assert torch.equal(answer(module), answer(network()))
    assert set(dropped(monitor)) == {"tracing"}


def test_fake_tensors_have_no_values() -> None:
    from torch._subclasses.fake_tensor import FakeTensorMode  # noqa: PLC0415 - only here

    monitor, module = monitor_of(), network()
    with attach(module, monitor), FakeTensorMode(allow_non_fake_inputs=True) as mode:
        assert module(mode.from_tensor(torch.ones(2, 4))).shape == (2, 3)
    assert dropped(monitor) == {"tracing": 2}


def test_the_capture_of_a_cuda_graph_is_not_ended_by_measuring(monkeypatch: pytest.MonkeyPatch) -> None:
    """A copy to the CPU would: the values do not exist yet, and the capture would fail for good."""

    class OnTheDevice(torch.Tensor):
        is_cuda = True

        def cpu(self, *_: Any, **__: Any) -> NoReturn:
            raise AssertionError("copied while a graph is captured")

    monkeypatch.setattr(torch.cuda, "is_current_stream_capturing", lambda: True)
    monitor, module = monitor_of(), nn.Sequential(nn.Identity(), nn.PReLU(3)).train()
    module[1].weight = nn.Parameter(torch.ones(3))
    with attach(module, monitor):
        monkeypatch.setattr(nn.PReLU, "forward", lambda *_: torch.ones(2, 3).as_subclass(OnTheDevice))
        monkeypatch.setattr(type(monitor), "set_alpha", lambda *_: pytest.fail("the slopes were read"))
        assert module(torch.ones(2, 3)).is_cuda
    assert dropped(monitor) == {"tracing": 1}


def test_a_mode_of_the_user_sees_nothing_of_what_measuring_does() -> None:
    from torch.utils._python_dispatch import TorchDispatchMode  # noqa: PLC0415 - only here

    class Recorder(TorchDispatchMode):
        def __init__(self) -> None:
            super().__init__()
            self.seen: list[str] = []

        def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
            self.seen.append(str(func))
            return func(*args, **(kwargs or {}))

    def recorded(module: Any) -> list[str]:
        with Recorder() as recorder:
            module(torch.ones(2, 4))
        return recorder.seen

    module, monitor = network(), monitor_of()
    plain = recorded(module)
    with attach(module, monitor):
        assert recorded(module) == plain
    assert value_of(monitor, SAMPLES, "1") == 2


SHAPES = st.lists(st.integers(0, 5), min_size=0, max_size=4)
TYPES = st.sampled_from(["float32", "float64", "float16", "bfloat16", "float8_e5m2", "int8", "bool", "complex64"])


@settings(deadline=None)
@given(SHAPES, TYPES, st.integers(-5, 5).filter(bool), st.booleans(), st.booleans())
def test_any_form_and_axis_is_answered_as_it_is(
    shape: list[int], kind: str, axis: int, transposed: bool, gradient: bool
) -> None:
    output = torch.ones(shape).to(getattr(torch, kind))
    output = output.transpose(0, -1) if transposed and len(shape) > 1 else output
    output = output.requires_grad_() if gradient and output.is_floating_point() else output
    monitor = monitor_of()
    model = nn.Sequential(Gives(output))
    with attach(model, monitor, names=["0"], channel_axis=axis):
        assert model(None) is output
    rows = value_of(monitor, SAMPLES, "0")
    assert (rows == output.shape[0]) if rows else (sum(dropped(monitor).values()) == 1)
    assert "internal" not in dropped(monitor)
