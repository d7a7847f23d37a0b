"""One lab serves all workers of a parallel test run: the first to need it starts it, it ends with the run.

The lab is a process of its own (`python -m tests.lab --owner PID --site FILE`), because the worker that started it may
be the first to finish.
"""

from __future__ import annotations

import fcntl
import subprocess
import sys
import time
from typing import TYPE_CHECKING

from tests import ROOT
from tests.lab.progress import tail
from tests.lab.session.site import Site

if TYPE_CHECKING:
    from pathlib import Path

#: Seconds; generous, because the very first start may have to build the API server.
DEADLINE = 1800.0


def shared_site(folder: Path, owner: int) -> Site:
    """The Site of the lab that process `owner` and its workers share; `folder` is theirs in common."""
    pointer = folder / "lab-site.json"
    with (folder / "lab.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not pointer.exists():
            _start(folder, pointer, owner)
        return Site.read(pointer)


def _start(folder: Path, pointer: Path, owner: int) -> None:
    log = folder / "lab.log"
    with log.open("w") as out:
        child = subprocess.Popen(
            [sys.executable, "-m", "tests.lab", "--controllers", f"--owner={owner}", f"--site={pointer}"],
            cwd=ROOT,
            stdin=subprocess.DEVNULL,
            stdout=out,
            stderr=out,
            start_new_session=True,
        )
    end = time.monotonic() + DEADLINE
    while not pointer.exists():
        if child.poll() is not None or time.monotonic() > end:
            raise RuntimeError(f"the shared lab did not start; {log} ends with:\n{tail(log)}")
        time.sleep(0.1)
    child.returncode = 0  # it outlives this worker: no one waits for it, and Popen need not complain
