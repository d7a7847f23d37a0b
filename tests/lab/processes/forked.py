"""An operator may start as a fork of a process that has its imports done; from its birth on it is a separate process.

The fork server is the standard library's: one for every process that asks, started with the first fork.
"""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import subprocess
import sys
import threading
from multiprocessing.connection import Connection
from pathlib import Path
from typing import TYPE_CHECKING

from tests import ROOT
from tests.lab.processes.process import MARK

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from multiprocessing.context import ForkServerProcess

OPERATOR = [sys.executable, "-m", "modelrollout"]
BIRTH = 30.0
"""Seconds; the first waits for the imports."""

_server = multiprocessing.get_context("forkserver")
_server.set_forkserver_preload(["modelrollout.__main__", __name__])
_one_at_a_time = threading.Lock()


class Forked:
    """A forked operator, seen as subprocess.Popen shows a child. Threads may use it."""

    def __init__(self, process: ForkServerProcess) -> None:
        assert process.pid is not None
        self.pid = process.pid
        self._process, self._lock = process, threading.Lock()

    def poll(self) -> int | None:
        with self._lock:
            return self._process.exitcode

    def wait(self, timeout: float) -> int:
        with self._lock:
            self._process.join(timeout)
            found = self._process.exitcode
        if found is None:
            raise subprocess.TimeoutExpired(f"process {self.pid}", timeout)
        return found


def spawn(command: Sequence[str], *, cwd: Path, env: Mapping[str, str], log: Path) -> Forked:
    """What subprocess.Popen would do for `python -m modelrollout ARGUMENTS`, the only command there is.

    Raises RuntimeError after BIRTH seconds.
    """
    assert list(command[:3]) == OPERATOR, f"only the operator is forked, not {command}"
    born, says = _server.Pipe(duplex=False)
    child = _server.Process(target=_begin, args=(list(command[3:]), cwd, dict(env), log, says), daemon=True)
    with _one_at_a_time, _environment_of_the_server(env[MARK]):
        child.start()
    says.close()
    with born:
        if not born.poll(BIRTH):  # true as well if it ended first: its exit status tells
            child.kill()
            raise RuntimeError(f"a forked operator did not begin within {BIRTH:.0f} s; see {log}")
    return Forked(child)


@contextlib.contextmanager
def _environment_of_the_server(mark: str) -> Iterator[None]:
    """A sweep finds the server and its children by the mark; this checkout's operator is the one that runs."""
    path = os.pathsep.join([str(ROOT / "operator"), str(ROOT)])
    before = {name: os.environ.get(name) for name in (MARK, "PYTHONPATH")}
    os.environ |= {MARK: mark, "PYTHONPATH": path}
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value


def _begin(arguments: list[str], cwd: Path, env: dict[str, str], log: Path, says: Connection) -> None:
    """Become what an exec would have made, but for the memory, and only then say so."""
    os.setsid()
    with log.open("ab") as out:
        os.dup2(out.fileno(), 1)
        os.dup2(out.fileno(), 2)
    os.chdir(cwd)
    os.environ.clear()
    os.environ.update(env)
    says.send(None)
    says.close()
    from modelrollout.__main__ import main  # noqa: PLC0415 - imported when the server began

    sys.exit(main(arguments))
