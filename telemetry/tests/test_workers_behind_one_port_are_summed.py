"""Real processes share a folder of totals: sums are exact, counters never fall, a killed worker is kept."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from series_reading import value_of

from activation_health import Monitor
from activation_health.workers import SharedTotals

pytestmark = pytest.mark.slow
SAMPLES = "model_activation_samples_total"

WORKER = """
import sys, time
from pathlib import Path
import numpy as np
from activation_health import Monitor
from activation_health.workers import SharedTotals
monitor = Monitor("m", "1", ["h"], rows_per_second=1e9)
shared = SharedTotals(monitor, Path(sys.argv[1]), interval=0.02)
monitor.observe("h", np.ones((int(sys.argv[2]), 4)))
print("ready", flush=True)
time.sleep(60)
"""


@pytest.fixture
def start_worker(tmp_path: Path):
    started: list[subprocess.Popen[str]] = []

    def start(rows: int) -> subprocess.Popen:
        child = subprocess.Popen(
            [sys.executable, "-c", WORKER, str(tmp_path), str(rows)], stdout=subprocess.PIPE, text=True
        )
        started.append(child)
        assert child.stdout is not None
        assert child.stdout.readline() == "ready\n"
        return child

    yield start
    for child in started:
        child.kill()
        child.wait(30)
        if child.stdout is not None:
            child.stdout.close()


def shared_in(folder: Path, rows: int) -> SharedTotals:
    monitor = Monitor("m", "1", ["h"], rows_per_second=1e9)
    shared = SharedTotals(monitor, folder, interval=0.02)
    monitor.observe("h", np.ones((rows, 4)))
    return shared


def eventually(shared: SharedTotals, rows: int) -> None:
    deadline = time.monotonic() + 30
    while value_of(shared, SAMPLES, "h") != rows:
        assert time.monotonic() < deadline, value_of(shared, SAMPLES, "h")
        time.sleep(0.02)


def test_a_scrape_of_one_worker_gives_the_sum_over_all(tmp_path: Path, start_worker) -> None:
    for rows in (5, 7):
        start_worker(rows)
    mine = shared_in(tmp_path, 1)
    eventually(mine, 13)
    mine.close()


def test_a_killed_worker_keeps_counting_and_its_slot_is_taken_over(tmp_path: Path, start_worker) -> None:
    mine = shared_in(tmp_path, 1)
    first = start_worker(5)
    eventually(mine, 6)
    os.kill(first.pid, signal.SIGKILL)
    first.wait(30)
    eventually(mine, 6)
    start_worker(10)
    eventually(mine, 16)
    assert len(list(tmp_path.glob("slot-*.json"))) == 2
    mine.close()


def test_a_worker_that_restarts_goes_on_from_its_totals(tmp_path: Path) -> None:
    for restart in range(1, 4):
        shared = shared_in(tmp_path, 10)
        assert value_of(shared, SAMPLES, "h") == 10 * restart
        assert value_of(shared, "model_activation_window_size", "h") == 200
        shared.close()
    assert len(list(tmp_path.glob("slot-*.json"))) == 1


def test_a_damaged_file_of_totals_is_started_again(tmp_path: Path) -> None:
    (tmp_path / "slot-0.json").write_text('[["model_act')
    shared = shared_in(tmp_path, 3)
    assert value_of(shared, SAMPLES, "h") == 3
    shared.close()


ROW = '["model_activation_samples_total", ["m", "1", "h"], 5]'


@pytest.mark.parametrize(
    ("file", "text", "rows"),
    [
        ("slot-1.json", f"[{ROW}]", 6),
        ("slot-1.json", "5", 1),
        ("slot-1.json", "null", 1),
        ("slot-1.json", f"[5, [], {{}}, {ROW}]", 6),
        ("slot-1.json", f"[{ROW.replace('5', 'NaN')}, {ROW.replace('5', '[]')}]", 1),
        ("slot-1.json", "[" * 100_000, 1),
        ("slot-1.json", '["\\ud800"]', 1),
        ("slot-1.json", '[["model_activation_samples_total", ["m"], 5], ["another", ["m", "1", "h"], 5]]', 1),
        ("notes.json", f"[{ROW}]", 1),
    ],
)
def test_what_is_no_total_of_a_worker_fails_no_scrape(file: str, text: str, rows: float, tmp_path: Path) -> None:
    shared = shared_in(tmp_path, 1)
    (tmp_path / file).write_text(text)
    try:
        assert value_of(shared, SAMPLES, "h") == rows
    finally:
        shared.close()


def test_bytes_that_are_no_text_fail_no_scrape(tmp_path: Path) -> None:
    shared = shared_in(tmp_path, 1)
    (tmp_path / "slot-1.json").write_bytes(b"\xff\xfe")
    assert value_of(shared, SAMPLES, "h") == 1
    shared.close()


def test_a_disk_that_is_full_for_a_while_ends_no_worker(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    mine, other = shared_in(tmp_path, 1), shared_in(tmp_path, 10)
    eventually(mine, 11)
    full = True

    def write(self: Path, text: str, **_: object) -> int:
        if full:
            raise OSError(28, "No space left on device")
        with self.open("w") as file:
            return file.write(text)

    monkeypatch.setattr(Path, "write_text", write)
    other._monitor.observe("h", np.ones((100, 4)))
    time.sleep(0.1)
    full = False
    eventually(mine, 111)
    for one in (mine, other):
        one.close()
