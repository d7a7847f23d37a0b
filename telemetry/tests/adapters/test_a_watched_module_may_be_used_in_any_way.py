"""Whatever is done with a watched module: the same answer to the bit; it is watched, or its copy is not."""

from __future__ import annotations

import copy
import os
import pickle
import subprocess
import sys
import threading
from typing import Any

import pytest
from series_reading import value_of
from torch_kinds import (
    COPIES,
    IGNORED,
    SAMPLES,
    TRACED,
    WATCHED,
    dropped,
    monitor_of,
    network,
    nn,
    torch,
)

from activation_health.adapters.torch import attach


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


class Keeps(nn.Module):
    """A network that keeps what watches it."""

    def __init__(self) -> None:
        super().__init__()
        self.inner, self.monitor = network(), monitor_of()
        self.attachment = attach(self.inner, self.monitor)

    def forward(self, x: Any) -> Any:
        return self.inner(x)


@pytest.mark.filterwarnings(*IGNORED)
@pytest.mark.parametrize("operation", [*COPIES, "copied in its own layer alone"])
def test_a_module_that_keeps_what_watches_it_can_be_copied(operation: str) -> None:
    x, module = torch.randn(6, 4), Keeps()
    use = {**COPIES, **WATCHED}[operation] if operation != "saved as its state" else copy.deepcopy
    made = use(module)
    before = value_of(module.monitor, SAMPLES, "1")
    assert torch.equal(made(x), network()(x))
    kept = operation == "copied in its own layer alone"
    assert value_of(module.monitor, SAMPLES, "1") - before == (6 if kept else 0)
    assert dropped(made.monitor) == {}
    made.attachment.detach()


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


@pytest.mark.slow
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


@pytest.mark.slow
@pytest.mark.filterwarnings(*IGNORED)
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
def test_uses_of_a_layer_are_told_apart_in_a_compiled_pass() -> None:
    torch.compiler.reset()
    relu = nn.ReLU()
    module, monitor = nn.Sequential(nn.Linear(4, 4), relu, nn.Linear(4, 4), relu).eval(), monitor_of()
    with attach(module, monitor):
        compiled = torch.compile(module, backend="eager", fullgraph=True)
        for _ in range(3):
            compiled(torch.ones(2, 4))
    assert [value_of(monitor, SAMPLES, name) for name in ("1", "1#2")] == [6, 6]
    assert dropped(monitor) == {}


def test_a_monitor_that_raises_costs_no_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    module, monitor = network(), monitor_of()

    def fails(*_: object) -> None:
        raise RuntimeError("whatever it was")

    monkeypatch.setattr(monitor, "observe_batch", fails)
    with attach(module, monitor):
        assert torch.equal(module(torch.ones(2, 4)), network()(torch.ones(2, 4)))
    assert dropped(monitor) == {"internal": 2}


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


@pytest.mark.slow
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


@pytest.mark.slow
@pytest.mark.filterwarnings(*IGNORED)
def test_instances_of_one_class_that_are_compiled_in_one_process_are_told_apart() -> None:
    torch.compiler.reset()
    x = torch.randn(6, 4)
    unwatched, first, second = network(), network(), network()
    monitors = [monitor_of(), monitor_of()]
    for module, monitor in zip((first, second), monitors, strict=True):
        attach(module, monitor)
    for number, module in enumerate((unwatched, first, second)):
        made = torch.compile(module, backend="eager")
        for _ in range(number):
            made(x)
    assert [value_of(monitor, SAMPLES, "1") for monitor in monitors] == [6, 12]
