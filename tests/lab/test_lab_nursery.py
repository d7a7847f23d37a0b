"""A forked operator is a process like an executed one: its own log, environment, exit status and end."""

from __future__ import annotations

import os
import secrets
import signal
import sys
import time
from typing import TYPE_CHECKING

import psutil
import pytest

from tests.lab.nursery import Nursery
from tests.lab.processes import Process, marked, sweep

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

PACKAGE = "modelrollout"
#: Something to run that does not end by itself: nothing listens there, so the operator tries for ever.
UNREACHABLE = """
apiVersion: v1
kind: Config
current-context: nowhere
contexts: [{name: nowhere, context: {cluster: nowhere, user: nobody}}]
clusters: [{name: nowhere, cluster: {server: "https://127.0.0.1:9"}}]
users: [{name: nobody, user: {token: none}}]
"""


@pytest.fixture
def mark(tmp_path: Path) -> Iterator[str]:
    made = f"modelrollout-lab-test-{secrets.token_hex(5)}"
    yield made
    sweep(made, tmp_path, keep=True)


@pytest.fixture
def nursery(tmp_path: Path, mark: str) -> Iterator[Nursery]:
    made = Nursery("nursery", PACKAGE, tmp_path, mark)
    yield made
    made.close()


def born(nursery: Nursery, folder: Path, *arguments: str, name: str = "operator", **env: str) -> Process:
    command = [sys.executable, "-m", PACKAGE, *arguments]
    return Process(name, command, folder, nursery.process.mark, env=env, spawn=nursery.spawn)


def ended(process: Process, deadline: float = 20.0) -> int | None:
    end = time.monotonic() + deadline
    while process.running and time.monotonic() < end:
        time.sleep(0.05)
    return process.returncode


def waiting(nursery: Nursery, folder: Path, **env: str) -> Process:
    """An operator that waits for an API server that does not answer."""
    (folder / "kubeconfig").write_text(UNREACHABLE)
    (folder / "config.yaml").write_text("prometheus: [{url: 'http://127.0.0.1:9'}]\n")
    return born(nursery, folder, "--config=config.yaml", "--health-port=0", "--kubeconfig=kubeconfig", **env)


def test_each_has_its_own_log_and_exit_status(nursery: Nursery, tmp_path: Path) -> None:
    helped, refused = born(nursery, tmp_path, "--help", name="a"), born(nursery, tmp_path, name="b")
    assert (ended(helped), ended(refused)) == (0, 2)
    assert "examples:" in helped.log.read_text()
    assert refused.log.read_text() == "--config: missing; name the operator's configuration file\n"


def test_it_leads_its_own_session_in_its_own_folder(nursery: Nursery, tmp_path: Path) -> None:
    process = waiting(nursery, tmp_path)
    assert os.getsid(process.pid) == os.getpgid(process.pid) == process.pid
    assert psutil.Process(process.pid).cwd() == str(tmp_path)
    assert process.pid in {each.pid for each in marked(process.mark)}
    process.stop()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL])
def test_a_signal_ends_that_one_alone(nursery: Nursery, tmp_path: Path, number: signal.Signals) -> None:
    process, other = waiting(nursery, tmp_path), waiting(nursery, tmp_path)
    time.sleep(1)
    process.signal(number)
    assert ended(process) == (0 if number is signal.SIGTERM else -signal.SIGKILL)
    assert other.running
    other.kill()


def test_operators_outlive_their_nursery_and_are_swept_like_the_rest(tmp_path: Path, mark: str) -> None:
    nursery = Nursery("nursery", PACKAGE, tmp_path, mark)
    process = waiting(nursery, tmp_path)
    nursery.close()
    assert psutil.pid_exists(process.pid)
    assert sweep(mark, tmp_path, keep=True) == 1
    assert not psutil.pid_exists(process.pid)


def test_nothing_else_is_born_there(nursery: Nursery, tmp_path: Path) -> None:
    with pytest.raises(AssertionError, match="only modelrollout"):
        nursery.spawn(["true"], cwd=tmp_path, env={}, log=2)
