"""The thread that reads what devices counted, once a second."""

from __future__ import annotations

import contextlib
import threading
import weakref
from typing import TYPE_CHECKING, Any, Protocol

import torch

from activation_health.devices import cuda
from activation_health.devices.counts import DeviceCounts, heads_of
from activation_health.locks import new_lock

if TYPE_CHECKING:
    from collections.abc import Callable

    from activation_health.measure.state import Found

PERIOD = 1.0  # seconds
_TRIES = 20


class Take(Protocol):
    def __call__(self, found: Found) -> None: ...


class Reader:
    """Reads every buffer it was given; `failed` is told of what went wrong, and the next second tries again."""

    def __init__(self, failed: Callable[[Exception], None]) -> None:
        self._failed = failed
        self._all: dict[Any, list[tuple[DeviceCounts, Take]]] = {}
        self._streams: dict[Any, Any] = {}
        self._lock, self._reading = new_lock(), new_lock()
        self._wake = threading.Event()
        self._thread: threading.Thread | None = None
        self._ended = False

    def add(self, make: Callable[[], DeviceCounts], take: Take, device: Any) -> DeviceCounts:
        """Make counts on the reader's stream, where no graph is captured, and read them from now on."""
        with self._reading, self._on(device):
            counts = make()
            cuda.wait(device)
        with self._lock:
            self._all[device] = [*self._all.get(device, ()), (counts, take)]
            if self._thread is None and not self._ended:
                self._thread = threading.Thread(
                    target=_run, args=(weakref.ref(self), self._wake), name="activation-health", daemon=True
                )
                self._thread.start()
        return counts

    def hurry(self) -> None:
        """A ring of windows is getting full."""
        self._wake.set()

    def end(self) -> None:
        """Read once more, stop, and let go of the buffers."""
        self._ended = True
        self._wake.set()
        self.read()
        with self._lock:
            self._all = {}

    @property
    def ended(self) -> bool:
        return self._ended

    def read(self) -> None:
        """Bring what was counted to the monitor; what a launch writes just now is left for the next time."""
        with self._reading:
            for device, found in list(self._all.items()):
                try:
                    with self._on(device):
                        _read(found)
                except Exception as error:  # noqa: BLE001 - a device that is gone must not end the thread
                    self._failed(error)

    def _on(self, device: Any) -> contextlib.AbstractContextManager[Any]:
        if device.type != "cuda":
            plain: contextlib.AbstractContextManager[Any] = torch.inference_mode(mode=False)
            return plain
        if device not in self._streams:
            self._streams[device] = torch.cuda.Stream(device)
        return cuda.aside(self._streams[device])


def _read(found: list[tuple[DeviceCounts, Take]]) -> None:
    waiting = found
    for _ in range(_TRIES):
        heads = heads_of([counts for counts, _ in waiting])
        for (counts, take), head in zip(waiting, heads, strict=True):
            if head is not None:
                take(counts.read(head))
        waiting = [one for one, head in zip(waiting, heads, strict=True) if head is None]
        if not waiting:
            return


def _run(reader: weakref.ref[Reader], wake: threading.Event) -> None:
    while True:
        wake.wait(PERIOD)
        wake.clear()
        alive = reader()
        if alive is None or alive.ended:
            return
        alive.read()
        del alive
