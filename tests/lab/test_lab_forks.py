"""A forked operator is a process like an executed one: its own log, environment, exit status and end."""

from __future__ import annotations

import os
import signal
import sys
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

import psutil
import pytest

from tests.lab.processes import forked
from tests.lab.processes.process import Process, marked

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.lab.session.site import Site

#: An operator with this waits: nothing listens there.
NOWHERE = """
apiVersion: v1
kind: Config
current-context: nowhere
contexts: [{name: nowhere, context: {cluster: nowhere, user: nobody}}]
clusters: [{name: nowhere, cluster: {server: "https://127.0.0.1:9"}}]
users: [{name: nobody, user: {token: none}}]
"""


@dataclass(frozen=True)
class Forks:
    """Operators in a folder of the test's, with the lab's mark."""

    site: Site
    folder: Path

    def begin(self, *arguments: str, name: str = "operator", **env: str) -> Process:
        command = [*forked.OPERATOR, *arguments]
        return Process(name, command, self.folder, self.site.mark, env=env, spawn=forked.spawn)

    def wait_in(self, name: str = "operator") -> Process:
        """An operator that does what one does, and waits for an API server that does not answer."""
        (self.folder / "kubeconfig").write_text(NOWHERE)
        (self.folder / "config.yaml").write_text("prometheus: [{url: 'http://127.0.0.1:9'}]\n")
        process = self.begin("--config=config.yaml", "--health-port=0", "--kubeconfig=kubeconfig", name=name)
        until(lambda: "does not answer" in process.log.read_text())
        return process


@pytest.fixture
def forks(site: Site, tmp_path: Path) -> Forks:
    return Forks(site, tmp_path)


def until(true: Callable[[], bool], deadline: float = 30.0) -> None:
    end = time.monotonic() + deadline
    while not true():
        assert time.monotonic() < end, f"not within {deadline:.0f} s"
        time.sleep(0.05)


def ended(process: Process) -> int | None:
    until(lambda: not process.running)
    return process.returncode


def test_each_has_its_own_log_and_exit_status(forks: Forks) -> None:
    helped, refused = forks.begin("--help", name="a"), forks.begin(name="b")
    assert (ended(helped), ended(refused)) == (0, 2)
    assert "examples:" in helped.log.read_text()
    assert refused.log.read_text().endswith("--config: missing; name the operator's configuration file\n")


def test_each_has_its_own_environment(forks: Forks) -> None:
    narrow, wide = (forks.begin("--help", name=columns, COLUMNS=columns) for columns in ("60", "200"))
    assert (ended(narrow), ended(wide)) == (0, 0)
    assert len(narrow.log.read_text().splitlines()) > len(wide.log.read_text().splitlines())


def test_it_leads_its_own_session_in_its_own_folder_and_is_swept_with_the_lab(forks: Forks) -> None:
    process = forks.wait_in()
    assert os.getsid(process.pid) == os.getpgid(process.pid) == process.pid
    assert psutil.Process(process.pid).cwd() == str(forks.folder)
    assert process.pid in {each.pid for each in marked(forks.site.mark)}
    process.stop()


@pytest.mark.parametrize(("number", "status"), [(signal.SIGTERM, 0), (signal.SIGKILL, -signal.SIGKILL)])
def test_a_signal_ends_that_one_alone(forks: Forks, number: signal.Signals, status: int) -> None:
    process, other = forks.wait_in("a"), forks.wait_in("b")
    process.signal(number)
    assert ended(process) == status
    assert other.running
    other.kill()
    assert ended(other) == -signal.SIGKILL


def test_nothing_else_is_forked(tmp_path: Path) -> None:
    with pytest.raises(AssertionError, match="only the operator"):
        forked.spawn([sys.executable, "-m", "http.server"], cwd=tmp_path, env={}, log=tmp_path / "log")
