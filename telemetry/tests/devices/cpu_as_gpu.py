"""A GPU made of the CPU: the kernel is run by its language's own interpreter, and CUDA is asked for nothing."""

from __future__ import annotations

import contextlib
import importlib
import threading
from typing import Any

import pytest

torch: Any = pytest.importorskip("torch", reason="torch is not installed: pip install './telemetry[torch]'")
pytest.importorskip("triton", reason="triton, which comes with PyTorch for GPUs, is not installed: make torch")
# Ours are imported after those, and a fault in them is no reason to skip.
cuda: Any = importlib.import_module("activation_health.devices.cuda")
counts: Any = importlib.import_module("activation_health.devices.counts")

STREAM = 7


@pytest.fixture
def gpu(monkeypatch: pytest.MonkeyPatch) -> Any:
    """Every tensor is on a GPU, whose current stream can be changed."""

    class Gpu:
        stream, capture = STREAM, 0

    launch, in_order = counts.DeviceCounts.launch, threading.RLock()

    def launched(*args: Any) -> None:
        with in_order:  # as a stream does; the interpreter runs one kernel at a time
            launch(*args)

    monkeypatch.setattr(counts.DeviceCounts, "launch", launched)

    monkeypatch.setattr(cuda, "has", lambda _: True)
    monkeypatch.setattr(cuda, "current", lambda: -1)
    monkeypatch.setattr(cuda, "on", lambda _: contextlib.nullcontext())
    monkeypatch.setattr(cuda, "device_of", lambda _: torch.device("cpu"))
    monkeypatch.setattr(cuda, "stream_of", lambda _: Gpu.stream)
    monkeypatch.setattr(cuda, "is_capturing", lambda: bool(Gpu.capture))
    monkeypatch.setattr(cuda, "capture_of", lambda _: Gpu.capture)
    return Gpu
