"""Every process belongs to one lab and is ended by its own pid; its output is in its own log.

Children carry the lab's mark in their environment and are the leaders of their own process groups. Ending one ends its
group (tritonserver's stubs ignore SIGTERM and would outlive it). What a killed test runner leaves behind is ended by
`sweep`, which finds processes by the mark alone.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import socket
import ssl
import subprocess
import time
import urllib.error
import urllib.request
from pathlib import Path
from signal import Signals
from typing import TYPE_CHECKING

import psutil

from tests.lab.processes.spawning import execute
from tests.lab.progress import tail

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from tests.lab.processes.spawning import Child, Spawn

MARK = "MODELROLLOUT_LAB_ID"
#: A proxy configured for the internet must not be asked for loopback addresses.
_DIRECT = urllib.request.build_opener(urllib.request.ProxyHandler({}))


class Process:
    """One child: started at once, `pid` and `log` are its own, `stop` is idempotent."""

    def __init__(
        self,
        name: str,
        command: Sequence[str],
        folder: Path,
        mark: str,
        *,
        env: Mapping[str, str] | None = None,
        spawn: Spawn | None = None,
    ) -> None:
        """`spawn` starts it, by default as subprocess.Popen does."""
        self.name, self.command, self.mark = name, list(command), mark
        self.log = folder / f"{name}.log"
        self._asked = False
        self.log.parent.mkdir(parents=True, exist_ok=True)
        base = {
            key: value
            for key, value in os.environ.items()
            if key != "KUBECONFIG" and not key.lower().endswith("_proxy")
        }
        whole = base | {MARK: mark} | dict(env or {})
        self._child: Child = (spawn or execute)(self.command, cwd=folder, env=whole, log=self.log)

    @property
    def pid(self) -> int:
        return self._child.pid

    @property
    def running(self) -> bool:
        return self._child.poll() is None

    @property
    def returncode(self) -> int | None:
        return self._child.poll()

    def wait_ready(self, ready: Callable[[], bool], deadline: float = 30.0) -> None:
        """Poll `ready` until true. RuntimeError with the log's tail if the child ends first or `deadline` s pass."""
        end = time.monotonic() + deadline
        while not ready():
            if not self.running:
                raise RuntimeError(
                    f"{self.name} ended with {self.returncode} before it was ready; "
                    f"{self.log} ends with:\n{tail(self.log)}"
                )
            if time.monotonic() > end:
                raise RuntimeError(
                    f"{self.name} was not ready within {deadline:.0f} s; {self.log} ends with:\n{tail(self.log)}"
                )
            time.sleep(0.05)

    def signal(self, number: Signals) -> None:
        """Send a signal to the child and its group (SIGSTOP and SIGCONT to pause and go on), if it still runs."""
        if self.running:
            self._signal_group(number)

    def ask_to_stop(self) -> None:
        """SIGTERM without waiting, so that many can be stopped at once; follow with `stop`."""
        if self.running and not self._asked:
            self._asked = True
            self.signal(signal.SIGCONT)
            with contextlib.suppress(ProcessLookupError):
                os.kill(self.pid, signal.SIGTERM)

    def stop(self, deadline: float = 5.0) -> None:
        """SIGTERM the child, wait `deadline` s, then SIGKILL what is left of its group."""
        self.ask_to_stop()
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._child.wait(deadline)
        self.kill()

    def kill(self) -> None:
        """SIGKILL the whole group, if the child or a process of ours in its group lives; wait until none does."""
        if self.running or _group_has_mark(self.pid, self.mark):
            self._signal_group(signal.SIGKILL)
            end = time.monotonic() + 5
            while _group_has_mark(self.pid, self.mark) and time.monotonic() < end:
                time.sleep(0.02)
        self._child.wait(5)

    def _signal_group(self, number: Signals) -> None:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.pid, number)


def _group_has_mark(group: int, mark: str) -> bool:
    """Whether a process of ours is left in a group whose leader has ended (its number might be another's now)."""
    for process in marked(mark):
        with contextlib.suppress(ProcessLookupError):
            if os.getpgid(process.pid) == group:
                return True
    return False


def marked(mark: str) -> list[psutil.Process]:
    """Every living process of this user that carries the lab's mark, ourselves excepted.

    One that has been killed may show its environment until it is a zombie, which is not living.
    """
    found = []
    for process in psutil.process_iter():
        with contextlib.suppress(psutil.Error, OSError):
            if (
                process.pid != os.getpid()
                and process.environ().get(MARK) == mark
                and process.status() != psutil.STATUS_ZOMBIE
            ):
                found.append(process)
    return found


def sweep(mark: str, folder: Path, *, keep: bool = False) -> int:
    """End all processes that carry `mark`, remove their shared memory and (unless `keep`) `folder`; returns a count."""
    count = 0
    for _ in range(5):
        left = marked(mark)
        if not left:
            break
        count += len(left)
        for process in left:
            with contextlib.suppress(psutil.NoSuchProcess):
                process.kill()
        psutil.wait_procs(left, timeout=2)
    clean_shared_memory(mark)
    if not keep:
        shutil.rmtree(folder, ignore_errors=True)
    return count


def clean_shared_memory(prefix: str) -> None:
    """Remove the shared memory regions whose names start with `prefix` (a killed tritonserver leaves them)."""
    for region in Path("/dev/shm").glob(f"{prefix}*"):
        region.unlink(missing_ok=True)


def free_port(host: str = "127.0.0.1") -> int:
    """A TCP port that is free now; another process may take it before we do, which the child's start would report."""
    with socket.socket() as probe:
        probe.bind((host, 0))
        return int(probe.getsockname()[1])


def answers(url: str, *, host: str | None = None, status: int = 200, timeout: float = 1.0) -> bool:
    """Whether a plain-HTTP GET of `url` (for `host`, if given) gives `status` now."""
    request = urllib.request.Request(url, headers={"Host": host} if host else {})
    try:
        with _DIRECT.open(request, timeout=timeout) as response:
            return bool(response.status == status)
    except urllib.error.HTTPError as error:
        return error.code == status
    except OSError:
        return False


def answers_tls(port: int, context: ssl.SSLContext) -> bool:
    """Whether a server on 127.0.0.1:`port` completes a TLS handshake that `context` trusts."""
    try:
        with (
            socket.create_connection(("127.0.0.1", port), timeout=1) as plain,
            context.wrap_socket(plain, server_hostname="127.0.0.1"),
        ):
            return True
    except OSError:
        return False
