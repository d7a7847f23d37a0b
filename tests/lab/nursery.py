"""Operators are born with their imports done: one process imports everything once, and forks for every start.

Of the 1.5 s of CPU that a start takes, 1.3 are imports, and the stories start and restart some hundred operators on two
cores. A child is a process of its own from then on: its own session, environment, log, and end. Run as `python -m
tests.lab.nursery` with a socket as standard input; it ends when its owner closes that, its children do not.
"""

from __future__ import annotations

import contextlib
import gc
import importlib
import json
import os
import select
import selectors
import signal
import socket
import subprocess
import sys
import threading
import time
from typing import TYPE_CHECKING, Any

from tests.lab.guardian import ROOT
from tests.lab.processes import Process

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path

LARGEST = 1 << 20


class Nursery:
    """The owner's end. Threads may use it."""

    def __init__(self, name: str, package: str, folder: Path, mark: str) -> None:
        """`package` is imported at once; the `main(arguments)` of its `__main__` is what children run."""
        self._package, self._lock = package, threading.Lock()
        self._born: list[int] = []
        self._ended: dict[int, int] = {}
        self._unread = b""
        self._line, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_STREAM)
        path = os.pathsep.join([str(ROOT / "operator"), str(ROOT)])
        command = [sys.executable, "-m", "tests.lab.nursery", package]
        with theirs:
            self.process = Process(name, command, folder, mark, env={"PYTHONPATH": path}, stdin=theirs.fileno())

    def spawn(self, command: Sequence[str], *, cwd: Path, env: Mapping[str, str], log: int) -> Newborn:
        """What subprocess.Popen does for `python -m PACKAGE ARGUMENTS`, the only command there is."""
        assert list(command[:3]) == [sys.executable, "-m", self._package], f"only {self._package} is born here"
        told = {"arguments": list(command[3:]), "cwd": str(cwd), "env": dict(env)}
        with self._lock:
            socket.send_fds(self._line, [json.dumps(told).encode() + b"\n"], [log])
            end = time.monotonic() + 30
            while not self._born:
                assert time.monotonic() < end, "the nursery does not answer"
                self._listen(1.0)
            return Newborn(self, self._born.pop())

    def returncode(self, pid: int, wait: float = 0.0) -> int | None:
        """How the child ended, at most `wait` s from now; None while it lives."""
        end = time.monotonic() + wait
        while True:
            with self._lock:
                self._listen(0.0)
                if pid in self._ended:
                    return self._ended[pid]
            if (left := end - time.monotonic()) <= 0:
                return None
            select.select([self._line], [], [], min(left, 0.05))

    def close(self) -> None:
        """End the nursery; idempotent."""
        self._line.close()
        self.process.stop()

    def _listen(self, wait: float) -> None:
        while select.select([self._line], [], [], wait)[0]:
            heard = self._line.recv(65536)
            if not heard:
                raise RuntimeError(f"the nursery is gone; see {self.process.log}")
            *lines, self._unread = (self._unread + heard).split(b"\n")
            for line in lines:
                said = json.loads(line)
                if "returncode" in said:
                    self._ended[said["pid"]] = said["returncode"]
                else:
                    self._born.append(said["pid"])
            wait = 0.0


class Newborn:
    """A child, seen as subprocess.Popen shows one."""

    def __init__(self, nursery: Nursery, pid: int) -> None:
        self.pid, self._nursery = pid, nursery

    def poll(self) -> int | None:
        return self._nursery.returncode(self.pid)

    def wait(self, timeout: float) -> int:
        found = self._nursery.returncode(self.pid, timeout)
        if found is None:
            raise subprocess.TimeoutExpired(f"process {self.pid}", timeout)
        return found


class _Mother:
    """Forks at a word, and says of every child that it was born and how it ended."""

    def __init__(self, line: socket.socket) -> None:
        self.line = line
        self.watched = selectors.DefaultSelector()
        self.watched.register(line, selectors.EVENT_READ)
        self.unread = b""
        self.logs: list[int] = []

    def work(self) -> dict[str, Any] | None:
        """Return in the owner's process (None) when the owner is gone, and in every child with what it was told."""
        while True:
            for key, _ in self.watched.select():
                if key.data is not None:
                    self._bury(key.data, key.fd)
                    continue
                if not self._hear():
                    return None
                if (told := self._bear()) is not None:
                    return told

    def _hear(self) -> bool:
        heard, fds, _, _ = socket.recv_fds(self.line, LARGEST, 8)
        self.unread += heard
        self.logs += fds
        return bool(heard)

    def _bear(self) -> dict[str, Any] | None:
        *lines, self.unread = self.unread.split(b"\n")
        for line in lines:
            log = self.logs.pop(0)
            pid = os.fork()
            if pid == 0:
                self.watched.close()
                # Said by the child, once it leads its own session: from now on it may be signalled.
                os.setsid()
                self._say(pid=os.getpid())
                self.line.close()
                return {"log": log, **json.loads(line)}
            os.close(log)
            self.watched.register(os.pidfd_open(pid), selectors.EVENT_READ, pid)
        return None

    def _bury(self, pid: int, handle: int) -> None:
        _, status = os.waitpid(pid, 0)
        self.watched.unregister(handle)
        os.close(handle)
        self._say(pid=pid, returncode=os.waitstatus_to_exitcode(status))

    def _say(self, **what: int) -> None:
        with contextlib.suppress(BrokenPipeError):
            self.line.sendall(json.dumps(what).encode() + b"\n")


def _begin(told: dict[str, Any]) -> None:
    """Become what an exec would have made, but for the memory."""
    with open(os.devnull) as nothing:  # noqa: PTH123 - its descriptor is wanted
        os.dup2(nothing.fileno(), 0)
    os.dup2(told["log"], 1)
    os.dup2(told["log"], 2)
    os.close(told["log"])
    os.chdir(told["cwd"])
    os.environ.clear()
    os.environ.update(told["env"])
    sys.argv = ["modelrollout", *told["arguments"]]


def main() -> int:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the owner's; it stops us in its own order
    module = importlib.import_module(f"{sys.argv[1]}.__main__")
    gc.collect()
    gc.freeze()  # a collection must not touch, and so copy, every page that children share
    told = _Mother(socket.socket(fileno=os.dup(0))).work()
    if told is None:
        return 0
    signal.signal(signal.SIGINT, signal.default_int_handler)
    _begin(told)
    run: Callable[[list[str]], int] = module.main
    return run(told["arguments"])


if __name__ == "__main__":
    sys.exit(main())
