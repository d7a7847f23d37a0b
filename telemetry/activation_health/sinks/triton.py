"""Triton's custom metrics are touched by one thread only, with increments that were checked first.

Concurrent calls on one metric crash the server, and so does a call that raises; reloading a version in place
with the same labels kills it. So: series are created in `initialize()` before the thread starts, the thread
alone flushes, and each loaded instance labels its series with its own `load`.
"""

from __future__ import annotations

import math
import os
import threading
import time
from contextlib import suppress
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from activation_health.catalog import Family, Group, Sample
    from activation_health.monitor import Monitor

JOIN_SECONDS = 5.0
BURST = 4  # one call takes 15 to 60 microseconds with the interpreter lock held
MIN_INTERVAL, MAX_INTERVAL = 0.05, 60.0  # below, the flush costs latency; above, scrapes starve


class TritonSink:
    """Flushes a Monitor into Triton's own metrics endpoint from a background thread.

    Create it in `initialize()`, once every layer is declared; call `close()` in `finalize()`. `pb_utils` is
    the module Triton gives the model (`import triton_python_backend_utils as pb_utils`). Every `interval`
    seconds the changed series are written, BURST at a time, with `pause` seconds in between for the requests.
    Series carry one more label, `load`, unique per loaded instance: sum it away in PromQL.
    """

    def __init__(self, monitor: Monitor, pb_utils: Any, *, interval: float = 1.0, pause: float = 0.0005) -> None:
        if not MIN_INTERVAL <= interval <= MAX_INTERVAL:
            raise ValueError(f"interval={interval!r} must lie between 0.05 and 60 seconds")
        self._monitor, self._pb_utils = monitor, pb_utils
        self._interval, self._pause = interval, pause
        self.load = f"{time.time_ns()}-{os.getpid()}"
        self._families: dict[str, Any] = {}
        self._metrics: dict[tuple[str, tuple[str, ...]], Any] = {}
        self._written: dict[tuple[str, tuple[str, ...]], float] = {}
        self._stop = threading.Event()
        self._lock = threading.Lock()
        for group in monitor.collect():
            for sample in group:
                self._create(sample)
        self._thread = threading.Thread(target=self._run, name="activation-health", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Write what is left, stop, and give the series back; returns within a few seconds whatever happens.

        Triton drops a series when its Metric object dies; left to the stub's end they pile up, load on load.
        """
        self._stop.set()
        self._thread.join(JOIN_SECONDS)
        if not self._thread.is_alive():
            self._metrics.clear()
            self._families.clear()

    def _create(self, sample: Sample) -> None:
        family = self._families.get(sample.family.name)
        if family is None:
            family = self._families[sample.family.name] = self._family(sample.family)
        metric = family.Metric(labels={**sample.label_map(), "load": self.load})
        self._metrics[sample.key] = metric
        self._written[sample.key] = 0.0
        self._write(sample)

    def _family(self, family: Family) -> Any:
        kinds = {"counter": self._pb_utils.MetricFamily.COUNTER, "gauge": self._pb_utils.MetricFamily.GAUGE}
        return self._pb_utils.MetricFamily(name=family.name, description=family.help, kind=kinds[family.kind])

    def _run(self) -> None:
        while not self._stop.wait(self._interval):
            self._flush(self._pause)
        self._flush(0.0)

    def _flush(self, pause: float) -> None:
        try:
            for group in self._monitor.collect():
                self._write_group(group, pause)
        except Exception as error:  # noqa: BLE001 - a flush that fails is tried again; the server goes on
            with suppress(Exception):  # nor may what cannot be logged end the flushes
                self._pb_utils.Logger.log_warn(f"activation-health: flush failed: {type(error).__name__}: {error}")

    def _write_group(self, group: Group, pause: float) -> None:
        changed = [sample for sample in group if self._written.get(sample.key) != sample.value]
        for start in range(0, len(changed), BURST):
            with self._lock:
                for sample in changed[start : start + BURST]:
                    if sample.key in self._written:
                        self._write(sample)
                    else:
                        self._create(sample)
            if pause:
                time.sleep(pause)  # gives up the interpreter lock: a request waits for one burst at most

    def _write(self, sample: Sample) -> None:
        value, written = sample.value, self._written[sample.key]
        if not math.isfinite(value) or value == written:
            return
        if sample.family.kind == "gauge":
            self._metrics[sample.key].set(value)
        elif value > written:
            self._metrics[sample.key].increment(value - written)
        self._written[sample.key] = value
