"""Whatever a layer gives, and whatever is done with a watched module: the same answer to the bit, and a count."""

from __future__ import annotations

import copy
import io
import os
import pickle
import subprocess
import sys
import threading
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from series_reading import value_of

from activation_health import Monitor
from activation_health.spec import REASONS

torch: Any = pytest.importorskip("torch", reason="torch is not installed: pip install './telemetry[torch]'")
nn: Any = torch.nn

from activation_health.adapters.torch import attach  # noqa: E402 - needs torch

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
        raise NotImplementedError(str(func))


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


def check(use: Any, samples: int, reasons: dict[str, float]) -> None:
    x, monitor = torch.randn(6, 4), monitor_of()
    expected = network()(x)
    module = network()
    with attach(module, monitor):
        made = use(module)
        assert dropped(monitor).keys() <= {"tracing"}
        before = value_of(monitor, SAMPLES, "1")
        answers = [made(x) for _ in range(3)]
    assert all(torch.equal(answer, expected) for answer in answers)
    assert value_of(monitor, SAMPLES, "1") - before == value_of(monitor, SAMPLES, "3") - before == samples
    assert {why: n for why, n in dropped(monitor).items() if why != "tracing"} == reasons


@pytest.mark.slow
@pytest.mark.filterwarnings(*IGNORED)
@pytest.mark.parametrize("operation", WATCHED)
def test_a_module_in_other_hands_is_still_watched(operation: str) -> None:
    torch.compiler.reset()
    check(WATCHED[operation], 18, {})


@pytest.mark.filterwarnings(*IGNORED)
@pytest.mark.parametrize("operation", COPIES)
def test_a_copy_answers_the_same_and_is_not_watched(operation: str) -> None:
    check(COPIES[operation], 0, {})


@pytest.mark.slow
@pytest.mark.filterwarnings(*IGNORED)
@pytest.mark.parametrize("operation", TRACED)
def test_a_trace_answers_the_same_and_is_not_watched(operation: str) -> None:
    check(TRACED[operation], 0, {})


@pytest.mark.slow
def test_a_pickle_needs_no_package_of_ours() -> None:
    module = network()
    with attach(module, monitor_of()):
        data = pickle.dumps(module)
    code = (
        "import sys, pickle, torch\nsys.modules['activation_health'] = None\n"
        "m = pickle.loads(sys.stdin.buffer.read())\nprint(tuple(m(torch.ones(2, 4)).shape))"
    )
    found = subprocess.run([sys.executable, "-c", code], input=data, capture_output=True, check=True, env=os.environ)
    assert found.stdout.strip() == b"(2, 3)"


@pytest.mark.slow
@pytest.mark.filterwarnings(*IGNORED)
def test_torchscript_is_refused_with_the_way_out() -> None:
    module = network()
    with attach(module, monitor_of()) as attachment:
        for one in (module, copy.deepcopy(module)):
            with pytest.raises(AttributeError, match=r"hooks do not run under TorchScript: detach\(\) first"):
                torch.jit.script(one)
        attachment.detach()
        assert torch.equal(torch.jit.script(module)(torch.ones(2, 4)), network()(torch.ones(2, 4)))


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


@pytest.mark.parametrize("reentrant", [True, False])
def test_gradients_under_checkpointing_are_the_same(reentrant: bool) -> None:
    def gradients(module: Any) -> list[Any]:
        x = torch.linspace(-1, 1, 8).reshape(2, 4).requires_grad_()
        torch.utils.checkpoint.checkpoint(module, x, use_reentrant=reentrant).sum().backward()
        return [x.grad, *(parameter.grad for parameter in module.parameters())]

    module, monitor = network(), monitor_of()
    with attach(module, monitor):
        watched = gradients(module)
    assert all(torch.equal(one, other) for one, other in zip(watched, gradients(network()), strict=True))


def test_a_padded_transformer_answers_as_without() -> None:
    torch.manual_seed(0)
    layer = nn.TransformerEncoderLayer(32, 4, 64, batch_first=True, activation=nn.GELU())
    model = nn.TransformerEncoder(layer, 2).eval()
    x, mask = torch.randn(2, 5, 32), torch.tensor([[False] * 5, [False] * 3 + [True] * 2])
    monitor = monitor_of()
    with torch.inference_mode():
        expected = model(x, src_key_padding_mask=mask)
        with attach(model, monitor, channel_axis=-1):
            torch.testing.assert_close(model(x, src_key_padding_mask=mask), expected)
    assert dropped(monitor) == {"dtype": 2}
    assert "nested tensor" in monitor.last_refusal


@pytest.mark.slow
@pytest.mark.filterwarnings(*IGNORED)
def test_a_layer_that_runs_twice_in_a_compiled_pass_is_measured_once() -> None:
    torch.compiler.reset()
    relu = nn.ReLU()
    module, monitor = nn.Sequential(nn.Linear(4, 4), relu, nn.Linear(4, 4), relu).eval(), monitor_of()
    with attach(module, monitor):
        compiled = torch.compile(module, backend="eager", fullgraph=True)
        for _ in range(3):
            compiled(torch.ones(2, 4))
    assert value_of(monitor, SAMPLES, "1") == 6
    assert dropped(monitor) == {"reused": 3}


def test_a_monitor_that_raises_costs_no_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    module, monitor = network(), monitor_of()

    def fails(*_: object) -> None:
        raise RuntimeError("whatever it was")

    monkeypatch.setattr(monitor, "observe_batch", fails)
    with attach(module, monitor):
        assert torch.equal(module(torch.ones(2, 4)), network()(torch.ones(2, 4)))
    assert dropped(monitor) == {"internal": 2}


def test_attaching_twice_and_detaching_twice() -> None:
    module, first, second = network(), monitor_of(), monitor_of()
    one, other = attach(module, first), attach(module, second)
    module(torch.ones(2, 4))
    with pytest.raises(ValueError, match=r"layer '1' is declared already: .* its own Monitor"):
        attach(module, first)
    module(torch.ones(2, 4))
    one.detach()
    one.detach()
    module(torch.ones(2, 4))
    other.detach()
    assert (value_of(first, SAMPLES, "1"), value_of(second, SAMPLES, "1")) == (4, 6)
    assert dropped(first) == dropped(second) == {}
    assert not any(child._forward_hooks or child._forward_pre_hooks for child in module.modules())


@pytest.mark.slow
@pytest.mark.filterwarnings(*IGNORED)
@pytest.mark.parametrize(
    ("make", "named"),
    [
        (lambda: torch.compile(network(), backend="eager"), "torch.compile already.* attach first, then compile"),
        (lambda: (made := network(), made.compile(backend="eager"))[0], "attach first, then compile"),
        (lambda: torch.jit.script(network()), "watch and serve the module that it was made from"),
        (lambda: torch.jit.trace(network(), torch.ones(1, 4)), "TorchScript, where hooks do not run"),
        (
            lambda: torch.export.export(network(), (torch.ones(2, 4),)).module(),
            "graph of function calls.* watch the module that it was made from",
        ),
        (lambda: nn.Sequential(torch.jit.script(network())), "'0' is compiled by TorchScript"),
    ],
)
def test_what_hooks_do_not_reach_is_refused_with_advice(make: Any, named: str) -> None:
    with pytest.raises(ValueError, match=named):
        attach(make(), monitor_of())


@pytest.mark.slow
@pytest.mark.filterwarnings(*IGNORED)
def test_parts_that_hooks_do_not_reach_are_skipped_with_advice() -> None:
    compiled = torch.compile(network(), backend="eager")
    deep = nn.Sequential(nn.ReLU())
    deep.add_module("x" * 200, nn.ReLU())
    module = nn.Sequential(nn.ReLU(), compiled, torch.jit.script(nn.ReLU()), nn.LSTM(2, 2), deep)
    attachment = attach(module, monitor_of(), names=["*"])
    reasons = {skipped.name: skipped.reason for skipped in attachment.skipped}
    assert attachment.layers == ["0", "4", "4.0"]
    assert "attach first" in reasons["1"]
    assert "inside '1'" in reasons["1._orig_mod.1"]
    assert "TorchScript" in reasons["2"]
    assert "several tensors" in reasons["3"]
    assert "1 to 128 characters" in reasons[f"4.{'x' * 200}"]


@pytest.mark.parametrize(
    ("options", "error", "named"),
    [
        ({"channel_axis": 0}, ValueError, "channel_axis 0 is the batch"),
        ({"channel_axis": True}, TypeError, "channel_axis=True"),
        ({"channel_axis": {"1": "-1"}}, TypeError, "channel_axis='-1' for '1'"),
        ({"channel_axis": {"3": 0}}, ValueError, "channel_axis 0 is the batch"),
    ],
)
def test_a_refused_attach_changes_nothing(options: dict[str, Any], error: Any, named: str) -> None:
    module, monitor = network(), monitor_of()
    with pytest.raises(error, match=named):
        attach(module, monitor, **options)
    assert not any(child._forward_hooks or child._forward_pre_hooks for child in module.modules())
    assert attach(module, monitor, names="[13]").layers == ["1", "3"]


@pytest.mark.slow
def test_a_spawned_process_gets_the_module_and_not_the_monitor() -> None:
    module = network()
    with attach(module, monitor_of()):
        context = torch.multiprocessing.get_context("spawn")
        with context.Pool(1) as pool:
            shape = pool.apply(_shape_of, (module,))
    assert shape == (2, 3)


def _shape_of(module: Any) -> tuple[int, ...]:
    return tuple(module(torch.ones(2, 4)).shape)


@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
def test_a_fork_while_a_thread_measures_hangs_nothing() -> None:
    module, monitor = network(), monitor_of()
    stop = threading.Event()

    def work() -> None:
        while not stop.is_set():
            for state in monitor._layers.values():
                with state._lock, monitor._lock, monitor.evals._lock, monitor.requests._lock:
                    stop.wait(0.01)

    with attach(module, monitor):
        thread = threading.Thread(target=work)
        thread.start()
        try:
            for _ in range(5):
                child = os.fork()
                if child == 0:
                    monitor.observe("1", torch.ones(2, 8).numpy())
                    monitor.request(0.1)
                    monitor.judged("labels", correct=1, total=1)
                    os._exit(len(list(monitor.collect())) == 0)
                assert _ended(child) == 0
        finally:
            stop.set()
            thread.join()


def _ended(child: int) -> int:
    for _ in range(200):
        found, status = os.waitpid(child, os.WNOHANG)
        if found:
            return os.waitstatus_to_exitcode(status)
        threading.Event().wait(0.05)
    os.kill(child, 9)
    os.waitpid(child, 0)
    return -1


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


GUIDE = (Path(__file__).parents[2] / "docs" / "instrument-your-model.md").read_text()
TABLE = {
    "a dense tensor of float64, float32, float16, bfloat16 or float8, (batch, units) or more, strided or a subclass "
    "with names": ("watched", set(MEASURED)),
    "nested, jagged, sparse, quantized, complex, whole or truth values, a tensor that wraps another": (
        "dropped, `dtype`",
        {"nested", "jagged", "sparse by coordinates", "sparse by rows", "quantized", "a wrapper", "complex"}
        | {"whole numbers", "truths"},
    ),
    "a tuple, list, dict or dataclass, None, a number": (
        "dropped, `dtype`",
        {"a tuple", "a list", "a dict", "a dataclass", "None", "a number"},
    ),
    "fewer than two axes": ("dropped, `rank`", {"without axes", "one axis"}),
    "nothing in it": ("dropped, `empty`", {"no rows", "no units"}),
    "in `torch.func`, a fake or meta tensor, while `jit.trace` or `fx` traces": (
        "dropped, `tracing`",
        {"on the meta device"},
    ),
    "`torch.compile` afterwards, whole graphs too; `functional_call`, `DataParallel`, `fx.symbolic_trace`, "
    "`share_memory`, `.to(...)`, part of another module": ("watched", set(WATCHED)),
    "`copy.deepcopy`, `pickle`, `torch.save`, another process": ("the copy is not watched", set(COPIES)),
    "`jit.trace`, `torch.export`": ("the trace is not watched", set(TRACED)),
    "`jit.script`": ("refused by PyTorch, with the advice to detach first", set()),
    "compiled, scripted, traced, exported or quantized before": (
        "refused or `skipped` by `attach`, with advice",
        set(),
    ),
}


def test_the_guides_table_is_what_is_tested_here() -> None:
    section = GUIDE.split("### What is watched, and what is not")[1].split("\n## ")[0]
    rows = [tuple(cell.strip() for cell in line.strip("|").split("|")) for line in section.splitlines() if "|" in line]
    assert rows[2:] == [(what, outcome) for what, (outcome, _) in TABLE.items()]
    covered = set().union(*(kinds for _, kinds in TABLE.values()))
    assert covered == {*MEASURED, *REFUSED, *WATCHED, *COPIES, *TRACED}
    for outcome, kinds in TABLE.values():
        reasons = {REFUSED[kind][1] for kind in kinds if kind in REFUSED}
        assert all(f"`{reason}`" in outcome for reason in reasons)
