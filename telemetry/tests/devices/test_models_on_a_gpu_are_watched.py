"""A model on a GPU is counted there: the same series as on a CPU, and a request waits for nothing."""

from __future__ import annotations

import threading
from typing import Any

import cpu_as_gpu
import pytest
from series_reading import value_of

from activation_health import Monitor
from activation_health.adapters.torch import attach

torch: Any = cpu_as_gpu.torch
nn: Any = torch.nn
gpu = cpu_as_gpu.gpu
SAMPLES, OFFERED = "model_activation_samples_total", "model_activation_offered_samples_total"
OBSERVATIONS, DROPPED = "model_activation_observations_total", "model_activation_dropped_observations_total"


class Twice(nn.Module):
    """One activation used twice, as in a ResNet's block, and one of another kind."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.second = nn.Linear(4, 8), nn.Linear(8, 8)
        self.relu, self.gelu = nn.ReLU(), nn.GELU()

    def forward(self, x: Any) -> Any:
        return self.gelu(self.relu(self.second(self.relu(self.first(x)))))


def monitor_of(**options: Any) -> Monitor:
    return Monitor("m", "1", **{"window": 5, "rows_per_second": 1e12, **options})


def network() -> Any:
    torch.manual_seed(3)
    return Twice().eval()


def counted(monitor: Monitor) -> dict[Any, float]:
    return {sample.key: sample.value for group in monitor.collect() for sample in group}


def test_the_same_series_as_on_a_cpu(monkeypatch: pytest.MonkeyPatch, gpu: Any) -> None:
    batches = [torch.randn(rows, 4) for rows in (3, 7, 1, 16, 7)]
    on_gpu, on_cpu = monitor_of(), monitor_of()
    model = network()
    with attach(model, on_gpu) as attachment:
        answers = [model(batch) for batch in batches]
        attachment.read()
        monkeypatch.undo()
    other = network()
    with attach(other, on_cpu):
        assert all(torch.equal(other(batch), answer) for batch, answer in zip(batches, answers, strict=True))
    assert counted(on_gpu) == counted(on_cpu)
    assert value_of(on_gpu, SAMPLES, "relu#2") == 34


def test_one_in_so_many_and_the_cap_hold_for_whole_passes(gpu: Any) -> None:
    now = [0.0]
    monitor = monitor_of(one_in=3, rows_per_second=20.0, clock=lambda: now[0])
    model = network()
    attachment = attach(model, monitor)
    model(torch.randn(4, 4))  # the first pass on a stream goes the long way, layer by layer
    for _ in range(30):
        model(torch.randn(8, 4))
    attachment.read()
    layers = ("relu", "relu#2", "gelu")
    assert {value_of(monitor, OFFERED, layer) for layer in layers} == {244}
    assert len({value_of(monitor, SAMPLES, layer) for layer in layers}) == 1
    assert 16 <= value_of(monitor, SAMPLES, "relu") <= 44
    assert 10 <= value_of(monitor, OBSERVATIONS, "relu") <= 12


def test_a_batch_above_the_cap_is_measured_in_part(gpu: Any) -> None:
    monitor = monitor_of(rows_per_second=10.0, clock=lambda: 0.0)
    model = network()
    attachment = attach(model, monitor)
    for _ in range(3):
        model(torch.randn(40, 4))
    attachment.read()
    assert value_of(monitor, SAMPLES, "gelu") == 10, "as many as one second may have, of all passes"
    assert value_of(monitor, OFFERED, "gelu") == 120


def test_streams_and_threads_have_windows_of_their_own(gpu: Any) -> None:
    monitor, model = monitor_of(), network()
    attachment = attach(model, monitor)

    def serve(stream: int) -> None:
        for _ in range(4):
            model(torch.randn(3, 4))

    for stream in (1, 2):
        gpu.stream = stream
        threads = [threading.Thread(target=serve, args=(stream,)) for _ in range(2)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    attachment.read()
    assert value_of(monitor, SAMPLES, "relu") == 48
    assert value_of(monitor, "model_activation_windows_total", "relu") == 8, "24 rows a stream, five a window"


def test_what_a_captured_graph_replays_is_counted(gpu: Any) -> None:
    monitor, model = monitor_of(), network()
    attachment = attach(model, monitor)
    model(torch.randn(2, 4))
    gpu.capture = 42
    for _ in range(3):  # the interpreter captures nothing: each call stands for a replay
        model(torch.randn(2, 4))
    attachment.read()
    assert value_of(monitor, SAMPLES, "relu") == value_of(monitor, OFFERED, "relu") == 8
    assert value_of(monitor, OBSERVATIONS, "relu") == 4


@pytest.mark.parametrize("backend", ["eager", "aot_eager"])
def test_a_compiled_model_counts_each_use(gpu: Any, backend: str) -> None:
    torch.compiler.reset()
    monitors = [monitor_of(), monitor_of()]
    models = [network(), network()]
    attachments = [attach(model, monitor) for model, monitor in zip(models, monitors, strict=True)]
    plain = torch.compile(network(), backend=backend)
    compiled = [torch.compile(model, backend=backend) for model in models]
    x = torch.randn(5, 4)
    with torch.inference_mode():
        expected = plain(x)
        for number, model in enumerate(compiled):
            for _ in range(number + 2):
                assert torch.equal(model(x), expected)
    for number, (monitor, attachment) in enumerate(zip(monitors, attachments, strict=True)):
        attachment.read()
        rows = 5.0 * (number + 2)
        assert {value_of(monitor, SAMPLES, layer) for layer in ("relu", "relu#2", "gelu")} == {rows}
        assert {value_of(monitor, OFFERED, layer) for layer in ("relu", "relu#2", "gelu")} == {rows}
        assert not monitor.last_refusal


@pytest.mark.parametrize("quick", [False, True])
def test_a_device_that_fails_costs_no_answer(gpu: Any, quick: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    monitor, model = monitor_of(), network()
    x = torch.randn(2, 4)
    expected = model(x)
    with attach(model, monitor) as attachment:
        if quick:
            model(x)
            attachment.read()

        def broken(*_: object) -> None:
            raise RuntimeError("device lost")

        monkeypatch.setattr("activation_health.devices.counts.DeviceCounts.launch", broken)
        assert torch.equal(model(x), expected)
        attachment.read()
    assert value_of(monitor, DROPPED, "internal") == 3
    assert "device lost" in monitor.last_refusal


def test_the_thread_reads_by_itself_and_ends_with_the_attachment(gpu: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("activation_health.devices.reader.PERIOD", 0.01)
    monitor, model = monitor_of(), network()
    before = set(threading.enumerate())
    attachment = attach(model, monitor)
    model(torch.randn(5, 4))
    (thread,) = set(threading.enumerate()) - before
    deadline = threading.Event()
    for _ in range(500):
        if value_of(monitor, SAMPLES, "gelu") == 5:
            break
        deadline.wait(0.01)
    assert value_of(monitor, SAMPLES, "gelu") == 5
    model(torch.randn(5, 4))
    attachment.detach()
    assert value_of(monitor, SAMPLES, "gelu") == 10, "detach reads what is left"
    thread.join(5)
    assert not thread.is_alive()
