"""What is asked of CUDA beside launching: streams, captures, and reading while somebody captures."""

from __future__ import annotations

import contextlib
import ctypes
from functools import lru_cache
from typing import TYPE_CHECKING, Any

import torch

if TYPE_CHECKING:
    from collections.abc import Iterator

_RELAXED = 2


def has(tensor: Any) -> bool:
    """Whether a tensor is on a GPU."""
    return bool(tensor.is_cuda)


def current() -> int:
    """The number of the current device."""
    return int(torch.cuda.current_device())


def device_of(index: int) -> torch.device:
    """A device by its number."""
    return torch.device("cuda", index)


def on(index: int) -> contextlib.AbstractContextManager[Any]:
    """Make a device the current one."""
    device: contextlib.AbstractContextManager[Any] = torch.cuda.device(index)
    return device


def stream_of(index: int) -> int:
    """The handle of a device's current stream."""
    stream: int = torch._C._cuda_getCurrentRawStream(index)  # noqa: SLF001 - the public way takes ten times as long
    return stream


def wait(device: torch.device) -> None:
    """Until the current stream of a device has done what it was given."""
    if device.type == "cuda":
        torch.cuda.current_stream(device).synchronize()


def is_capturing() -> bool:
    """Whether a graph is captured on the current stream."""
    return bool(torch.cuda.is_current_stream_capturing())


def capture_of(stream: int) -> int:
    """The number of the capture that is under way on a stream; 0 where the driver does not tell."""
    driver = _driver()
    status, number = ctypes.c_int(), ctypes.c_ulonglong()
    if driver is not None:
        driver.cuStreamGetCaptureInfo(ctypes.c_void_p(stream), ctypes.byref(status), ctypes.byref(number))
    return number.value


@contextlib.contextmanager
def aside(stream: Any) -> Iterator[None]:
    """Work on another stream; what this thread asks of CUDA meanwhile ends nobody's capture."""
    with torch.inference_mode(mode=False), relaxed(), torch.cuda.stream(stream):
        yield


@contextlib.contextmanager
def relaxed() -> Iterator[None]:
    """In this thread nothing is forbidden for the sake of a capture, its own or another thread's."""
    driver = _driver()
    mode = ctypes.c_int(_RELAXED)
    if driver is not None:
        driver.cuThreadExchangeStreamCaptureMode(ctypes.byref(mode))
    try:
        yield
    finally:
        if driver is not None:
            driver.cuThreadExchangeStreamCaptureMode(ctypes.byref(mode))


@lru_cache
def _driver() -> Any:
    try:
        return ctypes.CDLL("libcuda.so.1")
    except OSError:
        return None
