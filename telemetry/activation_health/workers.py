"""Several workers behind one port answer every scrape with the sum over all of them, the dead ones included.

Each worker holds one slot in a folder for as long as it lives: a locked file that says whose it is and a file of
totals. A worker that takes over the slot of a dead one goes on from its totals, so counters never fall and there
are never more files than there were workers at once. What a worker counted in its last `interval` before being
killed is lost.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import math
import re
import threading
from dataclasses import replace
from typing import TYPE_CHECKING, Any, TextIO

from activation_health.catalog import CATALOG, Sample

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

    from activation_health.catalog import Group
    from activation_health.monitor import Monitor

MAX_WORKERS = 1024
JOIN_SECONDS = 5.0
_SLOT = re.compile(r"slot-[0-9]+\.json")
_FAMILIES = {family.name: family for family in CATALOG}

Key = tuple[str, tuple[str, ...]]


class SharedTotals:
    """A Monitor's series summed over all workers that use the same `folder` (local disk, empty at server start).

    Create it in the worker, after the fork. `close()` writes the last totals and leaves the slot to the next.
    Gauges (the window's size, digests, slopes) are not summed: the largest is shown.
    """

    def __init__(self, monitor: Monitor, folder: Path, *, interval: float = 1.0) -> None:
        if interval <= 0:
            raise ValueError(f"interval={interval!r} must be above 0 seconds")
        folder.mkdir(parents=True, exist_ok=True)
        self._monitor, self._folder, self._interval = monitor, folder, interval
        self._lock_file, self._path = _take_slot(folder)
        self._before = _read(self._path)
        self._stop = threading.Event()
        self._write_lock = threading.Lock()
        self._write()
        self._thread = threading.Thread(target=self._run, name="activation-health-shared", daemon=True)
        self._thread.start()

    def close(self) -> None:
        self._stop.set()
        self._thread.join(JOIN_SECONDS)
        self._try_to_write()
        self._lock_file.close()

    def collect(self) -> Iterator[Group]:
        """All workers' series: this one's as of now, the others' as of their last write."""
        merged = self._own()
        for path in sorted(self._folder.glob("*.json")):
            if path != self._path and _SLOT.fullmatch(path.name):
                merge(merged, _read(path).values())
        for sample in merged.values():
            yield (sample,)

    def _own(self) -> dict[Key, Sample]:
        totals = dict(self._before)
        merge(totals, (sample for group in self._monitor.collect() for sample in group))
        return totals

    def _run(self) -> None:
        while not self._stop.wait(self._interval):
            self._try_to_write()

    def _try_to_write(self) -> None:
        """A disk that is full now may have room at the next turn; until then others see what was written last."""
        with contextlib.suppress(OSError):
            self._write()

    def _write(self) -> None:
        rows = [(*sample.key, sample.value) for sample in self._own().values()]
        with self._write_lock:
            partial = self._path.with_suffix(".partial")
            partial.write_text(json.dumps(rows))
            partial.replace(self._path)


def merge(totals: dict[Key, Sample], samples: Iterable[Sample]) -> None:
    """Add counters, keep the larger gauge."""
    for sample in samples:
        known = totals.get(sample.key)
        if known is None:
            totals[sample.key] = sample
        elif sample.family.kind == "counter":
            totals[sample.key] = replace(known, value=known.value + sample.value)
        else:
            totals[sample.key] = replace(known, value=max(known.value, sample.value))


def _take_slot(folder: Path) -> tuple[TextIO, Path]:
    for number in range(MAX_WORKERS):
        handle = (folder / f"slot-{number}.lock").open("a", encoding="utf-8")
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            handle.close()
            continue
        return handle, folder / f"slot-{number}.json"
    raise RuntimeError(f"all {MAX_WORKERS} slots in {folder} are taken: give each server its own folder")


def _read(path: Path) -> dict[Key, Sample]:
    """What another worker has written; nothing of a new slot, of a disk that lost a write, and of what is no totals."""
    try:
        rows = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError):
        return {}
    samples = [one for one in map(_sample, rows if isinstance(rows, list) else ()) if one is not None]
    return {sample.key: sample for sample in samples}


def _sample(row: Any) -> Sample | None:
    """One row of totals; None of what is none."""
    try:
        name, labels, value = row
        family = _FAMILIES[name]
        if len(labels) == len(family.labels) and all(isinstance(one, str) for one in labels) and math.isfinite(value):
            return Sample(family, tuple(labels), value)
    except (TypeError, ValueError, KeyError, OverflowError):
        return None
    return None
