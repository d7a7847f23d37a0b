"""Children of a lab are ended by their own pid, with their own children, and failures show their log."""

from __future__ import annotations

import json
import os
import secrets
import signal
import subprocess
import sys
import time
from typing import TYPE_CHECKING

import psutil
import pytest

from tests.lab.processes.guardian import KEPT, forget_the_old, sweep_the_dead
from tests.lab.processes.process import MARK, Process, marked, sweep

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

STUBBORN = """
import signal, subprocess, sys, time
signal.signal(signal.SIGTERM, signal.SIG_IGN)
subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
print("ready", flush=True)
time.sleep(600)
"""


@pytest.fixture
def mark(tmp_path: Path) -> Iterator[str]:
    made = f"modelrollout-lab-test-{secrets.token_hex(5)}"
    yield made
    sweep(made, tmp_path, keep=True)


def stubborn(folder: Path, mark: str) -> Process:
    process = Process("stubborn", [sys.executable, "-c", STUBBORN], folder, mark)
    process.wait_ready(lambda: "ready" in process.log.read_text())
    return process


def test_a_child_that_ends_early_is_reported_with_the_end_of_its_log(tmp_path: Path, mark: str) -> None:
    process = Process("early", [sys.executable, "-c", "raise SystemExit('no such port')"], tmp_path, mark)
    with pytest.raises(RuntimeError, match=r"early ended with 1 before it was ready(.|\n)*no such port"):
        process.wait_ready(lambda: False)
    process.stop()


def test_a_child_that_is_never_ready_is_reported_at_the_deadline(tmp_path: Path, mark: str) -> None:
    process = Process("late", ["sleep", "600"], tmp_path, mark)
    with pytest.raises(RuntimeError, match="late was not ready within 0 s"):
        process.wait_ready(lambda: False, deadline=0.2)
    process.stop()
    assert marked(mark) == []


def test_a_child_that_ignores_sigterm_is_killed_with_its_own_children(tmp_path: Path, mark: str) -> None:
    process = stubborn(tmp_path, mark)
    assert len(marked(mark)) == 2
    process.stop(deadline=0.2)
    assert process.returncode == -signal.SIGKILL
    assert marked(mark) == []


def test_children_left_by_a_dead_leader_are_ended_too(tmp_path: Path, mark: str) -> None:
    process = stubborn(tmp_path, mark)
    os.kill(process.pid, signal.SIGKILL)
    assert not process.running or process.returncode is None
    process.stop(deadline=1)
    assert marked(mark) == []


def test_the_next_start_sweeps_after_an_owner_and_a_guardian_that_both_died(tmp_path: Path, mark: str) -> None:
    folder = tmp_path / "dead"
    folder.mkdir()
    gone = subprocess.Popen(["true"])
    gone.wait()
    (folder / "owner.json").write_text(json.dumps({"pid": gone.pid, "started": 1.0, "mark": mark}))
    with subprocess.Popen(["sleep", "600"], env={**os.environ, MARK: mark}, start_new_session=True) as orphan:
        assert orphan.poll() is None
        assert sweep_the_dead(tmp_path) == 1
        orphan.wait(5)
    assert marked(mark) == []
    assert not folder.exists()


def test_the_next_start_leaves_a_living_owners_lab_alone(tmp_path: Path, mark: str) -> None:
    folder = tmp_path / "alive"
    folder.mkdir()
    me = psutil.Process()
    (folder / "owner.json").write_text(json.dumps({"pid": me.pid, "started": me.create_time(), "mark": mark}))
    process = Process("sleeper", ["sleep", "600"], folder, mark)
    assert sweep_the_dead(tmp_path) == 0
    assert process.running
    process.stop()


def test_a_reused_pid_is_not_taken_for_the_owner(tmp_path: Path, mark: str) -> None:
    folder = tmp_path / "reused"
    folder.mkdir()
    (folder / "owner.json").write_text(json.dumps({"pid": os.getpid(), "started": time.time() - 1e6, "mark": mark}))
    assert sweep_the_dead(tmp_path) == 1


def test_the_logs_of_the_last_labs_stay_and_older_ones_go(tmp_path: Path) -> None:
    folders = [tmp_path / f"lab-{number}" for number in range(KEPT + 3)]
    for age, folder in enumerate(reversed(folders)):
        folder.mkdir()
        (folder / "operator.log").write_text("what happened")
        os.utime(folder, (time.time() - age, time.time() - age))
    (folders[0] / "owner.json").write_text("{}")  # still in use
    os.utime(folders[0], (0, 0))
    forget_the_old(tmp_path)
    assert {path.name for path in tmp_path.iterdir()} == {"lab-0", "lab-3", "lab-4", "lab-5"}
